use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::describe_groups::DescribedGroup;
use corelane::wire::messages::leave_group::MemberIdentity;
use corelane::wire::messages::{DescribeGroupsRequest, LeaveGroupRequest};

use crate::fixture::client::Client;
use crate::group_steps::{coordinator, join, join_request, start, subscription, sync_request};
use crate::steps::error;

fn describe(client: &mut Client, group: &str, version: i16) -> DescribedGroup {
    let request = DescribeGroupsRequest {
        groups: vec![group.to_string()],
        include_authorized_operations: version >= 3,
    };
    client.call(&request, version).groups.remove(0)
}

#[test]
fn a_group_is_described_in_every_state_and_version() {
    let server = start();
    let group = server.topic("group");
    let mut client = coordinator(&server, &group);
    let all = |client: &mut Client| {
        (0..=6)
            .map(|version| describe(client, &group, version))
            .collect::<Vec<_>>()
    };

    for (version, described) in all(&mut client).iter().enumerate() {
        let expected = if version >= 6 {
            ErrorCode::GroupIdNotFound
        } else {
            ErrorCode::None
        };
        assert_eq!(
            (error(described.error_code), &*described.group_state),
            (expected, "Dead")
        );
        let message = (version >= 6).then(|| format!("Group {group} not found."));
        assert_eq!((&described.error_message, described.members.len()), (&message, 0));
    }

    let joined = join(&mut client, join_request(&group));
    for described in all(&mut client) {
        assert_eq!(
            (&*described.group_state, &*described.protocol_data),
            ("CompletingRebalance", "")
        );
        assert_eq!(described.protocol_type, "consumer");
        assert_eq!(described.members[0].member_metadata, "");
    }

    client.call(&sync_request(&group, &joined, "mine"), 5);
    for (version, described) in all(&mut client).iter().enumerate() {
        assert_eq!(
            (&*described.group_state, &*described.protocol_data),
            ("Stable", "range")
        );
        let member = &described.members[0];
        assert_eq!(
            (&member.member_id, &*member.client_id),
            (&joined.member_id, "test")
        );
        assert_eq!(member.client_host, "/127.0.0.1");
        assert_eq!(
            (&member.member_metadata, &member.member_assignment[..]),
            (&subscription(&["t"]), &b"mine"[..])
        );
        assert_eq!(
            described.authorized_operations,
            if version >= 3 { 3400 } else { i32::MIN }
        );
    }

    let member = MemberIdentity {
        member_id: joined.member_id.clone(),
        ..Default::default()
    };
    let leave = LeaveGroupRequest {
        group_id: group.clone(),
        members: vec![member],
        ..Default::default()
    };
    client.call(&leave, 5);
    for described in all(&mut client) {
        assert_eq!(
            (&*described.group_state, &*described.protocol_type),
            ("Empty", "consumer")
        );
        assert_eq!((&*described.protocol_data, described.members.len()), ("", 0));
    }
}
