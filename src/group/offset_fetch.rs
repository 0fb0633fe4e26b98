//! OffsetFetch. Reads only; whoever sends the answer waits until what it tells of is durable.

use std::rc::Rc;

use super::coordinator_engine::CoordinatorEngine;
use super::request::{FetchedOffset, Stability};
use super::stored::CommittedOffset;
use crate::base::ids::TopicId;

impl CoordinatorEngine {
    /// What the group committed for the partition. An offset of an earlier topic with the same name does not count.
    pub fn fetch_offset(
        &self,
        group: &Rc<str>,
        topic: &Rc<str>,
        topic_id: TopicId,
        partition: i32,
        stability: Stability,
    ) -> FetchedOffset {
        let offsets = self.stored.offsets();
        if stability == Stability::Required && offsets.is_pending(group, topic, partition) {
            return FetchedOffset::Unstable;
        }
        match offsets.get(group, topic, partition) {
            Some(committed) if !committed.is_of_another_topic(topic_id) => fetched(committed),
            _ => FetchedOffset::Absent,
        }
    }

    /// All the group committed, by topic and partition.
    pub fn fetch_all_offsets(
        &self,
        group: &Rc<str>,
        stability: Stability,
    ) -> Vec<(Rc<str>, TopicId, i32, FetchedOffset)> {
        let offsets = self.stored.offsets();
        let all = offsets.of_group(group).map(|(topic, partition, committed)| {
            let is_unstable = stability == Stability::Required && offsets.is_pending(group, topic, partition);
            let fetched = if is_unstable {
                FetchedOffset::Unstable
            } else {
                fetched(committed)
            };
            (topic.clone(), committed.topic_id, partition, fetched)
        });
        all.collect()
    }
}

fn fetched(committed: &CommittedOffset) -> FetchedOffset {
    FetchedOffset::Committed {
        offset: committed.offset,
        leader_epoch: committed.leader_epoch,
        metadata: committed.metadata.clone(),
    }
}
