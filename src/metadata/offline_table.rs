//! What of the server can't be used in this run. It is in no record: each start finds out anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::ids::{DirectoryId, TopicId, TopicPartition};

/// Something that has gone offline, for as long as the server runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WentOffline {
    /// Partitions whose logs can't be taken up or made.
    Partitions(Vec<TopicPartition>),
    /// A data directory, with all partitions in it.
    Directory(DirectoryId),
    /// A data directory in which a shard takes no more records: reads go on, and new partitions go elsewhere.
    DirectoryForRecords(DirectoryId),
}

/// All of it. Empty, as a rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::metadata) struct OfflineTable {
    partitions: Arc<BTreeMap<TopicId, BTreeSet<i32>>>,
    directories: Arc<BTreeSet<DirectoryId>>,
    /// Those among all directories that are to get no new partitions.
    avoided: Arc<BTreeSet<DirectoryId>>,
}

impl OfflineTable {
    /// Whether a partition, which is in this directory, is offline.
    pub fn has(&self, topic: TopicId, partition: i32, directory: DirectoryId) -> bool {
        if self.partitions.is_empty() && self.directories.is_empty() {
            return false;
        }
        let alone = self.partitions.get(&topic);
        self.directories.contains(&directory) || alone.is_some_and(|alone| alone.contains(&partition))
    }

    /// The directories that are offline as a whole.
    pub fn directories(&self) -> &Arc<BTreeSet<DirectoryId>> {
        &self.directories
    }

    /// Whether a directory is to get no new partitions.
    pub fn avoids(&self, directory: DirectoryId) -> bool {
        self.avoided.contains(&directory)
    }

    /// Adds to it. False if all of that was in it.
    pub fn add(&mut self, what: &WentOffline) -> bool {
        match what {
            WentOffline::Partitions(partitions) => {
                let all = Arc::make_mut(&mut self.partitions);
                let mut changed = false;
                for TopicPartition { topic, partition } in partitions {
                    changed |= all.entry(*topic).or_default().insert(*partition);
                }
                changed
            }
            WentOffline::Directory(directory) => {
                Arc::make_mut(&mut self.avoided).insert(*directory);
                Arc::make_mut(&mut self.directories).insert(*directory)
            }
            WentOffline::DirectoryForRecords(directory) => {
                Arc::make_mut(&mut self.avoided).insert(*directory)
            }
        }
    }

    /// A topic is no more.
    pub fn forget(&mut self, topic: TopicId) {
        if self.partitions.contains_key(&topic) {
            Arc::make_mut(&mut self.partitions).remove(&topic);
        }
    }
}
