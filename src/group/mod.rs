//! Consumer groups of the classic protocol, and committed offsets.
//!
//! Responsible for: who is in which group, its rounds of rebalancing, what it committed, when that expires, and the
//! records of all this in `__consumer_offsets`, in Kafka's format and with Apache Kafka 4.3's behaviour.
//!
//! Must not know: requests and responses of the wire (the handlers translate), sockets, other shards. It says what it
//! refuses by [`GroupError`]; the server has the one table that makes Kafka's codes of these.
//!
//! Threads and view: a group belongs to the shard that leads its partition of `__consumer_offsets`
//! ([`coordinator_partition`]). There is one [`CoordinatorEngine`] per such partition, on that shard's thread alone.
//!
//! Promises: an answer that tells of written state is sent when that state is durable. State changes when the log took
//! the record, never before, and by the same function that replays it after a restart.
//!
//! Start reading in `event.rs` (what goes in and comes out), then `coordinator_engine.rs`; `classic/` has the life of one
//! group, `stored/` what is written.

mod classic;
mod coordinator_engine;
mod deadlines;
mod deletion;
mod driver;
mod error;
mod event;
mod expiry;
mod group_partition;
mod offset_commit;
mod offset_fetch;
pub mod request;
mod settings;
mod step;
pub mod stored;

#[cfg(test)]
mod tests;

pub use coordinator_engine::CoordinatorEngine;
pub use driver::GroupDriver;
pub use error::GroupError;
pub use event::{After, Answer, Command, Event, Now, RequestId};
pub use group_partition::coordinator_partition;
pub use settings::{GroupSettings, NEW_MEMBER_JOIN_TIMEOUT_MS};
