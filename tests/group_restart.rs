//! Groups and offsets over a crash of the whole process, and with another number of shards.

mod fixture;

use bytes::Bytes;
use corelane::wire::codec::Request;
use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::create_topics::CreatableTopic;
use corelane::wire::messages::join_group::JoinGroupRequestProtocol;
use corelane::wire::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use corelane::wire::messages::offset_fetch::OffsetFetchRequestTopic;
use corelane::wire::messages::sync_group::SyncGroupRequestAssignment;
use corelane::wire::messages::{
    CreateTopicsRequest, FindCoordinatorRequest, HeartbeatRequest, JoinGroupRequest, OffsetCommitRequest,
    OffsetFetchRequest, SyncGroupRequest,
};

use fixture::client::Client;
use fixture::{Broker, Options};

const GROUPS: usize = 20;

/// A member of a stable group of its own.
struct Member {
    group: String,
    member_id: String,
    committed: i64,
}

fn coordinator(broker: &Broker, group: &str) -> Client {
    let request = FindCoordinatorRequest {
        coordinator_keys: vec![group.to_string()],
        ..Default::default()
    };
    let answer = Client::connect(broker.bootstrap()).call(&request, 4);
    let found = &answer.coordinators[0];
    assert_eq!(found.error_code, 0, "{found:?}");
    Client::connect(&format!("{}:{}", found.host, found.port))
}

/// Calls until the coordinator has loaded. It always has to come to that, so there is no limit but the test's own.
fn call_loaded<R: Request>(
    client: &mut Client,
    request: &R,
    version: i16,
    code: impl Fn(&R::Response) -> i16,
) -> R::Response {
    loop {
        let answer = client.call(request, version);
        if code(&answer) != ErrorCode::CoordinatorLoadInProgress.code() {
            return answer;
        }
    }
}

fn enter(broker: &Broker, group: String) -> Member {
    let mut client = coordinator(broker, &group);
    let mut join = JoinGroupRequest {
        group_id: group.clone(),
        session_timeout_ms: 600_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".to_string(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".to_string(),
            metadata: Bytes::new(),
        }],
        ..JoinGroupRequest::default()
    };
    join.member_id = client.call(&join, 9).member_id;
    let joined = client.call(&join, 9);
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    let sync = SyncGroupRequest {
        group_id: group.clone(),
        generation_id: 1,
        member_id: join.member_id.clone(),
        assignments: vec![SyncGroupRequestAssignment {
            member_id: join.member_id.clone(),
            assignment: Bytes::copy_from_slice(group.as_bytes()),
        }],
        ..SyncGroupRequest::default()
    };
    assert_eq!(client.call(&sync, 3).assignment, group);
    Member {
        group,
        member_id: join.member_id,
        committed: -1,
    }
}

impl Member {
    /// Sees that the group is as it was, and commits one offset more.
    fn go_on(&mut self, broker: &Broker) {
        let mut client = coordinator(broker, &self.group);
        let fetch = OffsetFetchRequest {
            group_id: self.group.clone(),
            topics: Some(vec![OffsetFetchRequestTopic {
                name: "t".to_string(),
                partition_indexes: vec![0],
            }]),
            ..OffsetFetchRequest::default()
        };
        let fetched = call_loaded(&mut client, &fetch, 7, |answer| answer.error_code);
        assert_eq!(fetched.topics[0].partitions[0].committed_offset, self.committed);
        let heartbeat = HeartbeatRequest {
            group_id: self.group.clone(),
            generation_id: 1,
            member_id: self.member_id.clone(),
            ..HeartbeatRequest::default()
        };
        assert_eq!(
            client.call(&heartbeat, 4).error_code,
            0,
            "the member is still one, in the same generation"
        );
        let sync = SyncGroupRequest {
            group_id: self.group.clone(),
            generation_id: 1,
            member_id: self.member_id.clone(),
            ..SyncGroupRequest::default()
        };
        assert_eq!(
            client.call(&sync, 3).assignment,
            self.group,
            "the assignment stays"
        );
        let partition = OffsetCommitRequestPartition {
            partition_index: 0,
            committed_offset: self.committed + 1,
            ..OffsetCommitRequestPartition::default()
        };
        let commit = OffsetCommitRequest {
            group_id: self.group.clone(),
            generation_id_or_member_epoch: 1,
            member_id: self.member_id.clone(),
            topics: vec![OffsetCommitRequestTopic {
                name: "t".to_string(),
                partitions: vec![partition],
                ..OffsetCommitRequestTopic::default()
            }],
            ..OffsetCommitRequest::default()
        };
        assert_eq!(client.call(&commit, 8).topics[0].partitions[0].error_code, 0);
        self.committed += 1;
    }
}

#[test]
fn groups_go_on_after_a_crash_with_any_number_of_shards() {
    let mut broker = Broker::start(Options::shards(2).set("group.initial.rebalance.delay.ms", 0));
    let topic = CreatableTopic {
        name: "t".to_string(),
        num_partitions: 1,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let create = CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: 30_000,
        validate_only: false,
    };
    assert_eq!(
        Client::connect(broker.bootstrap()).call(&create, 7).topics[0].error_code,
        0
    );
    let mut members: Vec<Member> = (0..GROUPS)
        .map(|i| enter(&broker, format!("group-{i}")))
        .collect();
    for shards in [1, 3, 2] {
        members.iter_mut().for_each(|member| member.go_on(&broker));
        broker.sigkill_and_restart(shards);
    }
    members.iter_mut().for_each(|member| member.go_on(&broker));
    broker.stop();
}
