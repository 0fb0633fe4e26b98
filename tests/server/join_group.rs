use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::JoinGroupRequest;

use crate::group_steps::{coordinator, join, join_request, start, subscription, sync_request};
use crate::steps::error;

#[test]
fn a_member_joins_in_every_version() {
    let server = start();
    for version in 0..=9 {
        let group = server.topic("group");
        let mut client = coordinator(&server, &group);
        let mut request = join_request(&group);
        let mut answer = client.call(&request, version);
        if version >= 4 {
            assert_eq!(error(answer.error_code), ErrorCode::MemberIdRequired);
            assert_eq!(
                (answer.generation_id, &*answer.leader, answer.members.len()),
                (-1, "", 0)
            );
            assert_eq!(answer.protocol_name.as_deref(), (version < 7).then_some(""));
            request.member_id = answer.member_id;
            answer = client.call(&request, version);
        }
        assert_eq!(error(answer.error_code), ErrorCode::None, "version {version}");
        assert!(
            answer.member_id.starts_with("test-") && answer.member_id.len() == 41,
            "{}",
            answer.member_id
        );
        assert_eq!((answer.generation_id, &answer.leader), (1, &answer.member_id));
        assert_eq!(answer.protocol_name.as_deref(), Some("range"));
        assert_eq!(
            answer.protocol_type.as_deref(),
            (version >= 7).then_some("consumer")
        );
        assert_eq!(answer.members.len(), 1);
        assert_eq!(answer.members[0].metadata, subscription(&["t"]));
        assert!(!answer.skip_assignment);
    }
}

#[test]
fn a_join_that_cannot_be_is_refused() {
    let server = start();
    let group = server.topic("group");
    let mut client = coordinator(&server, &group);
    let base = || join_request(&group);
    for (request, expected) in [
        (
            JoinGroupRequest {
                group_id: String::new(),
                ..base()
            },
            ErrorCode::InvalidGroupId,
        ),
        (
            JoinGroupRequest {
                session_timeout_ms: 1,
                ..base()
            },
            ErrorCode::InvalidSessionTimeout,
        ),
        (
            JoinGroupRequest {
                session_timeout_ms: i32::MAX,
                ..base()
            },
            ErrorCode::InvalidSessionTimeout,
        ),
        (
            JoinGroupRequest {
                member_id: "who".to_string(),
                ..base()
            },
            ErrorCode::UnknownMemberId,
        ),
        (
            JoinGroupRequest {
                protocols: vec![],
                ..base()
            },
            ErrorCode::InconsistentGroupProtocol,
        ),
        (
            JoinGroupRequest {
                protocol_type: String::new(),
                ..base()
            },
            ErrorCode::InconsistentGroupProtocol,
        ),
    ] {
        let answer = client.call(&request, 9);
        assert_eq!(error(answer.error_code), expected);
        let id = if expected == ErrorCode::InconsistentGroupProtocol {
            ""
        } else {
            &request.member_id
        };
        assert_eq!((&*answer.member_id, answer.generation_id), (id, -1));
    }
}

#[test]
fn two_members_come_together() {
    let server = start();
    let group = server.topic("group");
    let (mut first, mut second) = (coordinator(&server, &group), coordinator(&server, &group));
    let one = join(&mut first, join_request(&group));
    let id = second.call(&join_request(&group), 9).member_id;
    let joining = std::thread::spawn({
        let request = JoinGroupRequest {
            member_id: id.clone(),
            ..join_request(&group)
        };
        move || second.call(&request, 9)
    });
    let again = JoinGroupRequest {
        member_id: one.member_id.clone(),
        ..join_request(&group)
    };
    // Whichever join comes first, in the end both are in one generation, led by the one that was there.
    let mut leader = first.call(&again, 9);
    while leader.members.len() < 2 {
        let synced = error(first.call(&sync_request(&group, &leader, "x"), 5).error_code);
        assert!(
            matches!(synced, ErrorCode::None | ErrorCode::RebalanceInProgress),
            "{synced:?}"
        );
        leader = first.call(&again, 9);
    }
    let follower = joining.join().expect("joined");
    assert_eq!(
        (leader.generation_id, &leader.leader),
        (follower.generation_id, &follower.leader)
    );
    assert_eq!(follower.leader, one.member_id);
    assert_eq!(follower.members.len(), 0);
}

#[test]
fn a_static_member_comes_back() {
    let server = start();
    for version in [5, 8, 9] {
        let group = server.topic("group");
        let mut client = coordinator(&server, &group);
        let request = JoinGroupRequest {
            group_instance_id: Some("i".to_string()),
            ..join_request(&group)
        };
        let first = client.call(&request, version);
        assert!(first.member_id.starts_with("i-"), "{}", first.member_id);
        let mut sync = sync_request(&group, &first, "mine");
        assert_eq!(client.call(&sync, 4).assignment, "mine");
        let second = client.call(&request, version);
        assert_eq!(
            (error(second.error_code), second.generation_id),
            (ErrorCode::None, 1)
        );
        assert_ne!(second.member_id, first.member_id);
        if version >= 9 {
            assert_eq!(
                (&second.leader, second.skip_assignment),
                (&second.member_id, true)
            );
            assert_eq!(
                (
                    second.members.len(),
                    second.members[0].group_instance_id.as_deref()
                ),
                (1, Some("i"))
            );
        } else {
            assert_eq!((&second.leader, second.members.len()), (&first.member_id, 0));
        }
        sync.group_instance_id = Some("i".to_string());
        assert_eq!(
            error(client.call(&sync, 4).error_code),
            ErrorCode::FencedInstanceId
        );
        sync.member_id = second.member_id;
        sync.assignments = vec![];
        assert_eq!(client.call(&sync, 4).assignment, "mine");
        let fenced = JoinGroupRequest {
            member_id: first.member_id,
            ..request
        };
        assert_eq!(
            error(client.call(&fenced, version).error_code),
            ErrorCode::FencedInstanceId
        );
    }
}
