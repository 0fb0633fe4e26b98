use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::SyncGroupRequest;

use crate::group_steps::{coordinator, join, join_request, start, sync_request};
use crate::steps::error;

#[test]
fn a_leader_gets_its_own_assignment_in_every_version() {
    let server = start();
    for version in 0..=5 {
        let group = server.topic("group");
        let mut client = coordinator(&server, &group);
        let joined = join(&mut client, join_request(&group));
        for _ in 0..2 {
            let answer = client.call(&sync_request(&group, &joined, "mine"), version);
            assert_eq!(
                (error(answer.error_code), &answer.assignment[..]),
                (ErrorCode::None, &b"mine"[..])
            );
            let protocol = (answer.protocol_type.as_deref(), answer.protocol_name.as_deref());
            assert_eq!(
                protocol,
                if version >= 5 {
                    (Some("consumer"), Some("range"))
                } else {
                    (None, None)
                }
            );
        }
    }
}

#[test]
fn a_sync_that_does_not_fit_is_refused() {
    let server = start();
    let group = server.topic("group");
    let mut client = coordinator(&server, &group);
    let joined = join(&mut client, join_request(&group));
    let base = || sync_request(&group, &joined, "mine");
    for (request, expected) in [
        (
            SyncGroupRequest {
                group_id: String::new(),
                ..base()
            },
            ErrorCode::InvalidGroupId,
        ),
        (
            SyncGroupRequest {
                member_id: "who".to_string(),
                ..base()
            },
            ErrorCode::UnknownMemberId,
        ),
        (
            SyncGroupRequest {
                generation_id: 7,
                ..base()
            },
            ErrorCode::IllegalGeneration,
        ),
        (
            SyncGroupRequest {
                group_instance_id: Some("i".to_string()),
                ..base()
            },
            ErrorCode::UnknownMemberId,
        ),
        (
            SyncGroupRequest {
                protocol_type: Some("x".to_string()),
                ..base()
            },
            ErrorCode::InconsistentGroupProtocol,
        ),
        (
            SyncGroupRequest {
                protocol_name: Some("x".to_string()),
                ..base()
            },
            ErrorCode::InconsistentGroupProtocol,
        ),
        (
            SyncGroupRequest {
                protocol_name: None,
                ..base()
            },
            ErrorCode::InconsistentGroupProtocol,
        ),
    ] {
        let answer = client.call(&request, 5);
        assert_eq!(error(answer.error_code), expected, "{request:?}");
        assert!(answer.assignment.is_empty());
    }
}
