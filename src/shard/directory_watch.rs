//! What happens when a data directory fails while the server runs.
//!
//! The log of a directory finds out (`log/directory_health.rs`), on whatever shard; that shard tells the control thread, whose
//! image tells all shards: their partitions in it are offline, and new ones go to other directories. Where only a shard's
//! write-ahead log has failed its appends are refused and its reads go on; the directory gets no new partitions.

use std::rc::Rc;

use crate::base::ids::{DirectoryId, TopicPartition};
use crate::log::ShardLog;
use crate::metadata::{ClusterImage, GROUP_METADATA_TOPIC, WentOffline};
use crate::rt;
use crate::shard::lane::Shard;
use crate::shard::message::ToControl;
use crate::shard::partition_table::PartitionSlot;

/// Watches the log of each directory, in a task of its own, until it is shut down.
pub fn watch_directories(shard: &Rc<Shard>) -> Vec<rt::JoinHandle<()>> {
    let all = shard.data_dirs().all().iter();
    let logs = all.filter_map(|directory| Some((directory.id()?, shard.logs.of_directory(directory.id()?)?)));
    logs.map(|(id, log)| rt::spawn(watch(shard.clone(), id, log)))
        .collect()
}

async fn watch(shard: Rc<Shard>, directory: DirectoryId, log: Rc<ShardLog>) {
    let mut told = false;
    loop {
        let trouble = log.trouble();
        if log.is_closing() {
            return;
        }
        if let Some(error) = log.data_dir().failure() {
            log.go_offline(error);
            shard.tell_offline(WentOffline::Directory(directory)).await;
            return;
        }
        if log.stopped().is_some() && !told {
            told = true;
            shard
                .tell_offline(WentOffline::DirectoryForRecords(directory))
                .await;
            continue;
        }
        trouble.await;
    }
}

impl Shard {
    /// Whether this shard can put anything in a data directory: it is there, and works.
    pub fn can_write_to(&self, directory: DirectoryId) -> bool {
        let log = self.logs.of_directory(directory);
        log.is_some_and(|log| log.stopped().is_none())
    }

    /// Takes the partitions offline that are in directories which a new image has as failed.
    pub(super) fn lose_directories(&self, old: &ClusterImage, new: &ClusterImage) {
        let failed = new.directories_failed();
        if failed.len() == old.directories_failed().len() {
            return;
        }
        for directory in failed.difference(old.directories_failed()) {
            self.logs.go_offline(*directory);
        }
        for topic in new.topics() {
            for (directory, spec) in self.own_partitions(new, topic) {
                if failed.contains(&directory) {
                    self.partitions
                        .borrow_mut()
                        .insert(spec.id(), PartitionSlot::Offline);
                    if &**topic.name() == GROUP_METADATA_TOPIC {
                        self.groups.resign(spec.partition);
                    }
                }
            }
        }
    }

    /// A partition of this shard is offline, which [`Shard::tell_offline_partitions`] will tell.
    pub(super) fn note_offline(&self, partition: TopicPartition) {
        self.newly_offline.borrow_mut().push(partition);
    }

    /// Tells the control thread of partitions that have gone offline one by one.
    pub(super) async fn tell_offline_partitions(&self) {
        let partitions = self.newly_offline.take();
        if !partitions.is_empty() {
            self.tell_offline(WentOffline::Partitions(partitions)).await;
        }
    }

    async fn tell_offline(&self, what: WentOffline) {
        let message = ToControl::WentOffline { shard: self.id, what };
        self.control.port().send(message).await;
    }
}
