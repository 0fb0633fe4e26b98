//! JoinGroup: who may take part, and whether that makes the group rebalance.

use std::collections::HashSet;
use std::rc::Rc;

use super::classic_group::ClassicGroup;
use super::group_state::{GroupState, RebalanceKind};
use super::member::Member;
use crate::base::limits::MAX_PENDING_MEMBERS;
use crate::group::error::GroupError;
use crate::group::event::{Answer, RequestId};
use crate::group::request::{JoinRequest, NewMemberPolicy};
use crate::group::settings::NEW_MEMBER_JOIN_TIMEOUT_MS;
use crate::group::step::Step;

impl ClassicGroup {
    /// Handles a JoinGroup. The answer comes at once or when the join phase ends.
    pub fn join(&mut self, step: &mut Step<'_>, request: RequestId, mut join: JoinRequest) {
        drop_repeated_protocols(&mut join);
        if !self.has_room_for(&join.member_id, step.settings.max_size) {
            self.remove_member(step, &join.member_id);
            step.refuse_join(request, GroupError::GroupMaxSizeReached, &Rc::from(""));
            self.maybe_complete_join(step);
        } else if !self.supports(&join) {
            step.refuse_join(request, GroupError::InconsistentGroupProtocol, &join.member_id);
        } else if join.member_id.is_empty() {
            self.join_new(step, request, join);
        } else if self.pending_join.contains(&join.member_id) && join.instance_id.is_none() {
            let member_id = join.member_id.clone();
            self.add_member(step, request, &join, member_id);
        } else if let Err(error) = self.check_member(&join.member_id, join.instance_id.as_ref()) {
            step.refuse_join(request, error, &join.member_id);
        } else {
            self.join_again(step, request, join);
        }
    }

    /// A member without an id: it gets one, and maybe has to come back with it.
    fn join_new(&mut self, step: &mut Step<'_>, request: RequestId, join: JoinRequest) {
        let name = join.instance_id.as_ref().unwrap_or(&join.client_id);
        let new_id: Rc<str> = format!("{name}-{}", join.fresh_uuid).into();
        let earlier = join
            .instance_id
            .as_ref()
            .and_then(|instance| self.static_members.get(instance))
            .cloned();
        match (earlier, &join.instance_id, join.new_member_policy) {
            (Some(earlier), _, _) => self.replace_static_member(step, request, join, earlier, new_id),
            (None, None, NewMemberPolicy::ReturnsWithId)
                if self.pending_join.len() >= MAX_PENDING_MEMBERS =>
            {
                step.refuse_join(request, GroupError::GroupMaxSizeReached, &Rc::from(""));
            }
            (None, None, NewMemberPolicy::ReturnsWithId) => {
                tracing::debug!(group = %self.id, member = %new_id, "a new member gets its id");
                step.set_deadline(self.session_of(&new_id), join.session_timeout_ms);
                step.refuse_join(request, GroupError::MemberIdRequired, &new_id);
                self.pending_join.insert(new_id);
            }
            (None, _, _) => self.add_member(step, request, &join, new_id),
        }
    }

    fn add_member(
        &mut self,
        step: &mut Step<'_>,
        request: RequestId,
        join: &JoinRequest,
        member_id: Rc<str>,
    ) {
        tracing::info!(group = %self.id, member = %member_id, instance = join.instance_id.as_deref(),
            reason = join.reason.as_deref(), "a member joins");
        if let GroupState::PreparingRebalance(RebalanceKind::Initial(delay)) = &mut self.state {
            delay.member_added = true;
        }
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type.clone());
        }
        self.insert_member(Member::joining(member_id.clone(), join));
        self.park_join(step, &member_id, request);
        step.set_deadline(self.session_of(&member_id), NEW_MEMBER_JOIN_TIMEOUT_MS);
        self.rebalance_or_complete_join(step);
    }

    /// A member of the group joins once more: to rebalance, or because an answer was lost on the way.
    fn join_again(&mut self, step: &mut Step<'_>, request: RequestId, join: JoinRequest) {
        let member_id = join.member_id.clone();
        let is_unchanged = self.members[&member_id].protocols == join.protocols;
        let leads = self.leader.as_ref() == Some(&member_id);
        match self.state {
            GroupState::CompletingRebalance if is_unchanged => {}
            // A follower that changed nothing only wants to know where it is; a leader that joins again wants to
            // assign anew, for instance because a topic got more partitions.
            GroupState::Stable if is_unchanged && !leads => {}
            _ => {
                tracing::info!(group = %self.id, member = %member_id, state = self.state.name(),
                    reason = join.reason.as_deref(), "a member joins again");
                self.update_member(
                    &member_id,
                    join.protocols,
                    join.rebalance_timeout_ms,
                    join.session_timeout_ms,
                );
                self.park_join(step, &member_id, request);
                self.rebalance_or_complete_join(step);
                return;
            }
        }
        step.answer(request, Answer::Join(self.joined_answer(&member_id)));
    }

    /// Members in the group may stay; others come up to `group.max.size`. While members are being waited for those that
    /// joined already are counted, so that the last ones have to go if the limit was lowered.
    fn has_room_for(&self, member_id: &str, max_size: usize) -> bool {
        match self.state {
            GroupState::Empty => true,
            GroupState::PreparingRebalance(_) => {
                let waits = self
                    .members
                    .get(member_id)
                    .is_some_and(|member| member.join.is_some());
                waits || self.joins_parked < max_size
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                self.members.contains_key(member_id) || self.members.len() < max_size
            }
        }
    }

    fn supports(&self, join: &JoinRequest) -> bool {
        match self.state {
            GroupState::Empty => !join.protocol_type.is_empty() && !join.protocols.is_empty(),
            _ => {
                self.protocol_type.as_ref() == Some(&join.protocol_type)
                    && join
                        .protocols
                        .iter()
                        .any(|p| self.votes.is_known_by_all(&p.name, self.members.len()))
            }
        }
    }
}

/// A protocol counts once per member; the first mention holds.
fn drop_repeated_protocols(join: &mut JoinRequest) {
    let mut seen = HashSet::new();
    join.protocols
        .retain(|protocol| seen.insert(protocol.name.clone()));
}
