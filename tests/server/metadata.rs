use corelane::base::ids::TopicId;
use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::metadata::{MetadataRequestTopic, MetadataResponseTopic};
use corelane::wire::messages::{MetadataRequest, MetadataResponse};

use crate::fixture::client::Client;
use crate::server::Server;
use crate::steps::{create_topic, error, eventually, new_topic, topic_id};

fn named(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic {
        name: Some(name.to_string()),
        ..MetadataRequestTopic::default()
    }
}

fn with_id(topic_id: TopicId) -> MetadataRequestTopic {
    MetadataRequestTopic { topic_id, name: None }
}

fn ask(client: &mut Client, topics: Option<Vec<MetadataRequestTopic>>, version: i16) -> MetadataResponse {
    let allow_auto_topic_creation = version < 4;
    client.call(
        &MetadataRequest {
            topics,
            allow_auto_topic_creation,
            ..MetadataRequest::default()
        },
        version,
    )
}

fn find<'a>(answer: &'a MetadataResponse, name: &str) -> Option<&'a MetadataResponseTopic> {
    answer
        .topics
        .iter()
        .find(|topic| topic.name.as_deref() == Some(name))
}

#[test]
fn every_version_shows_nodes_and_leaders() {
    let server = Server::start();
    let name = server.topic("seen");
    create_topic(&server, new_topic(&name, 4));
    let mut client = server.client();
    let id = topic_id(&mut client, &name);
    for version in 0..=13 {
        let answer = ask(&mut client, Some(vec![named(&name)]), version);
        let nodes: Vec<i32> = answer.brokers.iter().map(|broker| broker.node_id).collect();
        let [topic] = &answer.topics[..] else {
            panic!("one topic: {answer:?}");
        };
        assert_eq!((topic.error_code, topic.name.as_deref()), (0, Some(&*name)));
        assert_eq!(topic.partitions.len(), 4);
        for partition in &topic.partitions {
            assert_eq!(partition.error_code, 0);
            assert!(nodes.contains(&partition.leader_id));
            assert_eq!(partition.replica_nodes, [partition.leader_id]);
            assert_eq!(partition.isr_nodes, [partition.leader_id]);
            assert!(partition.offline_replicas.is_empty());
            assert_eq!(partition.leader_epoch, if version < 7 { -1 } else { 0 });
        }
        assert_eq!(topic.topic_id, if version < 10 { TopicId::ZERO } else { id });
        assert_eq!(answer.cluster_id.is_some(), version >= 2);
        assert_eq!(nodes.contains(&answer.controller_id), version >= 1);
    }
}

#[test]
fn nothing_named_is_all_topics_only_in_version_0() {
    let server = Server::start();
    let name = server.topic("all");
    create_topic(&server, new_topic(&name, 1));
    let mut client = server.client();
    assert!(find(&ask(&mut client, Some(Vec::new()), 0), &name).is_some());
    for version in 1..=13 {
        assert!(ask(&mut client, Some(Vec::new()), version).topics.is_empty());
        assert!(find(&ask(&mut client, None, version), &name).is_some());
    }
}

#[test]
fn unknown_topics_say_so() {
    let server = Server::start();
    let name = server.topic("missing");
    let mut client = server.client();
    let answer = ask(
        &mut client,
        Some(vec![named(&name), named("a b"), named(&name)]),
        12,
    );
    assert_eq!(answer.topics.len(), 2, "once for each name");
    let code = |name: &str| error(find(&answer, name).expect("answered").error_code);
    assert_eq!(code(&name), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(code("a b"), ErrorCode::InvalidTopicException);
    let answer = ask(&mut client, Some(vec![named(&name)]), 12);
    assert_eq!(
        error(answer.topics[0].error_code),
        ErrorCode::UnknownTopicOrPartition,
        "and was not created"
    );
}

#[test]
fn topics_are_created_when_asked_for() {
    let server = Server::start_with(&[("num.partitions", "4")]);
    let mut client = server.client();
    for version in [0, 3, 4, 8, 13] {
        let name = server.topic("auto");
        let request = MetadataRequest {
            topics: Some(vec![named(&name)]),
            ..MetadataRequest::default()
        };
        eventually(&server, || {
            let answer = client.call(&request, version);
            answer.topics[0].error_code == 0 && answer.topics[0].partitions.len() == 4
        });
    }
    let answer = client.call(
        &MetadataRequest {
            topics: Some(vec![named("a b")]),
            ..MetadataRequest::default()
        },
        12,
    );
    assert_eq!(
        error(answer.topics[0].error_code),
        ErrorCode::InvalidTopicException
    );
}

#[test]
fn automatic_creation_can_be_switched_off() {
    let server = Server::start_with(&[("auto.create.topics.enable", "false")]);
    if server.is_foreign() {
        return; // Its settings are not ours to choose.
    }
    let request = MetadataRequest {
        topics: Some(vec![named("t")]),
        ..MetadataRequest::default()
    };
    let answer = server.client().call(&request, 12);
    assert_eq!(
        error(answer.topics[0].error_code),
        ErrorCode::UnknownTopicOrPartition
    );
}

#[test]
fn internal_topics_are_created_as_such() {
    let server = Server::start();
    let mut client = server.client();
    let request = MetadataRequest {
        topics: Some(vec![named("__consumer_offsets")]),
        ..MetadataRequest::default()
    };
    eventually(&server, || {
        let topic = client.call(&request, 12).topics.remove(0);
        topic.error_code == 0 && topic.is_internal && topic.partitions.len() == 50
    });
}

#[test]
fn topics_by_id() {
    let server = Server::start();
    let name = server.topic("id");
    create_topic(&server, new_topic(&name, 2));
    let mut client = server.client();
    let id = topic_id(&mut client, &name);
    for version in 12..=13 {
        let unknown = TopicId([7; 16]);
        let answer = ask(
            &mut client,
            Some(vec![with_id(id), with_id(unknown), named("ignored"), with_id(id)]),
            version,
        );
        assert_eq!(answer.topics.len(), 2);
        assert_eq!(find(&answer, &name).expect("by its id").partitions.len(), 2);
        let other = answer
            .topics
            .iter()
            .find(|topic| topic.topic_id == unknown)
            .expect("answered");
        assert_eq!(
            (error(other.error_code), other.name.as_deref()),
            (ErrorCode::UnknownTopicId, None)
        );
    }
    for version in 10..=11 {
        let answer = ask(&mut client, Some(vec![with_id(id)]), version);
        assert_eq!(error(answer.topics[0].error_code), ErrorCode::InvalidRequest);
        assert!(answer.brokers.is_empty());
    }
}

#[test]
fn authorized_operations_are_told_when_asked_for() {
    let server = Server::start();
    let name = server.topic("ops");
    create_topic(&server, new_topic(&name, 1));
    let mut client = server.client();
    for version in 8..=13 {
        let request = MetadataRequest {
            topics: Some(vec![named(&name)]),
            include_topic_authorized_operations: true,
            include_cluster_authorized_operations: version <= 10,
            ..MetadataRequest::default()
        };
        let answer = client.call(&request, version);
        assert_eq!(answer.topics[0].topic_authorized_operations, 3576);
        assert_eq!(
            answer.cluster_authorized_operations,
            if version <= 10 { 8096 } else { i32::MIN }
        );
        let answer = ask(&mut client, Some(vec![named(&name)]), version);
        assert_eq!(answer.topics[0].topic_authorized_operations, i32::MIN);
        assert_eq!(answer.cluster_authorized_operations, i32::MIN);
    }
}

#[test]
fn every_node_is_reached_by_the_address_the_client_used() {
    let server = Server::start();
    if server.is_foreign() {
        return; // Kafka tells what it is configured to advertise.
    }
    for address in server.addresses() {
        let answer = ask(&mut Client::connect(address), None, 12);
        let nodes: Vec<String> = answer
            .brokers
            .iter()
            .map(|broker| format!("{}:{}", broker.host, broker.port))
            .collect();
        assert_eq!(nodes, server.addresses());
        assert!(
            answer
                .brokers
                .iter()
                .all(|broker| broker.rack == answer.brokers[0].rack && broker.rack.is_some())
        );
    }
}
