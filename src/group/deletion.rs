//! OffsetDelete, DeleteGroups, and what follows the deletion of a topic.

use std::rc::Rc;

use super::classic::{ClassicGroup, GroupState};
use super::coordinator_engine::CoordinatorEngine;
use super::error::GroupError;
use super::event::{Answer, Now, RequestId};
use super::expiry::MAX_TOMBSTONES_PER_EVENT;
use super::request::OffsetDeleteRequest;
use super::step::{Effects, Then};
use super::stored::{OffsetKey, StoredRecord};
use crate::base::ids::TopicId;

impl CoordinatorEngine {
    /// Offsets of topics that members are subscribed to stay; those of groups that are no consumers while they have
    /// members, since what those subscribed to is not known.
    pub(super) fn delete_offsets(
        &mut self,
        request: RequestId,
        delete: OffsetDeleteRequest,
        now: Now,
        effects: &mut Effects,
    ) {
        let group = match self.check_offset_delete(&delete.group) {
            Ok(group) => group,
            Err(error) => {
                self.step(now, effects)
                    .answer(request, Answer::Partitions(Err(error)));
                return;
            }
        };
        let mut results = Vec::with_capacity(delete.partitions.len());
        let mut records = Vec::new();
        for (topic, partition) in delete.partitions {
            if group.is_subscribed_to(&topic) {
                results.push(Err(GroupError::GroupSubscribedToTopic));
                continue;
            }
            results.push(Ok(()));
            let offsets = self.stored.offsets();
            if offsets.get(&delete.group, &topic, partition).is_some()
                || offsets.is_pending(&delete.group, &topic, partition)
            {
                let key = OffsetKey {
                    group: delete.group.clone(),
                    topic,
                    partition,
                };
                records.push(StoredRecord::offset_tombstone(key));
            }
        }
        let answer = Answer::Partitions(Ok(results));
        let mut step = self.step(now, effects);
        if records.is_empty() {
            step.answer(request, answer);
        } else {
            step.append(records, Then::Answer { request, answer });
        }
    }

    fn check_offset_delete(&self, id: &str) -> Result<&ClassicGroup, GroupError> {
        let group = self.groups.get(id).ok_or(GroupError::GroupIdNotFound)?;
        if group.state() != GroupState::Empty && !group.has_consumers() {
            return Err(GroupError::NonEmptyGroup);
        }
        Ok(group)
    }

    /// A group without members goes, with all its offsets.
    pub(super) fn delete_group(&mut self, request: RequestId, id: &Rc<str>, now: Now, effects: &mut Effects) {
        let error = match self.groups.get(id).map(ClassicGroup::state) {
            None => GroupError::GroupIdNotFound,
            Some(GroupState::Empty) => {
                let offsets = self.stored.offsets();
                let committed = offsets.of_group(id).map(|(topic, partition, _)| OffsetKey {
                    group: id.clone(),
                    topic: topic.clone(),
                    partition,
                });
                let all = committed.chain(offsets.only_pending_of_group(id).into_keys());
                let mut records: Vec<StoredRecord> = all.map(StoredRecord::offset_tombstone).collect();
                records.push(StoredRecord::group_tombstone(id));
                let answer = Answer::Deleted(Ok(()));
                self.step(now, effects)
                    .append(records, Then::Answer { request, answer });
                return;
            }
            Some(_) => GroupError::NonEmptyGroup,
        };
        self.step(now, effects)
            .answer(request, Answer::Deleted(Err(error)));
    }

    /// The topic is gone, and the group's offsets for it with it.
    pub(super) fn forget_topic(
        &mut self,
        id: &Rc<str>,
        topic: &Rc<str>,
        topic_id: TopicId,
        now: Now,
        effects: &mut Effects,
    ) {
        let offsets = self.stored.offsets();
        let committed = offsets.of_group(id).map(|(topic, partition, committed)| {
            let key = OffsetKey {
                group: id.clone(),
                topic: topic.clone(),
                partition,
            };
            (key, committed)
        });
        let all = committed.chain(offsets.only_pending_of_group(id));
        let gone = all.filter(|(key, value)| key.topic == *topic && !value.is_of_another_topic(topic_id));
        let records: Vec<StoredRecord> = gone
            .map(|(key, _)| StoredRecord::offset_tombstone(key))
            .take(MAX_TOMBSTONES_PER_EVENT)
            .collect();
        if !records.is_empty() {
            self.step(now, effects).append(records, Then::Nothing);
        }
    }
}
