//! The `config` folder.
