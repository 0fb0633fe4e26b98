//! What grows old, and when (KIP-211).

use super::lab::{GROUP, Lab, consumer, partition};
use crate::group::Event;
use crate::group::request::{CommitPartition, CommitRequest, JoinRequest};

const RETENTION_MS: u64 = 7 * 24 * 60 * 60 * 1000;

fn expire(lab: &mut Lab) {
    lab.event(Event::ExpireOffsets(GROUP.into()));
}

fn of_topic(topic: &str) -> CommitPartition {
    CommitPartition {
        topic: topic.into(),
        ..partition(0, 1)
    }
}

fn has(lab: &Lab, topic: &str) -> bool {
    lab.engine.stored().offsets().get(GROUP, topic, 0).is_some()
}

#[test]
fn a_simple_consumers_offset_ages_from_its_commit() {
    let mut lab = Lab::new();
    lab.commit("", -1, of_topic("t")).expect("simple consumer");
    lab.pass_ms(RETENTION_MS / 2);
    lab.commit("", -1, of_topic("u")).expect("simple consumer");
    lab.pass_ms(RETENTION_MS / 2 - 1);
    expire(&mut lab);
    assert!(has(&lab, "t"));
    lab.pass_ms(1);
    expire(&mut lab);
    assert!(!has(&lab, "t") && has(&lab, "u"));
    lab.pass_ms(RETENTION_MS / 2);
    expire(&mut lab);
    assert_eq!(lab.state(), "Dead", "nothing is left of the group");
}

#[test]
fn an_empty_groups_offsets_age_from_when_it_became_empty() {
    let mut lab = Lab::prompt();
    let ids = lab.stable_group(1);
    lab.commit(&ids[0], 1, of_topic("t")).expect("a member");
    for _ in 0..3 {
        lab.pass_ms(8_000);
        lab.heartbeat(&ids[0], 1).expect("a member");
    }
    lab.leave(&[(&ids[0], None)]);
    lab.pass_ms(RETENTION_MS - 1);
    expire(&mut lab);
    assert!(has(&lab, "t"));
    lab.restart();
    lab.pass_ms(1);
    expire(&mut lab);
    assert!(
        !has(&lab, "t"),
        "the time is written, so a restart does not prolong it"
    );
    assert_eq!(lab.state(), "Dead");
    assert!(lab.engine.stored().group(GROUP).is_none(), "with a tombstone");
}

#[test]
fn in_a_stable_group_only_topics_nobody_subscribes_to_age() {
    let mut lab = Lab::prompt();
    let (request, id) = lab.enter(JoinRequest {
        session_timeout_ms: 1_800_000,
        ..consumer()
    });
    lab.joined(request);
    lab.sync_all(std::slice::from_ref(&id), 1);
    lab.commit(&id, 1, of_topic("t")).expect("a member");
    lab.commit(&id, 1, of_topic("u")).expect("a member");
    for _ in 0..RETENTION_MS / 1_000_000 + 1 {
        lab.pass_ms(1_000_000);
        lab.heartbeat(&id, 1).expect("a member");
    }
    expire(&mut lab);
    assert!(has(&lab, "t") && !has(&lab, "u"));
    assert_eq!(lab.state(), "Stable");
}

#[test]
fn nothing_ages_while_a_group_of_others_is_in_use() {
    let mut lab = Lab::prompt();
    let join = JoinRequest {
        protocol_type: "connect".into(),
        session_timeout_ms: 1_800_000,
        ..consumer()
    };
    let (request, id) = lab.enter(join);
    lab.joined(request);
    let sync = lab.send_sync(&id, 1, &[]);
    assert!(lab.synced(sync).is_err(), "the lab syncs as a consumer");
    assert_eq!(lab.state(), "CompletingRebalance");
    expire(&mut lab);
    assert_eq!(lab.log.len(), 0);
}

#[test]
fn a_time_the_client_asked_for_counts_instead() {
    let mut lab = Lab::new();
    let commit = |retention_ms| CommitRequest {
        group: GROUP.into(),
        member_id: "".into(),
        instance_id: None,
        generation: -1,
        retention_ms: Some(retention_ms),
        partitions: vec![of_topic("t")],
    };
    lab.commit_all(commit(1_000)).expect("simple consumer");
    lab.pass_ms(999);
    expire(&mut lab);
    assert!(has(&lab, "t"));
    lab.pass_ms(1);
    expire(&mut lab);
    assert!(!has(&lab, "t"));
    lab.commit_all(commit(2 * RETENTION_MS as i64))
        .expect("simple consumer");
    lab.pass_ms(RETENTION_MS);
    expire(&mut lab);
    assert!(has(&lab, "t"));
}

#[test]
fn an_empty_group_without_offsets_goes_at_once() {
    let mut lab = Lab::prompt();
    let ids = lab.stable_group(1);
    expire(&mut lab);
    assert_eq!(lab.state(), "Stable");
    lab.leave(&[(&ids[0], None)]);
    expire(&mut lab);
    assert_eq!(lab.state(), "Dead");
}

#[test]
fn a_group_somebody_is_about_to_join_stays() {
    let mut lab = Lab::new();
    let request = lab.send_join(consumer());
    let id = lab.joined(request).member_id;
    expire(&mut lab);
    let request = lab.rejoin(&id);
    lab.pass_ms(3_000);
    assert_eq!(lab.joined(request).generation, 1);
}

#[test]
fn many_offsets_go_in_small_steps() {
    let mut lab = Lab::new();
    let commit = CommitRequest {
        group: GROUP.into(),
        member_id: "".into(),
        instance_id: None,
        generation: -1,
        retention_ms: None,
        partitions: (0..1_500).map(|i| partition(i, 1)).collect(),
    };
    lab.commit_all(commit).expect("simple consumer");
    lab.pass_ms(RETENTION_MS);
    let written = lab.log.len();
    expire(&mut lab);
    assert_eq!(lab.log.len() - written, 1_000);
    expire(&mut lab);
    assert_eq!(lab.log.len() - written, 1_501, "the rest, and the group");
    expire(&mut lab);
    assert_eq!(lab.log.len() - written, 1_501);
}
