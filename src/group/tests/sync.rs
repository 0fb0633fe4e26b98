//! The leader's assignment, and who gets it when.

use std::rc::Rc;

use super::lab::{GROUP, Lab, consumer};
use crate::group::GroupError::*;
use crate::group::request::SyncRequest;
use crate::group::{Answer, Event, GroupError};

/// Two members that joined generation 1 and did not sync. The first leads.
fn completing() -> (Lab, Rc<str>, Rc<str>) {
    let mut lab = Lab::new();
    let (first, first_id) = lab.enter(consumer());
    let (second, second_id) = lab.enter(consumer());
    lab.pass_ms(6_000);
    lab.joined(first);
    lab.joined(second);
    assert_eq!(lab.state(), "CompletingRebalance");
    (lab, first_id, second_id)
}

#[test]
fn followers_wait_for_the_leader() {
    let (mut lab, leader, follower) = completing();
    let waiting = lab.send_sync(&follower, 1, &[]);
    assert!(lab.waits(waiting));
    assert_eq!(
        lab.log.len(),
        0,
        "nothing is written before there is an assignment"
    );
    let request = lab.send_sync(
        &leader,
        1,
        &[(&leader, "one"), (&follower, "two"), (&"ghost".into(), "three")],
    );
    assert_eq!(
        (lab.assigned(request), lab.assigned(waiting)),
        ("one".to_owned(), "two".to_owned())
    );
    assert_eq!(lab.state(), "Stable");
    assert_eq!(lab.log.len(), 1);
    // A sync in a stable group brings the assignment once more.
    let again = lab.send_sync(&follower, 1, &[]);
    assert_eq!(lab.assigned(again), "two");
}

#[test]
fn who_is_left_out_gets_an_empty_assignment() {
    let (mut lab, leader, follower) = completing();
    let request = lab.send_sync(&leader, 1, &[(&leader, "all")]);
    assert_eq!(lab.assigned(request), "all");
    let request = lab.send_sync(&follower, 1, &[]);
    assert_eq!(lab.assigned(request), "");
}

#[test]
fn a_sync_is_checked() {
    let base = |member: &Rc<str>| SyncRequest {
        group: GROUP.into(),
        member_id: member.clone(),
        instance_id: None,
        generation: 1,
        protocol_type: None,
        protocol: None,
        assignments: vec![],
    };
    let (mut lab, leader, _) = completing();
    for (sync, expected) in [
        (
            SyncRequest {
                group: "no".into(),
                ..base(&leader)
            },
            UnknownMemberId,
        ),
        (base(&"who".into()), UnknownMemberId),
        (
            SyncRequest {
                instance_id: Some("i".into()),
                ..base(&leader)
            },
            UnknownMemberId,
        ),
        (
            SyncRequest {
                generation: 0,
                ..base(&leader)
            },
            IllegalGeneration,
        ),
        (
            SyncRequest {
                generation: 2,
                ..base(&leader)
            },
            IllegalGeneration,
        ),
        (
            SyncRequest {
                protocol_type: Some("connect".into()),
                ..base(&leader)
            },
            InconsistentGroupProtocol,
        ),
        (
            SyncRequest {
                protocol: Some("sticky".into()),
                ..base(&leader)
            },
            InconsistentGroupProtocol,
        ),
    ] {
        let request = lab.next_request();
        lab.event(Event::Sync(request, sync.clone()));
        assert_eq!(lab.synced(request), Err(expected), "{sync:?}");
    }
    assert_eq!(lab.state(), "CompletingRebalance");
}

#[test]
fn a_rebalance_sends_waiting_followers_back_to_join() {
    let (mut lab, leader, follower) = completing();
    let waiting = lab.send_sync(&follower, 1, &[]);
    let (newcomer, _) = lab.enter(consumer());
    assert_eq!(lab.synced(waiting), Err(RebalanceInProgress));
    let request = lab.send_sync(&leader, 1, &[]);
    assert_eq!(lab.synced(request), Err(RebalanceInProgress));
    lab.rejoin(&leader);
    lab.rejoin(&follower);
    assert_eq!(lab.joined(newcomer).generation, 2);
    let late = lab.send_sync(&leader, 1, &[]);
    assert_eq!(lab.synced(late), Err(IllegalGeneration));
}

#[test]
fn an_assignment_that_cannot_be_written_means_another_round() {
    for error in [RecordTooLarge, CoordinatorNotAvailable] {
        let (mut lab, leader, follower) = completing();
        let waiting = lab.send_sync(&follower, 1, &[]);
        lab.refuse_append = Some(error);
        let request = lab.send_sync(&leader, 1, &[(&leader, "one"), (&follower, "two")]);
        assert_eq!(lab.synced(request), Err(error));
        assert_eq!(lab.synced(waiting), Err(error));
        assert_eq!(lab.state(), "PreparingRebalance");
        assert!(lab.engine.stored().group(GROUP).is_none());
    }
}

#[test]
fn who_does_not_sync_is_out() {
    let (mut lab, leader, follower) = completing();
    let request = lab.send_sync(&leader, 1, &[(&leader, "one"), (&follower, "two")]);
    assert_eq!(lab.assigned(request), "one");
    // The follower sends heartbeats, so its session lives; but it never asks for its assignment.
    for _ in 0..11 {
        lab.pass_ms(5_000);
        assert_eq!(lab.heartbeat(&leader, 1), Ok(()));
        assert_eq!(lab.heartbeat(&follower, 1), Ok(()));
    }
    lab.pass_ms(5_000);
    assert_eq!(lab.heartbeat(&follower, 1), Err(UnknownMemberId));
    assert_eq!(lab.heartbeat(&leader, 1), Err(RebalanceInProgress));
}

#[test]
fn a_leader_that_does_not_sync_is_out() {
    let (mut lab, leader, follower) = completing();
    let waiting = lab.send_sync(&follower, 1, &[]);
    for _ in 0..11 {
        lab.pass_ms(5_000);
        assert_eq!(lab.heartbeat(&leader, 1), Ok(()));
        assert!(lab.waits(waiting), "a parked sync keeps the session");
    }
    lab.pass_ms(5_000);
    assert_eq!(lab.synced(waiting), Err(RebalanceInProgress));
    let request = lab.rejoin(&follower);
    let answer = lab.joined(request);
    assert_eq!(
        (answer.generation, answer.leader, answer.members.len()),
        (2, follower, 1)
    );
}

#[test]
fn a_sync_sent_again_replaces_the_one_before() {
    let (mut lab, leader, follower) = completing();
    let lost = lab.send_sync(&follower, 1, &[]);
    let again = lab.send_sync(&follower, 1, &[]);
    assert_eq!(lab.synced(lost), Err(RebalanceInProgress));
    lab.send_sync(&leader, 1, &[(&follower, "two")]);
    assert_eq!(lab.assigned(again), "two");
}

#[test]
fn unloading_tells_everybody_who_waits() {
    let (mut lab, _, follower) = completing();
    let sync = lab.send_sync(&follower, 1, &[]);
    let Lab { engine, now, .. } = lab;
    let told: Vec<_> = engine
        .unload(now)
        .into_iter()
        .map(|command| format!("{command:?}"))
        .collect();
    assert_eq!(told.len(), 1);
    let expected = Answer::Sync(Err(GroupError::NotCoordinator));
    assert!(
        told[0].contains(&format!("{expected:?}")) && told[0].contains(&format!("{sync:?}")),
        "{told:?}"
    );
}
