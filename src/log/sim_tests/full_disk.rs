//! A disk that fills up and gets room again: records are refused, nothing else stops, and nobody has to restart anything.

use super::crashes::ended;
use super::lifecycle::{DIR, Server, append, batch, of_producer, read_all, run, small_segments, spec};
use super::oracle::{Oracle, below};
use super::server::{Run, serve};
use crate::base::ids::Offset;
use crate::log::*;
use crate::rt;
use crate::rt::sim::{self, disk::FaultPlan};
use std::rc::Rc;
use std::time::Duration;

/// Bytes of the disks here; a sixteenth of it is reserved.
const CAPACITY: u64 = 4 << 20;
const RESERVE: u64 = CAPACITY / 16;
/// Bytes of one that has room for all that several lives of a server write.
const LARGER: u64 = 12 << 20;

fn small_disk() {
    sim::disk::set_faults(FaultPlan {
        capacity_bytes: Some(CAPACITY),
        ..FaultPlan::default()
    });
}

/// The records have old timestamps: what may go would go at once when the disk is full.
fn keeps_all() -> TopicLogConfig {
    TopicLogConfig {
        retention_ms: -1,
        ..small_segments()
    }
}

fn small_files(options: &mut ShardLogOptions) {
    options.wal_file_bytes = 128 << 10;
    options.wal_files = 3;
    options.flush_bytes = 8 << 10;
    options.flush_interval_ms = 100;
    options.direct_run_bytes = 16 << 10;
}

/// Appends until the disk is full. How many were taken.
async fn append_until_full(log: &Rc<PartitionLog>) -> i32 {
    for sequence in 0.. {
        match log.append(of_producer(sequence, 1), AppendOrigin::Client) {
            Ok(appended) => log.wait_durable(appended.last_offset.plus(1)).await.unwrap(),
            Err(AppendError::DiskFull { dir }) => {
                assert_eq!(dir.to_str(), Some(DIR));
                return sequence;
            }
            Err(e) => panic!("{e}"),
        }
        if sequence % 10 == 0 {
            append(log, batch(1, &[7; 3000])).await;
        }
    }
    unreachable!("a disk has an end")
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            rt::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = rt::timeout(Duration::from_secs(20), waiting).await;
    assert!(waited.is_ok(), "in bounded time: {what}");
}

#[test]
fn a_full_disk_refuses_records_and_takes_them_again() {
    sim::check_seeds("a_full_disk_refuses_records", 0..12, |_| async {
        run(async {
            small_disk();
            let disk = sim::disk::of("server");
            let server = Server::start(vec![spec(1, keeps_all())], small_files).await;
            let log = server.online();
            disk.occupy(CAPACITY / 2 - below(CAPACITY / 8));
            let refused = append_until_full(&log).await;
            assert_eq!(server.data_dir.times_full(), 1);
            assert!(
                disk.free_bytes() >= RESERVE / 2,
                "the reserve is there for others"
            );
            // Reads go on, and what a producer repeats is recognised.
            let before = read_all(&log).await.unwrap();
            let again = log
                .append(of_producer(refused - 1, 1), AppendOrigin::Client)
                .unwrap();
            assert!(again.duplicate);
            // Coordinators write on, more than the write-ahead log holds: their tails go to the segments.
            let offsets = server
                .shard
                .create_partition(PartitionSpec {
                    topic_name: "offsets".into(),
                    ..spec(2, keeps_all())
                })
                .await
                .unwrap();
            for _ in 0..100 {
                let appended = offsets
                    .append(batch(1, &[1; 300]), AppendOrigin::Coordinator)
                    .unwrap();
                offsets.wait_durable(appended.last_offset.plus(1)).await.unwrap();
                rt::sleep(Duration::from_millis(3)).await;
            }
            // A checkpoint, such as the deletion of records needs, finds room too.
            let end = log.log_end();
            let kept = Offset(end.0 / 2);
            log.delete_records(DeleteBefore::Offset(kept)).await.unwrap();
            assert_eq!(log.log_start(), kept);
            // Room: by itself it goes on, with the very batch that was refused.
            disk.occupy(0);
            let mut retried = None;
            until("the refused batch is taken", || {
                retried = log.append(of_producer(refused, 1), AppendOrigin::Client).ok();
                retried.is_some()
            })
            .await;
            let retried = retried.unwrap();
            assert!(!retried.duplicate);
            assert_eq!(retried.base_offset, end, "no gap");
            log.wait_durable(log.log_end()).await.unwrap();
            let twice = log.append(of_producer(refused, 1), AppendOrigin::Client).unwrap();
            assert!(twice.duplicate && twice.base_offset == end);
            until("the reserve is made again", || {
                disk.files_below(DIR)
                    .unwrap()
                    .contains(&format!("{DIR}/corelane-reserve"))
            })
            .await;
            assert_eq!(server.data_dir.times_full(), 1);
            let after = read_all(&log).await.unwrap();
            assert!(before.ends_with(&after[..after.len() - of_producer(refused, 1).len()]));
            server.stop().await;
            let server = Server::start(vec![spec(1, keeps_all())], small_files).await;
            assert_eq!(read_all(&server.online()).await.unwrap(), after);
        })
        .await;
    });
}

#[test]
fn what_may_go_goes_at_once_when_the_disk_is_full() {
    const HOUR_MS: i64 = 3_600_000;
    sim::check_seeds("what_may_go_goes_at_once", 0..12, |_| async {
        run(async {
            small_disk();
            sim::disk::of("server").occupy(CAPACITY / 2);
            let config = TopicLogConfig {
                retention_bytes: 100_000,
                file_delete_delay_ms: HOUR_MS,
                ..keeps_all()
            };
            let server = Server::start(vec![spec(1, config)], |options| {
                small_files(options);
                options.retention_check_interval_ms = HOUR_MS as u64;
            })
            .await;
            let log = server.online();
            let refused = append_until_full(&log).await;
            until("it makes room by itself", || {
                log.append(of_producer(refused, 1), AppendOrigin::Client).is_ok()
            })
            .await;
            assert!(log.log_start() > Offset::ZERO);
            log.wait_durable(log.log_end()).await.unwrap();
            server.stop().await;
        })
        .await;
    });
}

#[test]
fn one_write_ahead_log_file_is_enough_while_there_is_no_room_for_another() {
    sim::check_seeds("one_write_ahead_log_file_is_enough", 0..8, |_| async {
        run(async {
            small_disk();
            let disk = sim::disk::of("server");
            let server = Server::start(vec![spec(1, small_segments())], small_files).await;
            let log = server.online();
            append(&log, batch(1, b"makes the directory")).await;
            // More than makes a disk full, and less than a file and the reserve.
            disk.occupy(0);
            disk.occupy(disk.free_bytes() - 3 * RESERVE / 4);
            rt::sleep(Duration::from_secs(3)).await;
            // Each commit takes a block of a file that has 32.
            let appends = async {
                for _ in 0..100 {
                    append(&log, batch(1, b"v")).await;
                }
            };
            let done = rt::timeout(Duration::from_secs(60), appends).await;
            assert!(done.is_ok(), "the file is used again");
            assert_eq!(server.data_dir.times_full(), 0);
            let all = read_all(&log).await.unwrap();
            server.stop().await;
            disk.occupy(0);
            let server = Server::start(vec![spec(1, small_segments())], small_files).await;
            assert_eq!(read_all(&server.online()).await.unwrap(), all);
        })
        .await;
    });
}

#[test]
fn a_server_starts_and_serves_on_a_full_disk() {
    sim::check_seeds("a_server_starts_on_a_full_disk", 0..40, |seed| async move {
        let taken = Rc::new(std::cell::Cell::new(0));
        let counted = taken.clone();
        let process = sim::spawn_process("server", async move {
            small_disk();
            let disk = sim::disk::of("server");
            let server = Server::start(vec![spec(1, keeps_all())], small_files).await;
            disk.occupy(CAPACITY / 2);
            let log = server.online();
            let mut sequence = append_until_full(&log).await;
            // Somebody else takes the very last block, and all that is given back.
            disk.occupy(CAPACITY);
            if below(2) == 0 {
                rt::sleep(Duration::from_millis(below(600))).await;
            }
            // Whatever was appended before this was seen may be in the write-ahead log alone.
            while let Ok(appended) = log.append(of_producer(sequence, 1), AppendOrigin::Client) {
                log.wait_durable(appended.last_offset.plus(1)).await.unwrap();
                sequence += 1;
            }
            counted.set(log.durable_end().0);
        });
        assert_eq!(sim::exited(process).await, sim::Exit::Finished);
        let disk = sim::disk::of("server");
        if seed % 2 == 0 {
            // The start itself needs a few blocks at most.
            disk.occupy(CAPACITY / 2);
        }
        let process = sim::spawn_process("server", async move {
            let disk = sim::disk::of("server");
            let server = Server::start(vec![spec(1, keeps_all())], small_files).await;
            let log = server.online();
            assert_eq!(log.log_end().0, taken.get(), "what was acknowledged is there");
            let all = read_all(&log).await.unwrap();
            // Without the old write-ahead logs there may be room enough again where half of the disk is free.
            assert!(
                seed % 2 == 0
                    || matches!(
                        log.append(batch(1, b"v"), AppendOrigin::Client),
                        Err(AppendError::DiskFull { .. })
                    )
            );
            if below(2) == 0 {
                server.stop().await;
                return;
            }
            disk.occupy(0);
            until("records are taken", || {
                log.append(batch(1, b"v"), AppendOrigin::Client).is_ok()
            })
            .await;
            log.wait_durable(log.log_end()).await.unwrap();
            assert!(read_all(&log).await.unwrap().starts_with(&all));
            server.stop().await;
        });
        let exit = rt::timeout(Duration::from_secs(60), sim::exited(process)).await;
        assert_eq!(exit.expect("it ends"), sim::Exit::Finished);
    });
}

/// A partition of a topic of its own.
fn spec_of(topic: u8, config: TopicLogConfig) -> PartitionSpec {
    PartitionSpec {
        topic_name: format!("topic-{topic}").into(),
        ..spec(topic, config)
    }
}

#[test]
fn who_waits_for_room_is_told_when_the_shard_is_about_to_stop() {
    sim::check_seeds("who_waits_for_room_is_told", 0..16, |_| async {
        run(async {
            small_disk();
            let disk = sim::disk::of("server");
            let large_segments = || TopicLogConfig {
                segment_bytes: 1 << 20,
                ..keeps_all()
            };
            let specs = || vec![spec_of(1, large_segments()), spec_of(2, large_segments())];
            let server = Server::start(specs(), small_files).await;
            let log = server.online();
            let other = server.recovered[1].1.as_ref().expect("online").clone();
            append(&log, batch(1, b"acknowledged")).await;
            if below(2) == 0 {
                // With what is behind it in a segment.
                rt::sleep(Duration::from_millis(200)).await;
            }
            // Others take all there is before anybody has seen that, and what is given back. The write-ahead log's files have
            // their room; a frame takes less than this.
            disk.occupy(CAPACITY);
            let large = log
                .append(batch(1, &[7; 60 << 10]), AppendOrigin::Client)
                .unwrap();
            let behind = log.append(batch(1, b"behind it"), AppendOrigin::Client).unwrap();
            let waiting: Vec<_> = [large, behind]
                .map(|appended| {
                    let log = log.clone();
                    rt::spawn(async move { log.wait_durable(appended.last_offset.plus(1)).await })
                })
                .into();
            let write_other = async || {
                let appended = other.append(batch(1, b"v"), AppendOrigin::Coordinator).unwrap();
                other.wait_durable(appended.last_offset.plus(1)).await.unwrap();
            };
            for _ in 0..below(3) {
                rt::sleep(Duration::from_millis(below(400))).await;
                write_other().await;
            }
            server.shard.prepare_shutdown();
            for waiting in waiting {
                let told = rt::timeout(Duration::from_secs(10), waiting).await;
                let told = told.expect("in bounded time");
                assert!(matches!(told, Err(LogStopped::ShuttingDown)), "{told:?}");
            }
            write_other().await;
            let others = other.log_end();
            server.stop().await;
            if below(2) == 0 {
                disk.occupy(0);
            }
            let server = Server::start(specs(), small_files).await;
            let log = server.online();
            assert_eq!(
                log.log_end(),
                Offset(1),
                "what was acknowledged, and nothing else"
            );
            let kept = read_all(&log).await.unwrap();
            assert!(kept.windows(12).any(|bytes| bytes == b"acknowledged"));
            let other = server.recovered[1].1.as_ref().expect("online");
            assert_eq!(other.log_end(), others);
            server.stop().await;
        })
        .await;
    });
}

#[test]
fn a_stop_ends_where_no_checkpoint_finds_room_to_free_a_write_ahead_log_file() {
    const PARTITIONS: u8 = 12;
    sim::check_seeds("a_stop_ends_where_no_checkpoint_finds_room", 0..8, |_| async {
        run(async {
            small_disk();
            let disk = sim::disk::of("server");
            let options = |options: &mut ShardLogOptions| {
                small_files(options);
                options.wal_files = 2;
                options.direct_run_bytes = 1 << 20;
                options.flush_bytes = 1 << 20;
                options.checkpoint_interval_ms = 200;
            };
            let specs = || {
                (1..=PARTITIONS)
                    .map(|topic| spec_of(topic, keeps_all()))
                    .collect::<Vec<_>>()
            };
            let server = Server::start(specs(), options).await;
            let log = server.online();
            // All of a file that a frame may need, and all of it in a segment, synced.
            for _ in 0..5 {
                append(&log, batch(1, &[7; 18 << 10])).await;
            }
            until("it is synced", || log.synced_end() == log.log_end()).await;
            rt::sleep(Duration::from_millis(below(500))).await;
            disk.occupy(CAPACITY);
            // More than the other file takes, and no time to look at the disk.
            let logs: Vec<_> = server
                .recovered
                .iter()
                .map(|(_, log)| log.as_ref().expect("online").clone())
                .collect();
            for log in &logs {
                log.append(batch(1, &[8; 18 << 10]), AppendOrigin::Client)
                    .unwrap();
            }
            let stopped = rt::timeout(Duration::from_secs(60), server.stop()).await;
            stopped.expect("in bounded time");
            let durable: Vec<_> = logs.iter().map(|log| log.durable_end()).collect();
            assert!(durable.contains(&Offset(1)) && durable.contains(&Offset(0)));
            disk.occupy(0);
            let server = Server::start(specs(), options).await;
            for ((_, log), durable) in server.recovered.iter().zip(durable) {
                let log = log.as_ref().expect("online");
                assert!(log.log_end() >= durable, "what was acknowledged is there");
                read_all(log).await.unwrap();
            }
            server.stop().await;
        })
        .await;
    });
}

#[test]
fn without_room_for_a_write_ahead_log_records_are_refused_and_a_stop_ends() {
    sim::check_seeds("without_room_for_a_write_ahead_log", 0..8, |_| async {
        run(async {
            small_disk();
            let disk = sim::disk::of("server");
            let server = Server::start(vec![spec(1, keeps_all())], small_files).await;
            append(&server.online(), batch(1, b"acknowledged")).await;
            server.stop().await;
            disk.occupy(CAPACITY);
            let server = Server::start(vec![spec(1, keeps_all())], |options| {
                small_files(options);
                options.wal_file_bytes = 1 << 20;
            })
            .await;
            let log = server.online();
            // Enough for the reserve twice, so that the disk is not full; but not for such a file.
            disk.occupy(0);
            disk.occupy(disk.free_bytes() - 5 * RESERVE / 2);
            rt::sleep(Duration::from_millis(600 + below(2000))).await;
            for origin in [AppendOrigin::Client, AppendOrigin::Coordinator] {
                let refused = log.append(batch(1, b"v"), origin);
                assert!(
                    matches!(refused, Err(AppendError::DiskFull { .. })),
                    "{refused:?}"
                );
            }
            if below(2) == 0 {
                disk.occupy(0);
                until("records are taken", || {
                    log.append(batch(1, b"v"), AppendOrigin::Client).is_ok()
                })
                .await;
                log.wait_durable(log.log_end()).await.unwrap();
            }
            let end = log.log_end();
            server.shard.prepare_shutdown();
            let stopped = rt::timeout(Duration::from_secs(60), server.stop()).await;
            stopped.expect("in bounded time");
            disk.occupy(0);
            let server = Server::start(vec![spec(1, keeps_all())], small_files).await;
            assert_eq!(server.online().log_end(), end);
            server.stop().await;
        })
        .await;
    });
}

#[test]
fn filling_and_emptying_loses_nothing_whenever_it_crashes() {
    let refusals = Rc::new(std::cell::Cell::new(0));
    let total = refusals.clone();
    sim::check_seeds("filling_and_emptying_loses_nothing", 0..80, move |_| {
        let refusals = refusals.clone();
        async move {
            let oracle = Oracle::default();
            let disk = sim::disk::of("server");
            for epoch in 0..5 {
                disk.set_faults(FaultPlan {
                    capacity_bytes: Some(LARGER),
                    crash_at_op: (below(3) == 0).then(|| 50 + below(600)),
                    ..FaultPlan::default()
                });
                let life = Run {
                    shards: 1 + below(3) as u16,
                    epoch,
                    // A full disk takes nothing offline.
                    all_online: true,
                    batches: 10 + below(30),
                    shutdown: below(3) == 0,
                    durability: Durability::Durable,
                };
                let server = sim::spawn_process("server", serve(oracle.clone(), life));
                for _ in 0..below(8) {
                    rt::sleep(Duration::from_micros(below(60_000))).await;
                    // Others fill the disk to any degree, suddenly.
                    disk.occupy(0);
                    let free = disk.free_bytes();
                    disk.occupy(match below(3) {
                        0 => free,
                        1 => free.saturating_sub(below(LARGER / 8)),
                        _ => 0,
                    });
                }
                if below(2) == 0 {
                    match below(2) {
                        0 => sim::kill(server),
                        _ => sim::sigkill(server),
                    }
                } else {
                    // With room it ends what it has to do.
                    disk.occupy(0);
                }
                ended(server).await;
            }
            disk.set_faults(FaultPlan::default());
            disk.occupy(0);
            let life = Run {
                shards: 2,
                epoch: 5,
                all_online: true,
                batches: 3,
                shutdown: true,
                durability: Durability::Durable,
            };
            let server = sim::spawn_process("server", serve(oracle.clone(), life));
            assert_eq!(ended(server).await, sim::Exit::Finished);
            refusals.set(refusals.get() + oracle.times_without_room());
        }
    });
    assert!(
        total.get() > 100,
        "the disk was full often enough to show something"
    );
}
