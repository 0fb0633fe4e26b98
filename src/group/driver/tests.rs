//! The driver on the simulated runtime, with a real log.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::GroupDriver;
use super::coordinator_loader::load;
use crate::base::ids::{LeaderEpoch, Offset, ShardId, TopicId};
use crate::group::request::{
    CommitPartition, CommitRequest, FetchedOffset, HeartbeatRequest, JoinAnswer, JoinRequest, LeaveRequest,
    LeavingMember, NewMemberPolicy, OffsetDeleteRequest, Protocol, SkipAssignment, Stability, SyncRequest,
};
use crate::group::{GroupError, GroupSettings, coordinator_partition};
use crate::log::{
    CleanupPolicy, DataDir, PartitionLog, PartitionSpec, ShardLog, ShardLogOptions, TopicLogConfig,
};
use crate::rt;
use crate::rt::sim::{self, check_seeds};

/// Partitions of the topic in these tests.
const PARTITIONS: i32 = 50;
const GROUP: &str = "g";
const TOPIC_ID: TopicId = TopicId([1; 16]);

fn run<F: Future<Output = ()> + 'static>(name: &str, test: impl Fn() -> F) {
    check_seeds(name, 0..20, |_| test());
}

/// The partition of [`GROUP`], on this process's disk, with whatever an earlier run left.
async fn log() -> Rc<PartitionLog> {
    shard_and_log(TopicLogConfig::default()).await.1
}

/// The same with other configs, and the log of the shard.
async fn shard_and_log(config: TopicLogConfig) -> (Rc<ShardLog>, Rc<PartitionLog>) {
    let data_dir = DataDir::open("/data").expect("a data directory");
    let options = ShardLogOptions {
        wal_file_bytes: 1 << 20,
        wal_files: 2,
        ..ShardLogOptions::new(data_dir, ShardId(0))
    };
    let data_dir = options.data_dir.clone();
    let shard_log = ShardLog::open(options).await.expect("opens");
    let spec = PartitionSpec {
        topic_id: TopicId([9; 16]),
        topic_name: "__consumer_offsets".into(),
        partition: coordinator_partition(GROUP, PARTITIONS),
        leader_epoch: LeaderEpoch(0),
        config: Arc::new(TopicLogConfig {
            cleanup_policy: CleanupPolicy::Compact,
            ..config
        }),
    };
    let (_, recovered) = shard_log.recover(vec![spec]).await.remove(0);
    data_dir.remove_recovered_wals().expect("removes");
    shard_log.start().await.expect("starts");
    (shard_log, recovered.expect("is online"))
}

fn settings() -> GroupSettings {
    GroupSettings {
        initial_rebalance_delay_ms: 100,
        ..GroupSettings::default()
    }
}

/// A driver that leads the partition of [`GROUP`].
fn lead(log: &Rc<PartitionLog>, settings: GroupSettings) -> Rc<GroupDriver> {
    let driver = GroupDriver::with(settings);
    driver.lead(log.id().partition, PARTITIONS, log.clone());
    driver
}

fn join(member_id: &str) -> JoinRequest {
    JoinRequest {
        group: GROUP.into(),
        member_id: member_id.into(),
        fresh_uuid: String::new(),
        instance_id: None,
        client_id: "c".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: 6_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: "consumer".into(),
        protocols: vec![Protocol {
            name: "range".into(),
            metadata: "not a subscription".into(),
        }],
        new_member_policy: NewMemberPolicy::ReturnsWithId,
        skip_assignment: SkipAssignment::Understood,
        reason: None,
    }
}

fn heartbeat(member_id: &Rc<str>, generation: i32) -> HeartbeatRequest {
    HeartbeatRequest {
        group: GROUP.into(),
        member_id: member_id.clone(),
        instance_id: None,
        generation,
    }
}

fn commit(topic: &str, offset: i64) -> CommitRequest {
    let partition = CommitPartition {
        topic: topic.into(),
        topic_id: TOPIC_ID,
        partition: 0,
        offset: Offset(offset),
        leader_epoch: LeaderEpoch(0),
        metadata: "".into(),
    };
    CommitRequest {
        group: GROUP.into(),
        member_id: "".into(),
        instance_id: None,
        generation: -1,
        retention_ms: None,
        partitions: vec![partition],
    }
}

async fn committed(driver: &GroupDriver, topic: &str) -> Result<Option<i64>, GroupError> {
    let fetched = driver
        .fetch_offsets(&GROUP.into(), &[(topic.into(), TOPIC_ID, 0)], Stability::Any)
        .await?;
    Ok(match &fetched[0] {
        FetchedOffset::Committed { offset, .. } => Some(offset.0),
        _ => None,
    })
}

/// The two joins of a new member.
async fn enter(driver: &GroupDriver) -> JoinAnswer {
    let first = driver.join(join("")).await;
    assert_eq!(first.error, Some(GroupError::MemberIdRequired));
    driver.join(join(&first.member_id)).await
}

/// A consumer that joins and syncs until `until_generation` is reached with all `members`, then stays until told.
async fn consume(driver: Rc<GroupDriver>, members: usize, ready: Rc<Cell<usize>>) -> (Rc<str>, i32, String) {
    let mut joined = enter(&driver).await;
    loop {
        assert_eq!(joined.error, None);
        let texts = joined
            .members
            .iter()
            .enumerate()
            .map(|(i, m)| (m.member_id.clone(), i.to_string().into()));
        let sync = SyncRequest {
            group: GROUP.into(),
            member_id: joined.member_id.clone(),
            instance_id: None,
            generation: joined.generation,
            protocol_type: None,
            protocol: None,
            assignments: texts.collect(),
        };
        if let Ok(synced) = driver.sync(sync).await {
            let assignment = String::from_utf8(synced.assignment.to_vec()).expect("text");
            // All members know it when the group is complete.
            let group = driver.describe(GROUP).expect("coordinator").expect("exists");
            if group.members.len() == members && group.state == "Stable" {
                ready.set(ready.get() + 1);
                while ready.get() < members {
                    rt::sleep(Duration::from_millis(50)).await;
                    if driver
                        .heartbeat(heartbeat(&joined.member_id, joined.generation))
                        .await
                        .is_err()
                    {
                        break;
                    }
                }
                return (joined.member_id, joined.generation, assignment);
            }
        }
        joined = driver.join(join(&joined.member_id)).await;
    }
}

#[test]
fn members_come_together() {
    run("members_come_together", || async {
        let log = log().await;
        let driver = lead(&log, settings());
        let ready = Rc::new(Cell::new(0));
        let members: Vec<_> = (0..3)
            .map(|_| rt::spawn(consume(driver.clone(), 3, ready.clone())))
            .collect();
        let (mut assignments, mut generations) = (Vec::new(), Vec::new());
        for member in members {
            let (_, generation, assignment) = member.await;
            assignments.push(assignment);
            generations.push(generation);
        }
        assignments.sort();
        assert_eq!(assignments, ["0", "1", "2"], "{generations:?}");
        // The log alone gives the same group back.
        let again = lead(&log, settings());
        while again.describe(GROUP) == Err(GroupError::CoordinatorLoadInProgress) {
            rt::sleep(Duration::from_millis(1)).await;
        }
        let (before, after) = (driver.describe(GROUP), again.describe(GROUP));
        assert_eq!(before.expect("coordinator"), after.expect("coordinator"));
        driver.shutdown();
        again.shutdown();
    });
}

#[test]
fn a_commit_is_answered_when_it_is_durable() {
    run("a_commit_is_answered_when_it_is_durable", || async {
        let log = log().await;
        let driver = lead(&log, settings());
        for offset in 0..10 {
            assert_eq!(driver.commit_offsets(commit("t", offset)).await, Ok(vec![Ok(())]));
            assert_eq!(log.durable_end(), log.log_end());
            assert_eq!(committed(&driver, "t").await, Ok(Some(offset)));
        }
        // A fetch does not tell of what is still on its way to the disk.
        let (committer, late) = (driver.clone(), log.log_end());
        let pending = rt::spawn(async move { committer.commit_offsets(commit("t", 99)).await });
        while log.log_end() == late {
            rt::yield_now().await;
        }
        assert_eq!(committed(&driver, "t").await, Ok(Some(99)));
        assert_eq!(log.durable_end(), log.log_end());
        assert_eq!(pending.await, Ok(vec![Ok(())]));
        driver.shutdown();
    });
}

#[test]
fn a_coordinator_loads_what_was_written() {
    run("a_coordinator_loads_what_was_written", || async {
        let log = log().await;
        let first = lead(&log, settings());
        for offset in 0..50 {
            first
                .commit_offsets(commit("t", offset))
                .await
                .expect("simple consumer");
        }
        first.shutdown();
        assert_eq!(committed(&first, "t").await, Err(GroupError::NotCoordinator));

        let second = lead(&log, settings());
        assert_eq!(
            committed(&second, "t").await,
            Err(GroupError::CoordinatorLoadInProgress)
        );
        assert_eq!(second.list(), Err(GroupError::CoordinatorLoadInProgress));
        assert_eq!(
            second.join(join("")).await.error,
            Some(GroupError::CoordinatorLoadInProgress)
        );
        assert_eq!(
            second.heartbeat(heartbeat(&"m".into(), 1)).await,
            Ok(()),
            "whoever it is"
        );
        while second.list().is_err() {
            rt::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(committed(&second, "t").await, Ok(Some(49)));
        assert_eq!(second.list().expect("loaded").len(), 1);
        second.shutdown();
    });
}

#[test]
fn a_compacted_log_gives_the_same_groups() {
    run("a_compacted_log_gives_the_same_groups", || async {
        let config = TopicLogConfig {
            segment_bytes: 2_000,
            min_cleanable_dirty_ratio: 0.0,
            delete_retention_ms: 0,
            ..TopicLogConfig::default()
        };
        let (shard_log, log) = shard_and_log(config).await;
        let driver = lead_loaded_of(&log).await;
        for round in 0..30 {
            for topic in ["t", "u", "v"] {
                driver
                    .commit_offsets(commit(topic, round))
                    .await
                    .expect("simple consumer");
            }
            if round % 10 == 4 {
                // All its offsets get tombstones.
                driver.delete_group(GROUP.into()).await.expect("it is empty");
            }
        }
        driver.shutdown();
        for _ in 0..3 {
            let before = load(&log).await.expect("loads");
            let bytes = log.size_bytes();
            shard_log.compact_now().await;
            assert!(log.size_bytes() < bytes);
            assert_eq!(load(&log).await.expect("loads"), before);
            let driver = lead_loaded_of(&log).await;
            for topic in ["t", "u", "v"] {
                assert!(committed(&driver, topic).await.expect("is there") >= Some(29));
            }
            // More to compact.
            for offset in 100..140 {
                driver
                    .commit_offsets(commit("u", offset))
                    .await
                    .expect("simple consumer");
            }
            driver.shutdown();
        }
    });
}

#[test]
fn only_the_groups_of_led_partitions_are_served() {
    run("only_the_groups_of_led_partitions_are_served", || async {
        let nobody = GroupDriver::with(settings());
        assert_eq!(
            nobody.describe(GROUP),
            Err(GroupError::NotCoordinator),
            "there is no topic yet"
        );
        assert_eq!(nobody.list(), Ok(Vec::new()));
        let driver = lead(&log().await, settings());
        assert_eq!(driver.describe(GROUP), Ok(None));
        assert_eq!(driver.describe("another"), Err(GroupError::NotCoordinator));
        assert_eq!(
            driver
                .heartbeat(HeartbeatRequest {
                    group: "".into(),
                    ..heartbeat(&"m".into(), 1)
                })
                .await,
            Err(GroupError::InvalidGroupId)
        );
        driver.shutdown();
    });
}

#[test]
fn who_waits_is_told_when_the_coordinator_goes() {
    run("who_waits_is_told_when_the_coordinator_goes", || async {
        let log = log().await;
        let driver = lead(
            &log,
            GroupSettings {
                initial_rebalance_delay_ms: 5_000,
                ..settings()
            },
        );
        let member = driver.clone();
        let waiting = rt::spawn(async move { enter(&member).await });
        rt::sleep(Duration::from_millis(100)).await;
        driver.resign(log.id().partition);
        let answer = waiting.await;
        assert_eq!(answer.error, Some(GroupError::NotCoordinator));
        assert_eq!(driver.describe(GROUP), Err(GroupError::NotCoordinator));
    });
}

#[test]
fn silent_members_go_by_themselves() {
    run("silent_members_go_by_themselves", || async {
        let driver = lead(&log().await, settings());
        let ready = Rc::new(Cell::new(0));
        let (member_id, generation, _) = consume(driver.clone(), 1, ready).await;
        for _ in 0..5 {
            rt::sleep(Duration::from_millis(5_900)).await;
            assert_eq!(driver.heartbeat(heartbeat(&member_id, generation)).await, Ok(()));
        }
        rt::sleep(Duration::from_millis(6_100)).await;
        let group = driver.describe(GROUP).expect("coordinator").expect("written");
        assert_eq!((group.state, group.members.len()), ("Empty", 0));
        assert_eq!(
            driver.heartbeat(heartbeat(&member_id, generation)).await,
            Err(GroupError::UnknownMemberId)
        );
        driver.shutdown();
    });
}

#[test]
fn a_member_that_leaves_lets_the_others_go_on() {
    run("a_member_that_leaves_lets_the_others_go_on", || async {
        let driver = lead(&log().await, settings());
        let ready = Rc::new(Cell::new(0));
        let members: Vec<_> = (0..2)
            .map(|_| rt::spawn(consume(driver.clone(), 2, ready.clone())))
            .collect();
        let mut ids = Vec::new();
        for member in members {
            ids.push(member.await.0);
        }
        let leaving = LeavingMember {
            member_id: ids[0].clone(),
            instance_id: None,
            reason: None,
        };
        let leave = LeaveRequest {
            group: GROUP.into(),
            members: vec![leaving],
        };
        assert_eq!(driver.leave(leave).await, Ok(vec![Ok(())]));
        let answer = driver.join(join(&ids[1])).await;
        assert_eq!((answer.error, answer.members.len()), (None, 1));
        driver.shutdown();
    });
}

#[test]
fn what_expires_goes_from_time_to_time() {
    run("what_expires_goes_from_time_to_time", || async {
        let driver = lead(
            &log().await,
            GroupSettings {
                offsets_retention: Duration::from_secs(3600),
                offsets_retention_check_interval: Duration::from_secs(60),
                ..settings()
            },
        );
        driver
            .commit_offsets(commit("t", 1))
            .await
            .expect("simple consumer");
        rt::sleep(Duration::from_secs(1800)).await;
        driver
            .commit_offsets(commit("u", 2))
            .await
            .expect("simple consumer");
        rt::sleep(Duration::from_secs(1900)).await;
        assert_eq!(
            (committed(&driver, "t").await, committed(&driver, "u").await),
            (Ok(None), Ok(Some(2)))
        );
        rt::sleep(Duration::from_secs(1900)).await;
        assert_eq!(driver.describe(GROUP), Ok(None), "nothing is left");
        driver.shutdown();
    });
}

#[test]
fn a_deleted_topic_takes_its_offsets_along() {
    run("a_deleted_topic_takes_its_offsets_along", || async {
        let driver = lead(&log().await, settings());
        driver
            .commit_offsets(commit("t", 1))
            .await
            .expect("simple consumer");
        driver
            .commit_offsets(commit("u", 2))
            .await
            .expect("simple consumer");
        driver.topic_deleted("t", TOPIC_ID);
        rt::sleep(Duration::from_millis(100)).await;
        assert_eq!(
            (committed(&driver, "t").await, committed(&driver, "u").await),
            (Ok(None), Ok(Some(2)))
        );
        let delete = OffsetDeleteRequest {
            group: GROUP.into(),
            partitions: vec![("u".into(), 0)],
        };
        assert_eq!(driver.delete_offsets(delete).await, Ok(vec![Ok(())]));
        assert_eq!(committed(&driver, "u").await, Ok(None));
        assert_eq!(driver.delete_group(GROUP.into()).await, Ok(()));
        assert_eq!(
            driver.delete_group(GROUP.into()).await,
            Err(GroupError::GroupIdNotFound)
        );
        driver.shutdown();
    });
}

/// Loads the group's partition and waits until it serves.
async fn lead_loaded() -> Rc<GroupDriver> {
    lead_loaded_of(&log().await).await
}

async fn lead_loaded_of(log: &Rc<PartitionLog>) -> Rc<GroupDriver> {
    let driver = lead(log, settings());
    while driver.list().is_err() {
        rt::sleep(Duration::from_millis(1)).await;
    }
    driver
}

#[test]
fn what_was_acknowledged_survives_a_power_loss() {
    check_seeds("what_was_acknowledged_survives_a_power_loss", 0..40, |_| async {
        // Shared with the process that is killed: what it was told, and what it sent.
        let (acknowledged, sent) = (Rc::new(Cell::new(-1)), Rc::new(Cell::new(-1)));
        for round in 0..3 {
            let (acked, tried) = (acknowledged.clone(), sent.clone());
            let broker = sim::spawn_process("broker", async move {
                let driver = lead_loaded().await;
                let found = committed(&driver, "t").await.expect("coordinator").unwrap_or(-1);
                assert!(
                    (acked.get()..=tried.get()).contains(&found),
                    "{} {found} {}",
                    acked.get(),
                    tried.get()
                );
                // What was found is durable: no later restart may find less.
                acked.set(found);
                for offset in found + 1.. {
                    tried.set(offset);
                    assert_eq!(driver.commit_offsets(commit("t", offset)).await, Ok(vec![Ok(())]));
                    acked.set(offset);
                }
            });
            rt::sleep(Duration::from_micros(20_000 + rt::random_u64() % 30_000)).await;
            sim::kill(broker);
            assert_eq!(sim::exited(broker).await, sim::Exit::Killed, "round {round}");
        }
        assert!(
            acknowledged.get() > 0,
            "the rounds were too short to say something"
        );
    });
}

#[test]
fn a_log_that_stops_ends_the_coordinator() {
    run("a_log_that_stops_ends_the_coordinator", || async {
        let log = log().await;
        let driver = lead(&log, settings());
        driver
            .commit_offsets(commit("t", 1))
            .await
            .expect("simple consumer");
        sim::disk::set_faults(sim::disk::FaultPlan {
            write_error: 1.0,
            ..Default::default()
        });
        // Whether this one was taken or not: it is not answered as if it were durable.
        assert_eq!(
            driver.commit_offsets(commit("t", 2)).await,
            Err(GroupError::NotCoordinator)
        );
        assert_eq!(committed(&driver, "t").await, Err(GroupError::NotCoordinator));
        assert_eq!(
            driver.join(join("")).await.error,
            Some(GroupError::NotCoordinator)
        );
    });
}
