//! Who may join, and with what.

use std::rc::Rc;

use super::lab::{GROUP, Lab, consumer, partition, protocols, static_consumer, subscription};
use crate::base::limits::{MAX_GROUPS_PER_COORDINATOR, MAX_PENDING_MEMBERS};
use crate::group::GroupError::*;
use crate::group::classic::ClassicGroup;
use crate::group::request::{CommitRequest, JoinRequest, NewMemberPolicy, Protocol};
use crate::group::{GroupError, GroupSettings};

/// Sends the join to an empty coordinator and to one whose group is stable, and expects the errors.
fn check(join: JoinRequest, fresh: Option<GroupError>, stable: Option<GroupError>) {
    for (is_stable, expected) in [(false, fresh), (true, stable)] {
        let mut lab = Lab::prompt();
        if is_stable {
            lab.stable_group(1);
        }
        let request = lab.send_join(join.clone());
        let error = if lab.waits(request) {
            None
        } else {
            lab.joined(request).error
        };
        assert_eq!(error, expected, "stable: {is_stable}, {join:?}");
    }
}

#[test]
fn a_join_is_checked() {
    let old = || JoinRequest {
        new_member_policy: NewMemberPolicy::JoinsAtOnce,
        ..consumer()
    };
    check(consumer(), Some(MemberIdRequired), Some(MemberIdRequired));
    check(
        JoinRequest {
            session_timeout_ms: 5_999,
            ..old()
        },
        Some(InvalidSessionTimeout),
        Some(InvalidSessionTimeout),
    );
    check(
        JoinRequest {
            session_timeout_ms: 1_800_001,
            ..old()
        },
        Some(InvalidSessionTimeout),
        Some(InvalidSessionTimeout),
    );
    check(
        JoinRequest {
            member_id: "who".into(),
            ..old()
        },
        Some(UnknownMemberId),
        Some(UnknownMemberId),
    );
    check(
        JoinRequest {
            member_id: "who".into(),
            ..static_consumer("i")
        },
        Some(UnknownMemberId),
        Some(UnknownMemberId),
    );
    check(
        JoinRequest {
            protocols: vec![],
            ..old()
        },
        Some(InconsistentGroupProtocol),
        Some(InconsistentGroupProtocol),
    );
    check(
        JoinRequest {
            protocol_type: "".into(),
            ..old()
        },
        Some(InconsistentGroupProtocol),
        Some(InconsistentGroupProtocol),
    );
    check(
        JoinRequest {
            protocol_type: "connect".into(),
            ..consumer()
        },
        Some(MemberIdRequired),
        Some(InconsistentGroupProtocol),
    );
    check(
        JoinRequest {
            protocols: protocols(&["sticky"]),
            ..consumer()
        },
        Some(MemberIdRequired),
        Some(InconsistentGroupProtocol),
    );
}

#[test]
fn a_refused_join_leaves_no_group_behind() {
    let mut lab = Lab::new();
    let request = lab.send_join(JoinRequest {
        protocols: vec![],
        ..consumer()
    });
    assert_eq!(lab.joined(request).error, Some(InconsistentGroupProtocol));
    assert_eq!(lab.state(), "Dead");
    assert_eq!(lab.engine.list().count(), 0);
}

#[test]
fn member_ids_tell_the_client_or_the_instance() {
    let mut lab = Lab::new();
    let (_, id) = lab.enter(consumer());
    assert_eq!(&*id, "c-1");
    let request = lab.send_join(static_consumer("i"));
    lab.pass_ms(10_000);
    assert_eq!(&*lab.joined(request).member_id, "i-3");
}

#[test]
fn an_id_that_is_not_used_is_forgotten() {
    let mut lab = Lab::new();
    let request = lab.send_join(consumer());
    let member_id = lab.joined(request).member_id;
    assert_eq!(lab.state(), "Empty");
    lab.pass_ms(10_000);
    assert_eq!(lab.state(), "Dead");
    let request = lab.rejoin(&member_id);
    assert_eq!(lab.joined(request).error, Some(UnknownMemberId));
}

#[test]
fn an_id_given_out_holds_the_join_phase_up() {
    let mut lab = Lab::prompt();
    let ids = lab.stable_group(1);
    let pending = lab.send_join(consumer());
    let pending = lab.joined(pending).member_id;
    let first = lab.rejoin(&ids[0]);
    assert!(lab.waits(first), "somebody is about to join");
    let second = lab.rejoin(&pending);
    assert_eq!(lab.joined(first).members.len(), 2);
    assert_eq!(lab.joined(second).generation, 2);
}

#[test]
fn an_id_given_out_that_expires_ends_the_join_phase() {
    let mut lab = Lab::prompt();
    let ids = lab.stable_group(1);
    let pending = lab.send_join(consumer());
    lab.joined(pending);
    let first = lab.rejoin(&ids[0]);
    lab.pass_ms(9_999);
    assert!(lab.waits(first));
    lab.pass_ms(1);
    assert_eq!(lab.joined(first).members.len(), 1);
}

#[test]
fn the_group_has_room_for_so_many() {
    let mut lab = Lab::with(GroupSettings {
        initial_rebalance_delay_ms: 100,
        max_size: 2,
        ..GroupSettings::default()
    });
    let ids = lab.stable_group(2);
    let third = lab.send_join(consumer());
    let answer = lab.joined(third);
    assert_eq!(
        (answer.error, &*answer.member_id),
        (Some(GroupMaxSizeReached), "")
    );
    let again = lab.rejoin(&ids[0]);
    assert!(lab.waits(again), "members stay");
    // While the members are waited for, whoever joins first is in.
    let third = lab.send_join(JoinRequest {
        new_member_policy: NewMemberPolicy::JoinsAtOnce,
        ..consumer()
    });
    assert!(lab.waits(third));
    let late = lab.rejoin(&ids[1]);
    assert_eq!(lab.joined(late).error, Some(GroupMaxSizeReached));
    assert_eq!(lab.joined(again).members.len(), 2);
    assert_eq!(lab.joined(third).error, None);
}

#[test]
fn too_many_loaded_members_have_to_join_again() {
    let mut lab = Lab::new();
    let ids = lab.stable_group(3);
    lab.settings.max_size = 2;
    lab.restart();
    assert_eq!(lab.state(), "PreparingRebalance");
    let requests: Vec<_> = ids.iter().map(|id| lab.rejoin(id)).collect();
    let errors: Vec<_> = requests
        .into_iter()
        .map(|request| lab.joined(request).error)
        .collect();
    assert_eq!(errors, [None, None, Some(GroupMaxSizeReached)]);
}

#[test]
fn a_protocol_is_chosen_by_votes() {
    // Each row: the members' protocols in order of preference, and the winner.
    for (members, winner) in [
        (
            vec![vec!["range", "rr"], vec!["rr", "range"], vec!["rr", "range"]],
            "rr",
        ),
        (vec![vec!["range", "rr"], vec!["rr", "range"]], "range"),
        (vec![vec!["sticky", "rr"], vec!["sticky", "rr"], vec!["rr"]], "rr"),
        (vec![vec!["a", "a", "b"], vec!["b"]], "b"),
    ] {
        let mut lab = Lab::new();
        let requests: Vec<_> = members
            .iter()
            .map(|names| {
                lab.enter(JoinRequest {
                    protocols: protocols(names),
                    ..consumer()
                })
                .0
            })
            .collect();
        lab.pass_ms(10_000);
        for request in requests {
            let answer = lab.joined(request);
            assert_eq!(answer.protocol.as_deref(), Some(winner), "{members:?}");
            for member in answer.members {
                assert_eq!(
                    member.metadata,
                    subscription(&["t", winner]),
                    "metadata of the chosen protocol"
                );
            }
        }
    }
}

#[test]
fn a_new_member_must_know_a_protocol_that_all_know() {
    let mut lab = Lab::new();
    lab.enter(JoinRequest {
        protocols: protocols(&["a", "b"]),
        ..consumer()
    });
    lab.enter(JoinRequest {
        protocols: protocols(&["b", "c"]),
        ..consumer()
    });
    for (names, fits) in [(["a", "x"], false), (["c", "x"], false), (["x", "b"], true)] {
        let request = lab.send_join(JoinRequest {
            protocols: protocols(&names),
            ..consumer()
        });
        let expected = if fits {
            MemberIdRequired
        } else {
            InconsistentGroupProtocol
        };
        assert_eq!(lab.joined(request).error, Some(expected), "{names:?}");
    }
}

#[test]
fn only_the_leader_sees_the_members() {
    let mut lab = Lab::new();
    let (first, first_id) = lab.enter(consumer());
    let (second, second_id) = lab.enter(consumer());
    lab.pass_ms(6_000);
    let (first, second) = (lab.joined(first), lab.joined(second));
    assert_eq!(
        (&first.leader, &second.leader),
        (&first_id, &first_id),
        "the first one leads"
    );
    let seen: Vec<&Rc<str>> = first.members.iter().map(|member| &member.member_id).collect();
    assert_eq!(seen, [&first_id, &second_id]);
    assert_eq!(second.members, []);
    assert_eq!(first.members[0].metadata, subscription(&["t"]));
    assert_eq!((first.generation, second.generation), (1, 1));
    assert_eq!(first.protocol_type.as_deref(), Some("consumer"));
}

#[test]
fn a_join_sent_again_replaces_the_one_before() {
    let mut lab = Lab::new();
    let ids = lab.stable_group(2);
    let lost = lab.rejoin(&ids[0]);
    let again = lab.rejoin(&ids[0]);
    assert_eq!(lab.joined(lost).error, Some(RebalanceInProgress));
    assert!(lab.waits(again));
}

#[test]
fn metadata_decides_whether_a_join_rebalances() {
    let mut lab = Lab::new();
    let ids = lab.stable_group(2);
    // A follower that changed nothing: told where it is.
    let request = lab.rejoin(&ids[1]);
    let answer = lab.joined(request);
    assert_eq!(
        (answer.generation, answer.members.len(), lab.state()),
        (1, 0, "Stable")
    );
    // The leader that changed nothing: topics may have changed.
    let leader = lab.rejoin(&ids[0]);
    assert_eq!(lab.state(), "PreparingRebalance");
    let follower = lab.rejoin(&ids[1]);
    assert_eq!(
        (lab.joined(leader).generation, lab.joined(follower).generation),
        (2, 2)
    );
    // Between join and sync: the same once more for both, the leader with all members.
    for (id, members) in [(&ids[0], 2), (&ids[1], 0)] {
        let request = lab.rejoin(id);
        let answer = lab.joined(request);
        assert_eq!(
            (answer.error, answer.generation, answer.members.len()),
            (None, 2, members)
        );
    }
    lab.sync_all(&ids, 2);
    // A follower with another subscription.
    let protocols = vec![Protocol {
        name: "range".into(),
        metadata: subscription(&["other"]),
    }];
    let join = JoinRequest {
        member_id: ids[1].clone(),
        protocols,
        ..consumer()
    };
    let request = lab.send_join(join.clone());
    assert!(lab.waits(request));
    assert_eq!(lab.heartbeat(&ids[0], 2), Err(RebalanceInProgress));
    let leader = lab.rejoin(&ids[0]);
    assert_eq!(lab.joined(leader).members[1].metadata, subscription(&["other"]));
    assert!(lab.engine.groups[GROUP].is_subscribed_to("other"));
    // And a changed subscription between join and sync.
    let request = lab.rejoin(&ids[1]);
    assert!(lab.waits(request));
    assert_eq!(lab.state(), "PreparingRebalance");
}

#[test]
fn ids_and_groups_are_not_given_out_without_end() {
    let mut lab = Lab::new();
    for i in 0..=MAX_PENDING_MEMBERS {
        let request = lab.send_join(consumer());
        let expected = if i < MAX_PENDING_MEMBERS {
            MemberIdRequired
        } else {
            GroupMaxSizeReached
        };
        assert_eq!(lab.joined(request).error, Some(expected));
    }
    lab.pass_ms(10_000);
    let request = lab.send_join(consumer());
    assert_eq!(
        lab.joined(request).error,
        Some(MemberIdRequired),
        "those before were forgotten"
    );

    for i in 0..MAX_GROUPS_PER_COORDINATOR {
        let group: Rc<str> = format!("group-{i}").into();
        lab.engine
            .groups
            .insert(group.clone(), ClassicGroup::new(group, lab.now.wall));
    }
    let request = lab.send_join(JoinRequest {
        group: "one-more".into(),
        ..consumer()
    });
    assert_eq!(lab.joined(request).error, Some(TooManyGroups));
    let commit = CommitRequest {
        group: "one-more".into(),
        member_id: "".into(),
        instance_id: None,
        generation: -1,
        retention_ms: None,
        partitions: vec![partition(0, 1)],
    };
    assert_eq!(lab.commit_all(commit), Err(TooManyGroups));
    assert_eq!(
        lab.commit("", -1, partition(0, 1)),
        Ok(()),
        "groups that are there go on"
    );
}
