//! What can be deleted, and when.

use super::lab::{GROUP, Lab, consumer, partition};
use crate::base::ids::TopicId;
use crate::group::Event;
use crate::group::GroupError::*;
use crate::group::request::{CommitPartition, CommitRequest, JoinRequest, Protocol};

#[test]
fn a_group_can_be_deleted_when_nobody_is_in_it() {
    let mut lab = Lab::prompt();
    assert_eq!(lab.delete_group(), Err(GroupIdNotFound));
    let ids = lab.stable_group(1);
    lab.commit(&ids[0], 1, partition(0, 1)).expect("a member");
    assert_eq!(lab.delete_group(), Err(NonEmptyGroup));
    lab.leave(&[(&ids[0], None)]);
    assert_eq!(lab.delete_group(), Ok(()));
    assert_eq!((lab.state(), lab.committed(0)), ("Dead", None));
    assert_eq!(lab.delete_group(), Err(GroupIdNotFound));
    let request = lab.rejoin(&ids[0]);
    assert_eq!(lab.joined(request).error, Some(UnknownMemberId));
}

#[test]
fn a_simple_group_can_be_deleted() {
    let mut lab = Lab::new();
    lab.commit("", -1, partition(0, 1)).expect("simple consumer");
    assert_eq!(lab.delete_group(), Ok(()));
    assert_eq!((lab.state(), lab.committed(0)), ("Dead", None));
}

#[test]
fn a_deletion_that_cannot_be_written_did_not_happen() {
    let mut lab = Lab::new();
    lab.commit("", -1, partition(0, 1)).expect("simple consumer");
    lab.refuse_append = Some(NotCoordinator);
    assert_eq!(lab.delete_group(), Err(NotCoordinator));
    assert_eq!((lab.state(), lab.committed(0)), ("Empty", Some(1)));
}

#[test]
fn a_deleted_group_forgets_the_ids_it_gave_out() {
    let mut lab = Lab::new();
    lab.commit("", -1, partition(0, 1)).expect("simple consumer");
    let request = lab.send_join(consumer());
    let pending = lab.joined(request).member_id;
    assert_eq!(lab.delete_group(), Ok(()));
    assert_eq!(lab.engine.next_deadline(), None);
    let request = lab.rejoin(&pending);
    assert_eq!(lab.joined(request).error, Some(UnknownMemberId));
}

#[test]
fn offsets_of_subscribed_topics_stay() {
    let mut lab = Lab::prompt();
    assert_eq!(lab.delete_offsets("t", 0), Err(GroupIdNotFound));
    let ids = lab.stable_group(1);
    lab.commit(&ids[0], 1, partition(0, 1)).expect("a member");
    lab.commit(
        &ids[0],
        1,
        CommitPartition {
            topic: "u".into(),
            ..partition(0, 2)
        },
    )
    .expect("a member");
    assert_eq!(lab.delete_offsets("t", 0), Err(GroupSubscribedToTopic));
    assert_eq!(lab.delete_offsets("u", 0), Ok(()));
    assert_eq!(lab.delete_offsets("u", 5), Ok(()), "not committed: nothing to do");
    assert!(lab.engine.stored().offsets().get(GROUP, "u", 0).is_none());
    lab.leave(&[(&ids[0], None)]);
    assert_eq!(lab.delete_offsets("t", 0), Ok(()));
    assert_eq!(lab.committed(0), None);
}

#[test]
fn groups_that_are_no_consumers_keep_theirs_while_in_use() {
    let mut lab = Lab::prompt();
    let join = || JoinRequest {
        protocol_type: "connect".into(),
        ..consumer()
    };
    let (request, id) = lab.enter(join());
    lab.joined(request);
    assert_eq!(lab.delete_offsets("t", 0), Err(NonEmptyGroup));
    lab.leave(&[(&id, None)]);
    assert_eq!(lab.delete_offsets("t", 0), Ok(()));
}

#[test]
fn of_consumers_not_understood_all_topics_are_taken_for_subscribed() {
    let mut lab = Lab::prompt();
    let protocols = vec![Protocol {
        name: "range".into(),
        metadata: "garbage".into(),
    }];
    let (request, _) = lab.enter(JoinRequest {
        protocols,
        ..consumer()
    });
    assert_eq!(lab.joined(request).error, None);
    assert_eq!(lab.delete_offsets("t", 0), Err(GroupSubscribedToTopic));
}

#[test]
fn a_deleted_topic_takes_its_offsets_along() {
    let mut lab = Lab::new();
    let id = |topic: &str| TopicId([topic.as_bytes()[0]; 16]);
    let many = |topic: &str, topic_id: TopicId, partitions: std::ops::Range<i32>| {
        partitions
            .map(|i| CommitPartition {
                topic: topic.into(),
                topic_id,
                ..partition(i, 1)
            })
            .collect::<Vec<_>>()
    };
    let commit = CommitRequest {
        group: GROUP.into(),
        member_id: "".into(),
        instance_id: None,
        generation: -1,
        retention_ms: None,
        // The last one is of a topic of the same name made anew.
        partitions: [
            many("t", id("t"), 0..2_400),
            many("t", TopicId::ZERO, 2_400..2_500),
            many("u", id("u"), 0..3),
            many("t", id("n"), 9_999..10_000),
        ]
        .concat(),
    };
    lab.commit_all(commit).expect("simple consumer");
    assert_eq!(lab.engine.groups_with_topic("t"), [GROUP.into()]);
    let mut rounds = 0;
    loop {
        let written = lab.log.len();
        lab.event(Event::ForgetTopic {
            group: GROUP.into(),
            topic: "t".into(),
            topic_id: id("t"),
        });
        match lab.log.len() - written {
            0 => break,
            removed => assert!(removed <= 1_000, "in small steps"),
        }
        rounds += 1;
    }
    assert_eq!(rounds, 3);
    assert_eq!(lab.engine.stored().offsets().len(), 4);
    assert_eq!(lab.committed(9_999), Some(1));
}
