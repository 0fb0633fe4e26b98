use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::ElectLeadersRequest;
use corelane::wire::messages::elect_leaders::TopicPartitions;

use crate::server::Server;
use crate::steps::{create_topic, error, new_topic};

const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

#[test]
fn no_partition_needs_an_election() {
    let server = Server::start();
    let mut client = server.client();
    let name = server.topic("led");
    create_topic(&server, new_topic(&name, 2));
    for (version, election_type) in [
        (0, PREFERRED),
        (1, PREFERRED),
        (1, UNCLEAN),
        (2, PREFERRED),
        (2, UNCLEAN),
    ] {
        let asked = |topic: &str, partitions: &[i32]| TopicPartitions {
            topic: topic.to_string(),
            partitions: partitions.to_vec(),
        };
        let request = ElectLeadersRequest {
            election_type,
            topic_partitions: Some(vec![asked(&name, &[1, 0, 2]), asked("not-there", &[0])]),
            timeout_ms: 30_000,
        };
        let answer = client.call(&request, version);
        assert_eq!(error(answer.error_code), ErrorCode::None);
        let results: Vec<_> = answer
            .replica_election_results
            .iter()
            .flat_map(|topic| {
                topic
                    .partition_result
                    .iter()
                    .map(|one| (topic.topic.as_str(), one))
            })
            .map(|(topic, one)| {
                assert!(one.error_message.is_some());
                (topic, one.partition_id, error(one.error_code))
            })
            .collect();
        assert_eq!(
            results,
            [
                (name.as_str(), 1, ErrorCode::ElectionNotNeeded),
                (name.as_str(), 0, ErrorCode::ElectionNotNeeded),
                (name.as_str(), 2, ErrorCode::UnknownTopicOrPartition),
                ("not-there", 0, ErrorCode::UnknownTopicOrPartition),
            ]
        );
    }
}

#[test]
fn of_all_partitions_only_those_that_need_an_election_are_told() {
    let server = Server::start();
    let name = server.topic("all");
    create_topic(&server, new_topic(&name, 3));
    let request = ElectLeadersRequest {
        election_type: PREFERRED,
        topic_partitions: None,
        timeout_ms: 30_000,
    };
    let answer = server.client().call(&request, 2);
    assert_eq!(error(answer.error_code), ErrorCode::None);
    let results = answer.replica_election_results;
    assert!(results.iter().any(|topic| topic.topic == name));
    assert!(results.iter().all(|topic| topic.partition_result.is_empty()));
}

#[test]
fn other_kinds_of_elections_do_not_exist() {
    let server = Server::start();
    let request = ElectLeadersRequest {
        election_type: 2,
        topic_partitions: None,
        timeout_ms: 30_000,
    };
    let answer = server.client().call(&request, 2);
    assert_eq!(error(answer.error_code), ErrorCode::InvalidRequest);
}
