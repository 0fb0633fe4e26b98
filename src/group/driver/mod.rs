//! Runs the coordinators of one shard: loads them, feeds them events, writes their records, sends their answers.
//!
//! One [`GroupDriver`] per shard, for all partitions of `__consumer_offsets` that the shard leads; one
//! `CoordinatorDriver` for each of these. No borrow of an engine lives across an await: an event is handled, its records
//! are appended and its answers handed over in one go; whoever asked then waits for the log, on its own.
//! Start reading in `group_driver.rs` (what handlers call), then `coordinator_driver.rs`.

mod coordinator_driver;
mod coordinator_loader;
mod group_driver;

#[cfg(test)]
mod tests;

pub use group_driver::GroupDriver;
