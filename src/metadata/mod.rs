//! The cluster's metadata: what topics there are, where they are, how they are configured, and users' credentials.
//!
//! Responsible for: checking a change ([`Command`]) against the present state, turning it into [`Record`]s, keeping
//! the records durably ([`MetadataLog`]), and the state they add up to ([`ClusterImage`]). Must not know: who asked,
//! Kafka's request structs and error codes (the server maps [`CommandErrorKind`] to them), threads, HTTP.
//! The engine and the image are pure and synchronous. Commands are planned and the log is written on the control
//! thread only; the image is immutable and read on every thread through an `Arc`. Its view is the cluster's.
//! Called by `control` (changes) and by everybody who looks something up.
//!
//! Promises: a command's records are durable before its outcome is told; they become durable all or none; replaying
//! the log gives the same image that was live. There is no way to change an image but to apply records, except for what is
//! offline in this run of the server ([`WentOffline`]), and where partitions to come are wanted ([`WantedDirectory`]): no record says that;
//! and for deletions that a crash may have cut short: a replay, and a snapshot, take them for owed by the data directories.
//!
//! Placement is derived and not stored by shard: a partition has a number (its *slot*), and on a server with n shards it
//! lives on shard `slot % n`. So a server may be started with another number of shards.
//!
//! Which data directory a partition is in is stored, unless it is the one with the metadata: what a directory that is not there
//! had must not begin anew elsewhere.
//!
//! Start reading in [`command`], then [`engine`], then [`cluster_image`].

pub mod cluster_image;
pub mod command;
pub mod command_error;
mod deletion_table;
mod directory_table;
pub mod engine;
pub mod internal_topic;
pub mod log_frame;
pub mod metadata_log;
pub mod metadata_log_error;
mod offline_table;
pub mod outcome;
pub mod partition_image;
pub mod record;
pub mod record_codec;
pub mod scram_table;
pub mod topic_image;
pub mod topic_name;
pub mod topic_table;
mod wanted_directories;

pub use cluster_image::{ClusterImage, ServerImage};
pub use command::{
    Command, ConfigAlteration, ConfigChange, ConfigChanges, ConfigOperation, ConfigResource, Mode,
    NewPartitions, NewTopic, ReplicaAssignment, ScramDeletion, ScramUpsertion, TopicSelector,
};
pub use command_error::{CommandError, CommandErrorKind};
pub use engine::{
    ImportedTopic, Plan, WrongServer, check_replicas, plan, plan_directories, plan_import, plan_start,
};
pub use internal_topic::{GROUP_METADATA_TOPIC, InternalTopic, is_internal};
pub use log_frame::Versions;
pub use metadata_log::{LoadedMetadata, METADATA_DIR, MetadataLog, TopicRemains};
pub use metadata_log_error::MetadataLogError;
pub use offline_table::WentOffline;
pub use outcome::{CreatedTopic, DeletedTopic, Outcome};
pub use partition_image::PartitionImage;
pub use record::Record;
pub use scram_table::{ScramTable, UserCredentials};
pub use topic_image::TopicImage;
pub use wanted_directories::WantedDirectory;
