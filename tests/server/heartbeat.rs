use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::HeartbeatRequest;

use crate::group_steps::{coordinator, join, join_request, stable, start};
use crate::steps::error;

#[test]
fn heartbeats_in_every_version() {
    let server = start();
    let group = server.topic("group");
    let mut client = coordinator(&server, &group);
    let joined = stable(&mut client, &group);
    let good = HeartbeatRequest {
        group_id: group.clone(),
        generation_id: 1,
        member_id: joined.member_id,
        group_instance_id: None,
    };
    for version in 0..=4 {
        for (request, expected) in [
            (good.clone(), ErrorCode::None),
            (
                HeartbeatRequest {
                    group_id: String::new(),
                    ..good.clone()
                },
                ErrorCode::InvalidGroupId,
            ),
            (
                HeartbeatRequest {
                    group_id: format!("{group}-not"),
                    ..good.clone()
                },
                ErrorCode::UnknownMemberId,
            ),
            (
                HeartbeatRequest {
                    member_id: "who".to_string(),
                    ..good.clone()
                },
                ErrorCode::UnknownMemberId,
            ),
            (
                HeartbeatRequest {
                    generation_id: 0,
                    ..good.clone()
                },
                ErrorCode::IllegalGeneration,
            ),
        ] {
            if request.group_id.ends_with("-not") {
                // Another group may have another coordinator.
                let mut client = coordinator(&server, &request.group_id);
                assert_eq!(error(client.call(&request, version).error_code), expected);
                continue;
            }
            assert_eq!(
                error(client.call(&request, version).error_code),
                expected,
                "version {version}: {request:?}"
            );
        }
    }
}

#[test]
fn a_heartbeat_tells_of_a_rebalance() {
    let server = start();
    let group = server.topic("group");
    let mut client = coordinator(&server, &group);
    let joined = join(&mut client, join_request(&group));
    let heartbeat = HeartbeatRequest {
        group_id: group.clone(),
        generation_id: 1,
        member_id: joined.member_id,
        group_instance_id: None,
    };
    assert_eq!(
        error(client.call(&heartbeat, 4).error_code),
        ErrorCode::None,
        "between join and sync"
    );
    let mut other = coordinator(&server, &group);
    let waiting = std::thread::spawn({
        // Takes part with its first request, and waits for the other.
        let request = join_request(&group);
        move || other.call(&request, 3)
    });
    while error(client.call(&heartbeat, 4).error_code) == ErrorCode::None {
        std::thread::yield_now();
    }
    assert_eq!(
        error(client.call(&heartbeat, 4).error_code),
        ErrorCode::RebalanceInProgress
    );
    let again = corelane::wire::messages::JoinGroupRequest {
        member_id: heartbeat.member_id.clone(),
        ..join_request(&group)
    };
    assert_eq!(client.call(&again, 9).generation_id, 2);
    assert_eq!(waiting.join().expect("joined").generation_id, 2);
}
