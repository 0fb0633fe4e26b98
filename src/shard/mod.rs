//! The `shard` folder.
