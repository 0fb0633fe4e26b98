use corelane::group::coordinator_partition;
use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::FindCoordinatorRequest;

use crate::group_steps::{coordinator, start};
use crate::steps::{error, topic_metadata};

#[test]
fn a_group_has_a_coordinator_in_every_version() {
    let server = start();
    let group = server.topic("group");
    coordinator(&server, &group); // makes the topic
    let mut client = server.client();
    let topic = topic_metadata(&mut client, "__consumer_offsets");
    assert!(topic.is_internal);
    let partition = coordinator_partition(&group, topic.partitions.len() as i32);
    let leader = topic
        .partitions
        .iter()
        .find(|one| one.partition_index == partition)
        .expect("is there")
        .leader_id;
    for version in 0..=6 {
        let request = match version {
            0..=3 => FindCoordinatorRequest {
                key: group.clone(),
                ..Default::default()
            },
            _ => FindCoordinatorRequest {
                coordinator_keys: vec![group.clone()],
                ..Default::default()
            },
        };
        let answer = client.call(&request, version);
        let (code, node, host, port) = match &answer.coordinators[..] {
            [] => (answer.error_code, answer.node_id, &answer.host, answer.port),
            [one] => {
                assert_eq!(one.key, group);
                (one.error_code, one.node_id, &one.host, one.port)
            }
            more => panic!("{more:?}"),
        };
        assert_eq!(
            (error(code), node),
            (ErrorCode::None, leader),
            "version {version}"
        );
        assert!(
            server.addresses().contains(&format!("{host}:{port}")),
            "{host}:{port}"
        );
    }
}

#[test]
fn many_groups_are_looked_up_at_once() {
    let server = start();
    coordinator(&server, "g");
    let keys: Vec<String> = (0..100).map(|i| format!("group-{i}")).collect();
    let request = FindCoordinatorRequest {
        coordinator_keys: keys.clone(),
        ..Default::default()
    };
    let answer = server.client().call(&request, 6);
    let found: Vec<&str> = answer.coordinators.iter().map(|one| &*one.key).collect();
    assert_eq!(found, keys);
    assert!(answer.coordinators.iter().all(|one| one.error_code == 0));
}

#[test]
fn what_has_no_coordinator_here_is_refused_for_good() {
    let server = start();
    if server.is_foreign() {
        return; // Kafka has transactions and share groups.
    }
    for key_type in [1, 2, 3] {
        let request = FindCoordinatorRequest {
            key_type,
            coordinator_keys: vec!["id".to_string()],
            ..Default::default()
        };
        let answer = server.client().call(&request, 6);
        let one = &answer.coordinators[0];
        assert_eq!(
            (error(one.error_code), one.node_id, one.port),
            (ErrorCode::InvalidRequest, -1, -1)
        );
        assert!(one.error_message.is_some());
    }
}
