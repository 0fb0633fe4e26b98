use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::delete_records::{DeleteRecordsPartition, DeleteRecordsTopic};
use corelane::wire::messages::fetch::{FetchPartition, FetchTopic};
use corelane::wire::messages::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use corelane::wire::messages::{DeleteRecordsRequest, FetchRequest, ListOffsetsRequest};
use corelane::wire::records::batches;

use crate::fixture::client::Client;
use crate::fixture::{Broker, Options};
use crate::group_steps;
use crate::server::Server;
use crate::steps::{create_topic, error, leader, new_topic, new_topic_with, produce};

const EARLIEST: i64 = -2;

/// Error and low watermark.
#[track_caller]
fn delete(client: &mut Client, topic: &str, partition: i32, offset: i64, version: i16) -> (ErrorCode, i64) {
    let partitions = vec![DeleteRecordsPartition {
        partition_index: partition,
        offset,
    }];
    let request = DeleteRecordsRequest {
        topics: vec![DeleteRecordsTopic {
            name: topic.to_string(),
            partitions,
        }],
        timeout_ms: 30_000,
    };
    let answer = client.call(&request, version);
    let result = &answer.topics[0].partitions[0];
    assert_eq!(
        (&*answer.topics[0].name, result.partition_index),
        (topic, partition)
    );
    (error(result.error_code), result.low_watermark)
}

pub fn earliest(client: &mut Client, topic: &str) -> i64 {
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: topic.to_string(),
            partitions: vec![ListOffsetsPartition {
                timestamp: EARLIEST,
                ..ListOffsetsPartition::default()
            }],
        }],
        ..ListOffsetsRequest::default()
    };
    let answer = client.call(&request, 6);
    assert_eq!(error(answer.topics[0].partitions[0].error_code), ErrorCode::None);
    answer.topics[0].partitions[0].offset
}

/// Error, log start, and the first offset of what comes.
fn fetch(client: &mut Client, topic: &str, offset: i64) -> (ErrorCode, i64, Option<i64>) {
    let request = FetchRequest {
        max_wait_ms: 0,
        max_bytes: 1 << 20,
        topics: vec![FetchTopic {
            topic: topic.to_string(),
            partitions: vec![FetchPartition {
                fetch_offset: offset,
                partition_max_bytes: 1 << 20,
                ..FetchPartition::default()
            }],
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    };
    let mut answer = client.call(&request, 12);
    let data = answer.responses.remove(0).partitions.remove(0);
    let records = data.records.unwrap_or_default();
    let first = batches(&records)
        .next()
        .map(|batch| batch.expect("a batch").header().base_offset.0);
    (error(data.error_code), data.log_start_offset, first)
}

#[test]
fn every_version_deletes_up_to_an_offset() {
    let server = Server::start();
    let name = server.topic("delete");
    create_topic(&server, new_topic(&name, 1));
    let mut client = leader(&server, &name, 0);
    for version in 0..=2 {
        let base = produce(&server, &name, 0, &[1, 2, 3]);
        let mut check = |offset, expected| {
            assert_eq!(
                delete(&mut client, &name, 0, offset, version),
                expected,
                "{offset}"
            );
        };
        check(base + 4, (ErrorCode::OffsetOutOfRange, -1));
        check(-2, (ErrorCode::OffsetOutOfRange, -1));
        check(base + 1, (ErrorCode::None, base + 1));
        check(base, (ErrorCode::None, base + 1));
        assert_eq!(earliest(&mut client, &name), base + 1);
        assert_eq!(fetch(&mut client, &name, base).0, ErrorCode::OffsetOutOfRange);
        // The batch comes whole; a consumer skips what is before its offset.
        assert_eq!(
            fetch(&mut client, &name, base + 1),
            (ErrorCode::None, base + 1, Some(base))
        );
        assert_eq!(
            delete(&mut client, &name, 0, -1, version),
            (ErrorCode::None, base + 3)
        );
        assert_eq!(
            fetch(&mut client, &name, base + 3),
            (ErrorCode::None, base + 3, None)
        );
    }
}

#[test]
fn what_may_not_be_deleted_is_refused() {
    let server = Server::start();
    let (compacted, both, kept) = (
        server.topic("compacted"),
        server.topic("both"),
        server.topic("kept"),
    );
    create_topic(
        &server,
        new_topic_with(&compacted, 1, &[("cleanup.policy", "compact")]),
    );
    create_topic(
        &server,
        new_topic_with(&both, 1, &[("cleanup.policy", "compact,delete")]),
    );
    create_topic(&server, new_topic_with(&kept, 1, &[("cleanup.policy", "")]));
    let of = |topic: &str, partition| {
        let mut client = leader(&server, topic, 0);
        delete(&mut client, topic, partition, 0, 2)
    };
    assert_eq!(of(&compacted, 0), (ErrorCode::PolicyViolation, -1));
    assert_eq!(of(&both, 0), (ErrorCode::None, 0));
    assert_eq!(of(&kept, 0), (ErrorCode::None, 0));
    assert_eq!(of(&kept, 5), (ErrorCode::UnknownTopicOrPartition, -1));
    group_steps::coordinator(&server, "makes the topic");
    assert_eq!(
        of("__consumer_offsets", 0),
        (ErrorCode::InvalidTopicException, -1)
    );
    let missing = server.topic("missing");
    let mut client = server.client();
    assert_eq!(
        delete(&mut client, &missing, 0, 0, 2),
        (ErrorCode::UnknownTopicOrPartition, -1)
    );
}

#[test]
fn only_the_leader_deletes() {
    let server = Server::start();
    if server.is_foreign() {
        return;
    }
    let name = server.topic("elsewhere");
    create_topic(&server, new_topic(&name, 2));
    let mut client = leader(&server, &name, 0);
    assert_eq!(delete(&mut client, &name, 0, 0, 2), (ErrorCode::None, 0));
    assert_eq!(
        delete(&mut client, &name, 1, 0, 2),
        (ErrorCode::NotLeaderOrFollower, -1)
    );
}

#[test]
fn deleted_stays_deleted_after_a_kill() {
    let mut broker = Broker::start(Options::shards(1));
    let server = Server::of(&broker);
    create_topic(&server, new_topic("killed", 1));
    produce(&server, "killed", 0, &[1, 2, 3]);
    produce(&server, "killed", 0, &[4, 5, 6]);
    let mut client = leader(&server, "killed", 0);
    assert_eq!(delete(&mut client, "killed", 0, 4, 2), (ErrorCode::None, 4));
    broker.sigkill_and_restart(2);
    let server = Server::of(&broker);
    let mut client = leader(&server, "killed", 0);
    assert_eq!(earliest(&mut client, "killed"), 4);
    assert_eq!(fetch(&mut client, "killed", 0).0, ErrorCode::OffsetOutOfRange);
    assert_eq!(produce(&server, "killed", 0, &[7]), 6);
    let checkpoint = std::fs::read_to_string(broker.data_dir().join("log-start-offset-checkpoint"));
    assert_eq!(checkpoint.expect("Kafka's file"), "0\n1\nkilled 0 4\n");
    broker.stop();
}
