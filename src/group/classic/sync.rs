//! SyncGroup: the leader's assignment is written, then handed out.

use std::collections::HashMap;
use std::rc::Rc;

use bytes::Bytes;

use super::classic_group::ClassicGroup;
use super::group_state::GroupState;
use crate::group::deadlines::Deadline;
use crate::group::error::GroupError;
use crate::group::event::RequestId;
use crate::group::request::{SyncAnswer, SyncRequest};
use crate::group::step::{Step, Then};

impl ClassicGroup {
    /// Handles a SyncGroup. Followers wait for the leader's.
    pub fn sync(&mut self, step: &mut Step<'_>, request: RequestId, sync: SyncRequest) {
        if let Err(error) = self.check_sync(&sync) {
            step.answer_sync(request, Err(error));
            return;
        }
        self.pending_sync.remove(&sync.member_id);
        if self.pending_sync.is_empty() {
            step.deadlines.cancel(&Deadline::Sync {
                group: self.id.clone(),
            });
        }
        if self.state == GroupState::Stable {
            step.answer_sync(request, Ok(self.sync_answer(&sync.member_id)));
            return;
        }
        let member = self.members.get_mut(&sync.member_id).expect("was checked");
        if let Some(earlier) = member.sync.replace(request) {
            // The client gave up on its earlier request; whoever still holds it must not wait for ever.
            step.answer_sync(earlier, Err(GroupError::RebalanceInProgress));
        }
        if self.leader.as_ref() == Some(&sync.member_id) {
            let assignments: HashMap<Rc<str>, Bytes> = sync.assignments.into_iter().collect();
            let record = self.to_record(Some(step.now.wall.0), |member| {
                assignments.get(&member.id).cloned().unwrap_or_default()
            });
            step.append(
                vec![record],
                Then::Assign {
                    group: self.id.clone(),
                    assignments,
                },
            );
        }
    }

    /// The leader's assignments are written: the group is stable, and who waits gets its part.
    pub fn assign(&mut self, step: &mut Step<'_>, mut assignments: HashMap<Rc<str>, Bytes>) {
        self.move_to(GroupState::Stable, step.now.wall);
        let ids: Vec<Rc<str>> = self.members.keys().cloned().collect();
        for member_id in ids {
            let member = self.members.get_mut(&member_id).expect("is a member");
            member.assignment = assignments.remove(&member_id).unwrap_or_default();
            if let Some(request) = member.sync.take() {
                step.answer_sync(request, Ok(self.sync_answer(&member_id)));
                // A session that ended while the member waited was excused: it has to start anew.
                self.renew_session(step, &member_id);
            }
        }
    }

    /// The leader's assignments could not be written: another round.
    pub fn assign_refused(&mut self, step: &mut Step<'_>, error: GroupError) {
        self.fail_syncs(step, error);
        self.rebalance_or_complete_join(step);
    }

    /// The time to sync is up: members that did not go, and the others have to join again.
    pub fn sync_deadline(&mut self, step: &mut Step<'_>) {
        let is_awaited = matches!(self.state, GroupState::CompletingRebalance | GroupState::Stable);
        if !is_awaited || self.pending_sync.is_empty() {
            return;
        }
        for member_id in std::mem::take(&mut self.pending_sync) {
            tracing::info!(group = %self.id, member = %member_id, "a member did not sync in time");
            self.remove_member(step, &member_id);
        }
        self.prepare_rebalance(step);
    }

    fn check_sync(&self, sync: &SyncRequest) -> Result<(), GroupError> {
        self.check_member(&sync.member_id, sync.instance_id.as_ref())?;
        if sync.generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        if differ(&sync.protocol_type, &self.protocol_type) || differ(&sync.protocol, &self.protocol) {
            return Err(GroupError::InconsistentGroupProtocol);
        }
        if self.state.is_preparing() {
            return Err(GroupError::RebalanceInProgress);
        }
        Ok(())
    }

    fn sync_answer(&self, member_id: &str) -> SyncAnswer {
        SyncAnswer {
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: self.members[member_id].assignment.clone(),
        }
    }
}

/// True if both are known and not the same.
fn differ(asked: &Option<Rc<str>>, present: &Option<Rc<str>>) -> bool {
    matches!((asked, present), (Some(asked), Some(present)) if asked != present)
}
