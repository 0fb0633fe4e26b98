//! What a consumer group costs while nothing happens in it: its members' heartbeats.

use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use corelane::base::ids::Offset;
use corelane::base::time::{Monotonic, WallMs};
use corelane::group::request::{
    HeartbeatRequest, JoinRequest, NewMemberPolicy, Protocol, SkipAssignment, SyncRequest,
};
use corelane::group::stored::StoredState;
use corelane::group::{Answer, Command, CoordinatorEngine, Event, GroupSettings, Now, RequestId};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const GROUP: &str = "consumers";

fn now(ms: u64) -> Now {
    Now {
        monotonic: Monotonic(0).plus(Duration::from_millis(ms)),
        wall: WallMs(1_700_000_000_000 + ms as i64),
    }
}

/// Gives an event to the engine, whose appends all succeed, and gathers the answers.
fn perform(engine: &mut CoordinatorEngine, event: Event, now: Now) -> Vec<Answer> {
    let (mut answers, mut events) = (Vec::new(), vec![event]);
    while let Some(event) = events.pop() {
        for command in engine.on_event(event, now) {
            match command {
                Command::Append(_) => events.push(Event::Appended {
                    first_offset: Offset(0),
                }),
                Command::Answer { answer, .. } => answers.push(answer),
            }
        }
    }
    answers
}

fn join(client: usize) -> JoinRequest {
    JoinRequest {
        group: GROUP.into(),
        member_id: "".into(),
        fresh_uuid: client.to_string(),
        instance_id: None,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: 45_000,
        rebalance_timeout_ms: 300_000,
        protocol_type: "consumer".into(),
        protocols: vec![Protocol {
            name: "range".into(),
            metadata: Bytes::from_static(b"\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00"),
        }],
        new_member_policy: NewMemberPolicy::JoinsAtOnce,
        skip_assignment: SkipAssignment::Understood,
        reason: None,
    }
}

/// A stable group of so many members: their ids and its generation.
fn stable_group(members: usize) -> (CoordinatorEngine, Vec<Rc<str>>, i32) {
    let (mut engine, _) = CoordinatorEngine::load(GroupSettings::default(), StoredState::default(), now(0));
    for client in 0..members {
        let event = Event::Join(RequestId(client as u64), join(client));
        assert!(
            perform(&mut engine, event, now(0)).is_empty(),
            "others may still come"
        );
    }
    // Everybody is there when the delay of a new group is over.
    let mut joined = Vec::new();
    while let Some(at) = engine.next_deadline()
        && joined.is_empty()
    {
        let at = Now {
            monotonic: at,
            ..now(10_000)
        };
        joined = perform(&mut engine, Event::Tick, at);
    }
    let mut ids = Vec::new();
    let (mut generation, mut leader) = (0, Rc::from(""));
    for answer in joined {
        let Answer::Join(answer) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(answer.error, None);
        generation = answer.generation;
        leader = answer.leader;
        ids.push(answer.member_id);
    }
    assert_eq!(ids.len(), members);
    let sync = |member_id: &Rc<str>| SyncRequest {
        group: GROUP.into(),
        member_id: member_id.clone(),
        instance_id: None,
        generation,
        protocol_type: None,
        protocol: None,
        assignments: ids
            .iter()
            .map(|id| (id.clone(), Bytes::from_static(b"all")))
            .collect(),
    };
    let event = Event::Sync(RequestId(members as u64), sync(&leader));
    let answers = perform(&mut engine, event, now(10_000));
    assert!(matches!(answers[..], [Answer::Sync(Ok(_))]), "{answers:?}");
    (engine, ids, generation)
}

fn heartbeat(c: &mut Criterion) {
    for members in [1, 10, 500] {
        let (mut engine, ids, generation) = stable_group(members);
        let mut group = c.benchmark_group("group heartbeat");
        group.throughput(Throughput::Elements(1));
        let mut next = 0;
        group.bench_function(format!("{members} members"), |b| {
            b.iter(|| {
                next += 1;
                let request = HeartbeatRequest {
                    group: GROUP.into(),
                    member_id: ids[next % members].clone(),
                    instance_id: None,
                    generation,
                };
                let event = Event::Heartbeat(RequestId(1_000_000 + next as u64), request);
                // The clock goes on, so that deadlines move.
                let commands = engine.on_event(event, now(20_000 + next as u64 / 1000));
                assert!(matches!(
                    black_box(&commands)[..],
                    [Command::Answer {
                        answer: Answer::Heartbeat(Ok(())),
                        ..
                    }]
                ));
            });
        });
        group.finish();
    }
}

criterion_group!(benches, heartbeat);
criterion_main!(benches);
