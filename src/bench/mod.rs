//! The `bench` folder.
