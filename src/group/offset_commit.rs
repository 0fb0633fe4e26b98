//! OffsetCommit.

use super::coordinator_engine::CoordinatorEngine;
use super::error::GroupError;
use super::event::{Answer, Now, RequestId};
use super::request::{CommitPartition, CommitRequest};
use super::step::{Effects, Then};
use super::stored::{CommittedOffset, OffsetKey, StoredRecord};
use crate::base::ids::{LeaderEpoch, TopicId};

impl CoordinatorEngine {
    pub(super) fn commit_offsets(
        &mut self,
        request: RequestId,
        commit: CommitRequest,
        now: Now,
        effects: &mut Effects,
    ) {
        if let Err(error) = self.check_commit(&commit) {
            self.step(now, effects)
                .answer(request, Answer::Partitions(Err(error)));
            return;
        }
        self.in_group(&commit.group, now, effects, |group, step| {
            group.heard_by_commit(step, &commit.member_id)
        });
        let max = self.settings.offset_metadata_max_bytes;
        let results: Vec<_> = commit
            .partitions
            .iter()
            .map(|partition| check_metadata(partition, max))
            .collect();
        let expire_timestamp_ms = commit
            .retention_ms
            .map(|retention| now.wall.0.saturating_add(retention));
        let accepted = commit
            .partitions
            .into_iter()
            .zip(&results)
            .filter(|(_, result)| result.is_ok());
        let records: Vec<StoredRecord> = accepted
            .map(|(partition, _)| StoredRecord::Offset {
                key: OffsetKey {
                    group: commit.group.clone(),
                    topic: partition.topic,
                    partition: partition.partition,
                },
                value: Some(CommittedOffset {
                    offset: partition.offset,
                    leader_epoch: if expire_timestamp_ms.is_some() {
                        LeaderEpoch(-1)
                    } else {
                        partition.leader_epoch
                    },
                    metadata: partition.metadata,
                    commit_timestamp_ms: now.wall.0,
                    expire_timestamp_ms,
                    // The only record format with a time of expiry has neither epoch nor topic id: what is not written is not kept.
                    topic_id: if expire_timestamp_ms.is_some() {
                        TopicId::ZERO
                    } else {
                        partition.topic_id
                    },
                }),
            })
            .collect();
        let answer = Answer::Partitions(Ok(results));
        let mut step = self.step(now, effects);
        if records.is_empty() {
            step.answer(request, answer);
        } else {
            step.append(records, Then::Answer { request, answer });
        }
    }

    fn check_commit(&self, commit: &CommitRequest) -> Result<(), GroupError> {
        match self.groups.get(&commit.group) {
            Some(group) => {
                group.check_commit(&commit.member_id, commit.instance_id.as_ref(), commit.generation)
            }
            // A simple consumer, or an administrator, that sets offsets for a group nobody knows yet.
            None if commit.generation < 0 => self.check_room(),
            None => Err(GroupError::GroupIdNotFound),
        }
    }
}

fn check_metadata(partition: &CommitPartition, max: usize) -> Result<(), GroupError> {
    // A UTF-16 unit is at least one byte of UTF-8, so short texts need no counting.
    let fits = partition.metadata.len() <= max || partition.metadata.encode_utf16().count() <= max;
    if fits {
        Ok(())
    } else {
        Err(GroupError::OffsetMetadataTooLarge)
    }
}
