//! A partition goes to another data directory while it is in use.
//!
//! **Responsible for** copying its files (`future_log.rs`) and for the change from one log to the other (`change_over.rs`). Where a
//! partition is, is said by the metadata: whoever drives a move (`shard/relocation.rs`) has that changed when all is copied.
//!
//! **Must not know** the metadata, or who asked for it.
//!
//! **Threads.** The shard's that has the partition: both directories have a log there. View: one partition.
//!
//! **Promises.** At each moment one of both directories has all that was acknowledged, and it is the one the metadata names: a crash
//! at any point leaves exactly one log, and it is whole. Records are taken all the while but for the copying of what the last round has
//! left, for which clients try again. `FORMAT.md` has the order of writes.

mod change_over;
mod future_log;

pub use future_log::{FutureLog, MoveError, Pause};
