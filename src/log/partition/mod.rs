//! One partition's log: what is appended, how far it is durable, and what can be read.
//!
//! Shard threads; view: one partition, by the shard that owns it. `PartitionLog` is what others hold; its state is borrowed
//! only between awaits. The shard's committer and flusher act on it through `commit_run` and `segment_writer`.
//! Promise: order is the order of appends, and positions keep the order `Positions` asserts.
//! Start reading in `partition_log.rs`, then `append.rs` and `read_plan.rs`.

mod append;
mod commit_run;
mod commit_state;
mod delete_records;
mod durable_waiters;
mod log_start;
mod old_segments;
mod partition_log;
mod positions;
mod read_disk;
mod read_plan;
mod recompress;
mod scan_points;
mod segment;
mod segment_writer;
mod tail;
mod timestamp_lookup;
mod validate;

pub use append::{AppendOrigin, Appended};
pub(super) use commit_run::CommitChoice;
pub use commit_run::CommitRun;
pub use commit_state::CommitState;
pub use delete_records::{DeleteBefore, DeleteRecordsError};
pub use partition_log::PartitionLog;
pub(super) use partition_log::{PartitionParts, PartitionState, WriterState};
pub use positions::Positions;
pub use read_plan::{MinOneBatch, ReadPlan, ReadUpto, RecordSlice, Records};
pub(super) use segment::{Segment, SegmentIndex};
pub(super) use segment_writer::{SyncMode, write_whole};
pub(super) use tail::{Tail, TailMark};
pub use timestamp_lookup::TimestampHit;
