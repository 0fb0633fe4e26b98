//! A small Kafka client over blocking sockets, for the command line.
//!
//! One connection per node, opened when first needed; versions negotiated on each (ApiVersions); requests go to the leader,
//! the coordinator or any node, and are tried again with growing pauses until a deadline where the error says that this may
//! help. It knows the protocol (`wire`) and nothing of our broker, so it works with any Kafka broker.
//!
//! Blocking and single-threaded, except that `Fetcher` has a thread per node, so that a node with nothing to say does not
//! hold up the others. Not for the hot path of anything: the load generator has its own client.
//!
//! Start reading in `cluster_client.rs`, then `producer.rs` and `fetcher.rs`.

mod assignor;
mod client_error;
mod cluster;
mod cluster_client;
mod connection;
mod deadline;
mod fetcher;
mod group_member;
mod group_offsets;
mod list_offsets;
mod partition;
mod producer;

pub use assignor::{Assignment, Assignor};
pub use client_error::{ClientError, error_code};
pub use cluster::{Cluster, Topic};
pub use cluster_client::{AutoCreate, ClientOptions, ClusterClient};
pub use deadline::Deadline;
pub use fetcher::{FetchEvent, FetchOptions, Fetched, Fetcher, Isolation};
pub use group_member::{GroupMember, Heartbeat, MemberOptions, decode_assignment};
pub use group_offsets::{CommitIdentity, Committed, commit_offsets, fetch_all_committed, fetch_committed};
pub use list_offsets::{EARLIEST, LATEST, ListedOffset, list_offsets};
pub use partition::Partition;
pub use producer::{Acks, OutRecord, Producer, ProducerOptions};
