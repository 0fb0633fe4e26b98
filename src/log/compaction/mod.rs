//! Log compaction: of each key the newest record stays, whatever else of a closed segment goes.
//!
//! **Responsible for** topics with `cleanup.policy` `compact`: which partition is compacted when, what of it goes, and how new
//! segments take the place of old ones. Semantics are Kafka's: offsets and order stay; a tombstone stays for
//! `delete.retention.ms` after the first compaction that met it (the delete horizon in its batch's header, KIP-534); the last
//! batch of an active producer stays, empty if need be; the active segment is left alone.
//!
//! **Must not know** requests, topics' meaning, or the write-ahead log.
//!
//! **Threads.** One task per shard (`cleaner.rs`), one partition at a time. Work on a batch is cut in
//! steps, too, between which others run; memory is bounded by `log.cleaner.dedupe.buffer.size`, disk traffic by `log.cleaner.io.max.bytes.per.second`.
//!
//! **Promises.** A crash at any moment leaves, for each group of segments, the old ones or the new one (`swap.rs`,
//! `recovery/unfinished_swap.rs`; the order of writes is in `FORMAT.md`). Readers under way get old bytes or new ones, never a mixture.
//!
//! **Transactions.** Records in a transaction never replace others here, and their tombstones and markers stay: whether a
//! transaction was aborted is not looked up. They do go when a newer record outside of any transaction has their key.
//!
//! One pass: `compact.rs` fills a `KeyMap` from the dirty part (newest offset per key), then `clean_group.rs` copies segment
//! after segment through `filter.rs` into a new one, and `swap.rs` puts it in place. Pure: `key_map.rs`, `filter.rs`,
//! `select.rs`, `group.rs`. Start reading in `compact.rs`.

mod clean_group;
mod cleaned_segment;
mod cleaner;
mod compact;
mod filter;
mod group;
mod key_map;
mod segment_reader;
mod select;
mod swap;
mod throttle;

pub(super) use cleaner::{Cleaner, CompactionState};
pub(super) use swap::SwapTurn;
pub(super) use throttle::Throttle;
