//! Who is alive.

use super::lab::{Lab, consumer, partition};
use crate::group::GroupError::*;
use crate::group::request::{JoinRequest, NewMemberPolicy};

#[test]
fn silence_ends_a_session() {
    let mut lab = Lab::new();
    let ids = lab.stable_group(2);
    lab.pass_ms(9_999);
    assert_eq!(lab.heartbeat(&ids[0], 1), Ok(()));
    lab.pass_ms(1);
    assert_eq!(lab.state(), "PreparingRebalance");
    assert_eq!(lab.heartbeat(&ids[1], 1), Err(UnknownMemberId));
    assert_eq!(lab.heartbeat(&ids[0], 1), Err(RebalanceInProgress));
    let request = lab.rejoin(&ids[0]);
    assert_eq!(lab.joined(request).members.len(), 1);
}

#[test]
fn each_member_has_a_timeout_of_its_own() {
    let mut lab = Lab::new();
    let (first, first_id) = lab.enter(JoinRequest {
        session_timeout_ms: 6_000,
        ..consumer()
    });
    let (second, second_id) = lab.enter(JoinRequest {
        session_timeout_ms: 30_000,
        ..consumer()
    });
    lab.pass_ms(6_000);
    lab.joined(first);
    lab.joined(second);
    lab.sync_all(&[first_id.clone(), second_id.clone()], 1);
    lab.pass_ms(6_000);
    assert_eq!(lab.heartbeat(&first_id, 1), Err(UnknownMemberId));
    assert_eq!(lab.heartbeat(&second_id, 1), Err(RebalanceInProgress));
}

#[test]
fn heartbeats_are_checked() {
    let mut lab = Lab::prompt();
    assert_eq!(lab.heartbeat(&"who".into(), 1), Err(UnknownMemberId), "no group");
    let ids = lab.stable_group(1);
    assert_eq!(lab.heartbeat(&"who".into(), 1), Err(UnknownMemberId));
    assert_eq!(lab.heartbeat(&ids[0], 0), Err(IllegalGeneration));
    assert_eq!(lab.heartbeat(&ids[0], 2), Err(IllegalGeneration));
    assert_eq!(lab.heartbeat_as(&ids[0], Some("i"), 1), Err(UnknownMemberId));
    assert_eq!(lab.heartbeat(&ids[0], 1), Ok(()));
}

#[test]
fn heartbeats_between_join_and_sync_keep_the_session() {
    let mut lab = Lab::prompt();
    let (request, id) = lab.enter(consumer());
    lab.joined(request);
    for _ in 0..5 {
        lab.pass_ms(9_000);
        assert_eq!(lab.state(), "CompletingRebalance");
        assert_eq!(lab.heartbeat(&id, 1), Ok(()));
    }
}

#[test]
fn a_parked_join_keeps_the_session_and_an_answer_renews_it() {
    let mut lab = Lab::new();
    let ids = lab.stable_group(2);
    let first = lab.rejoin(&ids[0]);
    // The first is silent far beyond its session; the second lives but does not join.
    for _ in 0..6 {
        lab.pass_ms(9_000);
        assert_eq!(lab.heartbeat(&ids[1], 1), Err(RebalanceInProgress));
        assert!(lab.waits(first));
    }
    lab.pass_ms(6_000);
    assert_eq!(lab.joined(first).generation, 2);
    lab.pass_ms(9_999);
    assert_eq!(lab.heartbeat(&ids[0], 2), Ok(()));
}

#[test]
fn a_session_that_ends_during_a_rebalance_ends_the_wait() {
    let mut lab = Lab::new();
    let ids = lab.stable_group(3);
    let first = lab.rejoin(&ids[0]);
    let second = lab.rejoin(&ids[1]);
    lab.pass_ms(9_999);
    assert!(lab.waits(first) && lab.waits(second));
    lab.pass_ms(1);
    assert_eq!(lab.joined(first).members.len(), 2);
    assert_eq!(lab.joined(second).generation, 2);
}

#[test]
fn a_new_member_is_given_up_after_five_minutes() {
    let mut lab = Lab::new();
    let ids = lab.stable_group(1);
    let old = JoinRequest {
        new_member_policy: NewMemberPolicy::JoinsAtOnce,
        rebalance_timeout_ms: 900_000,
        ..consumer()
    };
    let newcomer = lab.send_join(old);
    for _ in 0..33 {
        lab.pass_ms(9_000);
        assert_eq!(lab.heartbeat(&ids[0], 1), Err(RebalanceInProgress));
    }
    assert!(lab.waits(newcomer));
    lab.pass_ms(3_000);
    assert_eq!(lab.joined(newcomer).error, Some(UnknownMemberId));
}

#[test]
fn commits_keep_the_session() {
    let mut lab = Lab::prompt();
    let ids = lab.stable_group(1);
    for offset in 0..5 {
        lab.pass_ms(9_000);
        assert_eq!(lab.commit(&ids[0], 1, partition(0, offset)), Ok(()));
    }
    assert_eq!(lab.state(), "Stable");
}
