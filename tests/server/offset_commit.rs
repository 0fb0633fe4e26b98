use corelane::base::ids::TopicId;
use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::{DeleteGroupsRequest, DescribeGroupsRequest, OffsetCommitRequest};

use crate::fixture::client::Client;
use crate::group_steps::{commit_request, committed, coordinator, join_request, stable, start};
use crate::steps::{create_topic, error, new_topic, topic_id};

#[track_caller]
fn call(client: &mut Client, request: &OffsetCommitRequest, version: i16) -> ErrorCode {
    let answer = client.call(request, version);
    assert_eq!(answer.topics.len(), 1);
    assert_eq!(
        answer.topics[0].name,
        if version < 10 {
            &*request.topics[0].name
        } else {
            ""
        }
    );
    assert_eq!(answer.topics[0].partitions.len(), 1);
    error(answer.topics[0].partitions[0].error_code)
}

#[test]
fn offsets_are_committed_in_every_version() {
    let server = start();
    let topic = server.topic("topic");
    create_topic(&server, new_topic(&topic, 2));
    let id = topic_id(&mut server.client(), &topic);
    for version in 2..=10 {
        let group = server.topic("group");
        let mut client = coordinator(&server, &group);
        let mut request = commit_request(&group, &topic, 1, 40 + i64::from(version));
        request.topics[0].topic_id = id;
        assert_eq!(
            call(&mut client, &request, version),
            ErrorCode::None,
            "version {version}"
        );
        assert_eq!(committed(&mut client, &group, &topic, 1), 40 + i64::from(version));
        assert_eq!(committed(&mut client, &group, &topic, 0), -1);

        request.topics[0].partitions[0].partition_index = 2;
        assert_eq!(
            call(&mut client, &request, version),
            ErrorCode::UnknownTopicOrPartition
        );
        request.topics[0].partitions[0].partition_index = -1;
        assert_eq!(
            call(&mut client, &request, version),
            ErrorCode::UnknownTopicOrPartition
        );
        request.topics[0].name = format!("{topic}-not");
        request.topics[0].topic_id = TopicId([7; 16]);
        let unknown = if version >= 10 {
            ErrorCode::UnknownTopicId
        } else {
            ErrorCode::UnknownTopicOrPartition
        };
        assert_eq!(call(&mut client, &request, version), unknown);
    }
}

#[test]
fn members_commit_in_their_generation() {
    let server = start();
    let (topic, group) = (server.topic("topic"), server.topic("group"));
    create_topic(&server, new_topic(&topic, 1));
    let mut client = coordinator(&server, &group);
    let joined = stable(&mut client, &group);
    let by = |member_id: &str, generation_id_or_member_epoch: i32| OffsetCommitRequest {
        member_id: member_id.to_string(),
        generation_id_or_member_epoch,
        ..commit_request(&group, &topic, 0, 5)
    };
    for (request, expected) in [
        (by(&joined.member_id, 1), ErrorCode::None),
        (by(&joined.member_id, 0), ErrorCode::IllegalGeneration),
        (by(&joined.member_id, -1), ErrorCode::IllegalGeneration),
        (by("", -1), ErrorCode::UnknownMemberId),
        (by("who", 1), ErrorCode::UnknownMemberId),
        (
            OffsetCommitRequest {
                group_instance_id: Some("i".to_string()),
                ..by(&joined.member_id, 1)
            },
            ErrorCode::UnknownMemberId,
        ),
    ] {
        assert_eq!(call(&mut client, &request, 9), expected, "{request:?}");
    }
    let mut other = coordinator(&server, &format!("{group}-not"));
    let request = OffsetCommitRequest {
        group_id: format!("{group}-not"),
        ..by("m", 1)
    };
    assert_eq!(call(&mut other, &request, 8), ErrorCode::IllegalGeneration);
    assert_eq!(call(&mut other, &request, 9), ErrorCode::GroupIdNotFound);
}

#[test]
fn metadata_has_a_limit() {
    let server = start();
    let (topic, group) = (server.topic("topic"), server.topic("group"));
    create_topic(&server, new_topic(&topic, 1));
    let mut client = coordinator(&server, &group);
    for (text, expected) in [
        (Some("x".repeat(4096)), ErrorCode::None),
        (Some("x".repeat(4097)), ErrorCode::OffsetMetadataTooLarge),
        (Some("ü".repeat(4096)), ErrorCode::None),
        (None, ErrorCode::None),
    ] {
        let mut request = commit_request(&group, &topic, 0, 1);
        request.topics[0].partitions[0].committed_metadata = text;
        assert_eq!(call(&mut client, &request, 9), expected);
    }
}

#[test]
fn the_empty_group_id_is_one_like_others_without_members() {
    let server = start();
    let topic = server.topic("topic");
    create_topic(&server, new_topic(&topic, 1));
    let mut client = coordinator(&server, "");
    let describe = |client: &mut Client, version: i16| {
        let request = DescribeGroupsRequest {
            groups: vec![String::new()],
            ..Default::default()
        };
        let described = client.call(&request, version).groups.remove(0);
        (error(described.error_code), described.group_state)
    };
    assert_eq!(
        call(&mut client, &commit_request("", &topic, 0, 3), 8),
        ErrorCode::None
    );
    assert_eq!(committed(&mut client, "", &topic, 0), 3);
    assert_eq!(describe(&mut client, 6), (ErrorCode::None, "Empty".to_string()));
    let delete = DeleteGroupsRequest {
        groups_names: vec![String::new()],
    };
    assert_eq!(
        error(client.call(&delete, 2).results[0].error_code),
        ErrorCode::None
    );
    assert_eq!(describe(&mut client, 5), (ErrorCode::None, "Dead".to_string()));
    assert_eq!(
        describe(&mut client, 6),
        (ErrorCode::GroupIdNotFound, "Dead".to_string())
    );
    assert_eq!(
        error(client.call(&join_request(""), 9).error_code),
        ErrorCode::InvalidGroupId
    );
}
