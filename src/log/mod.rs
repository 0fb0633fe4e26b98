//! The storage engine: partition logs, the write-ahead log, segments, recovery.
//!
//! **Responsible for** every record from its append to its deletion: validation, offsets, durability, reading, and finding
//! it all again after a crash. Files in Apache Kafka's formats, except the write-ahead log and one checkpoint; all of
//! them are described in `FORMAT.md`, with the order of writes and syncs.
//!
//! **Must not know** requests, responses, topics' names beyond their directory, leaders, groups, or other shards.
//!
//! **Threads.** A `ShardLog` and its `PartitionLog`s live on one shard and never leave it. A `DataDir` is shared by the
//! shards of a process. View: one shard's partitions in one directory. A server with several directories (`data_dirs.rs`) has one
//! `ShardLog` for each of them on each shard: a directory is whole in itself, and fails by itself.
//!
//! **Called by** `server` (produce, fetch), `group` (its own records), `shard` (open, recover, start, create, delete, stop).
//!
//! **Promises.**
//! - *Order*: the order of records in a partition is the order of `append` calls.
//! - *Durability*: when `wait_durable` is ready the records are on disk and synced, in the write-ahead log or in their
//!   segment, and come back after any crash, once, at their offsets. With `Durability::Relaxed` it is ready earlier: see `flush.messages`.
//! - *Damage*: what was acknowledged and can't be read is named with file and position. A damaged partition stays offline,
//!   as it is; it never stops another.
//! - *Deletion*: what was deleted, by a client or by retention, never comes back.
//! - *Failure*: after a failed write or sync the partition (or the shard, if it was the write-ahead log) acknowledges
//!   nothing any more and says so. There is no second try on the same file. Reads go on.
//!   When nothing in the directory can be made durable any more (`directory_health.rs`), all of it is offline.
//! - *Full disk*: records are refused until there is room; nothing stops, and nothing has to be started again.
//! - *Cancellation*: futures handed out here may be dropped at any time; what was appended stays appended.
//!
//! **The life of an append**: `partition/append.rs` checks it and puts it on the tail; `shard_context.rs` queues the partition;
//! `committer.rs` packs what is queued into a frame and writes it (or has `partition/segment_writer.rs` write a large run
//! to its segment directly); `PartitionLog::made_durable` wakes who waits; `flusher.rs` brings tails to segments and frees
//! write-ahead log files. What is old goes by `housekeeping.rs`, by the rules of `retention.rs`;
//! what was replaced by a newer record of its key, by `compaction/`. To another data directory a partition goes by `relocation/`.
//! How full the disk is: `room_watch.rs`, `disk_room.rs`.
//! A fetch begins in `partition/read_plan.rs`. What comes from Apache Kafka's directories is copied by `transfer/`.
//!
//! Start reading in `shard_log.rs` and `partition/partition_log.rs`.

mod aborted_transactions;
pub mod checkpoint_file;
mod chores;
mod committer;
mod compaction;
mod damage_book;
mod data_dir;
mod data_dirs;
mod directory_health;
mod disk_room;
mod epoch_cache;
mod errors;
pub mod file_names;
mod flusher;
mod housekeeping;
pub mod inspect;
mod meta_properties;
mod options;
mod partition;
pub mod partition_metadata;
mod position_hints;
mod producer;
mod read_cache;
mod recovery;
mod recovery_checkpoint;
mod relocation;
mod retention;
mod room_watch;
mod salvage;
mod scan_point;
mod segment;
mod shard_context;
mod shard_log;
#[cfg(test)]
mod sim_tests;
mod stop_budget;
pub mod transfer;
pub mod wal;

pub use aborted_transactions::AbortedTransaction;
pub use data_dir::{Checkpoint, CheckpointFiles, DataDir};
pub use data_dirs::{DataDirs, DataDirsError, Directory};
pub use epoch_cache::EpochCache;
pub use errors::{
    AppendError, Damage, EpochEnd, FileError, LogError, LogStopped, PartitionOffline, ReadError,
};
pub use file_names::SegmentFile;
pub use meta_properties::MetaProperties;
pub use options::{
    CleanupPolicy, CompactionLimits, Durability, PartitionSpec, ShardLogOptions, TopicLogConfig,
};
pub use partition::{
    AppendOrigin, Appended, CommitState, DeleteBefore, DeleteRecordsError, MinOneBatch, PartitionLog,
    Positions, ReadPlan, ReadUpto, RecordSlice, Records, TimestampHit,
};
pub use producer::{ProducerState, RememberedBatch};
pub use relocation::{FutureLog, MoveError, Pause};
pub use salvage::{PassedOver, Purpose, WalSpan};
pub use shard_log::{RecoveredPartitions, ShardLog};
