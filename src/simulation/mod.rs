//! The whole server in the simulation: control thread, shards and clients over simulated sockets and a simulated disk.
//!
//! Responsible for: proving what clients may rely on. Servers live and die (power loss, signal, orderly stop, with other
//! numbers of shards each time), disks fail, are slow or full, networks fail, and all the while clients produce (idempotent or not, with every
//! `acks`), consume, commit offsets, are members of groups (static ones too), create, change, enlarge and delete topics,
//! and delete records; segments are small, and retention, compaction and checkpoints come many times in a second.
//! An [`oracle`] that knows only what the clients were told and what they sent checks all of it:
//! what was acknowledged is there once, at its offset; what was not is there whole or not at all; a retry of an idempotent
//! producer is never written twice; positions and committed offsets never go back; deleted topics stay deleted;
//! nothing is invented. What a topic promises beside that is in `promise.rs`: retention takes no record before its time and brings none
//! back, compaction keeps of each key the newest record, and of a relaxed topic a death, or a disk that fails or is full, takes its end alone. In the end a bit
//! of a closed segment is turned (`damage.rs`): who reads there gets an error, and nobody else notices.
//! When the faults end, everything must get on within a bounded time: clients finish, compaction leaves each key once
//! (`compaction_end.rs`), deleted topics leave no file, and a disk that others fill refuses records and nothing else until
//! there is room (`full_disk.rs`).
//!
//! Must not know: anything of the server's inside; it starts it as `cli/serve` does and speaks Kafka's protocol to it.
//! Exists in unit tests only, above all other folders.
//! Start reading in `runs.rs`, then `oracle.rs`.

mod admin;
mod client;
mod compaction_end;
mod consumer;
mod damage;
mod directory_failure;
mod full_disk;
mod group_member;
mod keyed_records;
mod last_look;
mod list_offset;
mod offset_committer;
mod oracle;
mod partition_facts;
mod producer;
mod promise;
mod runs;
mod server_life;
mod shard_failure;
mod topic_changes;
