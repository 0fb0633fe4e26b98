//! Expiry of offsets, and of groups that nothing is left of (KIP-211).

use std::rc::Rc;

use super::classic::{ClassicGroup, ExpiryCondition};
use super::coordinator_engine::CoordinatorEngine;
use super::event::Now;
use super::step::{Effects, Then};
use super::stored::{CommittedOffset, OffsetKey, StoredRecord};

/// How many offsets one event removes at most, so that a coordinator with many goes through them in small steps.
/// A guess: about 64 KiB of records.
pub(super) const MAX_TOMBSTONES_PER_EVENT: usize = 1000;

impl CoordinatorEngine {
    pub(super) fn expire_offsets(&mut self, id: &Rc<str>, now: Now, effects: &mut Effects) {
        let Some(group) = self.groups.get(id) else {
            return;
        };
        let condition = group.expiry_condition();
        let offsets = self.stored.offsets();
        let retention_ms = i64::try_from(self.settings.offsets_retention.as_millis()).unwrap_or(i64::MAX);
        let is_expired = |topic: &Rc<str>, partition: i32, committed: &CommittedOffset| {
            !group.is_subscribed_to(topic)
                && !offsets.is_pending(id, topic, partition)
                && has_expired(condition, committed, now.wall.0, retention_ms)
        };
        let mut records = Vec::new();
        let mut is_anything_left = offsets.has_open_transaction(id);
        for (topic, partition, committed) in offsets.of_group(id) {
            if records.len() < MAX_TOMBSTONES_PER_EVENT && is_expired(topic, partition, committed) {
                let key = OffsetKey {
                    group: id.clone(),
                    topic: topic.clone(),
                    partition,
                };
                records.push(StoredRecord::offset_tombstone(key));
            } else {
                is_anything_left = true;
            }
        }
        if !is_anything_left && ClassicGroup::is_deserted(group) {
            records.push(StoredRecord::group_tombstone(id));
        }
        if !records.is_empty() {
            tracing::info!(group = %id, records = records.len(), "offsets or a group expired");
            self.step(now, effects).append(records, Then::Nothing);
        }
    }
}

fn has_expired(
    condition: ExpiryCondition,
    committed: &CommittedOffset,
    now_ms: i64,
    retention_ms: i64,
) -> bool {
    let since_ms = match condition {
        ExpiryCondition::Never => return false,
        ExpiryCondition::SinceCommit => committed.commit_timestamp_ms,
        ExpiryCondition::SinceEmpty(since_ms) => since_ms,
    };
    match committed.expire_timestamp_ms {
        // The client said how long to keep it.
        Some(expire_ms) => now_ms >= expire_ms,
        None => now_ms.saturating_sub(since_ms) >= retention_ms,
    }
}
