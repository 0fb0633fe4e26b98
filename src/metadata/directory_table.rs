//! The data directories of the server, and how many partitions each has.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::ids::DirectoryId;

/// What is known of them. The one with the metadata is always there.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::metadata) struct DirectoryTable {
    online: Arc<[DirectoryId]>,
    /// Partitions in others than the one with the metadata; none with a count of 0.
    partitions: Arc<BTreeMap<DirectoryId, usize>>,
}

impl Default for DirectoryTable {
    fn default() -> DirectoryTable {
        DirectoryTable {
            online: [DirectoryId::HOME].into(),
            partitions: Arc::default(),
        }
    }
}

impl DirectoryTable {
    /// Those that take partitions, the one with the metadata first.
    pub fn online(&self) -> &[DirectoryId] {
        &self.online
    }

    /// Sets them.
    pub fn set_online(&mut self, directories: &[DirectoryId]) {
        self.online = directories.into();
    }

    /// How many partitions a directory has, which is not the one with the metadata.
    pub fn partitions_in(&self, directory: DirectoryId) -> usize {
        self.partitions.get(&directory).copied().unwrap_or(0)
    }

    /// How many all of these have.
    pub fn partitions_elsewhere(&self) -> usize {
        self.partitions.values().sum()
    }

    /// A partition is in another directory, or, as one that is deleted, where it does not count here.
    pub fn moved(&mut self, from: DirectoryId, to: DirectoryId) {
        if from == to {
            return;
        }
        let partitions = Arc::make_mut(&mut self.partitions);
        if let Some(count) = partitions.get_mut(&from) {
            *count -= 1;
            if *count == 0 {
                partitions.remove(&from);
            }
        }
        if to != DirectoryId::HOME {
            *partitions.entry(to).or_default() += 1;
        }
    }
}
