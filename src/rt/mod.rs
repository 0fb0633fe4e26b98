//! The `rt` folder.
