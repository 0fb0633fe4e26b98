//! A coordinator with a clock and a log in memory.
//!
//! After each event the log is replayed from its start and compared with the live state, so every test is a test of
//! recovery too.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use crate::base::ids::{LeaderEpoch, Offset, TopicId};
use crate::base::time::{Monotonic, WallMs};
use crate::group::classic::{ClassicGroup, GroupState};
use crate::group::request::{
    CommitPartition, CommitRequest, HeartbeatRequest, JoinAnswer, JoinRequest, LeaveRequest, LeavingMember,
    NewMemberPolicy, OffsetDeleteRequest, Protocol, SkipAssignment, SyncAnswer, SyncRequest,
};
use crate::group::stored::{RecordOrigin, StoredRecord, StoredState};
use crate::group::{
    After, Answer, Command, CoordinatorEngine, Event, GroupError, GroupSettings, Now, RequestId,
};

/// Wall clock at the start of each test.
pub const START_MS: i64 = 1_700_000_000_000;
/// The group of most tests.
pub const GROUP: &str = "g";

pub struct Lab {
    pub engine: CoordinatorEngine,
    pub settings: GroupSettings,
    pub now: Now,
    /// Keys and values as they are written.
    pub log: Vec<(Bytes, Option<Bytes>)>,
    pub answers: HashMap<RequestId, (Answer, After)>,
    /// Set to refuse the next append.
    pub refuse_append: Option<GroupError>,
    requests: u64,
}

/// Consumer metadata (version 0) that subscribes to the topics.
pub fn subscription(topics: &[&str]) -> Bytes {
    let mut bytes = vec![0, 0];
    bytes.extend((topics.len() as i32).to_be_bytes());
    for topic in topics {
        bytes.extend((topic.len() as i16).to_be_bytes());
        bytes.extend(topic.as_bytes());
    }
    bytes.extend((-1i32).to_be_bytes());
    bytes.into()
}

/// A first JoinGroup (v5 and up) of a consumer subscribed to topic `t`, with ten seconds of session and sixty of rebalance.
pub fn consumer() -> JoinRequest {
    JoinRequest {
        group: GROUP.into(),
        member_id: "".into(),
        fresh_uuid: String::new(),
        instance_id: None,
        client_id: "c".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: vec![Protocol {
            name: "range".into(),
            metadata: subscription(&["t"]),
        }],
        new_member_policy: NewMemberPolicy::ReturnsWithId,
        skip_assignment: SkipAssignment::Understood,
        reason: None,
    }
}

/// A first JoinGroup of a static member.
pub fn static_consumer(instance_id: &str) -> JoinRequest {
    JoinRequest {
        instance_id: Some(instance_id.into()),
        ..consumer()
    }
}

/// Protocols with metadata of their own each.
pub fn protocols(names: &[&str]) -> Vec<Protocol> {
    names
        .iter()
        .map(|name| Protocol {
            name: (*name).into(),
            metadata: subscription(&["t", name]),
        })
        .collect()
}

/// One partition of topic `t` to commit.
pub fn partition(partition: i32, offset: i64) -> CommitPartition {
    CommitPartition {
        topic: "t".into(),
        topic_id: TopicId([1; 16]),
        partition,
        offset: Offset(offset),
        leader_epoch: LeaderEpoch(0),
        metadata: "".into(),
    }
}

impl Lab {
    pub fn new() -> Lab {
        Lab::with(GroupSettings {
            initial_rebalance_delay_ms: 3_000,
            ..GroupSettings::default()
        })
    }

    /// With no delay before a group's first rebalance.
    pub fn prompt() -> Lab {
        Lab::with(GroupSettings {
            initial_rebalance_delay_ms: 0,
            ..GroupSettings::default()
        })
    }

    pub fn with(settings: GroupSettings) -> Lab {
        let now = Now {
            monotonic: Monotonic(0),
            wall: WallMs(START_MS),
        };
        let (engine, commands) = CoordinatorEngine::load(settings.clone(), StoredState::default(), now);
        assert_eq!(commands, []);
        let (log, answers) = (Vec::new(), HashMap::new());
        Lab {
            engine,
            settings,
            now,
            log,
            answers,
            refuse_append: None,
            requests: 0,
        }
    }

    /// Sends an event, carries out what it brings, then all that is due at this moment.
    pub fn event(&mut self, event: Event) {
        self.perform(event);
        self.due();
    }

    fn perform(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for command in self.engine.on_event(event, self.now) {
                assert!(events.is_empty(), "an append is the last command");
                match command {
                    Command::Append(records) => match self.refuse_append.take() {
                        Some(error) => events.push(Event::AppendRefused(error)),
                        None => {
                            let first_offset = Offset(self.log.len() as i64);
                            self.log.extend(
                                records
                                    .iter()
                                    .map(|record| record.to_bytes().expect("short texts")),
                            );
                            events.push(Event::Appended { first_offset });
                        }
                    },
                    Command::Answer {
                        request,
                        answer,
                        after,
                    } => {
                        let earlier = self.answers.insert(request, (answer, after));
                        assert_eq!(earlier, None, "answered twice");
                    }
                }
            }
        }
        self.check_replay();
    }

    fn due(&mut self) {
        while self
            .engine
            .next_deadline()
            .is_some_and(|at| at <= self.now.monotonic)
        {
            self.perform(Event::Tick);
        }
    }

    /// Lets time pass, stopping at each deadline on the way.
    pub fn pass_ms(&mut self, ms: u64) {
        let end = self.now.monotonic.plus(Duration::from_millis(ms));
        while let Some(at) = self.engine.next_deadline().filter(|at| *at <= end) {
            self.set_time(at);
            self.due();
        }
        self.set_time(end);
    }

    fn set_time(&mut self, at: Monotonic) {
        let by = at.since(self.now.monotonic);
        self.now = Now {
            monotonic: at,
            wall: WallMs(self.now.wall.0 + by.as_millis() as i64),
        };
    }

    /// What the log adds up to.
    pub fn replay(&self) -> StoredState {
        let mut state = StoredState::default();
        for (i, (key, value)) in self.log.iter().enumerate() {
            let record = StoredRecord::from_bytes(Some(key), value.as_deref())
                .expect("ours")
                .expect("known");
            state.apply(
                RecordOrigin {
                    offset: Offset(i as i64),
                    transaction: None,
                },
                record,
            );
        }
        state
    }

    fn check_replay(&self) {
        let replayed = self.replay();
        assert_eq!(&replayed, self.engine.stored(), "replay differs from live state");
        for (id, live) in &self.engine.groups {
            if live.state() == GroupState::Stable {
                let stored = replayed.group(id).expect("a stable group is written");
                let restored = ClassicGroup::restored(id.clone(), stored);
                assert_eq!(
                    live.describe(),
                    restored.describe(),
                    "a restart would find another group"
                );
                assert_eq!(live.is_subscribed_to("t"), restored.is_subscribed_to("t"));
            }
        }
    }

    /// Starts the coordinator anew from its log. Requests that were parked are never answered.
    pub fn restart(&mut self) {
        let (engine, commands) = CoordinatorEngine::load(self.settings.clone(), self.replay(), self.now);
        assert_eq!(commands, []);
        self.engine = engine;
    }

    pub fn next_request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }

    /// Sends a JoinGroup. A new member gets the id `<client or instance>-<number of the request>`.
    pub fn send_join(&mut self, join: JoinRequest) -> RequestId {
        let request = self.next_request();
        let join = JoinRequest {
            fresh_uuid: request.0.to_string(),
            ..join
        };
        self.event(Event::Join(request, join));
        request
    }

    /// The answer to a join, which must be there.
    pub fn joined(&mut self, request: RequestId) -> JoinAnswer {
        match self.answers.remove(&request) {
            Some((Answer::Join(answer), _)) => answer,
            other => panic!("{request:?}: {other:?}"),
        }
    }

    /// True while the request has no answer.
    pub fn waits(&self, request: RequestId) -> bool {
        !self.answers.contains_key(&request)
    }

    /// A dynamic member's two joins (KIP-394). Returns the second, and the member's id.
    pub fn enter(&mut self, join: JoinRequest) -> (RequestId, Rc<str>) {
        let request = self.send_join(join.clone());
        let answer = self.joined(request);
        assert_eq!(answer.error, Some(GroupError::MemberIdRequired));
        let member_id = answer.member_id;
        (
            self.send_join(JoinRequest {
                member_id: member_id.clone(),
                ..join
            }),
            member_id,
        )
    }

    pub fn send_sync(
        &mut self,
        member_id: &Rc<str>,
        generation: i32,
        assignments: &[(&Rc<str>, &str)],
    ) -> RequestId {
        let assignments = assignments
            .iter()
            .map(|(id, a)| ((*id).clone(), Bytes::copy_from_slice(a.as_bytes())));
        let sync = SyncRequest {
            group: GROUP.into(),
            member_id: member_id.clone(),
            instance_id: None,
            generation,
            protocol_type: Some("consumer".into()),
            protocol: None,
            assignments: assignments.collect(),
        };
        let request = self.next_request();
        self.event(Event::Sync(request, sync));
        request
    }

    pub fn synced(&mut self, request: RequestId) -> Result<SyncAnswer, GroupError> {
        match self.answers.remove(&request) {
            Some((Answer::Sync(result), after)) => {
                assert!(
                    result.is_err() || after == After::Durable,
                    "an assignment is handed out once it is durable"
                );
                result
            }
            other => panic!("{request:?}: {other:?}"),
        }
    }

    /// The assignment a sync brought.
    pub fn assigned(&mut self, request: RequestId) -> String {
        let answer = self.synced(request).expect("synced");
        String::from_utf8(answer.assignment.to_vec()).expect("text")
    }

    pub fn heartbeat(&mut self, member_id: &Rc<str>, generation: i32) -> Result<(), GroupError> {
        self.heartbeat_as(member_id, None, generation)
    }

    pub fn heartbeat_as(
        &mut self,
        member_id: &Rc<str>,
        instance_id: Option<&str>,
        generation: i32,
    ) -> Result<(), GroupError> {
        let request = self.next_request();
        let heartbeat = HeartbeatRequest {
            group: GROUP.into(),
            member_id: member_id.clone(),
            instance_id: instance_id.map(Rc::from),
            generation,
        };
        self.event(Event::Heartbeat(request, heartbeat));
        match self.answers.remove(&request) {
            Some((Answer::Heartbeat(result), _)) => result,
            other => panic!("{other:?}"),
        }
    }

    /// LeaveGroup of members by id and instance id.
    pub fn leave(&mut self, leaving: &[(&str, Option<&str>)]) -> Vec<Result<(), GroupError>> {
        let members = leaving.iter().map(|(member_id, instance_id)| LeavingMember {
            member_id: (*member_id).into(),
            instance_id: instance_id.map(Rc::from),
            reason: None,
        });
        let leave = LeaveRequest {
            group: GROUP.into(),
            members: members.collect(),
        };
        let request = self.next_request();
        self.event(Event::Leave(request, leave));
        match self.answers.remove(&request) {
            Some((Answer::Leave(Ok(results)), _)) => results,
            other => panic!("{other:?}"),
        }
    }

    /// OffsetCommit of one partition.
    pub fn commit(
        &mut self,
        member_id: &str,
        generation: i32,
        what: CommitPartition,
    ) -> Result<(), GroupError> {
        self.commit_all(CommitRequest {
            group: GROUP.into(),
            member_id: member_id.into(),
            instance_id: None,
            generation,
            retention_ms: None,
            partitions: vec![what],
        })
        .and_then(|results| results[0])
    }

    pub fn commit_all(&mut self, commit: CommitRequest) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        let request = self.next_request();
        self.event(Event::CommitOffsets(request, commit));
        self.partitions(request)
    }

    pub fn delete_offsets(&mut self, topic: &str, partition: i32) -> Result<(), GroupError> {
        let request = self.next_request();
        let delete = OffsetDeleteRequest {
            group: GROUP.into(),
            partitions: vec![(topic.into(), partition)],
        };
        self.event(Event::DeleteOffsets(request, delete));
        self.partitions(request).and_then(|results| results[0])
    }

    fn partitions(&mut self, request: RequestId) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        match self.answers.remove(&request) {
            Some((Answer::Partitions(results), _)) => results,
            other => panic!("{other:?}"),
        }
    }

    pub fn delete_group(&mut self) -> Result<(), GroupError> {
        let request = self.next_request();
        self.event(Event::DeleteGroup(request, GROUP.into()));
        match self.answers.remove(&request) {
            Some((Answer::Deleted(result), _)) => result,
            other => panic!("{other:?}"),
        }
    }

    /// Committed offset of a partition of topic `t`.
    pub fn committed(&self, partition: i32) -> Option<i64> {
        self.engine
            .stored()
            .offsets()
            .get(GROUP, "t", partition)
            .map(|committed| committed.offset.0)
    }

    /// The group's state by name.
    pub fn state(&self) -> &'static str {
        self.engine.describe(GROUP).map_or("Dead", |group| group.state)
    }

    /// A stable group of `count` dynamic members in generation 1; the first leads. Each has its number as assignment.
    /// Needs [`Lab::prompt`] if there is only one, else the initial delay lets all in.
    pub fn stable_group(&mut self, count: usize) -> Vec<Rc<str>> {
        let entered: Vec<_> = (0..count).map(|_| self.enter(consumer())).collect();
        self.pass_ms(self.settings.initial_rebalance_delay_ms as u64 * 2);
        let ids: Vec<Rc<str>> = entered.iter().map(|(_, id)| id.clone()).collect();
        for (request, _) in entered {
            assert_eq!(self.joined(request).generation, 1);
        }
        self.sync_all(&ids, 1);
        assert_eq!(self.state(), "Stable");
        ids
    }

    /// All sync, the first leads; each is assigned its index.
    pub fn sync_all(&mut self, ids: &[Rc<str>], generation: i32) {
        let texts: Vec<String> = (0..ids.len()).map(|i| i.to_string()).collect();
        let assignments: Vec<(&Rc<str>, &str)> = ids.iter().zip(texts.iter().map(String::as_str)).collect();
        let leader = self.send_sync(&ids[0], generation, &assignments);
        assert_eq!(self.assigned(leader), "0");
        for (i, id) in ids.iter().enumerate().skip(1) {
            let request = self.send_sync(id, generation, &[]);
            assert_eq!(self.assigned(request), i.to_string());
        }
    }

    /// The member joins again as it was.
    pub fn rejoin(&mut self, member_id: &Rc<str>) -> RequestId {
        self.send_join(JoinRequest {
            member_id: member_id.clone(),
            ..consumer()
        })
    }
}
