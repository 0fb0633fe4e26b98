//! The state of one shard, and how it follows the cluster's image.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use crate::base::ids::{DirectoryId, NodeId, ShardId, TopicId, TopicPartition};
use crate::config::Settings;
use crate::group::GroupDriver;
use crate::log::{DataDirs, LogError, PartitionSpec};
use crate::metadata::{ClusterImage, GROUP_METADATA_TOPIC, TopicImage};
use crate::rt::mailbox;
use crate::rt::net::BoundListener;
use crate::rt::sync::Event;
use crate::shard::control_client::ControlClient;
use crate::shard::directory_logs::DirectoryLogs;
use crate::shard::log_options::topic_log_config;
use crate::shard::message::{ControlPort, MetricsSnapshot, ToShard};
use crate::shard::open_file_limits::OpenFileLimits;
use crate::shard::partition_table::{PartitionSlot, PartitionTable};
use crate::shard::producer_ids::ProducerIds;
use crate::shard::relocation::Relocations;

/// What a shard is started with.
pub struct ShardStart {
    /// The shard's number.
    pub id: ShardId,
    /// The cluster as the controller has loaded it.
    pub image: Arc<ClusterImage>,
    /// The directories of the partitions, shared by the server's shards.
    pub data_dirs: Arc<DataDirs>,
    /// Messages from the control thread.
    pub inbox: mailbox::Receiver<ToShard>,
    /// The way to the control thread.
    pub control: ControlPort,
    /// This shard's listeners, one for each address the server listens on.
    pub listeners: Vec<BoundListener>,
    /// How many files and connections it may have open.
    pub open_files: OpenFileLimits,
    /// Changes what no setting says of the log's options: the simulation is in a hurry, a server changes nothing.
    pub change_log_options: fn(&mut crate::log::ShardLogOptions),
}

/// One core's share of the server. Lives on that core's thread.
pub struct Shard {
    /// The shard's number.
    pub id: ShardId,
    /// The node that clients see.
    pub node_id: NodeId,
    /// Asks for changes of the cluster.
    pub control: ControlClient,
    /// Producer ids to hand out.
    pub producer_ids: ProducerIds,
    /// The coordinator of the groups whose offsets partition this shard leads.
    pub groups: Rc<GroupDriver>,
    /// Counts of what this shard has done.
    pub metrics: ShardMetrics,
    /// Moves of partitions between data directories.
    pub relocations: Relocations,
    pub(super) logs: DirectoryLogs,
    image: RefCell<Arc<ClusterImage>>,
    settings: RefCell<Arc<Settings>>,
    pub(super) partitions: RefCell<PartitionTable>,
    pub(super) newly_offline: RefCell<Vec<TopicPartition>>,
    image_changed: Event,
}

/// Counters of one shard.
#[derive(Default)]
pub struct ShardMetrics {
    /// Requests answered or refused.
    pub requests: Cell<u64>,
    /// Bytes of record batches appended.
    pub appended_bytes: Cell<u64>,
    /// Bytes of record batches sent to consumers.
    pub fetched_bytes: Cell<u64>,
    /// Batches refused because the disk was full.
    pub refused_batches_disk_full: Cell<u64>,
}

impl Shard {
    /// A shard that has recovered nothing yet.
    pub fn new(id: ShardId, control: ControlPort, logs: DirectoryLogs, image: Arc<ClusterImage>) -> Shard {
        let node_id = NodeId::of(image.server().server_id, id);
        let settings = Arc::new(image.settings(node_id));
        Shard {
            id,
            node_id,
            control: ControlClient::new(id, control),
            producer_ids: ProducerIds::default(),
            groups: GroupDriver::new(&settings),
            metrics: ShardMetrics::default(),
            relocations: Relocations::default(),
            logs,
            image: RefCell::new(image),
            settings: RefCell::new(settings),
            partitions: RefCell::new(PartitionTable::default()),
            newly_offline: RefCell::default(),
            image_changed: Event::new(),
        }
    }

    /// The cluster as this shard serves it.
    pub fn image(&self) -> Arc<ClusterImage> {
        self.image.borrow().clone()
    }

    /// The broker settings as they hold on this node now.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.borrow().clone()
    }

    /// Notified when [`Shard::image`] has become another.
    pub fn image_changed(&self) -> &Event {
        &self.image_changed
    }

    /// A partition of this shard, `None` if it leads no such.
    pub fn partition(&self, partition: &TopicPartition) -> Option<PartitionSlot> {
        self.partitions.borrow().get(partition).cloned()
    }

    /// The directories that hold the partitions.
    pub fn data_dirs(&self) -> &DataDirs {
        self.logs.data_dirs()
    }

    /// Waits until the log takes records: while too many wait for the disk, it does not.
    pub async fn room_to_append(&self) {
        self.logs.wait_for_room().await;
    }

    /// Brings up every partition that the image gives this shard, from segments and write-ahead logs of any shard.
    /// Says which stay offline.
    pub async fn recover(&self) -> Vec<TopicPartition> {
        let image = self.image();
        let specs = image
            .topics()
            .flat_map(|topic| self.own_partitions(&image, topic))
            .collect();
        let mut offline = Vec::new();
        for (partition, recovered) in self.logs.recover(specs).await {
            let slot = match recovered {
                Ok(log) => PartitionSlot::Online(log),
                Err(reason) => {
                    offline.push(partition);
                    let topic = image
                        .topic(&partition.topic)
                        .map(|topic| topic.name().to_string());
                    tracing::error!(topic, partition = partition.partition, %reason, "partition is offline");
                    PartitionSlot::Offline
                }
            };
            self.partitions.borrow_mut().insert(partition, slot);
        }
        offline
    }

    /// Opens the write-ahead log and the coordinators. Every shard has recovered.
    pub async fn start(&self) -> Result<(), LogError> {
        let image = self.image();
        let failed = self.logs.start().await?;
        if !failed.is_empty() {
            for topic in image.topics() {
                for (directory, spec) in self.own_partitions(&image, topic) {
                    if failed.contains(&directory) {
                        self.note_offline(spec.id());
                        self.partitions
                            .borrow_mut()
                            .insert(spec.id(), PartitionSlot::Offline);
                    }
                }
            }
            self.tell_offline_partitions().await;
        }
        if let Some(topic) = image.topic_by_name(GROUP_METADATA_TOPIC) {
            self.lead_group_partitions(&image, topic);
        }
        Ok(())
    }

    /// Serves by a new image from now on: opens the partitions it brings, drops those it no longer has. Gives the topics it has no
    /// more whose files could not all be given up.
    pub async fn apply_image(&self, new: Arc<ClusterImage>) -> Vec<TopicId> {
        let old = self.image();
        let settings_changed = [Some(self.node_id), None]
            .iter()
            .any(|node| old.broker_overrides(*node) != new.broker_overrides(*node));
        if settings_changed {
            let settings = Arc::new(new.settings(self.node_id));
            let expiration_ms = settings.producer_id_expiration_ms.into();
            self.logs.set_producer_id_expiration_ms(expiration_ms);
            self.logs.set_check_crc_on_read(settings.check_crcs_on_read);
            self.logs.set_compaction_limits(&settings);
            *self.settings.borrow_mut() = settings;
        }
        self.lose_directories(&old, &new);
        for topic in new.topics() {
            let unchanged = old
                .topic(&topic.id())
                .is_some_and(|before| Arc::ptr_eq(before, topic));
            // The broker's settings are the defaults of the topics' configs.
            if !unchanged || settings_changed {
                self.apply_topic(&new, topic).await;
            }
        }
        // Clients see the new partitions only now that they can be used.
        *self.image.borrow_mut() = new.clone();
        self.image_changed.notify_all();
        let mut undeleted = Vec::new();
        for topic in old.topics() {
            if new.topic(&topic.id()).is_none() && !self.drop_topic(&old, topic).await {
                undeleted.push(topic.id());
            }
        }
        self.tell_offline_partitions().await;
        undeleted
    }

    /// The counters' values, with the number of open connections, which the server knows.
    pub fn metrics_snapshot(&self, connections: u64) -> MetricsSnapshot {
        MetricsSnapshot {
            connections,
            requests: self.metrics.requests.get(),
            appended_bytes: self.metrics.appended_bytes.get(),
            fetched_bytes: self.metrics.fetched_bytes.get(),
            refused_batches_disk_full: self.metrics.refused_batches_disk_full.get(),
            times_disk_full: self.logs.times_full(),
            damaged_reads: self.logs.damaged_reads(),
        }
    }

    /// The shard is about to stop: nobody waits for room on a full disk any more.
    pub fn prepare_shutdown(&self) {
        self.logs.prepare_shutdown();
    }

    /// Makes everything durable and closes it.
    pub async fn shutdown(&self) -> Result<(), LogError> {
        self.control.close();
        self.groups.shutdown();
        self.logs.shutdown().await
    }

    async fn apply_topic(&self, image: &ClusterImage, topic: &Arc<TopicImage>) {
        for (directory, spec) in self.own_partitions(image, topic) {
            let partition = spec.id();
            let slot = match self.partition(&partition) {
                Some(PartitionSlot::Online(log)) => {
                    log.set_config(spec.config);
                    continue;
                }
                Some(PartitionSlot::Offline) => continue,
                None => match self.logs.create_partition(directory, spec).await {
                    Ok(log) => PartitionSlot::Online(log),
                    Err(error) => {
                        self.note_offline(partition);
                        let (topic, partition) = (topic.name(), partition.partition);
                        tracing::error!(%topic, partition, %error, "could not create partition");
                        PartitionSlot::Offline
                    }
                },
            };
            self.partitions.borrow_mut().insert(partition, slot);
        }
        if &**topic.name() == GROUP_METADATA_TOPIC {
            self.lead_group_partitions(image, topic);
        }
    }

    /// Drops the partitions of a topic. Says whether nothing of them is left under their names.
    async fn drop_topic(&self, image: &ClusterImage, topic: &TopicImage) -> bool {
        let mut all_gone = true;
        for partition in self.led_of(image, topic) {
            let partition = TopicPartition {
                topic: topic.id(),
                partition,
            };
            let slot = self.partitions.borrow_mut().remove(&partition);
            let Some(slot) = slot else {
                continue;
            };
            if &**topic.name() == GROUP_METADATA_TOPIC {
                self.groups.resign(partition.partition);
            }
            if let Err(error) = self.logs.delete_partition(partition).await {
                let (topic, partition) = (topic.name(), partition.partition);
                tracing::error!(%topic, partition, %error, "could not delete partition");
                all_gone = false;
            }
            // The log knows nothing of one that is offline, and leaves the files of a directory that has failed.
            let directory = self.data_dirs().by_id(topic.directory(partition.partition));
            let works = directory.is_some_and(|directory| directory.online().is_some());
            all_gone &= works && matches!(slot, PartitionSlot::Online(_));
        }
        self.groups.topic_deleted(topic.name(), topic.id());
        all_gone
    }

    /// The indexes of a topic's partitions that this shard leads.
    fn led_of(&self, image: &ClusterImage, topic: &TopicImage) -> Vec<i32> {
        let leads = |p: &i32| {
            image
                .leader(topic, *p)
                .is_some_and(|(leader, _)| leader == self.node_id)
        };
        (0..topic.partition_count()).filter(leads).collect()
    }

    pub(super) fn own_partitions(
        &self,
        image: &ClusterImage,
        topic: &TopicImage,
    ) -> Vec<(DirectoryId, PartitionSpec)> {
        let config = Arc::new(topic_log_config(&image.topic_config(topic, self.node_id)));
        let mut specs = Vec::new();
        for partition in 0..topic.partition_count() {
            match image.leader(topic, partition) {
                Some((leader, leader_epoch)) if leader == self.node_id => {
                    let spec = PartitionSpec {
                        topic_id: topic.id(),
                        topic_name: topic.name().clone(),
                        partition,
                        leader_epoch,
                        config: config.clone(),
                    };
                    specs.push((topic.directory(partition), spec));
                }
                _ => {}
            }
        }
        specs
    }

    pub(super) fn lead_group_partitions(&self, image: &ClusterImage, topic: &TopicImage) {
        for partition in self.led_of(image, topic) {
            if let Some(PartitionSlot::Online(log)) = self.partition(&TopicPartition {
                topic: topic.id(),
                partition,
            }) {
                self.groups.lead(partition, topic.partition_count(), log);
            }
        }
    }
}
