//! A static member comes back after a restart, without its member id (KIP-345).

use std::rc::Rc;

use super::classic_group::ClassicGroup;
use super::group_state::GroupState;
use crate::group::error::GroupError;
use crate::group::event::RequestId;
use crate::group::request::{JoinRequest, SkipAssignment};
use crate::group::step::{StaticReplacement, Step, Then};

impl ClassicGroup {
    /// Puts the member in the place of its earlier self, which is fenced from now on. In a stable group that is all:
    /// the assignment stays, unless the member's protocols change the vote.
    pub(super) fn replace_static_member(
        &mut self,
        step: &mut Step<'_>,
        request: RequestId,
        join: JoinRequest,
        old_member: Rc<str>,
        new_member: Rc<str>,
    ) {
        tracing::info!(group = %self.id, instance = join.instance_id.as_deref(), old = %old_member, new = %new_member,
            state = self.state.name(), reason = join.reason.as_deref(), "a static member comes back");
        let mut replaced = self.clone();
        let leader_before = self.leader.clone();
        let parked = replaced.swap_member_id(&old_member, &new_member);
        let skip_assignment = join.skip_assignment;
        replaced.update_member(
            &new_member,
            join.protocols,
            join.rebalance_timeout_ms,
            join.session_timeout_ms,
        );

        let keeps_protocol =
            || self.protocol.as_ref() == Some(&replaced.votes.select(replaced.members.values()));
        if self.state == GroupState::Stable && keeps_protocol() {
            let record = replaced.to_record(self.state_timestamp_ms, |member| member.assignment.clone());
            let mut answer = replaced.joined_answer(&new_member);
            match skip_assignment {
                SkipAssignment::Understood => answer.skip_assignment = !answer.members.is_empty(),
                SkipAssignment::Unknown => {
                    // A client that cannot be told to keep the assignment must not learn that it leads.
                    answer.members.clear();
                    answer.leader = leader_before.unwrap_or_else(|| Rc::from(""));
                }
            }
            let replacement = StaticReplacement {
                group: replaced,
                old_member,
                new_member,
                request,
                answer,
            };
            step.append(vec![record], Then::ReplaceStatic(Box::new(replacement)));
            return;
        }

        *self = replaced;
        step.deadlines.cancel(&self.session_of(&old_member));
        if let Some(earlier) = parked.join {
            step.refuse_join(earlier, GroupError::FencedInstanceId, &old_member);
        }
        if let Some(earlier) = parked.sync {
            step.answer_sync(earlier, Err(GroupError::FencedInstanceId));
        }
        self.park_join(step, &new_member, request);
        self.renew_session(step, &new_member);
        // While the leader works out an assignment it knows the old id only: the round has to begin anew.
        self.rebalance_or_complete_join(step);
    }

    /// The replacement is written: the old id's session goes, the new one's begins.
    pub fn replaced_static_member(&self, step: &mut Step<'_>, old_member: &Rc<str>, new_member: &Rc<str>) {
        step.deadlines.cancel(&self.session_of(old_member));
        self.renew_session(step, new_member);
    }

    /// Gives the member its new id, with all it had but its parked requests, which are returned.
    fn swap_member_id(&mut self, old_member: &Rc<str>, new_member: &Rc<str>) -> Parked {
        let leads = self.leader.as_ref() == Some(old_member);
        let owes_sync = self.pending_sync.contains(old_member);
        let mut member = self.take_member(old_member).expect("static members are members");
        let parked = Parked {
            join: member.join.take(),
            sync: member.sync.take(),
        };
        member.id = new_member.clone();
        member.is_new = false;
        self.insert_member(member);
        if leads {
            self.leader = Some(new_member.clone());
        }
        if owes_sync {
            self.pending_sync.insert(new_member.clone());
        }
        parked
    }
}

/// The requests of the earlier self that still wait.
struct Parked {
    join: Option<RequestId>,
    sync: Option<RequestId>,
}
