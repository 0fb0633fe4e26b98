//! All committed offsets of a partition of `__consumer_offsets`, and those that wait for the end of a transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::{CommittedOffset, OffsetKey};
use crate::base::ids::{Offset, ProducerId};

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionEnd {
    /// Its offsets count.
    Commit,
    /// Its offsets never were.
    Abort,
}

/// An offset with the place of its record. Of a transactional and a plain commit the one further on in the log wins,
/// whichever became visible last; otherwise compaction could change which one a restart finds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Placed {
    written_at: Offset,
    committed: CommittedOffset,
}

type ByTopic = BTreeMap<Rc<str>, BTreeMap<i32, Placed>>;

/// Offsets by group, topic and partition. Changes by records only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetTable {
    groups: BTreeMap<Rc<str>, ByTopic>,
    pending: BTreeMap<ProducerId, BTreeMap<OffsetKey, Placed>>,
    pending_of_group: BTreeMap<Rc<str>, BTreeSet<ProducerId>>,
}

impl OffsetTable {
    pub(super) fn put(&mut self, key: OffsetKey, written_at: Offset, committed: CommittedOffset) {
        let topics = self.groups.entry(key.group).or_default();
        let partitions = topics.entry(key.topic).or_default();
        partitions.insert(
            key.partition,
            Placed {
                written_at,
                committed,
            },
        );
    }

    pub(super) fn put_pending(
        &mut self,
        producer: ProducerId,
        key: OffsetKey,
        written_at: Offset,
        committed: CommittedOffset,
    ) {
        self.pending_of_group
            .entry(key.group.clone())
            .or_default()
            .insert(producer);
        self.pending.entry(producer).or_default().insert(
            key,
            Placed {
                written_at,
                committed,
            },
        );
    }

    /// Removes the offset, and with it what open transactions would set it to.
    pub(super) fn remove(&mut self, key: &OffsetKey) {
        if let Some(topics) = self.groups.get_mut(&key.group) {
            if let Some(partitions) = topics.get_mut(&key.topic) {
                partitions.remove(&key.partition);
                if partitions.is_empty() {
                    topics.remove(&key.topic);
                }
            }
            if topics.is_empty() {
                self.groups.remove(&key.group);
            }
        }
        for producer in self.pending_of_group.get(&key.group).into_iter().flatten() {
            if let Some(pending) = self.pending.get_mut(producer) {
                pending.remove(key);
            }
        }
    }

    pub(super) fn end_transaction(&mut self, producer: ProducerId, end: TransactionEnd) {
        self.pending_of_group.retain(|_, producers| {
            producers.remove(&producer);
            !producers.is_empty()
        });
        let Some(pending) = self.pending.remove(&producer) else {
            return;
        };
        if end == TransactionEnd::Abort {
            return;
        }
        for (key, placed) in pending {
            let present = self.placed(&key.group, &key.topic, key.partition);
            if present.is_none_or(|present| present.written_at < placed.written_at) {
                self.put(key, placed.written_at, placed.committed);
            }
        }
    }

    fn placed(&self, group: &str, topic: &str, partition: i32) -> Option<&Placed> {
        self.groups.get(group)?.get(topic)?.get(&partition)
    }

    /// What the group committed for the partition.
    pub fn get(&self, group: &str, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.placed(group, topic, partition)
            .map(|placed| &placed.committed)
    }

    /// All the group committed, by topic and partition.
    pub fn of_group<'a>(
        &'a self,
        group: &str,
    ) -> impl Iterator<Item = (&'a Rc<str>, i32, &'a CommittedOffset)> + use<'a> {
        self.groups
            .get(group)
            .into_iter()
            .flatten()
            .flat_map(|(topic, partitions)| {
                partitions
                    .iter()
                    .map(move |(partition, placed)| (topic, *partition, &placed.committed))
            })
    }

    /// True if an open transaction would set this offset.
    pub fn is_pending(&self, group: &Rc<str>, topic: &Rc<str>, partition: i32) -> bool {
        let Some(producers) = self.pending_of_group.get(group) else {
            return false;
        };
        let key = OffsetKey {
            group: group.clone(),
            topic: topic.clone(),
            partition,
        };
        producers
            .iter()
            .any(|producer| self.pending.get(producer).is_some_and(|p| p.contains_key(&key)))
    }

    /// The offsets of the group that exist only in open transactions.
    pub fn only_pending_of_group(&self, group: &str) -> BTreeMap<OffsetKey, &CommittedOffset> {
        let is_new = |key: &OffsetKey| self.get(group, &key.topic, key.partition).is_none();
        let pending = self.pending_of(group).filter(|(key, _)| is_new(key));
        pending
            .map(|(key, placed)| (key.clone(), &placed.committed))
            .collect()
    }

    /// True if a transaction that touches the group is open.
    pub fn has_open_transaction(&self, group: &str) -> bool {
        self.pending_of_group.contains_key(group)
    }

    /// True if the group has a committed offset, or an open transaction that would commit one.
    pub fn has_group(&self, group: &str) -> bool {
        self.groups.contains_key(group) || self.pending_of_group.contains_key(group)
    }

    /// True if the group has a committed offset for the topic, or an open transaction that would commit one.
    pub fn has_topic(&self, group: &str, topic: &str) -> bool {
        let is_committed = self
            .groups
            .get(group)
            .is_some_and(|topics| topics.contains_key(topic));
        is_committed || self.pending_of(group).any(|(key, _)| &*key.topic == topic)
    }

    /// What open transactions would commit for the group.
    fn pending_of<'a, 'g>(
        &'a self,
        group: &'g str,
    ) -> impl Iterator<Item = (&'a OffsetKey, &'a Placed)> + use<'a, 'g> {
        let producers = self.pending_of_group.get(group).into_iter().flatten();
        let pending = producers
            .filter_map(|producer| self.pending.get(producer))
            .flatten();
        pending.filter(move |(key, _)| &*key.group == group)
    }

    /// Groups that have a committed offset, or an open transaction that would commit one.
    pub fn groups(&self) -> impl Iterator<Item = &Rc<str>> {
        self.groups.keys().chain(self.pending_of_group.keys())
    }

    /// How many offsets are committed in all groups.
    pub fn len(&self) -> usize {
        self.groups
            .values()
            .flat_map(|topics| topics.values())
            .map(BTreeMap::len)
            .sum()
    }

    /// True if no group committed anything.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}
