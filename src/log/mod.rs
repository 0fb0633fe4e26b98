//! The `log` folder.
