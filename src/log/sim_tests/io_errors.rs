//! Failing files, one at a time: what stops is the partition whose file it is, or the shard whose write-ahead log it is, and
//! nothing else. Reads go on, and the next start finds all that was acknowledged.

use super::lifecycle::{DIR, append, batch, read_all, small_segments};
use super::oracle::below;
use crate::base::ids::{LeaderEpoch, Offset, ShardId, TopicId};
use crate::log::*;
use crate::rt;
use crate::rt::sim::{self, disk::FaultPlan};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Two of the first shard, one of the second.
const TOPICS: [(&str, u16); 3] = [("alpha", 0), ("beta", 0), ("gamma", 1)];

fn spec(nth: usize) -> PartitionSpec {
    PartitionSpec {
        topic_id: TopicId([nth as u8 + 1; 16]),
        topic_name: TOPICS[nth].0.into(),
        partition: 0,
        leader_epoch: LeaderEpoch(0),
        config: Arc::new(TopicLogConfig {
            retention_ms: -1,
            ..small_segments()
        }),
    }
}

struct TwoShards {
    data_dir: Arc<DataDir>,
    shards: Vec<Rc<ShardLog>>,
    logs: Vec<Rc<PartitionLog>>,
}

impl TwoShards {
    async fn start() -> TwoShards {
        let data_dir = DataDir::open(DIR).unwrap();
        let mut shards = Vec::new();
        let mut logs = Vec::new();
        for shard in 0..2 {
            let mut options = ShardLogOptions::new(data_dir.clone(), ShardId(shard));
            options.wal_file_bytes = 128 << 10;
            options.wal_files = 3;
            options.flush_bytes = 8 << 10;
            options.flush_interval_ms = 50;
            options.direct_run_bytes = 16 << 10;
            options.producer_id_expiration_ms = i64::MAX;
            shards.push(ShardLog::open(options).await.unwrap());
        }
        for (shard, log) in shards.iter().enumerate() {
            let mine = (0..TOPICS.len()).filter(|nth| usize::from(TOPICS[*nth].1) == shard);
            let recovered = log.recover(mine.map(spec).collect()).await;
            logs.extend(recovered.into_iter().map(|(_, log)| log.expect("online")));
        }
        data_dir.remove_recovered_wals().unwrap();
        for shard in &shards {
            shard.start().await.unwrap();
        }
        TwoShards {
            data_dir,
            shards,
            logs,
        }
    }

    /// Appends to a partition until it takes no more.
    async fn append_until_stopped(&self, nth: usize) {
        let stopped = async {
            loop {
                let log = &self.logs[nth];
                let Ok(appended) = log.append(batch(1, &[7; 900]), AppendOrigin::Client) else {
                    return;
                };
                if log.wait_durable(appended.last_offset.plus(1)).await.is_err() {
                    return;
                }
                rt::sleep(Duration::from_millis(1)).await;
            }
        };
        let ended = rt::timeout(Duration::from_secs(20), stopped).await;
        assert!(ended.is_ok(), "{} meets the error", TOPICS[nth].0);
    }

    /// More than its tail, its write-ahead log and a segment hold.
    async fn goes_on(&self, nth: usize) {
        for _ in 0..100 {
            append(&self.logs[nth], batch(1, &[8; 900])).await;
        }
        rt::sleep(Duration::from_millis(200)).await;
        assert!(self.logs[nth].stopped().is_none());
    }
}

/// All records that are durable, which consumers may have seen: per partition.
async fn durable_records(logs: &[Rc<PartitionLog>]) -> Vec<(Offset, Vec<u8>)> {
    let mut all = Vec::new();
    for log in logs {
        let mut bytes = Vec::new();
        let mut from = log.log_start();
        while from < log.durable_end() {
            let plan = log
                .read_plan(from, 4096, MinOneBatch::Yes, ReadUpto::HighWatermark)
                .unwrap();
            let read = plan.execute().await.expect("reads go on").to_vec();
            let last = crate::wire::records::batches(&read).last().unwrap().unwrap();
            from = last.header().next_offset();
            bytes.extend_from_slice(&read);
        }
        all.push((log.durable_end(), bytes));
    }
    all
}

/// Runs two shards, breaks what has `path` in its name, and looks at who stops and what the next start finds.
fn check(name: &str, path: &'static str, plan: FaultPlan, stops: &'static [usize]) {
    sim::check_seeds(name, 0..15, move |_| {
        let plan = plan.clone();
        async move {
            let known = Rc::new(std::cell::RefCell::new(Vec::new()));
            let noted = known.clone();
            let process = sim::spawn_process("server", async move {
                let server = TwoShards::start().await;
                for nth in 0..TOPICS.len() {
                    for _ in 0..1 + below(60) {
                        append(&server.logs[nth], batch(1, &[6; 900])).await;
                    }
                }
                sim::disk::set_faults(FaultPlan {
                    only_paths_with: Some(path.to_string()),
                    ..plan
                });
                for nth in stops {
                    server.append_until_stopped(*nth).await;
                }
                for nth in 0..TOPICS.len() {
                    if !stops.contains(&nth) {
                        server.goes_on(nth).await;
                    }
                }
                for nth in stops {
                    let refused = server.logs[*nth].append(batch(1, b"v"), AppendOrigin::Client);
                    assert!(matches!(refused, Err(AppendError::Stopped(_))), "it stays so");
                }
                *noted.borrow_mut() = durable_records(&server.logs).await;
                if below(2) == 0 {
                    // The orderly end keeps what is in write-ahead logs alone.
                    for shard in &server.shards {
                        let _ = shard.shutdown().await;
                    }
                    let _ = server.data_dir.mark_clean_shutdown();
                }
            });
            let exit = rt::timeout(Duration::from_secs(120), sim::exited(process)).await;
            assert_eq!(exit.expect("it ends"), sim::Exit::Finished);
            sim::disk::of("server").set_faults(FaultPlan::default());
            let process = sim::spawn_process("server", async move {
                let server = TwoShards::start().await;
                for (log, (end, bytes)) in server.logs.iter().zip(known.take()) {
                    let found = read_all(log).await.unwrap();
                    assert!(
                        log.log_end() >= end && found.starts_with(&bytes),
                        "{log:?} lost records"
                    );
                }
                for nth in 0..TOPICS.len() {
                    server.goes_on(nth).await;
                }
            });
            let exit = rt::timeout(Duration::from_secs(120), sim::exited(process)).await;
            assert_eq!(exit.expect("it ends"), sim::Exit::Finished);
        }
    });
}

#[test]
fn a_write_error_on_a_partition_stops_it_alone() {
    let plan = FaultPlan {
        write_error: 1.0,
        ..FaultPlan::default()
    };
    check(
        "a_write_error_on_a_partition_stops_it_alone",
        "alpha-0/",
        plan,
        &[0],
    );
}

#[test]
fn a_sync_error_on_a_partition_stops_it_alone() {
    let plan = FaultPlan {
        sync_error: 1.0,
        ..FaultPlan::default()
    };
    check(
        "a_sync_error_on_a_partition_stops_it_alone",
        "beta-0/",
        plan,
        &[1],
    );
}

#[test]
fn an_error_on_a_write_ahead_log_stops_its_shard_alone() {
    let plan = FaultPlan {
        write_error: 1.0,
        ..FaultPlan::default()
    };
    check(
        "an_error_on_a_write_ahead_log_stops_its_shard",
        "-0000-",
        plan,
        &[0, 1],
    );
}

/// Recovers the first partition: it has all that was written, or is offline where it may be.
async fn look(written: Offset, may_be_offline: bool) -> Arc<DataDir> {
    let data_dir = DataDir::open(DIR).unwrap();
    let mut options = ShardLogOptions::new(data_dir.clone(), ShardId(0));
    options.wal_file_bytes = 128 << 10;
    let shard = ShardLog::open(options).await.unwrap();
    for (id, log) in shard.recover(vec![spec(0)]).await {
        match log {
            Ok(log) => assert!(log.log_end() >= written, "{id:?} ends at {}", log.log_end()),
            Err(e) => assert!(may_be_offline, "{id:?}: {e}"),
        }
    }
    data_dir
}

#[test]
fn a_write_ahead_log_file_that_can_not_be_read_is_not_taken_for_an_empty_one() {
    sim::check_seeds("an_unreadable_file_is_no_empty_one", 0..20, |_| async {
        let disk = sim::disk::of("server");
        let written = Rc::new(std::cell::Cell::new(Offset(0)));
        let writing = sim::spawn_process("server", {
            let written = written.clone();
            async move {
                let server = TwoShards::start().await;
                // Each commit takes a block, of a file that has 32: the next file is begun.
                for _ in 0..34 + below(20) {
                    append(&server.logs[0], batch(1, b"small")).await;
                    written.set(server.logs[0].durable_end());
                }
                rt::sleep(Duration::from_secs(3600)).await;
            }
        });
        while written.get() < Offset(34) {
            rt::sleep(Duration::from_millis(1)).await;
        }
        sim::sigkill(writing);
        sim::exited(writing).await;
        // The segments have some of it or none; the second file has the newest.
        disk.set_faults(FaultPlan {
            read_error: [1.0, 0.5][below(2) as usize],
            only_paths_with: Some("-0000-01.wal".to_string()),
            ..FaultPlan::default()
        });
        let look = |written, may_be_offline| async move { drop(look(written, may_be_offline).await) };
        let starting = sim::spawn_process("server", look(written.get(), true));
        assert_eq!(sim::exited(starting).await, sim::Exit::Finished);
        disk.set_faults(FaultPlan::default());
        let starting = sim::spawn_process("server", look(written.get(), false));
        assert_eq!(sim::exited(starting).await, sim::Exit::Finished);
    });
}

#[test]
fn a_frame_of_a_pinned_file_that_can_not_be_read_is_missed() {
    sim::check_seeds("a_frame_of_a_pinned_file_is_missed", 0..20, |_| async {
        let disk = sim::disk::of("server");
        let written = Rc::new(std::cell::Cell::new(Offset(0)));
        let writing = sim::spawn_process("server", {
            let written = written.clone();
            async move {
                let server = TwoShards::start().await;
                for _ in 0..3 + below(9) {
                    append(&server.logs[0], batch(1, b"small")).await;
                }
                sim::disk::set_faults(FaultPlan {
                    write_error: 1.0,
                    only_paths_with: Some("alpha-0/".to_string()),
                    ..FaultPlan::default()
                });
                // The write-ahead log goes on without the file that has the only copy, and comes round to it more than once.
                server.append_until_stopped(0).await;
                for _ in 0..200 {
                    append(&server.logs[1], batch(1, b"small")).await;
                }
                written.set(server.logs[0].durable_end());
                rt::sleep(Duration::from_secs(3600)).await;
            }
        });
        while written.get() == Offset(0) {
            rt::sleep(Duration::from_millis(1)).await;
        }
        sim::sigkill(writing);
        sim::exited(writing).await;
        let look = |written, may_be_offline| async move {
            let data_dir = look(written, may_be_offline).await;
            let wals = data_dir.recovered_wals();
            let pinned = wals.iter().filter(|wal| wal.pinned() == **wal).count();
            assert!(pinned > 0, "a file was taken out of the ring");
        };
        // It tells most if the last frame with records of the partition is the one: the others leave a gap.
        for read_error in [vec![0.05; 20], vec![0.5, 1.0]].concat() {
            disk.set_faults(FaultPlan {
                read_error,
                only_paths_with: Some(".pinned".to_string()),
                ..FaultPlan::default()
            });
            let starting = sim::spawn_process("server", look(written.get(), true));
            assert_eq!(sim::exited(starting).await, sim::Exit::Finished);
        }
        disk.set_faults(FaultPlan::default());
        let starting = sim::spawn_process("server", look(written.get(), false));
        assert_eq!(sim::exited(starting).await, sim::Exit::Finished);
    });
}
