//! The partitions this shard leads.

use std::collections::HashMap;
use std::rc::Rc;

use crate::base::ids::TopicPartition;
use crate::log::PartitionLog;

/// A partition as this shard has it.
#[derive(Clone)]
pub enum PartitionSlot {
    /// It can be written and read.
    Online(Rc<PartitionLog>),
    /// It is here but damaged or its disk failed; the reason was logged when it went offline.
    Offline,
}

/// All partitions of one shard.
#[derive(Default)]
pub struct PartitionTable {
    slots: HashMap<TopicPartition, PartitionSlot>,
}

impl PartitionTable {
    /// The slot of a partition, `None` if this shard does not lead it.
    pub fn get(&self, partition: &TopicPartition) -> Option<&PartitionSlot> {
        self.slots.get(partition)
    }

    /// Puts a partition in; returns what stood there.
    pub fn insert(&mut self, partition: TopicPartition, slot: PartitionSlot) -> Option<PartitionSlot> {
        self.slots.insert(partition, slot)
    }

    /// Takes a partition out.
    pub fn remove(&mut self, partition: &TopicPartition) -> Option<PartitionSlot> {
        self.slots.remove(partition)
    }

    /// All partitions, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&TopicPartition, &PartitionSlot)> {
        self.slots.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}
