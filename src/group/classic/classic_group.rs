//! A classic group and its members.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use bytes::Bytes;

use super::group_state::GroupState;
use super::member::Member;
use super::protocol_votes::ProtocolVotes;
use super::subscription::collect_subscribed_topics;
use crate::base::time::WallMs;
use crate::group::deadlines::Deadline;
use crate::group::error::GroupError;
use crate::group::event::{Answer, RequestId};
use crate::group::request::{JoinAnswer, JoinedMember, Protocol};
use crate::group::step::Step;
use crate::group::stored::{StoredGroup, StoredRecord};

/// The protocol type of consumers, the only one whose metadata a coordinator reads.
const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// One classic group. Clones are for trying a change out before it is written: all bytes in it are shared.
#[derive(Clone, Debug)]
pub(in crate::group) struct ClassicGroup {
    pub(in crate::group) id: Rc<str>,
    pub(in crate::group) state: GroupState,
    /// Rises with each completed join phase.
    pub(in crate::group) generation: i32,
    /// None until the first member.
    pub(in crate::group) protocol_type: Option<Rc<str>>,
    /// What the members of the current generation voted for.
    pub(in crate::group) protocol: Option<Rc<str>>,
    pub(in crate::group) leader: Option<Rc<str>>,
    /// When the group came into its state. None if that was written by a broker of old.
    pub(in crate::group) state_timestamp_ms: Option<i64>,
    pub(in crate::group) members: BTreeMap<Rc<str>, Member>,
    /// Member ids by `group.instance.id`.
    pub(in crate::group) static_members: HashMap<Rc<str>, Rc<str>>,
    /// Ids that were given out and not yet joined with (KIP-394).
    pub(in crate::group) pending_join: BTreeSet<Rc<str>>,
    /// Members of the generation that did not sync yet.
    pub(in crate::group) pending_sync: BTreeSet<Rc<str>>,
    pub(super) votes: ProtocolVotes,
    /// How many members have a parked JoinGroup.
    pub(in crate::group) joins_parked: usize,
    /// The topics of all members; none if the members are no consumers or not understood.
    pub(in crate::group) subscribed: Option<BTreeSet<String>>,
}

impl ClassicGroup {
    /// A group nobody is in.
    pub fn new(id: Rc<str>, now: WallMs) -> ClassicGroup {
        ClassicGroup {
            id,
            state: GroupState::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            state_timestamp_ms: Some(now.0),
            members: BTreeMap::new(),
            static_members: HashMap::new(),
            pending_join: BTreeSet::new(),
            pending_sync: BTreeSet::new(),
            votes: ProtocolVotes::default(),
            joins_parked: 0,
            subscribed: None,
        }
    }

    /// The group as its record has it. Members that were written have synced: the group is stable, or empty.
    pub fn restored(id: Rc<str>, stored: &StoredGroup) -> ClassicGroup {
        let mut group = ClassicGroup::new(id, WallMs(0));
        group.generation = stored.generation;
        group.protocol_type = stored.protocol_type.clone();
        group.protocol = stored.protocol.clone();
        group.state_timestamp_ms = stored.state_timestamp_ms;
        let protocol = stored.protocol.clone().unwrap_or_else(|| Rc::from(""));
        for member in &stored.members {
            group.insert_member(Member::restored(member, &protocol));
        }
        group.leader = stored
            .leader
            .clone()
            .filter(|leader| group.members.contains_key(leader));
        if !group.members.is_empty() {
            group.state = GroupState::Stable;
        }
        group.read_subscriptions();
        group
    }

    /// The group as it is written, with the assignments of `assignment_of`.
    pub fn to_record(
        &self,
        state_timestamp_ms: Option<i64>,
        assignment_of: impl Fn(&Member) -> Bytes,
    ) -> StoredRecord {
        let protocol = self.protocol.as_deref();
        let stored = StoredGroup {
            protocol_type: self.protocol_type.clone(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_timestamp_ms,
            members: self
                .members
                .values()
                .map(|m| m.to_stored(protocol, assignment_of(m)))
                .collect(),
        };
        StoredRecord::Group {
            group: self.id.clone(),
            value: Some(stored),
        }
    }

    /// The group's id.
    pub fn id(&self) -> &Rc<str> {
        &self.id
    }

    /// Where the group is in its round.
    pub fn state(&self) -> GroupState {
        self.state
    }

    /// Nobody is in the group, and nobody has an id to come back with.
    pub fn is_deserted(&self) -> bool {
        self.state == GroupState::Empty && self.pending_join.is_empty()
    }

    /// True for a group of consumers, whose subscriptions the coordinator can read.
    pub fn has_consumers(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE)
    }

    /// True if members are subscribed to the topic, or may be: of consumers not understood all is assumed.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed {
            Some(topics) => topics.contains(topic),
            None => self.has_consumers(),
        }
    }

    /// Checks that a request comes from a current member.
    pub(in crate::group) fn check_member(
        &self,
        member_id: &str,
        instance_id: Option<&Rc<str>>,
    ) -> Result<(), GroupError> {
        if let Some(instance_id) = instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(GroupError::UnknownMemberId),
                Some(current) if &**current != member_id => return Err(GroupError::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) {
            Ok(())
        } else {
            Err(GroupError::UnknownMemberId)
        }
    }

    /// Takes a member in. The first one becomes the leader and decides the protocol type.
    pub(in crate::group) fn insert_member(&mut self, member: Member) {
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(instance_id.clone(), member.id.clone());
        }
        if self.leader.is_none() {
            self.leader = Some(member.id.clone());
        }
        self.pending_join.remove(&member.id);
        self.votes.add(&member.protocols);
        self.joins_parked += usize::from(member.join.is_some());
        let old = self.members.insert(member.id.clone(), member);
        assert!(old.is_none(), "a member is inserted once");
    }

    /// Takes a member out, or an id that was given out. Leadership goes to another member. The member's parked
    /// requests are the caller's to answer.
    pub(in crate::group) fn take_member(&mut self, member_id: &str) -> Option<Member> {
        self.pending_join.remove(member_id);
        self.pending_sync.remove(member_id);
        let member = self.members.remove(member_id)?;
        self.votes.remove(&member.protocols);
        self.joins_parked -= usize::from(member.join.is_some());
        if let Some(instance_id) = &member.instance_id {
            self.static_members.remove(instance_id);
        }
        if self.leader.as_deref() == Some(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
        Some(member)
    }

    /// Removes a member for good: its deadline goes, its parked requests are told that it is unknown.
    pub(in crate::group) fn remove_member(&mut self, step: &mut Step<'_>, member_id: &Rc<str>) {
        step.deadlines.cancel(&self.session_of(member_id));
        if let Some(member) = self.take_member(member_id) {
            if let Some(request) = member.join {
                step.refuse_join(request, GroupError::UnknownMemberId, &Rc::from(""));
            }
            if let Some(request) = member.sync {
                step.answer_sync(request, Err(GroupError::UnknownMemberId));
            }
        }
    }

    /// Parks the member's JoinGroup until the join phase ends.
    pub(in crate::group) fn park_join(&mut self, step: &mut Step<'_>, member_id: &str, request: RequestId) {
        let member = self.members.get_mut(member_id).expect("the member was looked up");
        match member.join.replace(request) {
            // The client gave up on its earlier request; whoever still holds it must not wait for ever.
            Some(earlier) => step.refuse_join(earlier, GroupError::RebalanceInProgress, &member.id),
            None => self.joins_parked += 1,
        }
    }

    /// Takes the member's parked JoinGroup, if there is one.
    pub(in crate::group) fn unpark_join(&mut self, member_id: &str) -> Option<RequestId> {
        let request = self.members.get_mut(member_id)?.join.take()?;
        self.joins_parked -= 1;
        Some(request)
    }

    /// Every member waits for the join phase to end, and nobody is about to come back with its new id.
    pub(in crate::group) fn have_all_joined(&self) -> bool {
        self.joins_parked == self.members.len() && self.pending_join.is_empty()
    }

    /// Replaces what the member can do and how patient it is.
    pub(in crate::group) fn update_member(
        &mut self,
        member_id: &str,
        protocols: Vec<Protocol>,
        rebalance_timeout_ms: i32,
        session_timeout_ms: i32,
    ) {
        let member = self.members.get_mut(member_id).expect("the member was looked up");
        self.votes.remove(&member.protocols);
        self.votes.add(&protocols);
        member.protocols = protocols;
        member.rebalance_timeout_ms = rebalance_timeout_ms;
        member.session_timeout_ms = session_timeout_ms;
    }

    /// The longest time any member wants a rebalance to wait.
    pub(in crate::group) fn rebalance_timeout_ms(&self) -> i32 {
        self.members
            .values()
            .map(|member| member.rebalance_timeout_ms)
            .max()
            .unwrap_or(0)
            .max(0)
    }

    pub(in crate::group) fn session_of(&self, member_id: &Rc<str>) -> Deadline {
        Deadline::Session {
            group: self.id.clone(),
            member: member_id.clone(),
        }
    }

    /// Starts the member's session anew.
    pub(in crate::group) fn renew_session(&self, step: &mut Step<'_>, member_id: &str) {
        let member = &self.members[member_id];
        step.set_deadline(self.session_of(&member.id), member.session_timeout_ms);
    }

    /// Starts all members' sessions, after a load.
    pub fn renew_sessions(&self, step: &mut Step<'_>) {
        for member_id in self.members.keys() {
            self.renew_session(step, member_id);
        }
    }

    /// Drops what the group waits for: the coordinator goes away, or the group does.
    pub fn dismiss(&mut self, step: &mut Step<'_>, error: GroupError) {
        step.deadlines.cancel(&Deadline::Join {
            group: self.id.clone(),
        });
        step.deadlines.cancel(&Deadline::Sync {
            group: self.id.clone(),
        });
        for pending in &self.pending_join {
            step.deadlines.cancel(&self.session_of(pending));
        }
        let ids: Vec<Rc<str>> = self.members.keys().cloned().collect();
        for id in ids {
            step.deadlines.cancel(&self.session_of(&id));
            if let Some(request) = self.unpark_join(&id) {
                step.refuse_join(request, error, &id);
            }
            if let Some(request) = self.members.get_mut(&id).and_then(|member| member.sync.take()) {
                step.answer(request, Answer::Sync(Err(error)));
            }
        }
    }

    pub(in crate::group) fn move_to(&mut self, state: GroupState, now: WallMs) {
        self.state = state;
        self.state_timestamp_ms = Some(now.0);
    }

    /// The current generation for one member; with all members if it leads.
    pub(in crate::group) fn joined_answer(&self, member_id: &Rc<str>) -> JoinAnswer {
        let leads = self.leader.as_ref() == Some(member_id);
        JoinAnswer {
            error: None,
            member_id: member_id.clone(),
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_else(|| Rc::from("")),
            skip_assignment: false,
            members: if leads { self.joined_members() } else { Vec::new() },
        }
    }

    fn joined_members(&self) -> Vec<JoinedMember> {
        let protocol = self.protocol.as_deref();
        let joined = self.members.values().map(|member| JoinedMember {
            member_id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            metadata: member.metadata(protocol),
        });
        joined.collect()
    }

    /// Reads the topics of all members for the protocol in use.
    pub(in crate::group) fn read_subscriptions(&mut self) {
        self.subscribed = None;
        if !self.has_consumers() {
            return;
        }
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            let metadata = member.metadata(self.protocol.as_deref());
            if collect_subscribed_topics(&metadata, &mut topics).is_none() {
                tracing::warn!(group = %self.id, member = %member.id, "metadata of a consumer is not understood");
                return;
            }
        }
        self.subscribed = Some(topics);
    }
}
