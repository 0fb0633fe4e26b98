//! The `cli` folder.
