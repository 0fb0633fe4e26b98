use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsTopic,
};
use corelane::wire::messages::{ListOffsetsRequest, ListOffsetsResponse};

use crate::fixture::client::Client;
use crate::server::Server;
use crate::steps::{create_topic, error, leader, new_topic, produce};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

fn partition(index: i32, timestamp: i64) -> ListOffsetsPartition {
    ListOffsetsPartition {
        partition_index: index,
        timestamp,
        ..ListOffsetsPartition::default()
    }
}

fn request(topic: &str, partitions: Vec<ListOffsetsPartition>) -> ListOffsetsRequest {
    let topics = vec![ListOffsetsTopic {
        name: topic.to_string(),
        partitions,
    }];
    ListOffsetsRequest {
        replica_id: -1,
        topics,
        timeout_ms: 1000,
        ..ListOffsetsRequest::default()
    }
}

#[track_caller]
fn only(answer: ListOffsetsResponse) -> ListOffsetsPartitionResponse {
    let mut partitions: Vec<_> = answer
        .topics
        .into_iter()
        .flat_map(|topic| topic.partitions)
        .collect();
    assert_eq!(partitions.len(), 1);
    partitions.remove(0)
}

/// Timestamp, offset and leader epoch.
#[track_caller]
fn find(client: &mut Client, topic: &str, timestamp: i64, version: i16) -> (i64, i64, i32) {
    let found = only(client.call(&request(topic, vec![partition(0, timestamp)]), version));
    assert_eq!(error(found.error_code), ErrorCode::None);
    (found.timestamp, found.offset, found.leader_epoch)
}

#[test]
fn every_version_finds_ends_and_times() {
    let server = Server::start();
    let name = server.topic("times");
    create_topic(&server, new_topic(&name, 1));
    produce(&server, &name, 0, &[1000, 3000, 2000]);
    produce(&server, &name, 0, &[4000, 4000, 1500]);
    let mut client = leader(&server, &name, 0);
    for version in 1..=11 {
        let epoch = if version >= 4 { 0 } else { -1 };
        let mut check = |timestamp, expected: (i64, i64)| {
            assert_eq!(
                find(&mut client, &name, timestamp, version),
                (expected.0, expected.1, epoch),
                "{timestamp}"
            );
        };
        check(LATEST, (-1, 6));
        check(EARLIEST, (-1, 0));
        check(0, (1000, 0));
        check(1000, (1000, 0));
        check(1001, (3000, 1));
        check(2000, (3000, 1));
        check(3001, (4000, 3));
        check(4000, (4000, 3));
        if version >= 7 {
            check(MAX_TIMESTAMP, (4000, 3));
        }
        if version >= 8 {
            check(EARLIEST_LOCAL, (-1, 0));
        }
        assert_eq!(find(&mut client, &name, 4001, version), (-1, -1, -1));
    }
    for version in 9..=11 {
        assert_eq!(find(&mut client, &name, LATEST_TIERED, version), (-1, -1, -1));
    }
    assert_eq!(
        find(&mut client, &name, EARLIEST_PENDING_UPLOAD, 11),
        (-1, -1, -1)
    );
}

#[test]
fn an_empty_partition() {
    let server = Server::start();
    let name = server.topic("empty");
    create_topic(&server, new_topic(&name, 1));
    let mut client = leader(&server, &name, 0);
    assert_eq!(find(&mut client, &name, LATEST, 8), (-1, 0, 0));
    assert_eq!(find(&mut client, &name, EARLIEST, 8), (-1, 0, 0));
    assert_eq!(find(&mut client, &name, EARLIEST_LOCAL, 8), (-1, 0, 0));
    assert_eq!(find(&mut client, &name, MAX_TIMESTAMP, 8), (-1, -1, -1));
    assert_eq!(find(&mut client, &name, 0, 8), (-1, -1, -1));
}

#[test]
fn what_a_version_does_not_know_is_refused() {
    let server = Server::start();
    let name = server.topic("unknown");
    create_topic(&server, new_topic(&name, 1));
    let mut client = leader(&server, &name, 0);
    for (timestamp, version) in [(-3, 6), (-4, 7), (-5, 8), (-6, 10), (-7, 11), (i64::MIN, 11)] {
        let found = only(client.call(&request(&name, vec![partition(0, timestamp)]), version));
        assert_eq!(
            error(found.error_code),
            ErrorCode::UnsupportedVersion,
            "{timestamp} in {version}"
        );
    }
}

#[test]
fn isolation_levels() {
    let server = Server::start();
    let name = server.topic("isolation");
    create_topic(&server, new_topic(&name, 1));
    produce(&server, &name, 0, &[1, 2, 3]);
    let mut client = leader(&server, &name, 0);
    for version in 2..=11 {
        for isolation_level in [0, 1] {
            let request = ListOffsetsRequest {
                isolation_level,
                ..request(&name, vec![partition(0, LATEST)])
            };
            assert_eq!(only(client.call(&request, version)).offset, 3);
        }
    }
}

#[test]
fn leader_epochs_are_checked() {
    let server = Server::start();
    let name = server.topic("epochs");
    create_topic(&server, new_topic(&name, 1));
    let mut client = leader(&server, &name, 0);
    for version in 4..=11 {
        for (current_leader_epoch, expected) in [(0, ErrorCode::None), (5, ErrorCode::UnknownLeaderEpoch)] {
            let asked = ListOffsetsPartition {
                current_leader_epoch,
                ..partition(0, LATEST)
            };
            let found = only(client.call(&request(&name, vec![asked]), version));
            assert_eq!(error(found.error_code), expected);
        }
    }
}

#[test]
fn partitions_that_are_not_there_or_named_twice() {
    let server = Server::start();
    let (name, missing) = (server.topic("twice"), server.topic("missing"));
    create_topic(&server, new_topic(&name, 1));
    let mut client = leader(&server, &name, 0);
    let mut code =
        |topic: &str, partitions| error(only(client.call(&request(topic, partitions), 7)).error_code);
    assert_eq!(
        code(&missing, vec![partition(0, LATEST)]),
        ErrorCode::UnknownTopicOrPartition
    );
    assert_eq!(
        code(&name, vec![partition(9, LATEST)]),
        ErrorCode::UnknownTopicOrPartition
    );
    assert_eq!(
        code(&name, vec![partition(-1, LATEST)]),
        ErrorCode::UnknownTopicOrPartition
    );
    assert_eq!(
        code(&name, vec![partition(0, LATEST), partition(0, EARLIEST)]),
        ErrorCode::InvalidRequest
    );
}

#[test]
fn only_the_leader_answers() {
    let server = Server::start();
    if server.is_foreign() {
        return; // There may be no other node.
    }
    let name = server.topic("elsewhere");
    create_topic(&server, new_topic(&name, 2));
    let mut answers: Vec<ErrorCode> = Vec::new();
    for address in server.addresses() {
        let found = only(Client::connect(address).call(&request(&name, vec![partition(0, LATEST)]), 7));
        answers.push(error(found.error_code));
    }
    answers.sort_unstable();
    assert_eq!(answers, [ErrorCode::None, ErrorCode::NotLeaderOrFollower]);
}
