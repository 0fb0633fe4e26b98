//! Members that keep their place over a restart (KIP-345, KIP-814).

use std::rc::Rc;

use super::lab::{GROUP, Lab, consumer, protocols, static_consumer};
use crate::group::GroupError::*;
use crate::group::request::{JoinRequest, SkipAssignment};

/// Two static members, `a` leading, in a stable generation 1.
fn stable() -> (Lab, Rc<str>, Rc<str>) {
    let mut lab = Lab::new();
    let a = lab.send_join(static_consumer("a"));
    let b = lab.send_join(static_consumer("b"));
    lab.pass_ms(6_000);
    let (a, b) = (lab.joined(a).member_id, lab.joined(b).member_id);
    lab.sync_all(&[a.clone(), b.clone()], 1);
    (lab, a, b)
}

#[test]
fn a_restarted_follower_takes_its_place_without_a_rebalance() {
    let (mut lab, a, b) = stable();
    let written = lab.log.len();
    let request = lab.send_join(static_consumer("b"));
    let answer = lab.joined(request);
    assert_eq!(
        (answer.error, answer.generation, answer.skip_assignment),
        (None, 1, false)
    );
    assert_eq!((&answer.leader, answer.members.len()), (&a, 0));
    assert_ne!(answer.member_id, b);
    assert_eq!(lab.log.len(), written + 1, "the new id is written");
    assert_eq!(lab.state(), "Stable");
    let sync = lab.send_sync(&answer.member_id, 1, &[]);
    assert_eq!(lab.assigned(sync), "1", "the assignment stays");
    // The old self is fenced wherever it says who it is.
    assert_eq!(lab.heartbeat_as(&b, Some("b"), 1), Err(FencedInstanceId));
    assert_eq!(lab.heartbeat(&b, 1), Err(UnknownMemberId));
    let old = lab.send_join(JoinRequest {
        member_id: b,
        ..static_consumer("b")
    });
    assert_eq!(lab.joined(old).error, Some(FencedInstanceId));
}

#[test]
fn a_restarted_leader_is_told_to_keep_the_assignment() {
    for (version, leads) in [
        (SkipAssignment::Understood, true),
        (SkipAssignment::Unknown, false),
    ] {
        let (mut lab, a, _) = stable();
        let request = lab.send_join(JoinRequest {
            skip_assignment: version,
            ..static_consumer("a")
        });
        let answer = lab.joined(request);
        assert_eq!(answer.skip_assignment, leads);
        assert_eq!(answer.members.len(), if leads { 2 } else { 0 });
        // A client that cannot be told to skip must not take itself for the leader.
        assert_eq!(
            answer.leader,
            if leads {
                answer.member_id.clone()
            } else {
                a.clone()
            }
        );
        assert_eq!(
            lab.engine.stored().group(GROUP).expect("written").leader,
            Some(answer.member_id)
        );
    }
}

#[test]
fn a_new_vote_of_a_restarted_member_rebalances() {
    let mut lab = Lab::new();
    let both = protocols(&["x", "y"]);
    let a = lab.send_join(JoinRequest {
        protocols: both.clone(),
        ..static_consumer("a")
    });
    let b = lab.send_join(JoinRequest {
        protocols: both,
        ..static_consumer("b")
    });
    lab.pass_ms(6_000);
    let (a, b) = (lab.joined(a), lab.joined(b).member_id);
    assert_eq!(a.protocol.as_deref(), Some("x"));
    lab.sync_all(&[a.member_id.clone(), b], 1);
    let request = lab.send_join(JoinRequest {
        protocols: protocols(&["y"]),
        ..static_consumer("b")
    });
    assert!(lab.waits(request));
    assert_eq!(lab.heartbeat(&a.member_id, 1), Err(RebalanceInProgress));
    let both = protocols(&["x", "y"]);
    let a = lab.send_join(JoinRequest {
        member_id: a.member_id,
        protocols: both,
        ..static_consumer("a")
    });
    assert_eq!(lab.joined(a).protocol.as_deref(), Some("y"));
    assert_eq!(lab.joined(request).generation, 2);
}

#[test]
fn a_member_replaced_between_join_and_sync_starts_the_round_anew() {
    let mut lab = Lab::new();
    let a = lab.send_join(static_consumer("a"));
    let b = lab.send_join(static_consumer("b"));
    lab.pass_ms(6_000);
    let (a, b) = (lab.joined(a).member_id, lab.joined(b).member_id);
    let parked = lab.send_sync(&b, 1, &[]);
    let replaced = lab.send_join(static_consumer("b"));
    assert_eq!(lab.synced(parked), Err(FencedInstanceId));
    assert_eq!(lab.state(), "PreparingRebalance");
    let leader = lab.send_join(JoinRequest {
        member_id: a,
        ..static_consumer("a")
    });
    let (leader, replaced) = (lab.joined(leader), lab.joined(replaced));
    assert_eq!((leader.generation, leader.members.len()), (2, 2));
    assert_eq!(leader.members[1].member_id, replaced.member_id);
    assert_eq!(leader.members[1].instance_id.as_deref(), Some("b"));
}

#[test]
fn a_member_replaced_while_its_join_is_parked_fences_it() {
    let (mut lab, a, b) = stable();
    let parked = lab.send_join(JoinRequest {
        member_id: a.clone(),
        ..static_consumer("a")
    });
    assert!(lab.waits(parked), "the leader joins again");
    let replaced = lab.send_join(static_consumer("a"));
    let fenced = lab.joined(parked);
    assert_eq!((fenced.error, fenced.member_id), (Some(FencedInstanceId), a));
    let b = lab.send_join(JoinRequest {
        member_id: b,
        ..static_consumer("b")
    });
    let replaced = lab.joined(replaced);
    assert_eq!(replaced.leader, replaced.member_id, "leadership moves along");
    assert_eq!(replaced.members.len(), 2);
    assert_eq!(lab.joined(b).generation, 2);
}

#[test]
fn a_replacement_that_cannot_be_written_did_not_happen() {
    let (mut lab, _, b) = stable();
    lab.refuse_append = Some(CoordinatorNotAvailable);
    let request = lab.send_join(static_consumer("b"));
    let answer = lab.joined(request);
    assert_eq!(
        (answer.error, &*answer.member_id),
        (Some(CoordinatorNotAvailable), "")
    );
    assert_eq!(lab.heartbeat_as(&b, Some("b"), 1), Ok(()));
}

#[test]
fn static_members_may_miss_a_rebalance() {
    let (mut lab, a, b) = stable();
    let (newcomer, _) = lab.enter(consumer());
    let leader = lab.send_join(JoinRequest {
        member_id: a.clone(),
        ..static_consumer("a")
    });
    for _ in 0..6 {
        lab.pass_ms(9_000);
        assert_eq!(lab.heartbeat_as(&b, Some("b"), 1), Err(RebalanceInProgress));
    }
    lab.pass_ms(6_000);
    let answer = lab.joined(leader);
    assert_eq!(
        (answer.generation, answer.members.len()),
        (2, 3),
        "the absent static member keeps its place"
    );
    lab.joined(newcomer);
    assert_eq!(lab.heartbeat_as(&b, Some("b"), 1), Err(IllegalGeneration));
}

#[test]
fn a_rebalance_no_static_member_joins_waits_for_their_sessions() {
    let mut lab = Lab::new();
    let join = || JoinRequest {
        session_timeout_ms: 100_000,
        rebalance_timeout_ms: 6_000,
        ..static_consumer("a")
    };
    let a = lab.send_join(join());
    lab.pass_ms(6_000);
    let a = lab.joined(a).member_id;
    lab.sync_all(std::slice::from_ref(&a), 1);
    let (newcomer, newcomer_id) = lab.enter(consumer());
    lab.leave(&[(&newcomer_id, None)]);
    assert_eq!(lab.joined(newcomer).error, Some(UnknownMemberId));
    lab.pass_ms(50_000);
    assert_eq!(lab.state(), "PreparingRebalance");
    let back = lab.send_join(join());
    assert_eq!(lab.joined(back).generation, 2);
}

#[test]
fn a_static_member_that_leaves_with_its_id_gives_its_place_up() {
    let (mut lab, _, b) = stable();
    assert_eq!(lab.leave(&[(&b, Some("b"))]), [Ok(())]);
    assert_eq!(lab.state(), "PreparingRebalance");
}

#[test]
fn a_session_that_ends_frees_the_instance_id() {
    let (mut lab, _, _) = stable();
    lab.pass_ms(10_000);
    assert_eq!(lab.state(), "Empty");
    let request = lab.send_join(static_consumer("b"));
    lab.pass_ms(3_000);
    assert_eq!(lab.joined(request).members.len(), 1);
}

#[test]
fn a_rebalance_without_patience_does_not_spin() {
    let mut lab = Lab::prompt();
    let long_session = || JoinRequest {
        session_timeout_ms: 100_000,
        ..static_consumer("a")
    };
    let request = lab.send_join(long_session());
    let a = lab.joined(request).member_id;
    lab.sync_all(std::slice::from_ref(&a), 1);
    let request = lab.send_join(JoinRequest {
        rebalance_timeout_ms: 0,
        ..long_session()
    });
    assert_eq!(lab.joined(request).generation, 1);
    let (newcomer, newcomer_id) = lab.enter(JoinRequest {
        rebalance_timeout_ms: 0,
        ..consumer()
    });
    lab.leave(&[(&newcomer_id, None)]);
    lab.joined(newcomer);
    // The lab handles all that is due at a moment before time goes on: this would not end.
    lab.pass_ms(50_000);
}
