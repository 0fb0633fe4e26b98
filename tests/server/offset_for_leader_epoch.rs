use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::OffsetForLeaderEpochRequest;
use corelane::wire::messages::offset_for_leader_epoch::{OffsetForLeaderPartition, OffsetForLeaderTopic};

use crate::fixture::client::Client;
use crate::server::Server;
use crate::steps::{create_topic, error, leader, new_topic, produce};

/// Error, epoch and end offset.
fn ask(
    client: &mut Client,
    topic: &str,
    asked: OffsetForLeaderPartition,
    version: i16,
) -> (ErrorCode, i32, i64) {
    let topics = vec![OffsetForLeaderTopic {
        topic: topic.to_string(),
        partitions: vec![asked],
    }];
    let answer = client.call(
        &OffsetForLeaderEpochRequest {
            replica_id: -1,
            topics,
        },
        version,
    );
    let found = &answer.topics[0].partitions[0];
    (error(found.error_code), found.leader_epoch, found.end_offset)
}

fn epoch(leader_epoch: i32) -> OffsetForLeaderPartition {
    OffsetForLeaderPartition {
        partition: 0,
        current_leader_epoch: -1,
        leader_epoch,
    }
}

#[test]
fn every_version_tells_where_an_epoch_ends() {
    let server = Server::start();
    let name = server.topic("epochs");
    create_topic(&server, new_topic(&name, 1));
    let mut client = leader(&server, &name, 0);
    assert_eq!(ask(&mut client, &name, epoch(0), 4), (ErrorCode::None, 0, 0));
    produce(&server, &name, 0, &[1, 2, 3]);
    for version in 2..=4 {
        assert_eq!(
            ask(&mut client, &name, epoch(0), version),
            (ErrorCode::None, 0, 3)
        );
        assert_eq!(
            ask(&mut client, &name, epoch(3), version),
            (ErrorCode::None, -1, -1)
        );
        assert_eq!(
            ask(&mut client, &name, epoch(-1), version),
            (ErrorCode::None, -1, -1)
        );
    }
}

#[test]
fn partitions_and_epochs_are_checked() {
    let server = Server::start();
    let name = server.topic("checked");
    create_topic(&server, new_topic(&name, 1));
    let mut client = leader(&server, &name, 0);
    let mut code = |topic: &str, asked| ask(&mut client, topic, asked, 4).0;
    assert_eq!(
        code(
            &name,
            OffsetForLeaderPartition {
                current_leader_epoch: 0,
                ..epoch(0)
            }
        ),
        ErrorCode::None
    );
    assert_eq!(
        code(
            &name,
            OffsetForLeaderPartition {
                current_leader_epoch: 9,
                ..epoch(0)
            }
        ),
        ErrorCode::UnknownLeaderEpoch
    );
    assert_eq!(
        code(
            &name,
            OffsetForLeaderPartition {
                partition: 7,
                ..epoch(0)
            }
        ),
        ErrorCode::UnknownTopicOrPartition
    );
    assert_eq!(
        code(&server.topic("missing"), epoch(0)),
        ErrorCode::UnknownTopicOrPartition
    );
}
