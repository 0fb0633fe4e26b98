//! The groups and offsets of one partition of `__consumer_offsets`: a pure state machine.
//!
//! Events go in, commands come out. Written state changes in one place, [`StoredState::apply`], after the log took the
//! records; membership that is not written (who waits for what) lives in [`ClassicGroup`].

use std::collections::BTreeMap;
use std::rc::Rc;

use super::classic::{ClassicGroup, DEAD};
use super::deadlines::{Deadline, Deadlines};
use super::error::GroupError;
use super::event::{Answer, Command, Event, Now, RequestId};
use super::request::{GroupDescription, GroupListing, JoinAnswer, JoinRequest, LeaveRequest};
use super::settings::GroupSettings;
use super::step::{Effects, PendingAppend, Step, Then};
use super::stored::{RecordOrigin, StoredRecord, StoredState};
use crate::base::ids::Offset;
use crate::base::limits::MAX_GROUPS_PER_COORDINATOR;
use crate::base::time::Monotonic;

/// The coordinator of the groups of one partition.
pub struct CoordinatorEngine {
    pub(super) settings: GroupSettings,
    pub(super) stored: StoredState,
    pub(super) groups: BTreeMap<Rc<str>, ClassicGroup>,
    pub(super) deadlines: Deadlines,
    /// An append that was asked for and not yet reported on.
    outstanding: Option<PendingAppend>,
}

impl CoordinatorEngine {
    /// Takes over the state that the partition's records add up to. All members' sessions begin now. A group that is larger
    /// than allowed, because the limit was lowered, has to join again.
    pub fn load(settings: GroupSettings, stored: StoredState, now: Now) -> (CoordinatorEngine, Vec<Command>) {
        let mut groups = BTreeMap::new();
        for (id, group) in stored.groups() {
            groups.insert(id.clone(), ClassicGroup::restored(id.clone(), group));
        }
        for id in stored.offsets().groups() {
            groups
                .entry(id.clone())
                .or_insert_with(|| ClassicGroup::new(id.clone(), now.wall));
        }
        let deadlines = Deadlines::default();
        let mut engine = CoordinatorEngine {
            settings,
            stored,
            groups,
            deadlines,
            outstanding: None,
        };
        let ids: Vec<Rc<str>> = engine.groups.keys().cloned().collect();
        let mut effects = Effects::default();
        for id in ids {
            engine.in_group(&id, now, &mut effects, |group, step| {
                group.renew_sessions(step);
                group.shrink_if_too_large(step);
            });
        }
        assert!(
            effects.append.is_none(),
            "a loaded group that rebalances waits for its members"
        );
        (engine, effects.commands)
    }

    /// Handles one event. A [`Command::Append`] must be carried out, and reported, before the next event.
    pub fn on_event(&mut self, event: Event, now: Now) -> Vec<Command> {
        let mut effects = Effects::default();
        let is_report = matches!(event, Event::Appended { .. } | Event::AppendRefused(_));
        assert_eq!(
            is_report,
            self.outstanding.is_some(),
            "an append is reported on before anything else happens"
        );
        self.handle(event, now, &mut effects);
        if let Some(append) = effects.append.take() {
            effects.commands.push(Command::Append(append.records.clone()));
            self.outstanding = Some(append);
        }
        effects.commands
    }

    fn handle(&mut self, event: Event, now: Now, effects: &mut Effects) {
        match event {
            Event::Join(request, join) => self.join(request, join, now, effects),
            Event::Sync(request, sync) => {
                let group = sync.group.clone();
                let found = self.in_group(&group, now, effects, |group, step| {
                    group.sync(step, request, sync)
                });
                if found.is_none() {
                    self.step(now, effects)
                        .answer_sync(request, Err(GroupError::UnknownMemberId));
                }
            }
            Event::Heartbeat(request, heartbeat) => {
                let result = self.in_group(&heartbeat.group, now, effects, |group, step| {
                    group.heartbeat(step, &heartbeat)
                });
                let result = result.unwrap_or(Err(GroupError::UnknownMemberId));
                self.step(now, effects).answer(request, Answer::Heartbeat(result));
            }
            Event::Leave(request, leave) => self.leave(request, leave, now, effects),
            Event::CommitOffsets(request, commit) => self.commit_offsets(request, commit, now, effects),
            Event::DeleteOffsets(request, delete) => self.delete_offsets(request, delete, now, effects),
            Event::DeleteGroup(request, group) => self.delete_group(request, &group, now, effects),
            Event::Tick => self.tick(now, effects),
            Event::ExpireOffsets(group) => self.expire_offsets(&group, now, effects),
            Event::ForgetTopic {
                group,
                topic,
                topic_id,
            } => self.forget_topic(&group, &topic, topic_id, now, effects),
            Event::Appended { first_offset } => self.appended(first_offset, now, effects),
            Event::AppendRefused(error) => self.append_refused(error, now, effects),
        }
    }

    fn join(&mut self, request: RequestId, mut join: JoinRequest, now: Now, effects: &mut Effects) {
        if join.rebalance_timeout_ms < 0 {
            // What the stored format means by -1, and what the oldest clients have.
            join.rebalance_timeout_ms = join.session_timeout_ms;
        }
        let bounds = self.settings.min_session_timeout_ms..=self.settings.max_session_timeout_ms;
        if !bounds.contains(&join.session_timeout_ms) {
            self.step(now, effects)
                .refuse_join(request, GroupError::InvalidSessionTimeout, &join.member_id);
            return;
        }
        let id = join.group.clone();
        if !self.groups.contains_key(&id) {
            if !join.member_id.is_empty() {
                self.step(now, effects)
                    .refuse_join(request, GroupError::UnknownMemberId, &join.member_id);
                return;
            }
            if let Err(error) = self.check_room() {
                self.step(now, effects)
                    .refuse_join(request, error, &join.member_id);
                return;
            }
            self.groups
                .insert(id.clone(), ClassicGroup::new(id.clone(), now.wall));
        }
        self.in_group(&id, now, effects, |group, step| group.join(step, request, join));
        self.drop_if_unused(&id, effects);
    }

    fn leave(&mut self, request: RequestId, leave: LeaveRequest, now: Now, effects: &mut Effects) {
        let results = self.in_group(&leave.group, now, effects, |group, step| {
            group.leave(step, &leave.members)
        });
        let results = results.unwrap_or_else(|| vec![Err(GroupError::UnknownMemberId); leave.members.len()]);
        self.step(now, effects)
            .answer(request, Answer::Leave(Ok(results)));
        self.drop_if_unused(&leave.group, effects);
    }

    /// Handles the first deadline that is due.
    fn tick(&mut self, now: Now, effects: &mut Effects) {
        let Some(deadline) = self.deadlines.pop_due(now.monotonic) else {
            return;
        };
        let (Deadline::Session { group: id, .. }
        | Deadline::Join { group: id }
        | Deadline::Sync { group: id }) = &deadline;
        self.in_group(id, now, effects, |group, step| match &deadline {
            Deadline::Session { member, .. } => group.session_deadline(step, member),
            Deadline::Join { .. } => group.join_deadline(step),
            Deadline::Sync { .. } => group.sync_deadline(step),
        });
        self.drop_if_unused(id, effects);
    }

    /// The log took the records of the last append: they hold from now on.
    fn appended(&mut self, first_offset: Offset, now: Now, effects: &mut Effects) {
        let PendingAppend { records, then } = self.outstanding.take().expect("checked on entry");
        for (i, record) in records.into_iter().enumerate() {
            let origin = RecordOrigin {
                offset: first_offset.plus(i as i64),
                transaction: None,
            };
            self.apply(origin, record, now, effects);
        }
        match then {
            Then::Nothing => {}
            Then::Answer { request, answer } => self.step(now, effects).answer_durable(request, answer),
            Then::Assign { group, assignments } => {
                self.in_group(&group, now, effects, |group, step| {
                    group.assign(step, assignments)
                });
            }
            Then::ReplaceStatic(replacement) => {
                let replacement = *replacement;
                let mut step = self.step(now, effects);
                step.answer_durable(replacement.request, Answer::Join(replacement.answer));
                let (old, new) = (replacement.old_member, replacement.new_member);
                replacement.group.replaced_static_member(&mut step, &old, &new);
                self.groups
                    .insert(replacement.group.id().clone(), replacement.group);
            }
        }
    }

    fn append_refused(&mut self, error: GroupError, now: Now, effects: &mut Effects) {
        let PendingAppend { then, .. } = self.outstanding.take().expect("checked on entry");
        match then {
            Then::Nothing => {}
            Then::Answer { request, answer } => {
                let refused = match answer {
                    Answer::Deleted(_) => Answer::Deleted(Err(error)),
                    _ => Answer::Partitions(Err(error)),
                };
                self.step(now, effects).answer(request, refused);
            }
            Then::Assign { group, .. } => {
                self.in_group(&group, now, effects, |group, step| {
                    group.assign_refused(step, error)
                });
            }
            Then::ReplaceStatic(replacement) => {
                let answer = JoinAnswer::refused(error, Rc::from(""));
                self.step(now, effects)
                    .answer(replacement.request, Answer::Join(answer));
            }
        }
    }

    /// Takes in a record that stands in the log, and lets groups come and go with it.
    fn apply(&mut self, origin: RecordOrigin, record: StoredRecord, now: Now, effects: &mut Effects) {
        let id = record.group().clone();
        let is_group_tombstone = matches!(record, StoredRecord::Group { value: None, .. });
        self.stored.apply(origin, record);
        if is_group_tombstone {
            if let Some(mut group) = self.groups.remove(&id) {
                group.dismiss(&mut self.step(now, effects), GroupError::UnknownMemberId);
            }
        } else if self.stored.offsets().has_group(&id) {
            // A simple consumer's first commit makes its group.
            self.groups
                .entry(id.clone())
                .or_insert_with(|| ClassicGroup::new(id, now.wall));
        }
    }

    /// Whether there is room for one more group.
    pub(super) fn check_room(&self) -> Result<(), GroupError> {
        if self.groups.len() < MAX_GROUPS_PER_COORDINATOR {
            Ok(())
        } else {
            Err(GroupError::TooManyGroups)
        }
    }

    /// A group that was never written and that nobody is in or about to be in is as good as none.
    fn drop_if_unused(&mut self, id: &Rc<str>, effects: &Effects) {
        let is_written = self.stored.group(id).is_some() || self.stored.offsets().has_group(id);
        let is_about_to_be = effects.append.is_some();
        if !is_written && !is_about_to_be && self.groups.get(id).is_some_and(ClassicGroup::is_deserted) {
            self.groups.remove(id);
        }
    }

    /// The coordinator goes away: everybody who waits is told so.
    pub fn unload(mut self, now: Now) -> Vec<Command> {
        let mut effects = Effects::default();
        let mut groups = std::mem::take(&mut self.groups);
        for group in groups.values_mut() {
            group.dismiss(&mut self.step(now, &mut effects), GroupError::NotCoordinator);
        }
        effects.commands
    }

    /// When the next [`Event::Tick`] is due.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        self.deadlines.next()
    }

    /// The group for DescribeGroups; `None` if it does not exist.
    pub fn describe(&self, group: &str) -> Option<GroupDescription> {
        self.groups.get(group).map(ClassicGroup::describe)
    }

    /// All groups, for ListGroups.
    pub fn list(&self) -> impl Iterator<Item = GroupListing> {
        self.groups.values().map(ClassicGroup::list)
    }

    /// The ids of the groups that committed offsets for the topic.
    pub fn groups_with_topic(&self, topic: &str) -> Vec<Rc<str>> {
        self.groups
            .keys()
            .filter(|id| self.stored.offsets().has_topic(id, topic))
            .cloned()
            .collect()
    }

    /// The ids of all groups, for whoever goes through them step by step.
    pub fn group_ids(&self) -> Vec<Rc<str>> {
        self.groups.keys().cloned().collect()
    }

    /// What is written.
    pub fn stored(&self) -> &StoredState {
        &self.stored
    }

    /// What DescribeGroups shows of a group that does not exist.
    pub fn dead_group() -> GroupDescription {
        let empty: Rc<str> = Rc::from("");
        GroupDescription {
            state: DEAD,
            protocol_type: empty.clone(),
            protocol: empty,
            members: Vec::new(),
        }
    }

    pub(super) fn step<'a>(&'a mut self, now: Now, effects: &'a mut Effects) -> Step<'a> {
        Step {
            now,
            settings: &self.settings,
            deadlines: &mut self.deadlines,
            effects,
        }
    }

    pub(super) fn in_group<T>(
        &mut self,
        id: &str,
        now: Now,
        effects: &mut Effects,
        act: impl FnOnce(&mut ClassicGroup, &mut Step<'_>) -> T,
    ) -> Option<T> {
        let group = self.groups.get_mut(id)?;
        let mut step = Step {
            now,
            settings: &self.settings,
            deadlines: &mut self.deadlines,
            effects,
        };
        Some(act(group, &mut step))
    }
}
