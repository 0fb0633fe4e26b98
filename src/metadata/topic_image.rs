//! A topic as the image shows it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::ids::{DirectoryId, TopicId};
use crate::config::Overrides;

/// Partitions that were created together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionRun {
    /// How many.
    pub count: u32,
    /// The server's epoch when they were: their leader epoch counts from there.
    pub created_epoch: u32,
}

/// The slots of a topic's partitions: what decides on which shard each of them lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slots {
    /// One after the other from this one on.
    From(u32),
    /// Chosen by whoever created the partitions.
    Chosen(Vec<u32>),
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicImage {
    pub(in crate::metadata) id: TopicId,
    pub(in crate::metadata) name: Arc<str>,
    pub(in crate::metadata) slots: Slots,
    pub(in crate::metadata) runs: Vec<PartitionRun>,
    pub(in crate::metadata) overrides: Overrides,
    /// The data directories of partitions that are not in the one with the metadata.
    pub(in crate::metadata) directories: Arc<BTreeMap<i32, DirectoryId>>,
}

impl TopicImage {
    /// Its id.
    pub fn id(&self) -> TopicId {
        self.id
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whether the broker keeps it for itself.
    pub fn is_internal(&self) -> bool {
        crate::metadata::is_internal(&self.name)
    }

    /// Number of partitions.
    pub fn partition_count(&self) -> i32 {
        let count: u32 = self.runs.iter().map(|run| run.count).sum();
        i32::try_from(count).expect("limited when partitions are created")
    }

    /// The configs set on the topic itself.
    pub fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    /// The data directory a partition is in.
    pub fn directory(&self, partition: i32) -> DirectoryId {
        self.directories
            .get(&partition)
            .copied()
            .unwrap_or(DirectoryId::HOME)
    }

    /// The slot of a partition, which must exist.
    pub(in crate::metadata) fn slot(&self, partition: u32) -> u32 {
        match &self.slots {
            Slots::From(first) => first.wrapping_add(partition),
            Slots::Chosen(slots) => slots[partition as usize],
        }
    }

    /// The server's epoch when a partition was created; `None` if there is no such partition.
    pub(in crate::metadata) fn created_epoch(&self, partition: i32) -> Option<u32> {
        let mut left = u32::try_from(partition).ok()?;
        for run in &self.runs {
            if left < run.count {
                return Some(run.created_epoch);
            }
            left -= run.count;
        }
        None
    }
}
