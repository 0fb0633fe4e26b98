//! The `server` folder.
