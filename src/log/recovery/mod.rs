//! Takes up partitions again at start. Every byte found is hostile.
//!
//! For each partition its segments from the checkpoint's scan point or recovery point on (`scan_begin.rs`), then the entries of all write-ahead logs, whoever wrote
//! them. `FORMAT.md` has the rules. Called by `ShardLog::recover`; each shard recovers its own partitions and reads all
//! write-ahead logs, with bounded memory. Promise: what is returned online has every acknowledged record, durable in
//! segments or in the shard's own write-ahead log (`relog.rs`); what has not is returned offline, named, its files as they were found.
//!
//! Start reading in `partition_recovery.rs`, then `wal_replay.rs`.

mod largest_timestamp;
mod partition_recovery;
mod relog;
mod scan_begin;
mod segment_scan;
mod unfinished_swap;
mod wal_chain;
mod wal_replay;

pub(super) use largest_timestamp::largest_timestamp;
pub(super) use partition_recovery::{Recovering, recover_segments};
pub(super) use wal_replay::WalReplay;
