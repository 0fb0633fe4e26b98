//! The immutable snapshot of the cluster that everybody reads.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::base::ids::{DirectoryId, LeaderEpoch, NodeId, ShardId, TopicId};
use crate::base::limits::MAX_PARTITIONS;
use crate::config::{Layers, Overrides, Settings, StaticSettings, TopicConfig};
use crate::metadata::deletion_table::DeletionTable;
use crate::metadata::directory_table::DirectoryTable;
use crate::metadata::metadata_log::TopicRemains;
use crate::metadata::offline_table::{OfflineTable, WentOffline};
use crate::metadata::partition_image::PartitionImage;
use crate::metadata::record::Record;
use crate::metadata::scram_table::ScramTable;
use crate::metadata::topic_image::{PartitionRun, Slots, TopicImage};
use crate::metadata::topic_table::TopicTable;
use crate::metadata::wanted_directories::{WantedDirectories, WantedDirectory};

/// A server as the image shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerImage {
    /// Its number in the cluster.
    pub server_id: i32,
    /// Its shards in this run; each is a node.
    pub shards: u16,
    /// How often it was started.
    pub epoch: u32,
}

/// The cluster at one version. Copying one is cheap: copies share everything until one is changed.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterImage {
    version: u64,
    cluster_id: Arc<str>,
    server: ServerImage,
    topics: TopicTable,
    partitions: usize,
    directories: DirectoryTable,
    deletions_owed: DeletionTable,
    offline: OfflineTable,
    wanted: WantedDirectories,
    broker_overrides: Arc<BTreeMap<Option<NodeId>, Overrides>>,
    scram: Arc<ScramTable>,
    fixed: Arc<StaticSettings>,
    next_slot: u32,
    next_producer_id: i64,
}

/// A record that does not fit the image it is applied to: the log is not what this server wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfitRecord {
    /// What does not fit.
    pub message: String,
}

impl fmt::Display for UnfitRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UnfitRecord {}

static NO_OVERRIDES: Overrides = Overrides::new();

impl ClusterImage {
    /// A cluster nothing is known of yet. The settings are those of this process and never in the log.
    pub fn empty(fixed: Arc<StaticSettings>) -> ClusterImage {
        ClusterImage {
            version: 0,
            cluster_id: "".into(),
            server: ServerImage {
                server_id: 0,
                shards: 1,
                epoch: 0,
            },
            topics: TopicTable::default(),
            partitions: 0,
            directories: DirectoryTable::default(),
            deletions_owed: DeletionTable::default(),
            offline: OfflineTable::default(),
            wanted: WantedDirectories::default(),
            broker_overrides: Arc::default(),
            scram: Arc::default(),
            fixed,
            next_slot: 0,
            next_producer_id: 0,
        }
    }

    /// Rises by one with each change. 0: nothing was ever applied.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The id of the cluster: a random UUID in Kafka's base64.
    pub fn cluster_id(&self) -> &Arc<str> {
        &self.cluster_id
    }

    /// This server.
    pub fn server(&self) -> ServerImage {
        self.server
    }

    /// All nodes that serve, ascending.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        let server = self.server;
        (0..server.shards).map(move |shard| NodeId::of(server.server_id, ShardId(shard)))
    }

    /// Whether there is such a node.
    pub fn has_node(&self, node: NodeId) -> bool {
        self.nodes().any(|one| one == node)
    }

    /// A topic by its id.
    pub fn topic(&self, id: &TopicId) -> Option<&Arc<TopicImage>> {
        self.topics.by_id(id)
    }

    /// A topic by its name.
    pub fn topic_by_name(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.topics.by_name(name)
    }

    /// All topics, in no order that means something.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.topics.iter()
    }

    /// All topics, by name.
    pub fn topics_by_name(&self) -> Vec<Arc<TopicImage>> {
        let mut topics: Vec<_> = self.topics().cloned().collect();
        topics.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        topics
    }

    /// Number of topics.
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// Number of partitions of all topics.
    pub fn partition_count(&self) -> usize {
        self.partitions
    }

    /// The data directories of the server that take partitions, the one with the metadata first.
    pub fn directories_online(&self) -> &[DirectoryId] {
        self.directories.online()
    }

    /// The data directories that new partitions go to: those that take partitions and work. If none does it is all of them.
    pub fn directories_for_new(&self) -> Vec<DirectoryId> {
        let works = |directory: &&DirectoryId| !self.offline.avoids(**directory);
        let working: Vec<_> = self.directories_online().iter().filter(works).copied().collect();
        match working.is_empty() {
            true => self.directories_online().to_vec(),
            false => working,
        }
    }

    /// The data directories that have failed in this run of the server.
    pub fn directories_failed(&self) -> &BTreeSet<DirectoryId> {
        self.offline.directories()
    }

    /// Whether nobody can write or read a partition in this run of the server.
    pub fn is_offline(&self, topic: &TopicImage, partition: i32) -> bool {
        self.offline.has(topic.id, partition, topic.directory(partition))
    }

    /// The image with something offline; `None` if all of that is known. The version stays: it counts what the log says.
    pub fn with_offline(&self, what: &WentOffline) -> Option<ClusterImage> {
        let mut next = self.clone();
        match what {
            // Of topics that were deleted meanwhile nothing is kept.
            WentOffline::Partitions(all) => {
                let there = all.iter().filter(|one| self.topic(&one.topic).is_some());
                let there = WentOffline::Partitions(there.cloned().collect());
                next.offline.add(&there)
            }
            what => next.offline.add(what),
        }
        .then_some(next)
    }

    /// What there is of a topic, should it be deleted.
    pub fn remains(&self, id: &TopicId) -> Option<TopicRemains> {
        self.topic(id).map(|topic| TopicRemains {
            id: *id,
            name: topic.name().clone(),
            partitions: topic.partition_count(),
        })
    }

    /// This image, in which the data directories that are online owe these deletions too: for a snapshot.
    pub fn owing<'a>(&self, deleted: impl Iterator<Item = &'a TopicRemains>) -> ClusterImage {
        let mut image = self.clone();
        deleted.for_each(|topic| image.owe(topic));
        image
    }

    /// The data directories that are online owe a deletion.
    pub(in crate::metadata) fn owe(&mut self, topic: &TopicRemains) {
        for directory in self.directories.online() {
            self.deletions_owed.owe(*directory, topic.clone());
        }
    }

    /// The topics that were deleted and of which a data directory may have something: it was not there, or a crash came.
    pub fn deletions_owed(&self, directory: DirectoryId) -> impl Iterator<Item = &TopicRemains> {
        self.deletions_owed.owed(directory)
    }

    /// The directory that somebody wants a partition to be made in, if it works.
    pub(in crate::metadata) fn wanted_directory(
        &self,
        topic: &TopicImage,
        partition: i32,
    ) -> Option<DirectoryId> {
        let (node, _) = self.leader(topic, partition)?;
        let wanted = self.wanted.of(&topic.name, partition, node)?;
        (self.directories_online().contains(&wanted) && !self.offline.avoids(wanted)).then_some(wanted)
    }

    /// The image in which somebody wants a partition in a directory.
    pub(in crate::metadata) fn wanting(&self, wanted: WantedDirectory) -> ClusterImage {
        let mut next = self.clone();
        next.wanted.want(wanted);
        next
    }

    /// How many partitions are in a data directory.
    pub fn partitions_in(&self, directory: DirectoryId) -> usize {
        match directory {
            DirectoryId::HOME => self.partitions - self.directories.partitions_elsewhere(),
            other => self.directories.partitions_in(other),
        }
    }

    /// The node that leads a partition, and since which epoch; `None` if the topic has no such partition.
    pub fn leader(&self, topic: &TopicImage, partition: i32) -> Option<(NodeId, LeaderEpoch)> {
        let created = topic.created_epoch(partition)?;
        let slot = topic.slot(u32::try_from(partition).ok()?);
        let shard = u16::try_from(slot % u32::from(self.server.shards)).expect("less than the shards");
        let starts = self.server.epoch.saturating_sub(created);
        let epoch = LeaderEpoch(i32::try_from(starts).unwrap_or(i32::MAX));
        Some((NodeId::of(self.server.server_id, ShardId(shard)), epoch))
    }

    /// A partition of a topic.
    pub fn partition(&self, topic: &TopicImage, partition: i32) -> Option<PartitionImage> {
        let (leader, leader_epoch) = self.leader(topic, partition)?;
        Some(PartitionImage {
            partition,
            leader,
            leader_epoch,
            replicas: vec![leader],
            isr: vec![leader],
            is_offline: self.is_offline(topic, partition),
        })
    }

    /// All partitions of a topic, ascending.
    pub fn partitions<'a>(&'a self, topic: &'a TopicImage) -> impl Iterator<Item = PartitionImage> + use<'a> {
        (0..topic.partition_count()).filter_map(|partition| self.partition(topic, partition))
    }

    /// All partitions that a node leads, each with its topic.
    pub fn led_by(&self, node: NodeId) -> impl Iterator<Item = (&Arc<TopicImage>, PartitionImage)> {
        self.topics()
            .flat_map(|topic| self.partitions(topic).map(move |partition| (topic, partition)))
            .filter(move |(_, partition)| partition.leader == node)
    }

    /// The layers of the broker settings of a node, to resolve or to describe settings.
    pub fn layers(&self, node: NodeId) -> Layers<'_> {
        Layers {
            node: self.broker_overrides(Some(node)),
            default: self.broker_overrides(None),
            fixed: &self.fixed,
        }
    }

    /// The settings of a node.
    pub fn settings(&self, node: NodeId) -> Settings {
        self.layers(node).settings()
    }

    /// The configs of a topic, as they hold on a node.
    pub fn topic_config(&self, topic: &TopicImage, node: NodeId) -> TopicConfig {
        self.layers(node).topic_config(&topic.overrides)
    }

    /// What admin requests have set for a node, or with `None` for all nodes.
    pub fn broker_overrides(&self, node: Option<NodeId>) -> &Overrides {
        self.broker_overrides.get(&node).unwrap_or(&NO_OVERRIDES)
    }

    /// The users' SCRAM credentials.
    pub fn scram(&self) -> &ScramTable {
        &self.scram
    }

    /// The settings that hold where admin requests have set none for a single node.
    pub(in crate::metadata) fn cluster_layers(&self) -> Layers<'_> {
        Layers {
            node: &NO_OVERRIDES,
            default: self.broker_overrides(None),
            fixed: &self.fixed,
        }
    }

    pub(in crate::metadata) fn topic_with_like_name(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.topics.by_like_name(name)
    }

    pub(in crate::metadata) fn next_slot(&self) -> u32 {
        self.next_slot
    }

    pub(in crate::metadata) fn next_producer_id(&self) -> i64 {
        self.next_producer_id
    }

    /// The image after a batch of records.
    pub fn after(&self, records: &[Record]) -> Result<ClusterImage, UnfitRecord> {
        let mut next = self.clone();
        for record in records {
            next.apply(record)?;
        }
        next.version += 1;
        Ok(next)
    }

    pub(in crate::metadata) fn set_version(&mut self, version: u64) {
        self.version = version;
    }

    #[cfg(test)]
    pub(in crate::metadata) fn fixed_for_tests(&self) -> Arc<StaticSettings> {
        self.fixed.clone()
    }

    /// Applies one record; the version is left to who applies the batch.
    pub(in crate::metadata) fn apply(&mut self, record: &Record) -> Result<(), UnfitRecord> {
        match record {
            Record::ClusterState {
                cluster_id,
                server_id,
                server_epoch,
                shards,
                next_slot,
                next_producer_id,
            } => {
                self.cluster_id = cluster_id.as_str().into();
                self.server = ServerImage {
                    server_id: *server_id,
                    shards: *shards,
                    epoch: *server_epoch,
                };
                self.next_slot = *next_slot;
                self.next_producer_id = *next_producer_id;
            }
            Record::ServerStarted { server_epoch, shards } => {
                self.server.epoch = *server_epoch;
                self.server.shards = *shards;
            }
            Record::TopicCreated {
                id,
                name,
                slots,
                runs,
                overrides,
                next_slot,
            } => {
                if let Some(like) = self.topics.by_like_name(name) {
                    return unfit(format!("topic '{name}' is created, but '{}' exists", like.name));
                }
                if self.topics.by_id(id).is_some() {
                    return unfit(format!("topic '{name}' is created with the id of another"));
                }
                let (name, slots) = (name.as_str().into(), slots.clone());
                let topic = TopicImage {
                    id: *id,
                    name,
                    slots,
                    runs: runs.clone(),
                    overrides: overrides.clone(),
                    directories: Arc::default(),
                };
                self.partitions += topic.partition_count() as usize;
                self.topics.insert(Arc::new(topic));
                self.next_slot = *next_slot;
            }
            Record::TopicDeleted { id } => match self.topics.remove(id) {
                Some(topic) => {
                    self.offline.forget(*id);
                    self.wanted.forget(&topic.name);
                    self.partitions -= topic.partition_count() as usize;
                    for directory in topic.directories.values() {
                        self.directories.moved(*directory, DirectoryId::HOME);
                    }
                }
                None => return unfit(format!("topic {id} is deleted, but does not exist")),
            },
            Record::PartitionsCreated { id, run, slots } => {
                self.change_topic(id, |topic| {
                    topic.runs.push(*run);
                    topic.slots = slots.clone();
                    check_partitions(&topic.runs, slots)
                })?;
                self.partitions += run.count as usize;
            }
            Record::TopicConfigSet { id, name, value } => {
                self.change_topic(id, |topic| {
                    set(&mut topic.overrides, name, value);
                    Ok(())
                })?;
            }
            Record::BrokerConfigSet { node, name, value } => {
                let all = Arc::make_mut(&mut self.broker_overrides);
                let overrides = all.entry(*node).or_default();
                set(overrides, name, value);
                if overrides.is_empty() {
                    all.remove(node);
                }
            }
            Record::DirectoriesOnline { directories } => {
                if directories.first() != Some(&DirectoryId::HOME) {
                    return unfit("a server without the directory that has its metadata".to_string());
                }
                self.directories.set_online(directories);
            }
            Record::PartitionDirectories { id, directories } => self.place(id, directories)?,
            Record::DeletionOwed {
                directory,
                id,
                name,
                partitions,
            } => self.deletions_owed.owe(
                *directory,
                TopicRemains {
                    id: *id,
                    name: name.as_str().into(),
                    partitions: *partitions,
                },
            ),
            Record::DeletionsSettled { directory } => self.deletions_owed.settle(*directory),
            Record::ProducerIdsAllocated { next_producer_id } => self.next_producer_id = *next_producer_id,
            Record::ScramCredentialSet {
                user,
                mechanism,
                credential,
            } => Arc::make_mut(&mut self.scram).set(user, *mechanism, credential.clone()),
            Record::ScramCredentialRemoved { user, mechanism } => {
                if !Arc::make_mut(&mut self.scram).remove(user, *mechanism) {
                    return unfit(format!(
                        "a {} credential of user '{user}' is deleted, but does not exist",
                        mechanism.name()
                    ));
                }
            }
        }
        Ok(())
    }

    fn place(&mut self, id: &TopicId, directories: &[(i32, DirectoryId)]) -> Result<(), UnfitRecord> {
        let mut moves = Vec::with_capacity(directories.len());
        self.change_topic(id, |topic| {
            let partitions = 0..topic.partition_count();
            let all = Arc::make_mut(&mut topic.directories);
            for (partition, directory) in directories {
                if !partitions.contains(partition) {
                    return unfit(format!(
                        "partition {partition} of topic {id} is placed, but does not exist"
                    ));
                }
                let before = match *directory {
                    DirectoryId::HOME => all.remove(partition),
                    other => all.insert(*partition, other),
                };
                moves.push((before.unwrap_or(DirectoryId::HOME), *directory));
            }
            Ok(())
        })?;
        for (from, to) in moves {
            self.directories.moved(from, to);
        }
        Ok(())
    }

    fn change_topic(
        &mut self,
        id: &TopicId,
        change: impl FnOnce(&mut TopicImage) -> Result<(), UnfitRecord>,
    ) -> Result<(), UnfitRecord> {
        let Some(topic) = self.topics.by_id(id) else {
            return unfit(format!("topic {id} is changed, but does not exist"));
        };
        let mut topic = TopicImage::clone(topic);
        change(&mut topic)?;
        self.topics.insert(Arc::new(topic));
        Ok(())
    }

    /// Records that make this image of an empty one.
    pub(in crate::metadata) fn to_records(&self) -> Vec<Record> {
        let mut records = vec![Record::ClusterState {
            cluster_id: self.cluster_id.to_string(),
            server_id: self.server.server_id,
            server_epoch: self.server.epoch,
            shards: self.server.shards,
            next_slot: self.next_slot,
            next_producer_id: self.next_producer_id,
        }];
        records.extend(self.topics().map(|topic| Record::TopicCreated {
            id: topic.id,
            name: topic.name.to_string(),
            slots: topic.slots.clone(),
            runs: topic.runs.clone(),
            overrides: topic.overrides.clone(),
            next_slot: self.next_slot,
        }));
        if self.directories_online() != [DirectoryId::HOME] {
            records.push(Record::DirectoriesOnline {
                directories: self.directories_online().to_vec(),
            });
        }
        let placed = self.topics().filter(|topic| !topic.directories.is_empty());
        records.extend(placed.map(|topic| Record::PartitionDirectories {
            id: topic.id,
            directories: topic.directories.iter().map(|(p, d)| (*p, *d)).collect(),
        }));
        let owed = self.deletions_owed.iter();
        records.extend(owed.map(|(directory, topic)| Record::DeletionOwed {
            directory,
            id: topic.id,
            name: topic.name.to_string(),
            partitions: topic.partitions,
        }));
        for (node, overrides) in self.broker_overrides.iter() {
            records.extend(overrides.iter().map(|(name, value)| Record::BrokerConfigSet {
                node: *node,
                name: name.clone(),
                value: Some(value.clone()),
            }));
        }
        for (user, credentials) in self.scram.users() {
            records.extend(
                credentials
                    .iter()
                    .map(|(mechanism, credential)| Record::ScramCredentialSet {
                        user: user.to_string(),
                        mechanism: *mechanism,
                        credential: credential.clone(),
                    }),
            );
        }
        records
    }
}

/// A topic has no more partitions than may be, and where their slots were chosen, each has one.
fn check_partitions(runs: &[PartitionRun], slots: &Slots) -> Result<(), UnfitRecord> {
    let count: u64 = runs.iter().map(|run| u64::from(run.count)).sum();
    if count > MAX_PARTITIONS as u64 {
        return unfit(format!("a topic has {count} partitions"));
    }
    match slots {
        Slots::Chosen(slots) if slots.len() as u64 != count => unfit(format!(
            "a topic has {count} partitions and {} slots",
            slots.len()
        )),
        _ => Ok(()),
    }
}

fn unfit<T>(message: String) -> Result<T, UnfitRecord> {
    Err(UnfitRecord { message })
}

fn set(overrides: &mut Overrides, name: &str, value: &Option<String>) {
    match value {
        Some(value) => overrides.insert(name.to_string(), value.clone()),
        None => overrides.remove(name),
    };
}
