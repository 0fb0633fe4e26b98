//! Steps that tests of groups begin with.

use std::cell::RefCell;

use bytes::Bytes;
use corelane::wire::codec::Writer;
use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::join_group::JoinGroupRequestProtocol;
use corelane::wire::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use corelane::wire::messages::offset_fetch::OffsetFetchRequestTopic;
use corelane::wire::messages::sync_group::SyncGroupRequestAssignment;
use corelane::wire::messages::{
    FindCoordinatorRequest, JoinGroupRequest, JoinGroupResponse, OffsetCommitRequest, OffsetFetchRequest,
    SyncGroupRequest,
};

use crate::fixture::client::Client;
use crate::server::Server;
use crate::steps::{error, eventually};

/// A server whose groups begin without delay.
pub fn start() -> Server {
    Server::start_with(&[("group.initial.rebalance.delay.ms", "0")])
}

/// A connection to the group's coordinator.
pub fn coordinator(server: &Server, group: &str) -> Client {
    let address = RefCell::new(String::new());
    let request = FindCoordinatorRequest {
        coordinator_keys: vec![group.to_string()],
        ..Default::default()
    };
    let mut client = server.client();
    eventually(server, || {
        let answer = client.call(&request, 4);
        let found = &answer.coordinators[0];
        *address.borrow_mut() = format!("{}:{}", found.host, found.port);
        found.error_code == 0
    });
    let mut client = Client::connect(&address.borrow());
    // Apache Kafka may know the coordinator before the coordinator knows itself.
    eventually(server, || {
        let request = OffsetFetchRequest {
            group_id: group.to_string(),
            topics: Some(vec![]),
            ..Default::default()
        };
        client.call(&request, 7).error_code == 0
    });
    client
}

/// The metadata of a consumer that subscribes to the topics (version 0).
pub fn subscription(topics: &[&str]) -> Bytes {
    let mut writer = Writer::new();
    writer.i16(0);
    writer.i32(topics.len() as i32);
    for topic in topics {
        writer.i16(topic.len() as i16);
        writer.raw(topic.as_bytes());
    }
    writer.i32(-1);
    writer.into_bytes()
}

/// A new consumer's JoinGroup, subscribed to topic `t`.
pub fn join_request(group: &str) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: group.to_string(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: "consumer".to_string(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".to_string(),
            metadata: subscription(&["t"]),
        }],
        ..JoinGroupRequest::default()
    }
}

/// The two joins of a new member; the only one of its group.
#[track_caller]
pub fn join(client: &mut Client, request: JoinGroupRequest) -> JoinGroupResponse {
    let first = client.call(&request, 9);
    assert_eq!(error(first.error_code), ErrorCode::MemberIdRequired);
    let answer = client.call(
        &JoinGroupRequest {
            member_id: first.member_id,
            ..request
        },
        9,
    );
    assert_eq!(error(answer.error_code), ErrorCode::None);
    answer
}

/// A leader's SyncGroup that assigns the text to itself.
pub fn sync_request(group: &str, joined: &JoinGroupResponse, assignment: &'static str) -> SyncGroupRequest {
    SyncGroupRequest {
        group_id: group.to_string(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        protocol_type: joined.protocol_type.clone(),
        protocol_name: joined.protocol_name.clone(),
        assignments: vec![SyncGroupRequestAssignment {
            member_id: joined.member_id.clone(),
            assignment: Bytes::from_static(assignment.as_bytes()),
        }],
        ..SyncGroupRequest::default()
    }
}

/// A stable group of one consumer.
#[track_caller]
pub fn stable(client: &mut Client, group: &str) -> JoinGroupResponse {
    let joined = join(client, join_request(group));
    let synced = client.call(&sync_request(group, &joined, "mine"), 5);
    assert_eq!(error(synced.error_code), ErrorCode::None);
    joined
}

/// A simple consumer's commit of one offset.
pub fn commit_request(group: &str, topic: &str, partition: i32, offset: i64) -> OffsetCommitRequest {
    OffsetCommitRequest {
        group_id: group.to_string(),
        topics: vec![OffsetCommitRequestTopic {
            name: topic.to_string(),
            partitions: vec![OffsetCommitRequestPartition {
                partition_index: partition,
                committed_offset: offset,
                committed_metadata: Some("note".to_string()),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..OffsetCommitRequest::default()
    }
}

/// Commits one offset as a simple consumer.
#[track_caller]
pub fn commit(client: &mut Client, group: &str, topic: &str, partition: i32, offset: i64) {
    let answer = client.call(&commit_request(group, topic, partition, offset), 8);
    assert_eq!(error(answer.topics[0].partitions[0].error_code), ErrorCode::None);
}

/// The committed offset of a partition, -1 if there is none.
#[track_caller]
pub fn committed(client: &mut Client, group: &str, topic: &str, partition: i32) -> i64 {
    let request = OffsetFetchRequest {
        group_id: group.to_string(),
        topics: Some(vec![OffsetFetchRequestTopic {
            name: topic.to_string(),
            partition_indexes: vec![partition],
        }]),
        ..OffsetFetchRequest::default()
    };
    let answer = client.call(&request, 7);
    assert_eq!(error(answer.error_code), ErrorCode::None);
    assert_eq!(error(answer.topics[0].partitions[0].error_code), ErrorCode::None);
    answer.topics[0].partitions[0].committed_offset
}
