use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::AlterPartitionReassignmentsRequest;
use corelane::wire::messages::alter_partition_reassignments::{ReassignablePartition, ReassignableTopic};

use crate::fixture::client::Client;
use crate::server::Server;
use crate::steps::{create_topic, error, new_topic, topic_metadata};

/// What comes of moving one partition; the number of replicas may change.
fn reassign(client: &mut Client, topic: &str, partition: i32, replicas: Option<&[i32]>) -> ErrorCode {
    reassign_with(client, 0, true, topic, partition, replicas)
}

fn reassign_with(
    client: &mut Client,
    version: i16,
    allow_replication_factor_change: bool,
    topic: &str,
    partition_index: i32,
    replicas: Option<&[i32]>,
) -> ErrorCode {
    let request = AlterPartitionReassignmentsRequest {
        timeout_ms: 30_000,
        allow_replication_factor_change,
        topics: vec![ReassignableTopic {
            name: topic.to_string(),
            partitions: vec![ReassignablePartition {
                partition_index,
                replicas: replicas.map(<[i32]>::to_vec),
            }],
        }],
    };
    let answer = client.call(&request, version);
    assert_eq!(error(answer.error_code), ErrorCode::None);
    assert_eq!(
        answer.allow_replication_factor_change,
        allow_replication_factor_change
    );
    assert_eq!(answer.responses.len(), 1);
    assert_eq!(answer.responses[0].name, topic);
    let result = &answer.responses[0].partitions[0];
    assert_eq!(result.partition_index, partition_index);
    error(result.error_code)
}

#[test]
fn a_partition_may_stay_where_it_is_and_go_nowhere_else() {
    let server = Server::start();
    let mut client = server.client();
    let name = server.topic("placed");
    create_topic(&server, new_topic(&name, 2));
    let owner = topic_metadata(&mut client, &name).partitions[1].leader_id;
    for version in [0, 1] {
        assert_eq!(
            reassign_with(&mut client, version, true, &name, 1, Some(&[owner])),
            ErrorCode::None
        );
    }
    let mut refused = vec![vec![], vec![777_777], vec![owner, owner], vec![owner, 777_777]];
    if !server.is_foreign() {
        // The other shard of the same server.
        let other = if owner == 0 { 1 } else { 0 };
        refused.extend([vec![other], vec![owner, other]]);
    }
    for replicas in refused {
        assert_eq!(
            reassign(&mut client, &name, 1, Some(&replicas)),
            ErrorCode::InvalidReplicaAssignment,
            "{replicas:?}"
        );
    }
    let after = topic_metadata(&mut client, &name).partitions;
    assert!(
        after
            .iter()
            .any(|one| one.partition_index == 1 && one.replica_nodes == [owner])
    );
}

#[test]
fn there_is_nothing_to_cancel() {
    let server = Server::start();
    let mut client = server.client();
    let name = server.topic("cancelled");
    create_topic(&server, new_topic(&name, 1));
    assert_eq!(
        reassign(&mut client, &name, 0, None),
        ErrorCode::NoReassignmentInProgress
    );
}

#[test]
fn what_does_not_exist_is_unknown() {
    let server = Server::start();
    let mut client = server.client();
    let name = server.topic("narrow");
    create_topic(&server, new_topic(&name, 1));
    for (topic, partition) in [(name.as_str(), 1), (name.as_str(), -1), ("not-there", 0)] {
        for replicas in [None, Some(&[0][..])] {
            assert_eq!(
                reassign(&mut client, topic, partition, replicas),
                ErrorCode::UnknownTopicOrPartition
            );
        }
    }
}
