//! Members that go.

use super::lab::{Lab, consumer, static_consumer};
use crate::group::GroupError::*;

#[test]
fn a_member_that_leaves_starts_a_rebalance() {
    let mut lab = Lab::new();
    let ids = lab.stable_group(2);
    assert_eq!(lab.leave(&[(&ids[0], None)]), [Ok(())]);
    assert_eq!(lab.heartbeat(&ids[1], 1), Err(RebalanceInProgress));
    let request = lab.rejoin(&ids[1]);
    let answer = lab.joined(request);
    assert_eq!((answer.members.len(), answer.leader), (1, ids[1].clone()));
}

#[test]
fn the_last_one_leaves_the_group_empty() {
    let mut lab = Lab::prompt();
    let ids = lab.stable_group(1);
    assert_eq!(lab.leave(&[(&ids[0], None)]), [Ok(())]);
    assert_eq!(lab.state(), "Empty");
    assert_eq!(lab.engine.next_deadline(), None, "nothing is left to wait for");
}

#[test]
fn many_leave_at_once_each_with_a_result() {
    let mut lab = Lab::new();
    let first = lab.send_join(static_consumer("i1"));
    lab.send_join(static_consumer("i2"));
    let (_, dynamic) = lab.enter(consumer());
    let pending = lab.send_join(consumer());
    let pending = lab.joined(pending).member_id;
    lab.pass_ms(6_000);
    let first = lab.joined(first).member_id;
    let results = lab.leave(&[
        (&first, Some("i1")),
        ("", Some("i2")),
        (&dynamic, None),
        (&pending, None),
        ("who", None),
        ("", None),
        ("", Some("i3")),
        (&first, Some("i1")),
    ]);
    let unknown = Err(UnknownMemberId);
    assert_eq!(
        results,
        [Ok(()), Ok(()), Ok(()), Ok(()), unknown, unknown, unknown, unknown]
    );
    assert_eq!(lab.state(), "Empty");
}

#[test]
fn a_fenced_member_cannot_leave() {
    let mut lab = Lab::prompt();
    let request = lab.send_join(static_consumer("i"));
    let id = lab.joined(request).member_id;
    assert_eq!(lab.leave(&[("old", Some("i"))]), [Err(FencedInstanceId)]);
    assert_eq!(lab.leave(&[(&id, Some("other"))]), [Err(UnknownMemberId)]);
    assert_eq!(lab.state(), "CompletingRebalance");
}

#[test]
fn leaving_a_group_that_does_not_exist() {
    assert_eq!(
        Lab::new().leave(&[("a", None), ("b", None)]),
        [Err(UnknownMemberId), Err(UnknownMemberId)]
    );
}

#[test]
fn leaving_while_waiting_answers_what_waits() {
    let mut lab = Lab::new();
    let ids = lab.stable_group(3);
    let first = lab.rejoin(&ids[0]);
    let second = lab.rejoin(&ids[1]);
    lab.leave(&[(&ids[0], None)]);
    assert_eq!(lab.joined(first).error, Some(UnknownMemberId));
    assert!(lab.waits(second), "the third did not join yet");
    lab.leave(&[(&ids[2], None)]);
    assert_eq!(lab.joined(second).members.len(), 1);
    let parked = lab.send_sync(&ids[1], 2, &[]);
    assert_eq!(lab.assigned(parked), "", "a leader's sync is not parked");

    let mut lab = Lab::new();
    let (first, first_id) = lab.enter(consumer());
    let (_, second_id) = lab.enter(consumer());
    lab.pass_ms(6_000);
    assert_eq!(lab.joined(first).leader, first_id);
    let parked = lab.send_sync(&second_id, 1, &[]);
    lab.leave(&[(&second_id, None)]);
    assert_eq!(lab.synced(parked), Err(UnknownMemberId));
}
