//! Produce (key 0), versions 3 to 13. ApiVersions says 0 to 13, because librdkafka wants to see 0 (KAFKA-18659).
//!
//! - Two phases. First, in request order and without suspending: every batch is checked, gets its offsets and is queued for
//!   commit. Then the answer waits until all of the request's batches are durable; meanwhile the connection's next requests
//!   are appended.
//! - acks 1 and acks -1 (all) are answered at the same moment: when the batch is durable here. acks 0 has no answer;
//!   an error closes the connection, as in Kafka.
//! - A partition of another shard is answered NOT_LEADER_OR_FOLLOWER with its leader, and from version 10 on with the leader's
//!   endpoint (KIP-951). Nothing is forwarded.
//! - A batch that a producer sends again is answered with its first offset and timestamp (idempotent producers, KIP-98).
//! - One batch per partition and request, as Kafka has it since version 3.
//! - Clients may not write to internal topics.
//! - Where a topic's `compression.type` is not `producer`, batches are brought to it before they are appended.
//!
//! Version notes: 5 log start offset; 8 record errors (KIP-467); 10 current leader (KIP-951); 12 transactions v2 (KIP-890);
//! 13 topic ids (KIP-516).
//!
//! Not done: `timeout_ms` is not looked at, because there is no replica to wait for; transactional batches are refused.

mod append;
mod pending;

pub use append::{Begun, PreparedProduce, prepare};
pub use pending::PendingProduce;
