//! Idempotent producers of one partition (KIP-98): who may append what, and the file that remembers it.
//!
//! `ProducerTable` is a pure state machine, built by the same `record` from appends, from recovery and from a snapshot.
//! Knows nothing of files or time: the caller gives both.

mod producer_table;
mod snapshot;

pub use producer_table::{ProducerState, ProducerTable, REMEMBERED_BATCHES, RememberedBatch, Verdict};
pub use snapshot::{decode_snapshot, encode_snapshot};
