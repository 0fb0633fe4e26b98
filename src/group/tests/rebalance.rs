//! How a join phase begins, waits and ends.

use super::lab::{Lab, consumer};
use crate::group::GroupError::*;
use crate::group::request::JoinRequest;
use crate::group::{GroupError, GroupSettings};

#[test]
fn the_first_rebalance_waits_for_more_members() {
    // Each row: when further members come, and when the generation begins (delay 3 s, rebalance timeout 10 s).
    for (arrivals_ms, end_ms) in [
        (vec![], 3_000),
        (vec![1_000], 6_000),
        (vec![2_999, 5_999], 9_000),
        (vec![2_000, 5_000, 8_000], 10_000),
        (vec![2_000, 5_000, 8_000, 9_900], 10_000),
    ] {
        let mut lab = Lab::new();
        let join = JoinRequest {
            rebalance_timeout_ms: 10_000,
            ..consumer()
        };
        let (first, _) = lab.enter(join.clone());
        let mut clock = 0;
        for at in &arrivals_ms {
            lab.pass_ms(at - clock);
            clock = *at;
            lab.enter(join.clone());
        }
        lab.pass_ms(end_ms - 1 - clock);
        assert!(lab.waits(first), "{arrivals_ms:?}");
        lab.pass_ms(1);
        assert_eq!(
            lab.joined(first).members.len(),
            1 + arrivals_ms.len(),
            "{arrivals_ms:?}"
        );
    }
}

#[test]
fn without_delay_the_first_member_goes_ahead() {
    let mut lab = Lab::prompt();
    let (request, _) = lab.enter(consumer());
    assert_eq!(lab.joined(request).generation, 1);
}

#[test]
fn who_does_not_join_in_time_is_out() {
    let mut lab = Lab::new();
    let ids = lab.stable_group(3);
    let (newcomer, _) = lab.enter(consumer());
    let second = lab.rejoin(&ids[1]);
    // The leader sends heartbeats but does not join; the third is silent and dies first.
    for _ in 0..11 {
        lab.pass_ms(5_000);
        assert_eq!(lab.heartbeat(&ids[0], 1), Err(RebalanceInProgress));
        assert!(lab.waits(newcomer) && lab.waits(second));
    }
    lab.pass_ms(5_000);
    let (second, newcomer) = (lab.joined(second), lab.joined(newcomer));
    assert_eq!((second.generation, newcomer.generation), (2, 2));
    assert_eq!(second.leader, newcomer.leader);
    let leader = if second.leader == ids[1] {
        &second
    } else {
        &newcomer
    };
    assert_eq!(leader.members.len(), 2, "leadership goes to one that joined");
    assert_eq!(lab.heartbeat(&ids[0], 1), Err(UnknownMemberId));
    assert_eq!(lab.heartbeat(&ids[2], 1), Err(UnknownMemberId));
}

#[test]
fn the_longest_rebalance_timeout_counts() {
    let mut lab = Lab::prompt();
    let ids = lab.stable_group(1);
    let (newcomer, _) = lab.enter(JoinRequest {
        rebalance_timeout_ms: 90_000,
        ..consumer()
    });
    for _ in 0..17 {
        lab.pass_ms(5_000);
        assert_eq!(lab.heartbeat(&ids[0], 1), Err(RebalanceInProgress));
    }
    assert!(lab.waits(newcomer));
    lab.pass_ms(5_000);
    assert_eq!(lab.joined(newcomer).members.len(), 1);
}

#[test]
fn all_joined_ends_the_phase_at_once() {
    let mut lab = Lab::new();
    let ids = lab.stable_group(3);
    let requests: Vec<_> = ids.iter().map(|id| lab.rejoin(id)).collect();
    for request in requests {
        assert_eq!(lab.joined(request).generation, 2);
    }
    assert_eq!(lab.state(), "CompletingRebalance");
}

#[test]
fn a_generation_that_nobody_joins_leaves_the_group_empty() {
    let mut lab = Lab::new();
    lab.stable_group(2);
    lab.pass_ms(10_000);
    assert_eq!(lab.state(), "Empty");
    let stored = lab.engine.stored().group("g").expect("written");
    assert_eq!(
        (stored.generation, stored.members.len(), &stored.protocol),
        (2, 0, &None)
    );
    assert_eq!(stored.protocol_type.as_deref(), Some("consumer"));
    // A group that was used keeps counting.
    let (request, _) = lab.enter(consumer());
    lab.pass_ms(3_000);
    assert_eq!(lab.joined(request).generation, 3);
}

#[test]
fn an_empty_group_that_cannot_be_written_lives_on() {
    let mut lab = Lab::prompt();
    let ids = lab.stable_group(1);
    lab.refuse_append = Some(CoordinatorNotAvailable);
    assert_eq!(lab.leave(&[(&ids[0], None)]), [Ok(())]);
    assert_eq!(lab.state(), "Empty");
    assert_eq!(
        lab.engine.stored().group("g").expect("written").generation,
        1,
        "the generation before"
    );
    let (request, _) = lab.enter(consumer());
    assert_eq!(lab.joined(request).generation, 3);
}

#[test]
fn another_protocol_type_may_take_an_empty_group_over() {
    let mut lab = Lab::prompt();
    let ids = lab.stable_group(1);
    lab.leave(&[(&ids[0], None)]);
    let (request, _) = lab.enter(JoinRequest {
        protocol_type: "connect".into(),
        ..consumer()
    });
    assert_eq!(lab.joined(request).protocol_type.as_deref(), Some("connect"));
}

#[test]
fn an_abandoned_first_rebalance_ends() {
    let settings = GroupSettings {
        initial_rebalance_delay_ms: 600_000,
        ..GroupSettings::default()
    };
    let mut lab = Lab::with(settings);
    let (request, _) = lab.enter(consumer());
    lab.pass_ms(299_999);
    assert!(lab.waits(request));
    lab.pass_ms(1);
    assert_eq!(
        lab.joined(request).error,
        Some(GroupError::UnknownMemberId),
        "after five minutes the client is asked again"
    );
    lab.pass_ms(300_000);
    assert_eq!(lab.state(), "Empty");
}
