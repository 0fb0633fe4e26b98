//! Random requests of random members, with time passing, refused appends and restarts in between. Whatever comes, nothing
//! panics, the group holds together, replay gives the live state, and in the end everybody was answered.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::lab::{GROUP, Lab, partition, protocols};
use crate::group::classic::{ClassicGroup, GroupState};
use crate::group::deadlines::Deadline;
use crate::group::request::{
    CommitRequest, HeartbeatRequest, JoinRequest, LeaveRequest, LeavingMember, NewMemberPolicy,
    OffsetDeleteRequest, SkipAssignment, SyncRequest,
};
use crate::group::{Answer, Event, GroupError, GroupSettings, RequestId};

/// A small generator of numbers that look random (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len() as u64) as usize]
    }
}

/// The requests sent so far, and what the clients know.
struct Clients {
    dice: Dice,
    sent: BTreeSet<RequestId>,
    /// Every id that was ever given out, and some that were not.
    member_ids: Vec<Rc<str>>,
    generation: i32,
}

impl Clients {
    fn member_id(&mut self) -> Rc<str> {
        // Mostly a recent one.
        let recent = self.member_ids.len().saturating_sub(4);
        if self.dice.one_in(4) {
            self.dice.pick(&self.member_ids)
        } else {
            self.dice.pick(&self.member_ids[recent..])
        }
        .clone()
    }

    fn instance_id(&mut self) -> Option<Rc<str>> {
        match self.dice.roll(6) {
            0 => Some("i0".into()),
            1 => Some("i1".into()),
            _ => None,
        }
    }

    fn generation(&mut self) -> i32 {
        match self.dice.roll(10) {
            0 => -1,
            1 => self.generation - 1,
            _ => self.generation,
        }
    }

    fn join(&mut self, request: RequestId) -> JoinRequest {
        let names: [&[&str]; 4] = [&["a"], &["a", "b"], &["b", "a"], &["c"]];
        JoinRequest {
            group: GROUP.into(),
            member_id: if self.dice.one_in(3) {
                "".into()
            } else {
                self.member_id()
            },
            fresh_uuid: request.0.to_string(),
            instance_id: self.instance_id(),
            client_id: "c".into(),
            client_host: "/127.0.0.1".into(),
            session_timeout_ms: *self.dice.pick(&[5_000, 6_000, 10_000, 30_000]),
            rebalance_timeout_ms: *self.dice.pick(&[-1, 0, 6_000, 60_000]),
            protocol_type: if self.dice.one_in(10) {
                "connect".into()
            } else {
                "consumer".into()
            },
            protocols: protocols(self.dice.pick::<&[&str]>(&names)),
            new_member_policy: *self
                .dice
                .pick(&[NewMemberPolicy::JoinsAtOnce, NewMemberPolicy::ReturnsWithId]),
            skip_assignment: *self
                .dice
                .pick(&[SkipAssignment::Unknown, SkipAssignment::Understood]),
            reason: None,
        }
    }

    fn event(&mut self, request: RequestId) -> Event {
        let group: Rc<str> = GROUP.into();
        self.sent.insert(request);
        match self.dice.roll(16) {
            0..=5 => Event::Join(request, self.join(request)),
            6..=8 => {
                let assignments = vec![(self.member_id(), "x".into())];
                let (member_id, instance_id) = (self.member_id(), self.instance_id());
                let (generation, protocol_type, protocol) = (self.generation(), None, None);
                let sync = SyncRequest {
                    group,
                    member_id,
                    instance_id,
                    generation,
                    protocol_type,
                    protocol,
                    assignments,
                };
                Event::Sync(request, sync)
            }
            9..=10 => {
                let (member_id, instance_id, generation) =
                    (self.member_id(), self.instance_id(), self.generation());
                Event::Heartbeat(
                    request,
                    HeartbeatRequest {
                        group,
                        member_id,
                        instance_id,
                        generation,
                    },
                )
            }
            11 => {
                let one = LeavingMember {
                    member_id: self.member_id(),
                    instance_id: self.instance_id(),
                    reason: None,
                };
                let static_one = LeavingMember {
                    member_id: "".into(),
                    instance_id: self.instance_id(),
                    reason: None,
                };
                let members = if self.dice.one_in(2) {
                    vec![one]
                } else {
                    vec![static_one, one]
                };
                Event::Leave(request, LeaveRequest { group, members })
            }
            12 | 13 => {
                let simple = self.dice.one_in(4);
                let commit = CommitRequest {
                    group,
                    member_id: if simple { "".into() } else { self.member_id() },
                    instance_id: None,
                    generation: if simple { -1 } else { self.generation() },
                    retention_ms: self.dice.one_in(3).then_some(60_000),
                    partitions: vec![partition(self.dice.roll(3) as i32, self.dice.roll(100) as i64)],
                };
                Event::CommitOffsets(request, commit)
            }
            14 => Event::DeleteOffsets(
                request,
                OffsetDeleteRequest {
                    group,
                    partitions: vec![("t".into(), 0)],
                },
            ),
            _ => Event::DeleteGroup(request, group),
        }
    }

    /// What the answers tell the clients.
    fn learn(&mut self, lab: &mut Lab) {
        for (request, (answer, _)) in lab.answers.drain() {
            assert!(self.sent.remove(&request), "answered twice");
            if let Answer::Join(answer) = answer {
                if !answer.member_id.is_empty() {
                    self.member_ids.push(answer.member_id);
                }
                self.generation = self.generation.max(answer.generation);
            }
        }
    }
}

/// What must hold of a group between any two events.
fn check_group(group: &ClassicGroup, lab: &Lab) {
    let joins = group
        .members
        .values()
        .filter(|member| member.join.is_some())
        .count();
    let syncs = group
        .members
        .values()
        .filter(|member| member.sync.is_some())
        .count();
    assert_eq!(joins, group.joins_parked);
    assert!(group.pending_sync.iter().all(|id| group.members.contains_key(id)));
    assert!(
        group
            .pending_join
            .iter()
            .all(|id| !group.members.contains_key(id))
    );
    match &group.leader {
        Some(leader) => assert!(group.members.contains_key(leader), "the leader is a member"),
        None => assert!(group.members.is_empty(), "members have a leader"),
    }
    let statics = group.members.values().filter(|member| member.is_static()).count();
    assert_eq!(statics, group.static_members.len());
    for (instance, id) in &group.static_members {
        assert_eq!(group.members[id].instance_id.as_ref(), Some(instance));
    }
    match group.state {
        GroupState::Empty => assert_eq!((group.members.len(), joins, syncs), (0, 0, 0)),
        GroupState::PreparingRebalance(_) => {
            assert_eq!(syncs, 0);
            assert!(
                lab.engine.deadlines.is_set(&Deadline::Join {
                    group: group.id.clone()
                }),
                "it waits for ever"
            );
        }
        GroupState::CompletingRebalance => {
            assert_eq!(joins, 0);
            let leader = &group.members[group.leader.as_ref().expect("has members")];
            assert!(leader.sync.is_none(), "a leader's sync is not parked");
            assert!(
                lab.engine.deadlines.is_set(&Deadline::Sync {
                    group: group.id.clone()
                }),
                "it waits for ever"
            );
        }
        GroupState::Stable => assert_eq!((joins, syncs), (0, 0)),
    }
    for member in group.members.values() {
        let is_watched = lab.engine.deadlines.is_set(&group.session_of(&member.id));
        assert!(
            is_watched || member.is_excused(),
            "nobody would notice the death of {}",
            member.id
        );
    }
}

fn check_seed(seed: u64) {
    let settings = GroupSettings {
        initial_rebalance_delay_ms: [0, 3_000][(seed % 2) as usize],
        max_size: [3, 1_000][(seed / 2 % 2) as usize],
        ..GroupSettings::default()
    };
    let mut lab = Lab::with(settings);
    let mut clients = Clients {
        dice: Dice(seed * 2 + 1),
        sent: BTreeSet::new(),
        member_ids: vec!["ghost".into()],
        generation: 0,
    };
    for _ in 0..300 {
        if clients.dice.one_in(12) {
            lab.refuse_append = Some(GroupError::CoordinatorNotAvailable);
        }
        let request = lab.next_request();
        let event = clients.event(request);
        lab.event(event);
        lab.refuse_append = None;
        clients.learn(&mut lab);
        if clients.dice.one_in(3) {
            let ms = *clients.dice.pick(&[1, 500, 3_000, 7_000, 40_000]);
            lab.pass_ms(ms);
        }
        if clients.dice.one_in(20) {
            lab.event(Event::ExpireOffsets(GROUP.into()));
        }
        if clients.dice.one_in(60) {
            // Parked requests are lost with the connections.
            lab.restart();
            clients.learn(&mut lab);
            clients.sent.clear();
        }
        clients.learn(&mut lab);
        if let Some(group) = lab.engine.groups.get(GROUP) {
            check_group(group, &lab);
        }
    }
    lab.pass_ms(3_600_000);
    clients.learn(&mut lab);
    assert_eq!(clients.sent, BTreeSet::new(), "never answered");
    assert_eq!(lab.engine.next_deadline(), None, "nothing is left to wait for");
}

#[test]
fn whatever_comes_the_group_holds_together() {
    for seed in 1..=200 {
        let outcome = std::panic::catch_unwind(|| check_seed(seed));
        if let Err(panic) = outcome {
            eprintln!("seed {seed} failed");
            std::panic::resume_unwind(panic);
        }
    }
}
