//! A few messages against bytes that Apache Kafka 4.4's own classes wrote for the same values.

use bytes::Bytes;
use corelane::base::ids::TopicId;
use corelane::wire::codec::Message;
use corelane::wire::messages::fetch::{FetchPartition, FetchTopic, ReplicaState};
use corelane::wire::messages::metadata::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use corelane::wire::messages::stored::classic_group::MemberMetadata;
use corelane::wire::messages::stored::consumer_protocol::ConsumerProtocolSubscriptionTopicPartition;
use corelane::wire::messages::stored::{ConsumerProtocolSubscription, GroupMetadataValue, OffsetCommitValue};
use corelane::wire::messages::{FetchRequest, MetadataResponse};

const TOPIC_ID: TopicId = TopicId([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);

fn check<M: Message>(message: M, version: i16, golden: &str) {
    let bytes = message.to_bytes(version).unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, golden);
    assert_eq!(M::from_bytes(&bytes, version), Ok(message));
}

#[test]
fn metadata_response() {
    let response = MetadataResponse {
        throttle_time_ms: 20,
        brokers: vec![MetadataResponseBroker {
            node_id: 1001,
            host: "::1".to_owned(),
            port: 9093,
            rack: Some("here".to_owned()),
        }],
        cluster_id: Some("corelane".to_owned()),
        controller_id: 1000,
        topics: vec![MetadataResponseTopic {
            error_code: 5,
            name: Some("orders".to_owned()),
            topic_id: TOPIC_ID,
            is_internal: true,
            partitions: vec![MetadataResponsePartition {
                error_code: 0,
                partition_index: 3,
                leader_id: 1001,
                leader_epoch: 7,
                replica_nodes: vec![1001],
                isr_nodes: vec![1001],
                offline_replicas: vec![],
            }],
            topic_authorized_operations: 0xdf8,
        }],
        ..MetadataResponse::default()
    };
    check(
        response,
        13,
        "0000001402000003e9043a3a310000238505686572650009636f72656c616e65000003e8020005076f726465727301020304\
         05060708090a0b0c0d0e0f100102000000000003000003e90000000702000003e902000003e9010000000df800000000",
    );
}

#[test]
fn fetch_request_of_a_follower() {
    let request = FetchRequest {
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 52_428_800,
        session_id: 9,
        session_epoch: 2,
        rack_id: "r".to_owned(),
        cluster_id: Some("c".to_owned()),
        replica_state: ReplicaState {
            replica_id: 2,
            replica_epoch: 11,
        },
        topics: vec![FetchTopic {
            topic_id: TOPIC_ID,
            partitions: vec![FetchPartition {
                partition: 1,
                current_leader_epoch: 4,
                fetch_offset: 42,
                partition_max_bytes: 1_048_576,
                high_watermark: 40,
                ..FetchPartition::default()
            }],
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    };
    check(
        request,
        18,
        "000001f40000000103200000000000000900000002020102030405060708090a0b0c0d0e0f10020000000100000004000000\
         000000002affffffffffffffffffffffff001000000101080000000000000028000102720200020263010d00000002000000\
         000000000b00",
    );
}

#[test]
fn offset_commit_value() {
    let value = OffsetCommitValue {
        offset: 42,
        leader_epoch: 3,
        metadata: "note".to_owned(),
        commit_timestamp: 1_700_000_000_123,
        ..OffsetCommitValue::default()
    };
    check(
        value.clone(),
        3,
        "000000000000002a0000000300046e6f74650000018bcfe5687b",
    );
    check(
        OffsetCommitValue {
            topic_id: TOPIC_ID,
            ..value
        },
        4,
        "000000000000002a00000003056e6f74650000018bcfe5687b0100100102030405060708090a0b0c0d0e0f10",
    );
}

#[test]
fn group_metadata_value() {
    let value = GroupMetadataValue {
        protocol_type: "consumer".to_owned(),
        generation: 5,
        protocol: Some("range".to_owned()),
        leader: Some("m-1".to_owned()),
        current_state_timestamp: 1_700_000_000_123,
        members: vec![MemberMetadata {
            member_id: "m-1".to_owned(),
            group_instance_id: None,
            client_id: "c".to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            rebalance_timeout: 300_000,
            session_timeout: 45_000,
            subscription: Bytes::from_static(&[1, 2]),
            assignment: Bytes::from_static(&[3]),
        }],
    };
    check(
        value,
        3,
        "0008636f6e73756d657200000005000572616e676500036d2d310000018bcfe5687b0000000100036d2d31ffff000163000a\
         2f3132372e302e302e31000493e00000afc80000000201020000000103",
    );
}

#[test]
fn consumer_protocol_subscription() {
    let subscription = ConsumerProtocolSubscription {
        topics: vec!["a".to_owned(), "b".to_owned()],
        user_data: None,
        owned_partitions: vec![ConsumerProtocolSubscriptionTopicPartition {
            topic: "a".to_owned(),
            partitions: vec![0, 2],
        }],
        generation_id: 4,
        rack_id: Some("r".to_owned()),
    };
    check(
        subscription,
        3,
        "00000002000161000162ffffffff0000000100016100000002000000000000000200000004000172",
    );
}
