use corelane::base::ids::TopicId;
use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreatableTopicResult,
};
use corelane::wire::messages::{CreateTopicsRequest, CreateTopicsResponse, MetadataRequest};

use crate::fixture::client::Client;
use crate::server::Server;
use crate::steps::{create_topic, error, new_topic, new_topic_with, produce, topic_id, topic_metadata};

fn create(client: &mut Client, topics: Vec<CreatableTopic>, version: i16) -> CreateTopicsResponse {
    client.call(
        &CreateTopicsRequest {
            topics,
            timeout_ms: 30_000,
            validate_only: false,
        },
        version,
    )
}

#[track_caller]
fn code(answer: &CreateTopicsResponse, name: &str) -> ErrorCode {
    let found: Vec<&CreatableTopicResult> = answer.topics.iter().filter(|topic| topic.name == name).collect();
    assert_eq!(found.len(), 1, "{name} is answered once: {answer:?}");
    error(found[0].error_code)
}

#[test]
fn every_version_creates_topics_that_can_be_used_at_once() {
    let server = Server::start();
    let mut client = server.client();
    for version in 2..=7 {
        let name = server.topic("new");
        let answer = create(
            &mut client,
            vec![new_topic_with(&name, 3, &[("retention.ms", "1000")])],
            version,
        );
        assert_eq!(code(&answer, &name), ErrorCode::None);
        let topic = &answer.topics[0];
        if version >= 5 {
            assert_eq!((topic.num_partitions, topic.replication_factor), (3, 1));
            let configs = topic.configs.as_ref().expect("configs");
            assert!(configs.is_sorted_by_key(|config| &config.name));
            let find = |name: &str| configs.iter().find(|config| config.name == name).expect(name);
            assert_eq!(
                (
                    find("retention.ms").value.as_deref(),
                    find("retention.ms").config_source
                ),
                (Some("1000"), 1)
            );
            let segment = find("segment.bytes");
            assert_eq!(
                (segment.value.as_deref(), segment.config_source),
                (Some("1073741824"), 5)
            );
            assert!(!segment.read_only && !segment.is_sensitive);
        }
        for partition in 0..3 {
            assert_eq!(produce(&server, &name, partition, &[1]), 0);
        }
        if version >= 7 {
            assert_eq!(topic.topic_id, topic_id(&mut client, &name));
        }
    }
}

#[test]
fn the_brokers_defaults_are_used_where_nothing_is_said() {
    let server = Server::start_with(&[("num.partitions", "4")]);
    let mut client = server.client();
    for version in 4..=7 {
        let name = server.topic("default");
        let topic = CreatableTopic {
            num_partitions: -1,
            replication_factor: -1,
            ..new_topic(&name, -1)
        };
        let answer = create(&mut client, vec![topic], version);
        assert_eq!(code(&answer, &name), ErrorCode::None);
        if version >= 5 {
            assert_eq!(
                (
                    answer.topics[0].num_partitions,
                    answer.topics[0].replication_factor
                ),
                (4, 1)
            );
        }
    }
}

#[test]
fn each_topic_succeeds_or_fails_for_itself() {
    let server = Server::start();
    let mut client = server.client();
    let (old, good, twice) = (server.topic("old"), server.topic("good"), server.topic("twice"));
    create_topic(&server, new_topic(&old, 1));
    let too_long = "x".repeat(250);
    let mut topics: Vec<CreatableTopic> = [&old, &good, &twice, &twice, "a b", "", "..", &too_long]
        .map(|name| new_topic(name, 1))
        .into();
    let bad = |stem: &str, partitions: i32, replicas: i16| {
        let name = server.topic(stem);
        CreatableTopic {
            replication_factor: replicas,
            ..new_topic(&name, partitions)
        }
    };
    let numbers = [
        (bad("p0", 0, 1), ErrorCode::InvalidPartitions),
        (bad("p-2", -2, 1), ErrorCode::InvalidPartitions),
        (bad("r0", 1, 0), ErrorCode::InvalidReplicationFactor),
        (bad("r-2", 1, -2), ErrorCode::InvalidReplicationFactor),
        (bad("r3", 1, 30), ErrorCode::InvalidReplicationFactor),
    ];
    topics.extend(numbers.iter().map(|(topic, _)| topic.clone()));
    let answer = create(&mut client, topics, 7);
    assert_eq!(code(&answer, &old), ErrorCode::TopicAlreadyExists);
    assert_eq!(code(&answer, &good), ErrorCode::None);
    assert_eq!(code(&answer, &twice), ErrorCode::InvalidRequest);
    for name in ["a b", "", "..", &too_long] {
        assert_eq!(code(&answer, name), ErrorCode::InvalidTopicException);
    }
    for (topic, expected) in &numbers {
        assert_eq!(code(&answer, &topic.name), *expected);
    }
    for topic in &answer.topics {
        let failed = topic.error_code != 0;
        assert_eq!(topic.error_message.is_some(), failed);
        assert_eq!(topic.topic_id == TopicId::ZERO, failed);
        assert_eq!(topic.num_partitions == -1, failed);
    }
    assert_ne!(
        topic_metadata(&mut client, &twice).error_code,
        0,
        "neither of the two was created"
    );
}

#[test]
fn wrong_configs_are_refused() {
    let server = Server::start();
    let mut client = server.client();
    let mut without_value = new_topic(&server.topic("null"), 1);
    without_value.configs = vec![CreatableTopicConfig {
        name: "retention.ms".to_string(),
        value: None,
    }];
    let topics = vec![
        new_topic_with(&server.topic("c"), 1, &[("nonsense", "1")]),
        new_topic_with(&server.topic("c"), 1, &[("retention.ms", "x")]),
        new_topic_with(&server.topic("c"), 1, &[("retention.ms", "-5")]),
        new_topic_with(&server.topic("c"), 1, &[("cleanup.policy", "foo")]),
        without_value,
    ];
    let answer = create(&mut client, topics, 7);
    assert!(
        answer
            .topics
            .iter()
            .all(|topic| error(topic.error_code) == ErrorCode::InvalidConfig),
        "{answer:?}"
    );
}

#[test]
fn names_may_not_differ_in_dots_and_underscores_only() {
    let server = Server::start();
    let dotted = format!("{}.x", server.topic("like"));
    create_topic(&server, new_topic(&dotted, 1));
    let alike = dotted.replace('.', "_");
    let answer = create(&mut server.client(), vec![new_topic(&alike, 1)], 7);
    assert_eq!(code(&answer, &alike), ErrorCode::InvalidTopicException);
}

#[test]
fn replicas_may_be_assigned_by_hand() {
    let server = Server::start();
    let mut client = server.client();
    let nodes: Vec<i32> = client
        .call(&MetadataRequest::default(), 12)
        .brokers
        .iter()
        .map(|broker| broker.node_id)
        .collect();
    let last = *nodes.last().expect("a node");
    let name = server.topic("by-hand");
    let assigned = |name: &str, assignments: &[(i32, &[i32])]| CreatableTopic {
        num_partitions: -1,
        replication_factor: -1,
        assignments: assignments
            .iter()
            .map(|(partition_index, ids)| CreatableReplicaAssignment {
                partition_index: *partition_index,
                broker_ids: ids.to_vec(),
            })
            .collect(),
        ..new_topic(name, -1)
    };
    let answer = create(
        &mut client,
        vec![assigned(&name, &[(1, &[nodes[0]]), (0, &[last])])],
        7,
    );
    assert_eq!(code(&answer, &name), ErrorCode::None);
    let leaders: Vec<(i32, i32)> = topic_metadata(&mut client, &name)
        .partitions
        .iter()
        .map(|partition| (partition.partition_index, partition.leader_id))
        .collect();
    assert_eq!(leaders, [(0, last), (1, nodes[0])]);

    let here = nodes[0];
    for assignments in [
        &[(1, &[here][..])][..],
        &[(0, &[7777][..])],
        &[(0, &[here, here][..])],
        &[(0, &[][..])],
        &[(0, &[here][..]), (0, &[here][..])],
    ] {
        let name = server.topic("wrong");
        let answer = create(&mut client, vec![assigned(&name, assignments)], 7);
        assert_eq!(
            code(&answer, &name),
            ErrorCode::InvalidReplicaAssignment,
            "{assignments:?}"
        );
    }
    for (partitions, replicas) in [(1, -1), (-1, 1)] {
        let name = server.topic("both");
        let topic = CreatableTopic {
            num_partitions: partitions,
            replication_factor: replicas,
            ..assigned(&name, &[(0, &[here])])
        };
        assert_eq!(
            code(&create(&mut client, vec![topic], 7), &name),
            ErrorCode::InvalidRequest
        );
    }
}

#[test]
fn validating_creates_nothing() {
    let server = Server::start();
    let mut client = server.client();
    let (good, bad) = (server.topic("checked"), "a b");
    for _ in 0..2 {
        let topics = vec![new_topic(&good, 2), new_topic(bad, 1)];
        let answer = client.call(
            &CreateTopicsRequest {
                topics,
                timeout_ms: 30_000,
                validate_only: true,
            },
            7,
        );
        assert_eq!(code(&answer, &good), ErrorCode::None);
        assert_eq!(
            answer
                .topics
                .iter()
                .find(|topic| topic.name == good)
                .expect("answered")
                .num_partitions,
            2
        );
        assert_eq!(code(&answer, bad), ErrorCode::InvalidTopicException);
    }
    assert_eq!(
        error(topic_metadata(&mut client, &good).error_code),
        ErrorCode::UnknownTopicOrPartition
    );
}

#[test]
fn no_topics_and_no_time() {
    let server = Server::start();
    let mut client = server.client();
    assert!(create(&mut client, Vec::new(), 7).topics.is_empty());
    let name = server.topic("late");
    let request = CreateTopicsRequest {
        topics: vec![new_topic(&name, 1)],
        timeout_ms: 0,
        validate_only: false,
    };
    assert_eq!(code(&client.call(&request, 7), &name), ErrorCode::RequestTimedOut);
}
