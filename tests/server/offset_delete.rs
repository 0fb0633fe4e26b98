use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::OffsetDeleteRequest;
use corelane::wire::messages::offset_delete::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};

use crate::group_steps::{
    commit, committed, coordinator, join, join_request, start, subscription, sync_request,
};
use crate::steps::{create_topic, error, new_topic};

fn delete(group: &str, topic: &str, partitions: &[i32]) -> OffsetDeleteRequest {
    let partition = |index: &i32| OffsetDeleteRequestPartition {
        partition_index: *index,
    };
    OffsetDeleteRequest {
        group_id: group.to_string(),
        topics: vec![OffsetDeleteRequestTopic {
            name: topic.to_string(),
            partitions: partitions.iter().map(partition).collect(),
        }],
    }
}

#[test]
fn offsets_are_deleted() {
    let server = start();
    let (topic, group) = (server.topic("topic"), server.topic("group"));
    create_topic(&server, new_topic(&topic, 2));
    let mut client = coordinator(&server, &group);
    let answer = client.call(&delete(&group, &topic, &[0]), 0);
    assert_eq!(
        (error(answer.error_code), answer.topics.len()),
        (ErrorCode::GroupIdNotFound, 0)
    );
    commit(&mut client, &group, &topic, 0, 5);
    commit(&mut client, &group, &topic, 1, 6);
    let answer = client.call(&delete(&group, &topic, &[0, 7]), 0);
    assert_eq!(error(answer.error_code), ErrorCode::None);
    let mut codes: Vec<_> = answer.topics[0]
        .partitions
        .iter()
        .map(|one| (one.partition_index, error(one.error_code)))
        .collect();
    codes.sort();
    assert_eq!(
        codes,
        [(0, ErrorCode::None), (7, ErrorCode::UnknownTopicOrPartition)]
    );
    assert_eq!(committed(&mut client, &group, &topic, 0), -1);
    assert_eq!(committed(&mut client, &group, &topic, 1), 6);
    let answer = client.call(&delete(&group, "no-such-topic", &[0]), 0);
    assert_eq!(
        error(answer.topics[0].partitions[0].error_code),
        ErrorCode::UnknownTopicOrPartition
    );
    assert_eq!(
        error(client.call(&delete("", &topic, &[0]), 0).error_code),
        ErrorCode::InvalidGroupId
    );
}

#[test]
fn offsets_of_subscribed_topics_stay() {
    let server = start();
    let (topic, other, group) = (
        server.topic("topic"),
        server.topic("other"),
        server.topic("group"),
    );
    create_topic(&server, new_topic(&topic, 1));
    create_topic(&server, new_topic(&other, 1));
    let mut client = coordinator(&server, &group);
    let mut request = join_request(&group);
    request.protocols[0].metadata = subscription(&[&topic]);
    let joined = join(&mut client, request);
    client.call(&sync_request(&group, &joined, "mine"), 5);
    for (name, expected) in [
        (&topic, ErrorCode::GroupSubscribedToTopic),
        (&other, ErrorCode::None),
    ] {
        let answer = client.call(&delete(&group, name, &[0]), 0);
        assert_eq!(error(answer.error_code), ErrorCode::None);
        assert_eq!(error(answer.topics[0].partitions[0].error_code), expected);
    }
}

#[test]
fn a_group_of_others_in_use_keeps_its_offsets() {
    let server = start();
    let (topic, group) = (server.topic("topic"), server.topic("group"));
    create_topic(&server, new_topic(&topic, 1));
    let mut client = coordinator(&server, &group);
    let mut request = join_request(&group);
    request.protocol_type = "connect".to_string();
    join(&mut client, request);
    assert_eq!(
        error(client.call(&delete(&group, &topic, &[0]), 0).error_code),
        ErrorCode::NonEmptyGroup
    );
}
