//! What the metadata log consists of.

use crate::base::ids::{DirectoryId, NodeId, TopicId};
use crate::config::Overrides;
use crate::metadata::topic_image::{PartitionRun, Slots};
use crate::security::{ScramCredential, ScramMechanism};

/// One fact. All values are absolute, so that a record means the same whenever it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// What a cluster is besides its topics. The first record of a cluster and of a snapshot.
    ClusterState {
        /// The id of the cluster.
        cluster_id: String,
        /// The server whose data this is.
        server_id: i32,
        /// How often it was started.
        server_epoch: u32,
        /// Its shards at the last start.
        shards: u16,
        /// The first slot for the next topic.
        next_slot: u32,
        /// The first producer id nobody has.
        next_producer_id: i64,
    },
    /// The server was started.
    ServerStarted {
        /// How often by now.
        server_epoch: u32,
        /// With how many shards.
        shards: u16,
    },
    /// A topic was created.
    TopicCreated {
        /// Its id.
        id: TopicId,
        /// Its name.
        name: String,
        /// Where its partitions are.
        slots: Slots,
        /// Its partitions.
        runs: Vec<PartitionRun>,
        /// Configs of its own.
        overrides: Overrides,
        /// The first slot for the next topic.
        next_slot: u32,
    },
    /// A topic was deleted.
    TopicDeleted {
        /// Its id.
        id: TopicId,
    },
    /// A topic got more partitions.
    PartitionsCreated {
        /// The topic.
        id: TopicId,
        /// The new ones.
        run: PartitionRun,
        /// Where all its partitions are, old and new.
        slots: Slots,
    },
    /// A config of a topic was set, or unset.
    TopicConfigSet {
        /// The topic.
        id: TopicId,
        /// The config.
        name: String,
        /// Its value.
        value: Option<String>,
    },
    /// A setting of one node, or of all nodes, was set or unset.
    BrokerConfigSet {
        /// The node, `None` for all.
        node: Option<NodeId>,
        /// The setting.
        name: String,
        /// Its value.
        value: Option<String>,
    },
    /// A SCRAM credential of a user was set.
    ScramCredentialSet {
        /// The user.
        user: String,
        /// The mechanism it is for.
        mechanism: ScramMechanism,
        /// It.
        credential: ScramCredential,
    },
    /// A SCRAM credential of a user was deleted.
    ScramCredentialRemoved {
        /// The user.
        user: String,
        /// The mechanism it was for.
        mechanism: ScramMechanism,
    },
    /// The server was started with these data directories, or one of them has failed since: new partitions go there. The
    /// first is the one with the metadata; alone it needs no record.
    DirectoriesOnline {
        /// Them.
        directories: Vec<DirectoryId>,
    },
    /// Partitions of a topic are in these data directories from now on. Those no such record names are in the one with
    /// the metadata.
    PartitionDirectories {
        /// The topic.
        id: TopicId,
        /// By partition.
        directories: Vec<(i32, DirectoryId)>,
    },
    /// A topic is being deleted, and a data directory that had partitions of it is not there: it has them still.
    DeletionOwed {
        /// The directory.
        directory: DirectoryId,
        /// The topic.
        id: TopicId,
        /// Its name.
        name: String,
        /// How many partitions it had in all.
        partitions: i32,
    },
    /// A data directory is back, and has nothing any more of the topics that were deleted while it was not there.
    DeletionsSettled {
        /// The directory.
        directory: DirectoryId,
    },
    /// Producer ids were handed out.
    ProducerIdsAllocated {
        /// The first one nobody has.
        next_producer_id: i64,
    },
}
