use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::DeleteGroupsRequest;

use crate::group_steps::{commit, committed, coordinator, stable, start};
use crate::steps::{create_topic, error, new_topic};

#[test]
fn groups_are_deleted_in_every_version() {
    let server = start();
    let topic = server.topic("topic");
    create_topic(&server, new_topic(&topic, 1));
    let last = if server.is_foreign() { 2 } else { 3 };
    for version in 0..=last {
        let group = server.topic("group");
        let mut client = coordinator(&server, &group);
        commit(&mut client, &group, &topic, 0, 5);
        let request = DeleteGroupsRequest {
            groups_names: vec![group.clone(), group.clone()],
        };
        for expected in [ErrorCode::None, ErrorCode::GroupIdNotFound] {
            let answer = client.call(&request, version);
            assert_eq!(answer.results.len(), 1, "named twice, deleted once");
            let result = &answer.results[0];
            assert_eq!((&result.group_id, error(result.error_code)), (&group, expected));
            let has_message = version >= 3 && expected != ErrorCode::None;
            assert_eq!(result.error_message.is_some(), has_message);
        }
        assert_eq!(committed(&mut client, &group, &topic, 0), -1);
    }
}

#[test]
fn a_group_in_use_stays() {
    let server = start();
    let group = server.topic("group");
    let mut client = coordinator(&server, &group);
    stable(&mut client, &group);
    let request = DeleteGroupsRequest {
        groups_names: vec![group.clone()],
    };
    let answer = client.call(&request, 2);
    assert_eq!(error(answer.results[0].error_code), ErrorCode::NonEmptyGroup);
}
