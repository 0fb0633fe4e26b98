//! How records go: deleted by clients, by age and by size; and that no crash brings them back, or takes others with them.

use super::lifecycle::{DIR, Server, append, batch, of_producer, read_all, run, small_segments, spec};
use super::oracle::below;
use crate::base::ids::{LeaderEpoch, Offset, TopicId};
use crate::log::partition::SyncMode;
use crate::log::producer::{ProducerTable, encode_snapshot};
use crate::log::*;
use crate::rt;
use crate::rt::sim::{self, disk::FaultPlan};
use crate::wire::records::{BatchBuilder, Compression, batches};
use bytes::BytesMut;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub(super) const HOUR_MS: i64 = 3_600_000;

/// Keeps everything until told otherwise: the records of these tests are from 1970.
pub(super) fn keeping() -> TopicLogConfig {
    TopicLogConfig {
        retention_ms: -1,
        ..small_segments()
    }
}

pub(super) fn at(timestamp_ms: i64, value: &[u8]) -> BytesMut {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.append(timestamp_ms, Some(b"k"), Some(value), &[]);
    builder.build().unwrap()
}

pub(super) fn change(log: &PartitionLog, change: impl FnOnce(&mut TopicLogConfig)) {
    let mut config = (*log.config()).clone();
    change(&mut config);
    log.set_config(Arc::new(config));
}

async fn delete(log: &Rc<PartitionLog>, before: i64) -> Result<Offset, DeleteRecordsError> {
    log.delete_records(DeleteBefore::Offset(Offset(before))).await
}

async fn names(suffix: &str) -> Vec<String> {
    let entries = rt::disk::read_dir(format!("{DIR}/orders-0")).await.unwrap();
    let names = entries.into_iter().map(|e| e.name);
    names.filter(|name| name.ends_with(suffix)).collect()
}

/// The segments in the partition's directory, by their names.
async fn bases() -> Vec<Offset> {
    let entries = rt::disk::read_dir(format!("{DIR}/orders-0"))
        .await
        .unwrap_or_default();
    let logs = entries.iter().filter_map(|e| e.name.strip_suffix(".log"));
    logs.map(|digits| Offset(digits.parse().unwrap())).collect()
}

/// What clients know of one log, over all runs of its server.
#[derive(Default)]
struct Known {
    /// The value each offset was acknowledged with.
    acknowledged: Vec<Option<Vec<u8>>>,
    /// The largest start that was seen.
    log_start: i64,
    /// The largest start that was asked for: by deletion up to it, by retention up to the end.
    asked_for: i64,
}

impl Known {
    /// What is read of a log after a restart.
    fn check(&mut self, log: &PartitionLog, bytes: &[u8]) {
        let start = log.log_start().0;
        assert!(
            start >= self.log_start,
            "{start}: what was gone since {} is back",
            self.log_start
        );
        assert!(
            start <= self.asked_for,
            "{start}: nobody asked for more than {}",
            self.asked_for
        );
        assert!(log.log_end().0 >= self.acknowledged.len() as i64);
        self.log_start = start;
        let mut next = start;
        for batch in batches(bytes) {
            let batch = batch.unwrap();
            for record in batch.open(1 << 20).unwrap().records() {
                let record = record.unwrap();
                if record.offset.0 < start {
                    continue;
                }
                assert_eq!(record.offset.0, next, "no gap");
                next += 1;
                if let Some(Some(value)) = self.acknowledged.get(record.offset.0 as usize) {
                    assert_eq!(record.value, Some(&value[..]));
                }
            }
        }
        assert_eq!(next, log.log_end().0);
        self.acknowledged.resize(next as usize, None);
    }
}

/// Appends a record and waits for it.
async fn write(log: &Rc<PartitionLog>, known: &Rc<RefCell<Known>>) {
    let mut value = vec![0; below(3000) as usize];
    rt::random_bytes(&mut value);
    let Ok(appended) = log.append(at(1000, &value), AppendOrigin::Client) else {
        return;
    };
    if log.wait_durable(appended.last_offset.plus(1)).await.is_ok() {
        let mut known = known.borrow_mut();
        let offset = appended.base_offset.0 as usize;
        let len = known.acknowledged.len().max(offset + 1);
        known.acknowledged.resize(len, None);
        known.acknowledged[offset] = Some(value);
    }
}

/// A server that appends, deletes and tidies up, until it is killed or has done enough.
async fn churn(known: Rc<RefCell<Known>>, epoch: i32, last: bool) {
    let mut partition = spec(1, keeping());
    partition.leader_epoch = LeaderEpoch(epoch);
    let Ok(data_dir) = DataDir::open(DIR) else {
        rt::yield_now().await;
        return;
    };
    let mut options = ShardLogOptions::new(data_dir.clone(), crate::base::ids::ShardId(0));
    options.wal_file_bytes = 64 << 10;
    options.direct_run_bytes = 8 << 10;
    options.flush_bytes = 4 << 10;
    options.flush_interval_ms = 5;
    options.checkpoint_interval_ms = 20;
    options.open_files = 2;
    options.tail_bytes = [8 << 10, 1 << 20][below(2) as usize];
    options.retention_check_interval_ms = [2, 1_000_000][below(2) as usize];
    let before = bases().await;
    let shard = ShardLog::open(options).await.unwrap();
    let recovered = shard.recover(vec![partition]).await;
    let log = match &recovered[0].1 {
        Ok(log) => log.clone(),
        Err(e) => panic!("offline: {e}"),
    };
    let all = read_all(&log).await.unwrap();
    known.borrow_mut().check(&log, &all);
    // Segments that lay before the start as a whole are off the disk.
    let after = bases().await;
    let old = before.windows(2).filter(|two| two[1] <= log.log_start());
    old.for_each(|two| assert!(!after.contains(&two[0]), "{two:?}"));
    if data_dir.remove_recovered_wals().is_err() || shard.start().await.is_err() {
        rt::yield_now().await;
        return;
    }
    change(&log, |config| config.file_delete_delay_ms = below(20) as i64);
    for _ in 0..if last { 3 } else { 60 } {
        match below(8) {
            0 => {
                let before = below(log.high_watermark().0 as u64 + 1) as i64;
                let asked_for = known.borrow().asked_for.max(before);
                known.borrow_mut().asked_for = asked_for;
                if let Ok(start) = delete(&log, before).await {
                    let mut known = known.borrow_mut();
                    assert!(start.0 >= before.max(known.log_start));
                    known.log_start = start.0;
                }
            }
            1 => {
                known.borrow_mut().asked_for = i64::MAX;
                let (ms, bytes) = [(-1, 30_000), (-1, 0), (1000, -1)][below(3) as usize];
                change(&log, |config| {
                    (config.retention_ms, config.retention_bytes) = (ms, bytes)
                });
                shard.tidy_now().await;
                change(&log, |config| {
                    (config.retention_ms, config.retention_bytes) = (-1, -1)
                });
                let mut known = known.borrow_mut();
                assert!(log.log_start().0 >= known.log_start);
                known.log_start = log.log_start().0;
            }
            2 => rt::sleep(Duration::from_millis(below(30))).await,
            // All goes while segments are closed and begun.
            3 => {
                known.borrow_mut().asked_for = i64::MAX;
                let (writer, of_writer) = (log.clone(), known.clone());
                let writing = rt::spawn(async move {
                    for _ in 0..15 {
                        write(&writer, &of_writer).await;
                    }
                });
                for _ in 0..5 {
                    rt::sleep(Duration::from_micros(below(2000))).await;
                    if let Ok(start) = log.delete_records(DeleteBefore::HighWatermark).await {
                        let mut known = known.borrow_mut();
                        known.log_start = known.log_start.max(start.0);
                    }
                }
                writing.await;
            }
            _ => write(&log, &known).await,
        }
        let early = log.read_plan(log.log_start().plus(-1), 1, MinOneBatch::Yes, ReadUpto::LogEnd);
        assert!(matches!(early, Err(ReadError::OffsetOutOfRange { .. })));
    }
    if last || below(2) == 0 {
        let stopped = shard.shutdown().await;
        assert!(stopped.is_ok() || !last);
    }
}

#[test]
fn no_crash_brings_deleted_records_back_or_takes_others() {
    sim::check_seeds("no_crash_brings_deleted_records_back", 0..150, |_| async {
        let known = Rc::new(RefCell::new(Known::default()));
        for epoch in 0..6 {
            let plan = FaultPlan {
                crash_at_op: (below(2) == 0).then(|| 1 + below(400)),
                ..FaultPlan::default()
            };
            sim::disk::of("server").set_faults(plan);
            let server = sim::spawn_process("server", churn(known.clone(), epoch, false));
            if below(2) == 0 {
                rt::sleep(Duration::from_micros(below(100_000))).await;
                match below(2) {
                    0 => sim::kill(server),
                    _ => sim::sigkill(server),
                }
            }
            let ended = rt::timeout(Duration::from_secs(30), sim::exited(server)).await;
            ended.expect("the server gets on");
            rt::sleep(Duration::from_millis(100)).await;
        }
        sim::disk::of("server").set_faults(FaultPlan::default());
        let server = sim::spawn_process("server", churn(known.clone(), 6, true));
        assert_eq!(sim::exited(server).await, sim::Exit::Finished);
    });
}

#[test]
fn deletion_follows_kafkas_rules() {
    sim::check_seeds("deletion_follows_kafkas_rules", 0..4, |_| async {
        let server = Server::start(vec![spec(1, keeping())], |_| {}).await;
        let log = server.online();
        for _ in 0..10 {
            append(&log, batch(3, b"v")).await;
        }
        assert_eq!(delete(&log, 4).await.unwrap(), Offset(4));
        assert_eq!(delete(&log, 4).await.unwrap(), Offset(4));
        assert_eq!(delete(&log, 0).await.unwrap(), Offset(4), "it never goes back");
        for wrong in [31, i64::MAX, -2] {
            let refused = delete(&log, wrong).await;
            assert!(
                matches!(refused, Err(DeleteRecordsError::OffsetOutOfRange { high_watermark }) if high_watermark == Offset(30))
            );
        }
        // The batch that holds the start comes whole, as from Kafka: consumers skip what is before.
        let plan = log.read_plan(Offset(4), 1, MinOneBatch::Yes, ReadUpto::HighWatermark);
        let bytes = plan.unwrap().execute().await.unwrap().to_vec();
        assert_eq!(
            batches(&bytes).next().unwrap().unwrap().header().base_offset,
            Offset(3)
        );
        // By time, only what counts is found.
        let hit = log
            .offset_for_timestamp(0, ReadUpto::HighWatermark)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(hit.offset, Offset(4));

        for (policy, deletable) in [
            (CleanupPolicy::Compact, false),
            (CleanupPolicy::CompactAndDelete, true),
            (CleanupPolicy::Keep, true),
        ] {
            change(&log, |config| config.cleanup_policy = policy);
            let deleted = delete(&log, 5).await;
            match deletable {
                true => assert_eq!(deleted.unwrap(), Offset(5)),
                false => assert!(matches!(deleted, Err(DeleteRecordsError::NotDeletable))),
            }
        }
        let all = log.delete_records(DeleteBefore::HighWatermark).await.unwrap();
        assert_eq!((all, log.log_end()), (Offset(30), Offset(30)));
        assert!(read_all(&log).await.unwrap().is_empty());
        assert_eq!(append(&log, batch(1, b"v")).await.base_offset, Offset(30));
        // No orderly end.
        let server = Server::start(vec![spec(1, keeping())], |_| {}).await;
        let log = server.online();
        assert_eq!((log.log_start(), log.log_end()), (Offset(30), Offset(31)));
        server.shard.delete_partition(log.id()).await.unwrap();
        let gone = log.delete_records(DeleteBefore::HighWatermark).await;
        assert!(matches!(
            gone,
            Err(DeleteRecordsError::Stopped(LogStopped::Deleted))
        ));
    });
}

#[test]
fn a_relaxed_topic_loses_no_start_behind_its_end() {
    sim::check_seeds("a_relaxed_topic_loses_no_start", 0..30, |_| async {
        let relaxed = TopicLogConfig {
            durability: Durability::Relaxed,
            ..keeping()
        };
        let config = relaxed.clone();
        let server = sim::spawn_process("server", async move {
            let server = Server::start(vec![spec(1, config)], |_| {}).await;
            let log = server.online();
            for _ in 0..20 {
                log.append(batch(1, &[1; 500]), AppendOrigin::Client).unwrap();
                if below(5) == 0 {
                    let high_watermark = log.high_watermark();
                    let start = log.delete_records(DeleteBefore::HighWatermark).await.unwrap();
                    assert!(start >= high_watermark && log.durable_end() >= start);
                }
            }
            rt::sleep(Duration::from_secs(1000)).await;
        });
        rt::sleep(Duration::from_micros(below(20_000))).await;
        sim::kill(server);
        sim::exited(server).await;
        rt::sleep(Duration::from_millis(100)).await;
        let server = sim::spawn_process("server", async move {
            let server = Server::start(vec![spec(1, relaxed)], |_| {}).await;
            let log = server.online();
            assert!(log.log_start() <= log.log_end());
        });
        assert_eq!(sim::exited(server).await, sim::Exit::Finished);
    });
}

#[test]
fn whole_segments_go_by_size_and_files_leave_the_disk_later() {
    sim::check_seeds("whole_segments_go_by_size", 0..4, |_| async {
        let server = Server::start(vec![spec(1, keeping())], |options| {
            options.flush_bytes = 1000;
            options.tail_bytes = 10_000;
        })
        .await;
        let log = server.online();
        for _ in 0..60 {
            append(&log, batch(1, &[1; 2000])).await;
        }
        rt::sleep(Duration::from_secs(10)).await;
        server.shard.tidy_now().await;
        assert_eq!((log.log_start(), names(".deleted").await.len()), (Offset(0), 0));
        // A consumer that is about to read what goes, and one that reads it.
        let before = log
            .read_plan(Offset(0), 10_000, MinOneBatch::Yes, ReadUpto::HighWatermark)
            .unwrap();
        let reading = log
            .read_plan(Offset(0), 10_000, MinOneBatch::Yes, ReadUpto::HighWatermark)
            .unwrap();
        assert!(!reading.is_in_memory());
        assert!(reading.execute().await.unwrap().len > 0);
        let bases: Vec<_> = names(".log").await;
        change(&log, |config| {
            config.retention_bytes = 50_000;
            config.file_delete_delay_ms = 5_000;
        });
        server.shard.tidy_now().await;
        // At least what is to be kept, and not a segment more.
        let kept = log.size_bytes();
        assert!((50_000..70_000).contains(&kept), "{kept}");
        let first = format!("{:020}.log", log.log_start().0);
        let gone = bases
            .iter()
            .position(|name| *name == first)
            .expect("a segment's beginning");
        assert!(gone > 0);
        assert_eq!(names(".log").await, bases[gone..]);
        let doomed = names(".log.deleted").await;
        assert_eq!(doomed.len(), gone);
        assert!(
            names(".index.deleted").await.len() == gone && names(".timeindex.deleted").await.len() == gone
        );
        // Its file is open still, or it hears that the records are gone; nothing else.
        match before.execute().await {
            Ok(records) => assert!(records.len > 0),
            Err(e) => assert!(matches!(e, ReadError::OffsetOutOfRange { .. }), "{e}"),
        }
        rt::sleep(Duration::from_millis(4_000)).await;
        assert_eq!(names(".log.deleted").await, doomed);
        rt::sleep(Duration::from_millis(2_000)).await;
        assert!(names(".deleted").await.is_empty());

        // What waits when the server stops goes at the next start.
        change(&log, |config| config.retention_bytes = 30_000);
        server.shard.tidy_now().await;
        let start = log.log_start();
        assert!(!names(".deleted").await.is_empty());
        server.stop().await;
        let server = Server::start(vec![spec(1, keeping())], |_| {}).await;
        assert_eq!(server.online().log_start(), start);
        assert!(names(".deleted").await.is_empty());
        assert_eq!(server.online().size_bytes(), {
            let all = read_all(&server.online()).await.unwrap();
            all.len() as u64
        });
    });
}

#[test]
fn an_idle_log_becomes_empty_and_remembers_its_end_and_producers() {
    sim::check_seeds("an_idle_log_becomes_empty", 0..6, |seed| async move {
        let server = Server::start(vec![spec(1, keeping())], |_| {}).await;
        let log = server.online();
        for i in 0..5 {
            append(&log, of_producer(i * 2, 2)).await;
        }
        change(&log, |config| config.retention_ms = HOUR_MS);
        server.shard.tidy_now().await;
        assert_eq!((log.log_start(), log.log_end()), (Offset(10), Offset(10)));
        assert_eq!(log.size_bytes(), 0);
        assert_eq!(names(".log").await, ["00000000000000000010.log"]);
        // Again, with nothing left to do.
        server.shard.tidy_now().await;
        assert_eq!(names(".log").await.len(), 1);
        if seed % 2 == 0 {
            server.stop().await;
        }
        let server = Server::start(vec![spec(1, keeping())], |_| {}).await;
        let log = server.online();
        assert_eq!((log.log_start(), log.log_end()), (Offset(10), Offset(10)));
        let again = append(&log, of_producer(8, 2)).await;
        assert!(again.duplicate && again.base_offset == Offset(8));
        assert_eq!(append(&log, of_producer(10, 2)).await.base_offset, Offset(10));
    });
}

#[test]
fn ages_are_known_after_a_restart_even_where_an_index_lies() {
    sim::check_seeds("ages_are_known_after_a_restart", 0..40, |seed| async move {
        let config = TopicLogConfig {
            // The clock of a simulation begins somewhere; what counts is the distance.
            retention_ms: HOUR_MS,
            message_timestamp_before_max_ms: i64::MAX,
            ..small_segments()
        };
        let now_ms = rt::wall_ms();
        let server = Server::start(vec![spec(1, config.clone())], |_| {}).await;
        let log = server.online();
        // Segments of about nine batches: the first four are old, but for one record in the third.
        let mut young = None;
        for i in 0..60 {
            let old = i < 36 && i != 22;
            let timestamp_ms = if old { now_ms - 2 * HOUR_MS + i } else { now_ms };
            let appended = append(&log, at(timestamp_ms, &[1; 2000])).await;
            if i == 22 {
                young = Some(appended.base_offset);
            }
        }
        let young = young.unwrap();
        server.stop().await;
        let dir = format!("{DIR}/orders-0");
        let indexes = names(".timeindex").await;
        for name in &indexes {
            let path = format!("{dir}/{name}");
            match seed % 4 {
                0 => {}
                1 => rt::disk::remove_file(path).await.unwrap(),
                _ => {
                    let mut bytes = rt::disk::read_file(&path, 1 << 20).await.unwrap();
                    let last = bytes.len() - 12;
                    // A timestamp that is too small, or a place that is another.
                    bytes[last + 7 + 4 * below(2) as usize] ^= 1 << below(8);
                    rt::disk::write_file_atomic(path, bytes).await.unwrap();
                }
            }
        }
        let server = Server::start(vec![spec(1, config)], |_| {}).await;
        let log = server.online();
        server.shard.tidy_now().await;
        let start = log.log_start();
        assert!(start > Offset(0) && start <= young, "{start} {young}");
        let first = format!("{:020}.log", start.0);
        assert!(names(".log").await.contains(&first), "whole segments");
        let next = names(".log").await.into_iter().nth(1).unwrap();
        let next: i64 = next[..20].parse().unwrap();
        assert!(
            next > young.0,
            "{young} is in the first segment that is kept, not before {next}, {start}"
        );
    });
}

/// Which topic has the name, and which had it before: what the metadata says, durable.
#[derive(Default)]
struct Named {
    current: u8,
    deleted: Vec<u8>,
    /// Records of the current topic that were acknowledged.
    acknowledged: i64,
}

async fn rename_and_write(named: Rc<RefCell<Named>>) {
    let Ok(data_dir) = DataDir::open(DIR) else {
        rt::yield_now().await;
        return;
    };
    let deleted = named.borrow().deleted.clone();
    let deleted = deleted.iter().map(|id| (TopicId([*id; 16]), "orders", 1));
    if data_dir.clear_away(deleted).is_err() {
        rt::yield_now().await;
        return;
    }
    let mut options = ShardLogOptions::new(data_dir.clone(), crate::base::ids::ShardId(0));
    options.wal_file_bytes = 64 << 10;
    options.flush_bytes = 4 << 10;
    options.checkpoint_interval_ms = 20;
    let shard = ShardLog::open(options).await.unwrap();
    let current = named.borrow().current;
    let mut recovered = shard.recover(vec![spec(current, keeping())]).await;
    let mut log = recovered.remove(0).1.expect("online");
    let all = read_all(&log).await.unwrap();
    for batch in batches(&all) {
        for record in batch.unwrap().open(1 << 20).unwrap().records() {
            assert_eq!(
                record.unwrap().value.unwrap()[0],
                current,
                "a record of another topic"
            );
        }
    }
    assert!(log.log_end().0 >= named.borrow().acknowledged);
    if data_dir.remove_recovered_wals().is_err() || shard.start().await.is_err() {
        rt::yield_now().await;
        return;
    }
    for _ in 0..40 {
        if below(6) > 0 {
            let current = named.borrow().current;
            let value = vec![current; 1 + below(3000) as usize];
            let appended = log.append(batch(1, &value), AppendOrigin::Client).unwrap();
            if log.wait_durable(appended.last_offset.plus(1)).await.is_ok() {
                named.borrow_mut().acknowledged = appended.last_offset.0 + 1;
            }
            continue;
        }
        let new = {
            let mut named = named.borrow_mut();
            let old = named.current;
            named.deleted.push(old);
            named.current += 1;
            named.acknowledged = 0;
            named.current
        };
        // The metadata says so first; the files follow.
        shard.delete_partition(log.id()).await.unwrap();
        log = shard.create_partition(spec(new, keeping())).await.unwrap();
        assert_eq!((log.log_start(), log.log_end()), (Offset(0), Offset(0)));
    }
}

#[test]
fn a_topic_of_an_old_name_has_none_of_the_old_data_and_all_of_it_leaves_the_disk() {
    sim::check_seeds(
        "a_topic_of_an_old_name_has_none_of_the_old_data",
        0..100,
        |_| async {
            let named = Rc::new(RefCell::new(Named {
                current: 1,
                ..Named::default()
            }));
            for _ in 0..6 {
                let plan = FaultPlan {
                    crash_at_op: Some(1 + below(200)),
                    ..FaultPlan::default()
                };
                sim::disk::of("server").set_faults(plan);
                let server = sim::spawn_process("server", rename_and_write(named.clone()));
                let ended = rt::timeout(Duration::from_secs(30), sim::exited(server)).await;
                ended.expect("the server gets on");
                rt::sleep(Duration::from_millis(100)).await;
            }
            sim::disk::of("server").set_faults(FaultPlan::default());
            let server = sim::spawn_process("server", async move {
                rename_and_write(named).await;
                rt::sleep(Duration::from_secs(5)).await;
                let entries = rt::disk::read_dir(DIR).await.unwrap();
                let left = entries.iter().filter(|e| e.name.starts_with("orders-0."));
                assert_eq!(left.count(), 0, "{entries:?}");
            });
            assert_eq!(sim::exited(server).await, sim::Exit::Finished);
        },
    );
}

#[test]
fn kafkas_file_stands_in_for_a_damaged_checkpoint() {
    sim::check_seeds(
        "kafkas_file_stands_in_for_a_damaged_checkpoint",
        0..20,
        |_| async {
            let disk = run(async {
                let server = Server::start(vec![spec(1, keeping())], |_| {}).await;
                let log = server.online();
                for i in 0..5 {
                    append(&log, of_producer(i * 2, 2)).await;
                }
                change(&log, |config| config.retention_ms = HOUR_MS);
                server.shard.tidy_now().await;
                append(&log, of_producer(10, 2)).await;
                delete(&log, 11).await.unwrap();
            })
            .await;
            disk.flip_random_bit(format!("{DIR}/corelane-recovery-checkpoint"))
                .unwrap();
            run(async {
                let server = Server::start(vec![spec(1, keeping())], |_| {}).await;
                let log = server.online();
                assert_eq!((log.log_start(), log.log_end()), (Offset(11), Offset(12)));
                // What was deleted is known to have been there.
                assert!(append(&log, of_producer(8, 2)).await.duplicate);
                assert_eq!(append(&log, of_producer(12, 2)).await.base_offset, Offset(12));
            })
            .await;
        },
    );
}

#[test]
fn times_before_the_start_are_not_found() {
    sim::check_seeds("times_before_the_start_are_not_found", 0..30, |_| async {
        let server = Server::start(vec![spec(1, keeping())], |options| options.tail_bytes = 8 << 10).await;
        let log = server.online();
        let mut times = Vec::new();
        for _ in 0..40 {
            let mut builder = BatchBuilder::new(Compression::None);
            for _ in 0..1 + below(4) {
                let timestamp_ms = 1000 + below(100) as i64;
                builder.append(timestamp_ms, Some(b"k"), Some(&[3; 500]), &[]);
                times.push(timestamp_ms);
            }
            append(&log, builder.build().unwrap()).await;
        }
        for _ in 0..20 {
            let start = delete(&log, below(times.len() as u64) as i64).await.unwrap().0 as usize;
            let largest = *times[start..].iter().max().unwrap();
            let hit = log.max_timestamp(ReadUpto::HighWatermark).await.unwrap().unwrap();
            assert_eq!(hit.timestamp_ms, largest, "from {start}");
            assert!(hit.offset.0 as usize >= start && times[hit.offset.0 as usize] == largest);
            let target = 1000 + below(110) as i64;
            let hit = log
                .offset_for_timestamp(target, ReadUpto::HighWatermark)
                .await
                .unwrap();
            let expected = times[start..]
                .iter()
                .position(|t| *t >= target)
                .map(|at| at + start);
            assert_eq!(
                hit.map(|hit| hit.offset.0 as usize),
                expected,
                "{target} from {start}"
            );
        }
        log.delete_records(DeleteBefore::HighWatermark).await.unwrap();
        assert!(
            log.max_timestamp(ReadUpto::HighWatermark)
                .await
                .unwrap()
                .is_none()
        );
    });
}

#[test]
fn a_segment_that_a_kill_left_empty_keeps_its_name() {
    sim::check_seeds(
        "a_segment_that_a_kill_left_empty_keeps_its_name",
        0..20,
        |_| async {
            run(async {
                let server = Server::start(vec![spec(1, keeping())], |_| {}).await;
                let log = server.online();
                for _ in 0..9 {
                    append(&log, batch(1, &[1; 2100])).await;
                }
                log.write_tail(SyncMode::Now).await.unwrap();
                log.close_segment(Offset(0)).await.unwrap();
                server
                    .data_dir
                    .write_checkpoints(CheckpointFiles::Own)
                    .await
                    .unwrap();
                // In the write-ahead log alone, and the first of the second segment.
                append(&log, batch(1, &[1; 2100])).await;
                assert_eq!(log.state.borrow().segments[1].base, Offset(9));
            })
            .await;
            let second = format!("{DIR}/orders-0/{:020}.log", 9);
            let path = second.clone();
            let killed = sim::spawn_process("server", async move {
                // What a kill in the middle of making the segment leaves: a file whose name is not durable.
                let snapshot = format!("{DIR}/orders-0/{:020}.snapshot", 9);
                let producers = encode_snapshot(&ProducerTable::default());
                rt::disk::write_file_atomic(snapshot, producers).await.unwrap();
                let options = rt::disk::OpenOptions {
                    write: true,
                    create: true,
                    ..rt::disk::OpenOptions::default()
                };
                drop(rt::disk::File::open(&path, &options).await.unwrap());
                let server = Server::start(vec![spec(1, keeping())], |_| {}).await;
                assert_eq!(server.online().log_end(), Offset(10));
                rt::sleep(Duration::from_secs(1000)).await;
            });
            rt::sleep(Duration::from_secs(2)).await;
            // The power goes.
            sim::kill(killed);
            sim::exited(killed).await;
            rt::sleep(Duration::from_millis(100)).await;
            run(async {
                let server = Server::start(vec![spec(1, keeping())], |_| {}).await;
                assert_eq!(server.online().log_end(), Offset(10));
            })
            .await;
        },
    );
}
