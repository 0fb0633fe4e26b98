//! The join phase: how it begins, how long it waits, and the generation it ends with.

use std::rc::Rc;

use bytes::Bytes;

use super::classic_group::ClassicGroup;
use super::group_state::{GroupState, InitialDelay, RebalanceKind};
use crate::group::deadlines::Deadline;
use crate::group::error::GroupError;
use crate::group::event::Answer;
use crate::group::step::{Step, Then};

/// How long a rebalance that no member joined waits at least before it looks again. Members may ask for a rebalance
/// timeout of nothing, and a coordinator must not look without pause. A guess: short beside any session.
const MIN_WAIT_FOR_STATIC_MS: i32 = 1_000;

impl ClassicGroup {
    /// Begins a rebalance, or ends the join phase of the one under way if all are there.
    pub(super) fn rebalance_or_complete_join(&mut self, step: &mut Step<'_>) {
        if self.state.is_preparing() {
            self.maybe_complete_join(step)
        } else {
            self.prepare_rebalance(step)
        }
    }

    /// Ends the join phase if all members have joined. The first one of a group always takes its time.
    pub(super) fn maybe_complete_join(&mut self, step: &mut Step<'_>) {
        let is_ordinary = self.state == GroupState::PreparingRebalance(RebalanceKind::Ordinary);
        if is_ordinary && self.have_all_joined() {
            self.complete_join(step);
        }
    }

    /// Begins a rebalance: all members have to join again.
    pub(super) fn prepare_rebalance(&mut self, step: &mut Step<'_>) {
        assert!(!self.state.is_preparing());
        if self.state == GroupState::CompletingRebalance {
            self.fail_syncs(step, GroupError::RebalanceInProgress);
        }
        self.pending_sync.clear();
        step.deadlines.cancel(&Deadline::Sync {
            group: self.id.clone(),
        });
        tracing::info!(group = %self.id, generation = self.generation, from = self.state.name(), "a rebalance begins");
        if self.state == GroupState::Empty {
            let current_ms = step.settings.initial_rebalance_delay_ms;
            let remaining_ms = (self.rebalance_timeout_ms() - current_ms).max(0);
            let delay = InitialDelay {
                current_ms,
                remaining_ms,
                member_added: false,
            };
            step.set_deadline(
                Deadline::Join {
                    group: self.id.clone(),
                },
                current_ms,
            );
            self.move_to(
                GroupState::PreparingRebalance(RebalanceKind::Initial(delay)),
                step.now.wall,
            );
            return;
        }
        self.move_to(
            GroupState::PreparingRebalance(RebalanceKind::Ordinary),
            step.now.wall,
        );
        if self.have_all_joined() {
            self.complete_join(step);
        } else {
            step.set_deadline(
                Deadline::Join {
                    group: self.id.clone(),
                },
                self.rebalance_timeout_ms(),
            );
        }
    }

    /// Lets a group that was loaded with more members than allowed sort out who stays. Those that join in time do.
    pub fn shrink_if_too_large(&mut self, step: &mut Step<'_>) {
        if self.members.len() > step.settings.max_size {
            self.prepare_rebalance(step);
        }
    }

    /// The time to join is up. The first rebalance waits once more if somebody came meanwhile.
    pub fn join_deadline(&mut self, step: &mut Step<'_>) {
        match self.state {
            GroupState::PreparingRebalance(RebalanceKind::Initial(delay))
                if delay.member_added && delay.remaining_ms > 0 =>
            {
                let next = InitialDelay {
                    current_ms: step.settings.initial_rebalance_delay_ms.min(delay.remaining_ms),
                    remaining_ms: (delay.remaining_ms - delay.current_ms).max(0),
                    member_added: false,
                };
                self.state = GroupState::PreparingRebalance(RebalanceKind::Initial(next));
                step.set_deadline(
                    Deadline::Join {
                        group: self.id.clone(),
                    },
                    next.current_ms,
                );
            }
            GroupState::PreparingRebalance(_) => self.complete_join(step),
            _ => {}
        }
    }

    /// Ends the join phase: who did not join goes, but for static members; the others get the new generation.
    pub(super) fn complete_join(&mut self, step: &mut Step<'_>) {
        step.deadlines.cancel(&Deadline::Join {
            group: self.id.clone(),
        });
        let absent = self
            .members
            .values()
            .filter(|member| member.join.is_none() && !member.is_static());
        let absent: Vec<Rc<str>> = absent.map(|member| member.id.clone()).collect();
        for member_id in &absent {
            tracing::info!(group = %self.id, member = %member_id, "a member did not join in time");
            self.remove_member(step, member_id);
        }
        if !self.members.is_empty() && !self.elect_joined_leader() {
            // Only static members, and none of them joined. Their sessions will end, or one comes back.
            let again_ms = self.rebalance_timeout_ms().max(MIN_WAIT_FOR_STATIC_MS);
            step.set_deadline(
                Deadline::Join {
                    group: self.id.clone(),
                },
                again_ms,
            );
            return;
        }
        self.generation = self.generation.wrapping_add(1).max(0);
        if self.members.is_empty() {
            self.become_empty(step);
        } else {
            self.begin_generation(step);
        }
    }

    fn become_empty(&mut self, step: &mut Step<'_>) {
        tracing::info!(group = %self.id, generation = self.generation, "a group is empty now");
        self.protocol = None;
        self.read_subscriptions();
        self.move_to(GroupState::Empty, step.now.wall);
        // If this cannot be written, the generation before comes back after a restart and times out: no harm.
        step.append(
            vec![self.to_record(self.state_timestamp_ms, |_| Bytes::new())],
            Then::Nothing,
        );
    }

    fn begin_generation(&mut self, step: &mut Step<'_>) {
        self.protocol = Some(self.votes.select(self.members.values()));
        self.read_subscriptions();
        self.move_to(GroupState::CompletingRebalance, step.now.wall);
        tracing::info!(group = %self.id, generation = self.generation, members = self.members.len(),
            protocol = self.protocol.as_deref(), "a generation begins");
        self.pending_sync = self.members.keys().cloned().collect();
        let ids: Vec<Rc<str>> = self.members.keys().cloned().collect();
        for member_id in ids {
            if let Some(request) = self.unpark_join(&member_id) {
                step.answer(request, Answer::Join(self.joined_answer(&member_id)));
            }
            self.renew_session(step, &member_id);
            self.members.get_mut(&member_id).expect("is a member").is_new = false;
        }
        step.set_deadline(
            Deadline::Sync {
                group: self.id.clone(),
            },
            self.rebalance_timeout_ms(),
        );
    }

    /// Makes sure that the leader is one of those that joined. False if nobody did.
    fn elect_joined_leader(&mut self) -> bool {
        let has_joined = |id: &Rc<str>| self.members.get(id).is_some_and(|member| member.join.is_some());
        if !self.leader.as_ref().is_some_and(has_joined) {
            match self.members.values().find(|member| member.join.is_some()) {
                Some(member) => self.leader = Some(member.id.clone()),
                None => return false,
            }
        }
        true
    }

    /// Drops all assignments and answers the parked SyncGroups with the error.
    pub(super) fn fail_syncs(&mut self, step: &mut Step<'_>, error: GroupError) {
        let ids: Vec<Rc<str>> = self.members.keys().cloned().collect();
        for member_id in ids {
            let member = self.members.get_mut(&member_id).expect("is a member");
            member.assignment = Bytes::new();
            if let Some(request) = member.sync.take() {
                step.answer_sync(request, Err(error));
                self.renew_session(step, &member_id);
            }
        }
    }
}
