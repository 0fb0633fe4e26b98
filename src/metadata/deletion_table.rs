//! Deletions that a data directory may not have seen, because it was not there, or a crash came: what is left of the topics goes at
//! the start at which it is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::ids::{DirectoryId, TopicId};
use crate::metadata::metadata_log::TopicRemains;

/// By directory, the topics that had partitions in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::metadata) struct DeletionTable(Arc<BTreeMap<DirectoryId, BTreeMap<TopicId, TopicRemains>>>);

impl DeletionTable {
    /// A topic was deleted, and a directory may have something of it.
    pub fn owe(&mut self, directory: DirectoryId, topic: TopicRemains) {
        let all = Arc::make_mut(&mut self.0);
        all.entry(directory).or_default().insert(topic.id, topic);
    }

    /// A directory has seen all of them.
    pub fn settle(&mut self, directory: DirectoryId) {
        if self.0.contains_key(&directory) {
            Arc::make_mut(&mut self.0).remove(&directory);
        }
    }

    /// What a directory has not seen.
    pub fn owed(&self, directory: DirectoryId) -> impl Iterator<Item = &TopicRemains> {
        self.0.get(&directory).into_iter().flat_map(BTreeMap::values)
    }

    /// All of it.
    pub fn iter(&self) -> impl Iterator<Item = (DirectoryId, &TopicRemains)> {
        let all = self.0.iter();
        all.flat_map(|(directory, topics)| topics.values().map(|topic| (*directory, topic)))
    }
}
