//! What came of a command.

use std::ops::Range;
use std::sync::Arc;

use crate::base::ids::TopicId;
use crate::config::Overrides;
use crate::metadata::command_error::CommandError;

/// The answer to a [`Command`](crate::metadata::Command). Lists are in the order of the command's items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Of `CreateTopics`.
    TopicsCreated(Vec<Result<CreatedTopic, CommandError>>),
    /// Of `DeleteTopics`.
    TopicsDeleted(Vec<Result<DeletedTopic, CommandError>>),
    /// Of `CreatePartitions`.
    PartitionsCreated(Vec<Result<(), CommandError>>),
    /// Of `AlterConfigs`.
    ConfigsAltered(Vec<Result<(), CommandError>>),
    /// Of `AlterScramCredentials`: one for each user, in the order in which the command first names them.
    ScramCredentialsAltered(Vec<(String, Result<(), CommandError>)>),
    /// Of `AllocateProducerIds`: ids that nobody else gets.
    ProducerIds(Range<i64>),
    /// Of `MovePartition`.
    PartitionMoved,
    /// Of `WantDirectory`.
    DirectoryWanted,
    /// Of `EnsureInternalTopic`.
    InternalTopicReady(TopicId),
}

/// A topic that was created, or would have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id; [`TopicId::ZERO`] if it was only checked.
    pub id: TopicId,
    /// Its partitions.
    pub partitions: i32,
    /// Replicas of each.
    pub replication_factor: i16,
    /// Configs of its own. [`Layers::describe_topic`](crate::config::Layers::describe_topic) shows the whole.
    pub overrides: Overrides,
}

/// A topic that was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedTopic {
    /// Its id.
    pub id: TopicId,
    /// Its name.
    pub name: Arc<str>,
}
