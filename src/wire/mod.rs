//! The `wire` folder.

pub mod records;
