//! Where partitions that do not exist yet are to be made (KIP-113). Known until the server stops, as in Apache Kafka: no record says it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::ids::{DirectoryId, NodeId};

/// How many are remembered. A guess, far above what anybody names by hand; more are not.
const MOST: usize = 10_000;

/// The directory for a partition, should this node come to lead it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedDirectory {
    /// The node that was asked.
    pub node: NodeId,
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The directory.
    pub directory: DirectoryId,
}

/// Those of a topic, by partition and node.
type OfTopic = BTreeMap<(i32, NodeId), DirectoryId>;

/// All of them, by topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::metadata) struct WantedDirectories(Arc<BTreeMap<String, OfTopic>>);

impl WantedDirectories {
    /// Remembers one; the newest wish counts. What is too much is forgotten at once.
    pub fn want(&mut self, wanted: WantedDirectory) {
        let place = (wanted.partition, wanted.node);
        let known = self
            .0
            .get(&wanted.topic)
            .is_some_and(|of| of.contains_key(&place));
        if known || self.0.values().map(BTreeMap::len).sum::<usize>() < MOST {
            let all = Arc::make_mut(&mut self.0);
            all.entry(wanted.topic)
                .or_default()
                .insert(place, wanted.directory);
        }
    }

    /// What is wanted for a partition on this node.
    pub fn of(&self, topic: &str, partition: i32, node: NodeId) -> Option<DirectoryId> {
        self.0.get(topic)?.get(&(partition, node)).copied()
    }

    /// A topic is no more: one made under its name begins without wishes.
    pub fn forget(&mut self, topic: &str) {
        if self.0.contains_key(topic) {
            Arc::make_mut(&mut self.0).remove(topic);
        }
    }
}
