//! The `control` folder.
