//! Who may commit what, and what a fetch then finds.

use std::rc::Rc;

use super::lab::{GROUP, Lab, START_MS, consumer, partition, static_consumer};
use crate::base::ids::{LeaderEpoch, Offset, TopicId};
use crate::group::GroupError::*;
use crate::group::request::{CommitPartition, CommitRequest, FetchedOffset, Stability};

fn commit_of(partitions: Vec<CommitPartition>) -> CommitRequest {
    CommitRequest {
        group: GROUP.into(),
        member_id: "".into(),
        instance_id: None,
        generation: -1,
        retention_ms: None,
        partitions,
    }
}

#[test]
fn a_simple_consumer_needs_no_group() {
    let mut lab = Lab::new();
    assert_eq!(lab.commit("", -1, partition(0, 7)), Ok(()));
    assert_eq!(lab.committed(0), Some(7));
    assert_eq!(lab.state(), "Empty");
    assert_eq!(
        lab.engine.describe(GROUP).expect("exists").protocol_type.as_ref(),
        ""
    );
    assert_eq!(lab.commit("", -1, partition(0, 5)), Ok(()), "offsets may go back");
    assert_eq!(lab.committed(0), Some(5));
}

#[test]
fn a_commit_is_checked() {
    let mut lab = Lab::new();
    assert_eq!(lab.commit("m", 1, partition(0, 1)), Err(GroupIdNotFound));
    let ids = lab.stable_group(1);
    let id = &*ids[0];
    for (member, generation, expected) in [
        (id, 1, Ok(())),
        ("", -1, Err(UnknownMemberId)), // a simple consumer, but the group is in use
        (id, 0, Err(IllegalGeneration)),
        (id, 2, Err(IllegalGeneration)),
        (id, -1, Err(IllegalGeneration)),
        ("who", 1, Err(UnknownMemberId)),
        ("who", -1, Err(UnknownMemberId)),
    ] {
        assert_eq!(
            lab.commit(member, generation, partition(0, 9)),
            expected,
            "{member} {generation}"
        );
    }
    let fenced = CommitRequest {
        instance_id: Some("i".into()),
        generation: 1,
        ..commit_of(vec![partition(0, 1)])
    };
    assert_eq!(lab.commit_all(fenced), Err(UnknownMemberId));
}

#[test]
fn a_fenced_member_cannot_commit() {
    let mut lab = Lab::prompt();
    let old = lab.send_join(static_consumer("i"));
    let old = lab.joined(old).member_id;
    lab.sync_all(std::slice::from_ref(&old), 1);
    let new = lab.send_join(static_consumer("i"));
    let new = lab.joined(new).member_id;
    let commit = |member: &Rc<str>| CommitRequest {
        member_id: member.clone(),
        instance_id: Some("i".into()),
        generation: 1,
        ..commit_of(vec![partition(0, 1)])
    };
    assert_eq!(lab.commit_all(commit(&old)), Err(FencedInstanceId));
    assert_eq!(lab.commit_all(commit(&new)), Ok(vec![Ok(())]));
}

#[test]
fn commits_during_a_rebalance() {
    let mut lab = Lab::prompt();
    let ids = lab.stable_group(1);
    let (newcomer, newcomer_id) = lab.enter(consumer());
    // While members are waited for, those of the old generation bring their progress home.
    assert_eq!(lab.commit(&ids[0], 1, partition(0, 3)), Ok(()));
    lab.rejoin(&ids[0]);
    lab.joined(newcomer);
    assert_eq!(lab.commit(&ids[0], 1, partition(0, 4)), Err(IllegalGeneration));
    assert_eq!(
        lab.commit(&ids[0], 2, partition(0, 4)),
        Err(RebalanceInProgress),
        "not before the assignment"
    );
    assert_eq!(
        lab.commit(&newcomer_id, 2, partition(0, 4)),
        Err(RebalanceInProgress)
    );
    assert_eq!(lab.committed(0), Some(3));
}

#[test]
fn a_member_that_was_evicted_cannot_commit() {
    let mut lab = Lab::new();
    let ids = lab.stable_group(2);
    lab.commit(&ids[1], 1, partition(0, 10)).expect("a member");
    for _ in 0..2 {
        lab.pass_ms(6_000);
        lab.heartbeat(&ids[0], 1).ok();
    }
    assert_eq!(lab.commit(&ids[1], 1, partition(0, 11)), Err(UnknownMemberId));
    let request = lab.rejoin(&ids[0]);
    lab.joined(request);
    assert_eq!(lab.commit(&ids[1], 1, partition(0, 11)), Err(UnknownMemberId));
    assert_eq!(
        lab.committed(0),
        Some(10),
        "not one further than what was accepted"
    );
}

#[test]
fn metadata_has_a_limit_counted_as_kafka_does() {
    let mut lab = Lab::new();
    let with = |text: String| CommitPartition {
        metadata: text.into(),
        ..partition(0, 1)
    };
    for (text, fits) in [
        ("x".repeat(4096), true),
        ("x".repeat(4097), false),
        ("ü".repeat(4096), true), // 8192 bytes, 4096 units of UTF-16
        ("😀".repeat(2048), true),
        ("😀".repeat(2049), false),
    ] {
        let expected = if fits { Ok(()) } else { Err(OffsetMetadataTooLarge) };
        assert_eq!(lab.commit("", -1, with(text)), expected);
    }
    // One that is too long does not keep the others.
    let results = lab.commit_all(commit_of(vec![
        partition(1, 1),
        with("x".repeat(5000)),
        partition(2, 2),
    ]));
    assert_eq!(results, Ok(vec![Ok(()), Err(OffsetMetadataTooLarge), Ok(())]));
    assert_eq!((lab.committed(1), lab.committed(2)), (Some(1), Some(2)));
}

#[test]
fn a_commit_that_cannot_be_written_did_not_happen() {
    let mut lab = Lab::new();
    lab.refuse_append = Some(NotCoordinator);
    assert_eq!(lab.commit("", -1, partition(0, 1)), Err(NotCoordinator));
    assert_eq!(lab.committed(0), None);
    assert_eq!(lab.state(), "Dead");
}

#[test]
fn a_commit_of_nothing_is_fine() {
    let mut lab = Lab::new();
    assert_eq!(lab.commit_all(commit_of(vec![])), Ok(vec![]));
    assert_eq!(lab.log.len(), 0);
}

#[test]
fn what_is_kept_of_a_commit() {
    // The format with a time of expiry has no room for a leader epoch and a topic id, so those are not kept then.
    for (retention_ms, leader_epoch, topic_id) in
        [(None, 4, TopicId([1; 16])), (Some(1_000), -1, TopicId::ZERO)]
    {
        let mut lab = Lab::new();
        let what = CommitPartition {
            leader_epoch: LeaderEpoch(4),
            metadata: "note".into(),
            ..partition(0, 42)
        };
        lab.commit_all(CommitRequest {
            retention_ms,
            ..commit_of(vec![what])
        })
        .expect("simple consumer");
        let kept = lab
            .engine
            .stored()
            .offsets()
            .get(GROUP, "t", 0)
            .expect("committed");
        assert_eq!((kept.offset, &*kept.metadata), (Offset(42), "note"));
        assert_eq!(
            (kept.leader_epoch, kept.topic_id),
            (LeaderEpoch(leader_epoch), topic_id)
        );
        assert_eq!(kept.commit_timestamp_ms, START_MS);
        assert_eq!(
            kept.expire_timestamp_ms,
            retention_ms.map(|retention_ms| START_MS + retention_ms)
        );
    }
}

#[test]
fn a_fetch_finds_what_was_committed() {
    let mut lab = Lab::new();
    lab.commit("", -1, partition(0, 7)).expect("simple consumer");
    let (group, topic): (Rc<str>, Rc<str>) = (GROUP.into(), "t".into());
    let there = FetchedOffset::Committed {
        offset: Offset(7),
        leader_epoch: LeaderEpoch(0),
        metadata: "".into(),
    };
    for (topic_name, topic_id, partition, expected) in [
        ("t", TopicId([1; 16]), 0, &there),
        ("t", TopicId::ZERO, 0, &there),
        ("t", TopicId([2; 16]), 0, &FetchedOffset::Absent), // a topic of the same name made anew
        ("t", TopicId([1; 16]), 1, &FetchedOffset::Absent),
        ("u", TopicId::ZERO, 0, &FetchedOffset::Absent),
    ] {
        let found = lab
            .engine
            .fetch_offset(&group, &topic_name.into(), topic_id, partition, Stability::Any);
        assert_eq!(&found, expected, "{topic_name} {topic_id:?} {partition}");
    }
    let all = lab.engine.fetch_all_offsets(&group, Stability::Required);
    assert_eq!(all, [(topic, TopicId([1; 16]), 0, there)]);
    assert_eq!(lab.engine.fetch_all_offsets(&"no".into(), Stability::Any), []);
}
