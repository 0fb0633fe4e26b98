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
//! **Transactions.** Records of a transaction that was aborted go, whatever their keys; others count as if they were in none. A
//! marker stays until a pass has met no batch of its transaction, and from then on for `delete.retention.ms`. Its entry in the index of
//! aborted transactions stays as long as it does: Kafka drops that one pass earlier, which readers don't notice. Nothing
//! from the last stable offset on is looked at, so there is no open transaction in what is.
//!
//! One pass: `compact.rs` fills a `KeyMap` from the dirty part (newest offset per key), then `clean_group.rs` copies segment
//! after segment through `filter.rs` into a new one, and `swap.rs` puts it in place. Pure: `key_map.rs`, `filter.rs`,
//! `transactions.rs`, `select.rs`, `group.rs`. Start reading in `compact.rs`.

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
mod transactions;

pub(super) use cleaner::{Cleaner, CompactionState};
pub(super) use swap::SwapTurn;
pub(super) use throttle::Throttle;
