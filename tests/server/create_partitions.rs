use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::create_partitions::{CreatePartitionsAssignment, CreatePartitionsTopic};
use corelane::wire::messages::{CreatePartitionsRequest, CreatePartitionsResponse, MetadataRequest};

use crate::fixture::client::Client;
use crate::server::Server;
use crate::steps::{create_topic, error, eventually, new_topic, produce, topic_metadata};

fn wider(name: &str, count: i32) -> CreatePartitionsTopic {
    CreatePartitionsTopic {
        name: name.to_string(),
        count,
        assignments: None,
    }
}

fn assigned(name: &str, count: i32, assignments: &[&[i32]]) -> CreatePartitionsTopic {
    let assignment = |ids: &&[i32]| CreatePartitionsAssignment {
        broker_ids: ids.to_vec(),
    };
    CreatePartitionsTopic {
        assignments: Some(assignments.iter().map(assignment).collect()),
        ..wider(name, count)
    }
}

fn ask(client: &mut Client, topics: Vec<CreatePartitionsTopic>, version: i16) -> CreatePartitionsResponse {
    client.call(
        &CreatePartitionsRequest {
            topics,
            timeout_ms: 30_000,
            validate_only: false,
        },
        version,
    )
}

fn codes(answer: &CreatePartitionsResponse) -> Vec<(&str, ErrorCode)> {
    let mut codes: Vec<_> = answer
        .results
        .iter()
        .map(|topic| (topic.name.as_str(), error(topic.error_code)))
        .collect();
    codes.sort_unstable();
    codes
}

#[test]
fn every_version_makes_topics_wider() {
    let server = Server::start();
    let name = server.topic("wide");
    create_topic(&server, new_topic(&name, 1));
    produce(&server, &name, 0, &[1, 2]);
    let mut client = server.client();
    for version in 0..=3 {
        let count = i32::from(version) * 2 + 3;
        assert_eq!(
            codes(&ask(&mut client, vec![wider(&name, count)], version)),
            [(&*name, ErrorCode::None)]
        );
        eventually(&server, || {
            topic_metadata(&mut client, &name).partitions.len() == count as usize
        });
        assert_eq!(
            produce(&server, &name, count - 1, &[1]),
            0,
            "the new partitions can be used at once"
        );
    }
    assert_eq!(
        produce(&server, &name, 0, &[3]),
        2,
        "the old ones are as they were"
    );
}

#[test]
fn topics_only_get_wider() {
    let server = Server::start();
    let (name, twice, missing) = (
        server.topic("narrow"),
        server.topic("twice"),
        server.topic("missing"),
    );
    create_topic(&server, new_topic(&name, 3));
    create_topic(&server, new_topic(&twice, 1));
    let mut client = server.client();
    for count in [3, 2, 0, -1] {
        assert_eq!(
            codes(&ask(&mut client, vec![wider(&name, count)], 3)),
            [(&*name, ErrorCode::InvalidPartitions)]
        );
    }
    let answer = ask(
        &mut client,
        vec![wider(&twice, 2), wider(&missing, 2), wider(&twice, 3)],
        3,
    );
    let mut expected = vec![
        (&*twice, ErrorCode::InvalidRequest),
        (&*missing, ErrorCode::UnknownTopicOrPartition),
    ];
    expected.sort_unstable();
    assert_eq!(codes(&answer), expected);
    assert_eq!(topic_metadata(&mut client, &twice).partitions.len(), 1);
}

#[test]
fn replicas_may_be_assigned_by_hand() {
    let server = Server::start();
    let name = server.topic("by-hand");
    create_topic(&server, new_topic(&name, 1));
    let mut client = server.client();
    let nodes = client.call(&MetadataRequest::default(), 12).brokers;
    let node = nodes.last().expect("a node").node_id;
    for wrong in [
        assigned(&name, 3, &[&[node]]),
        assigned(&name, 2, &[&[node], &[node]]),
        assigned(&name, 2, &[&[7777]]),
        assigned(&name, 2, &[&[]]),
        assigned(&name, 2, &[&[node, node]]),
        assigned(&name, 2, &[]),
    ] {
        let answer = ask(&mut client, vec![wrong.clone()], 3);
        assert_eq!(
            codes(&answer),
            [(&*name, ErrorCode::InvalidReplicaAssignment)],
            "{wrong:?}"
        );
        assert!(answer.results[0].error_message.is_some());
    }
    let answer = ask(&mut client, vec![assigned(&name, 3, &[&[node], &[node]])], 3);
    assert_eq!(codes(&answer), [(&*name, ErrorCode::None)]);
    eventually(&server, || {
        let topic = topic_metadata(&mut client, &name);
        topic.partitions.len() == 3
            && topic.partitions[1..]
                .iter()
                .all(|partition| partition.leader_id == node)
    });
}

#[test]
fn validating_changes_nothing() {
    let server = Server::start();
    let name = server.topic("checked");
    create_topic(&server, new_topic(&name, 1));
    let mut client = server.client();
    let request = CreatePartitionsRequest {
        topics: vec![wider(&name, 5)],
        timeout_ms: 30_000,
        validate_only: true,
    };
    assert_eq!(codes(&client.call(&request, 3)), [(&*name, ErrorCode::None)]);
    assert_eq!(topic_metadata(&mut client, &name).partitions.len(), 1);
}
