use corelane::base::ids::TopicId;
use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use corelane::wire::messages::{OffsetFetchRequest, OffsetFetchResponse};

use crate::fixture::client::Client;
use crate::group_steps::{commit, coordinator, start};
use crate::steps::{create_topic, error, new_topic, topic_id};

/// Topic, partition, offset, metadata, error.
type Row = (String, i32, i64, Option<String>, ErrorCode);

fn rows(answer: &OffsetFetchResponse, version: i16) -> Vec<Row> {
    let mut rows = Vec::new();
    assert_eq!(error(answer.error_code), ErrorCode::None);
    for topic in &answer.topics {
        for one in &topic.partitions {
            let code = error(one.error_code);
            rows.push((
                topic.name.clone(),
                one.partition_index,
                one.committed_offset,
                one.metadata.clone(),
                code,
            ));
        }
    }
    for topic in answer.groups.iter().flat_map(|group| &group.topics) {
        for one in &topic.partitions {
            let name = if version >= 10 {
                topic.topic_id.to_string()
            } else {
                topic.name.clone()
            };
            let code = error(one.error_code);
            rows.push((
                name,
                one.partition_index,
                one.committed_offset,
                one.metadata.clone(),
                code,
            ));
        }
    }
    rows.sort();
    rows
}

/// Asks for partitions of topics by name and id, or for all.
fn fetch(
    client: &mut Client,
    group: &str,
    topics: Option<&[(&str, TopicId, &[i32])]>,
    version: i16,
) -> Vec<Row> {
    let request = if version < 8 {
        let topic = |(name, _, partitions): &(&str, TopicId, &[i32])| OffsetFetchRequestTopic {
            name: name.to_string(),
            partition_indexes: partitions.to_vec(),
        };
        OffsetFetchRequest {
            group_id: group.to_string(),
            topics: topics.map(|topics| topics.iter().map(topic).collect()),
            require_stable: version >= 7,
            ..Default::default()
        }
    } else {
        let topic = |(name, topic_id, partitions): &(&str, TopicId, &[i32])| OffsetFetchRequestTopics {
            name: name.to_string(),
            topic_id: *topic_id,
            partition_indexes: partitions.to_vec(),
        };
        let group = OffsetFetchRequestGroup {
            group_id: group.to_string(),
            topics: topics.map(|topics| topics.iter().map(topic).collect()),
            ..Default::default()
        };
        OffsetFetchRequest {
            groups: vec![group],
            require_stable: true,
            ..Default::default()
        }
    };
    rows(&client.call(&request, version), version)
}

#[test]
fn offsets_are_fetched_in_every_version() {
    let server = start();
    let (topic, group) = (server.topic("topic"), server.topic("group"));
    create_topic(&server, new_topic(&topic, 3));
    let id = topic_id(&mut server.client(), &topic);
    let mut client = coordinator(&server, &group);
    commit(&mut client, &group, &topic, 0, 10);
    commit(&mut client, &group, &topic, 2, 12);
    let note = || Some("note".to_string());
    let none = || Some(String::new());
    for version in 1..=10 {
        let name = if version >= 10 {
            id.to_string()
        } else {
            topic.clone()
        };
        let row = |partition: i32, offset: i64, metadata: Option<String>| {
            (name.clone(), partition, offset, metadata, ErrorCode::None)
        };
        let found = fetch(&mut client, &group, Some(&[(&topic, id, &[0, 1, 2, 9])]), version);
        let expected = [
            row(0, 10, note()),
            row(1, -1, none()),
            row(2, 12, note()),
            row(9, -1, none()),
        ];
        assert_eq!(found, expected, "version {version}");
        if version >= 2 {
            let all = fetch(&mut client, &group, None, version);
            assert_eq!(
                all,
                [row(0, 10, note()), row(2, 12, note())],
                "all, version {version}"
            );
        }
        // A topic that does not exist.
        let missing = format!("{topic}-not");
        let found = fetch(
            &mut client,
            &group,
            Some(&[(&missing, TopicId([7; 16]), &[0])]),
            version,
        );
        let expected = if version >= 10 {
            (
                TopicId([7; 16]).to_string(),
                0,
                -1,
                none(),
                ErrorCode::UnknownTopicId,
            )
        } else {
            (missing, 0, -1, none(), ErrorCode::None)
        };
        assert_eq!(found, [expected], "version {version}");
    }
}

#[test]
fn a_group_that_does_not_exist_has_no_offsets() {
    let server = start();
    let (topic, group) = (server.topic("topic"), server.topic("group"));
    create_topic(&server, new_topic(&topic, 1));
    let mut client = coordinator(&server, &group);
    let id = topic_id(&mut client, &topic);
    for version in 1..=10 {
        let found = fetch(&mut client, &group, Some(&[(&topic, id, &[0])]), version);
        assert_eq!(
            (found.len(), found[0].2, found[0].4),
            (1, -1, ErrorCode::None),
            "version {version}"
        );
        if version >= 2 {
            assert_eq!(fetch(&mut client, &group, None, version), []);
        }
    }
}

#[test]
fn many_groups_are_fetched_at_once() {
    let server = start();
    let topic = server.topic("topic");
    create_topic(&server, new_topic(&topic, 1));
    let groups: Vec<String> = (0..4).map(|_| server.topic("group")).collect();
    for (i, group) in groups.iter().enumerate() {
        commit(&mut coordinator(&server, group), group, &topic, 0, i as i64);
    }
    for version in [8, 9] {
        let asked = |group: &String| OffsetFetchRequestGroup {
            group_id: group.clone(),
            ..Default::default()
        };
        let request = OffsetFetchRequest {
            groups: groups.iter().map(asked).collect(),
            ..Default::default()
        };
        let answer = coordinator(&server, &groups[0]).call(&request, version);
        assert_eq!(answer.groups.len(), groups.len());
        for group in &answer.groups {
            let i = groups
                .iter()
                .position(|one| *one == group.group_id)
                .expect("was asked for");
            match error(group.error_code) {
                ErrorCode::None => assert_eq!(group.topics[0].partitions[0].committed_offset, i as i64),
                // That group's coordinator is another node.
                other => assert_eq!((other, group.topics.len()), (ErrorCode::NotCoordinator, 0)),
            }
        }
        assert!(answer.groups.iter().any(|group| group.error_code == 0));
    }
}
