//! What a coordinator knows after it read its partition.

use super::lab::{GROUP, Lab, partition, static_consumer};
use crate::group::GroupError::*;

#[test]
fn a_stable_group_goes_on() {
    let mut lab = Lab::new();
    let ids = lab.stable_group(2);
    lab.commit(&ids[0], 1, partition(0, 5)).expect("a member");
    let before = lab.engine.describe(GROUP);
    lab.restart();
    assert_eq!(lab.engine.describe(GROUP), before);
    assert_eq!(lab.committed(0), Some(5));
    for id in &ids {
        assert_eq!(lab.heartbeat(id, 1), Ok(()));
    }
    let request = lab.send_sync(&ids[1], 1, &[]);
    assert_eq!(lab.assigned(request), "1");
    // Who joins again as before finds that nothing changed; the leader may rebalance.
    let request = lab.rejoin(&ids[1]);
    assert_eq!(lab.joined(request).generation, 1);
    let request = lab.rejoin(&ids[0]);
    assert!(lab.waits(request));
}

#[test]
fn sessions_begin_anew() {
    let mut lab = Lab::new();
    let ids = lab.stable_group(2);
    lab.pass_ms(9_000);
    lab.restart();
    lab.pass_ms(9_999);
    assert_eq!(lab.heartbeat(&ids[0], 1), Ok(()));
    lab.pass_ms(1);
    assert_eq!(lab.heartbeat(&ids[1], 1), Err(UnknownMemberId));
}

#[test]
fn a_round_that_was_not_finished_is_forgotten() {
    let mut lab = Lab::new();
    let ids = lab.stable_group(2);
    for id in &ids {
        lab.rejoin(id);
    }
    assert_eq!(lab.state(), "CompletingRebalance");
    lab.restart();
    assert_eq!(lab.state(), "Stable");
    let request = lab.send_sync(&ids[0], 2, &[]);
    assert_eq!(
        lab.synced(request),
        Err(IllegalGeneration),
        "generation 2 was never written"
    );
    assert_eq!(lab.heartbeat(&ids[0], 1), Ok(()));
}

#[test]
fn static_members_are_still_static() {
    let mut lab = Lab::prompt();
    let request = lab.send_join(static_consumer("i"));
    let id = lab.joined(request).member_id;
    lab.sync_all(std::slice::from_ref(&id), 1);
    lab.restart();
    let request = lab.send_join(static_consumer("i"));
    assert_eq!(lab.joined(request).generation, 1);
    assert_eq!(lab.heartbeat_as(&id, Some("i"), 1), Err(FencedInstanceId));
}

#[test]
fn a_group_that_was_never_written_is_gone() {
    let mut lab = Lab::prompt();
    let request = lab.send_join(static_consumer("i"));
    let id = lab.joined(request).member_id;
    lab.restart();
    assert_eq!(lab.state(), "Dead");
    let request = lab.send_sync(&id, 1, &[]);
    assert_eq!(
        lab.synced(request),
        Err(UnknownMemberId),
        "so the client joins again"
    );
}
