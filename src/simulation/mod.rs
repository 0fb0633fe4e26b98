//! The whole server in the simulation: control thread, shards and clients over simulated sockets and a simulated disk.
//!
//! Responsible for: proving what clients may rely on. Servers live and die (power loss, signal, orderly stop, with other
//! numbers of shards each time), disks and networks fail, and all the while clients produce, consume, commit offsets,
//! create and delete topics. An [`oracle`] that knows only what the clients were told and what they sent checks all of it:
//! what was acknowledged is there once, at its offset; what was not is there whole or not at all; a retry of an idempotent
//! producer is never written twice; positions and committed offsets never go back; deleted topics stay deleted;
//! nothing is invented. When the faults end, everything must get on within a bounded time.
//!
//! Must not know: anything of the server's inside; it starts it as `cli/serve` does and speaks Kafka's protocol to it.
//! Exists in unit tests only, above all other folders.
//! Start reading in `runs.rs`, then `oracle.rs`.

mod admin;
mod client;
mod consumer;
mod group_member;
mod last_look;
mod offset_committer;
mod oracle;
mod producer;
mod runs;
mod server_life;
