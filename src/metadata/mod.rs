//! The `metadata` folder.
