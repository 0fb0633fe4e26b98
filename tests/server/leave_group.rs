use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::LeaveGroupRequest;
use corelane::wire::messages::leave_group::MemberIdentity;

use crate::group_steps::{coordinator, join_request, stable, start};
use crate::steps::error;

fn member(member_id: &str, instance: Option<&str>) -> MemberIdentity {
    MemberIdentity {
        member_id: member_id.to_string(),
        group_instance_id: instance.map(str::to_string),
        reason: None,
    }
}

#[test]
fn a_member_leaves_in_every_version() {
    let server = start();
    for version in 0..=5 {
        let group = server.topic("group");
        let mut client = coordinator(&server, &group);
        let joined = stable(&mut client, &group);
        let request = |member_id: &str| match version {
            0..=2 => LeaveGroupRequest {
                group_id: group.clone(),
                member_id: member_id.to_string(),
                ..Default::default()
            },
            _ => LeaveGroupRequest {
                group_id: group.clone(),
                members: vec![member(member_id, None)],
                ..Default::default()
            },
        };
        for (id, expected) in [
            ("who", ErrorCode::UnknownMemberId),
            (&joined.member_id, ErrorCode::None),
            (&joined.member_id, ErrorCode::UnknownMemberId),
        ] {
            let answer = client.call(&request(id), version);
            if version < 3 {
                assert_eq!(error(answer.error_code), expected, "version {version}");
            } else {
                assert_eq!(error(answer.error_code), ErrorCode::None);
                assert_eq!(
                    (&*answer.members[0].member_id, error(answer.members[0].error_code)),
                    (id, expected)
                );
            }
        }
    }
}

#[test]
fn many_leave_at_once() {
    let server = start();
    let group = server.topic("group");
    let mut client = coordinator(&server, &group);
    let mut join = join_request(&group);
    join.group_instance_id = Some("i".to_string());
    let joined = client.call(&join, 9);
    let leave = |members: Vec<MemberIdentity>| LeaveGroupRequest {
        group_id: group.clone(),
        members,
        ..LeaveGroupRequest::default()
    };
    let request = leave(vec![
        member("old", Some("i")),
        member(&joined.member_id, Some("j")),
        member("", Some("j")),
        member("", Some("i")),
    ]);
    let answer = client.call(&request, 5);
    let codes: Vec<_> = answer.members.iter().map(|one| error(one.error_code)).collect();
    let unknown = ErrorCode::UnknownMemberId;
    assert_eq!(
        codes,
        [ErrorCode::FencedInstanceId, unknown, unknown, ErrorCode::None]
    );
    let request = LeaveGroupRequest {
        group_id: String::new(),
        ..leave(vec![])
    };
    assert_eq!(
        error(client.call(&request, 5).error_code),
        ErrorCode::InvalidGroupId
    );
}
