//! The `wire` folder.
