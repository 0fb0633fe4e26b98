//! The `group` folder.
