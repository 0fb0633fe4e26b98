//! What can be asked of the controller.

use crate::base::ids::{DirectoryId, NodeId, TopicId, TopicPartition};
use crate::metadata::internal_topic::InternalTopic;
use crate::metadata::wanted_directories::WantedDirectory;
use crate::security::{ScramCredential, ScramMechanism};

/// A change of the cluster. Items of a batch succeed or fail each for itself, as Kafka's do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Creates topics. Answered by [`Outcome::TopicsCreated`](crate::metadata::Outcome::TopicsCreated).
    CreateTopics {
        /// The topics.
        topics: Vec<NewTopic>,
        /// Whether to do it.
        mode: Mode,
    },
    /// Deletes topics with all their records. Answered by `TopicsDeleted`.
    DeleteTopics {
        /// Which.
        topics: Vec<TopicSelector>,
    },
    /// Adds partitions to topics. Answered by `PartitionsCreated`.
    CreatePartitions {
        /// The topics.
        topics: Vec<NewPartitions>,
        /// Whether to do it.
        mode: Mode,
    },
    /// Changes configs of topics and brokers. Answered by `ConfigsAltered`.
    AlterConfigs {
        /// What to change.
        resources: Vec<ConfigAlteration>,
        /// Whether to do it.
        mode: Mode,
    },
    /// Sets and deletes SCRAM credentials. Answered by `ScramCredentialsAltered`.
    AlterScramCredentials {
        /// What to delete.
        deletions: Vec<ScramDeletion>,
        /// What to set.
        upsertions: Vec<ScramUpsertion>,
    },
    /// Reserves producer ids for the one who asks (KIP-730). Answered by `ProducerIds`.
    AllocateProducerIds,
    /// A partition is in another data directory: all of it was copied there. Answered by `PartitionMoved`.
    MovePartition {
        /// The partition.
        partition: TopicPartition,
        /// The directory.
        directory: DirectoryId,
    },
    /// A partition that does not exist yet is wanted in a data directory. Forgotten when the server stops. Answered by `DirectoryWanted`.
    WantDirectory {
        /// Where.
        wanted: WantedDirectory,
    },
    /// Sees to it that an internal topic exists. Answered by `InternalTopicReady`.
    EnsureInternalTopic {
        /// Which.
        topic: InternalTopic,
    },
}

/// Whether a command is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Check it and do it.
    Apply,
    /// Only check it: the outcome is what it would have been.
    ValidateOnly,
}

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Number of partitions; -1 for the broker's `num.partitions`, or with `assignments`.
    pub partitions: i32,
    /// Replicas of each partition; -1 for the broker's `default.replication.factor`, or with `assignments`.
    pub replication_factor: i16,
    /// Where the partitions shall be; empty to leave it to the controller.
    pub assignments: Vec<ReplicaAssignment>,
    /// Configs of its own. A config without a value is refused, as Kafka does.
    pub configs: Vec<(String, Option<String>)>,
}

/// Where one partition shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaAssignment {
    /// The partition.
    pub partition: i32,
    /// Its replicas, the leader first.
    pub replicas: Vec<NodeId>,
}

/// A topic by name or id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicSelector {
    /// By its name.
    Name(String),
    /// By its id.
    Id(TopicId),
}

/// Partitions to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPartitions {
    /// The topic.
    pub topic: String,
    /// How many partitions it shall have then.
    pub total: i32,
    /// Replicas of each new partition, or `None` to leave it to the controller.
    pub assignments: Option<Vec<Vec<NodeId>>>,
}

/// Configs of one resource to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigAlteration {
    /// Whose.
    pub resource: ConfigResource,
    /// How.
    pub changes: ConfigChanges,
}

/// What has configs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ConfigResource {
    /// A topic.
    Topic(String),
    /// One node.
    Broker(NodeId),
    /// All nodes: the resource whose name is empty in Kafka's requests.
    DefaultBroker,
}

/// The two ways Kafka has to change configs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigChanges {
    /// IncrementalAlterConfigs: these, and nothing else.
    Incremental(Vec<ConfigChange>),
    /// AlterConfigs: these, and whatever else was set is unset.
    Replace(Vec<(String, Option<String>)>),
}

/// One step of an incremental change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigChange {
    /// The config.
    pub name: String,
    /// What to do with it.
    pub operation: ConfigOperation,
    /// With what. Only [`ConfigOperation::Delete`] needs none.
    pub value: Option<String>,
}

/// KIP-339.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigOperation {
    /// Sets the value.
    Set,
    /// Goes back to what holds without it.
    Delete,
    /// Adds items to a list.
    Append,
    /// Takes items out of a list.
    Subtract,
}

/// A SCRAM credential to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramDeletion {
    /// Whose.
    pub user: String,
    /// For which mechanism; `None` if it is none that is known.
    pub mechanism: Option<ScramMechanism>,
}

/// A SCRAM credential to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramUpsertion {
    /// Whose.
    pub user: String,
    /// What; `None` if its mechanism is none that is known.
    pub credential: Option<(ScramMechanism, ScramCredential)>,
}
