//! What must not grow with the number of partitions.

use super::lifecycle::{DIR, Server, append, batch, read_all, small_segments, spec};
use super::oracle::below;
use crate::base::ids::Offset;
use crate::log::*;
use crate::rt;
use crate::rt::sim::{self, disk::FaultPlan};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

fn specs(partitions: i32) -> Vec<PartitionSpec> {
    (0..partitions)
        .map(|partition| PartitionSpec {
            partition,
            ..spec(1, small_segments())
        })
        .collect()
}

fn online(server: &Server) -> Vec<Rc<PartitionLog>> {
    let logs = server
        .recovered
        .iter()
        .map(|(_, log)| log.as_ref().unwrap().clone());
    logs.collect()
}

/// A record to each partition, SIGKILL at once, and how many operations change something on the disk at the next start.
async fn changes_of_a_start(partitions: i32) -> u64 {
    let disk = sim::disk::of("server");
    let writing = sim::spawn_process("server", async move {
        let server = Server::start(specs(partitions), |_| {}).await;
        for log in online(&server) {
            append(&log, batch(1, b"one record")).await;
        }
        rt::sleep(std::time::Duration::from_secs(3600)).await;
    });
    rt::sleep(std::time::Duration::from_secs(4)).await;
    sim::sigkill(writing);
    sim::exited(writing).await;
    disk.set_faults(FaultPlan::default());
    let changes = Rc::new(Cell::new(0));
    let counted = changes.clone();
    let starting = sim::spawn_process("server", async move {
        let server = Server::start(specs(partitions), |_| {}).await;
        counted.set(sim::disk::of("server").changes_started());
        for log in online(&server) {
            assert!(log.log_end() >= Offset(1));
            assert_eq!(log.durable_end(), log.log_end());
        }
        server.stop().await;
    });
    assert_eq!(sim::exited(starting).await, sim::Exit::Finished);
    changes.get()
}

#[test]
fn a_start_after_a_kill_writes_no_more_for_many_partitions_than_for_few() {
    sim::check_seeds("a_start_writes_no_more_for_many_partitions", 0..3, |_| async {
        let few = changes_of_a_start(3).await;
        let many = changes_of_a_start(150).await;
        assert!(
            many <= few + 10,
            "{many} changes of the disk where {few} were enough"
        );
    });
}

#[test]
fn records_of_an_old_log_are_durable_before_it_goes() {
    sim::check_seeds("records_of_an_old_log_are_durable", 0..60, |_| async {
        const PARTITIONS: i32 = 12;
        let life = |written: Rc<Cell<i64>>| async move {
            // The logs are small, so that what recovery puts there does not always fit.
            let server = Server::start(specs(PARTITIONS), |options| {
                options.wal_file_bytes = [64 << 10, 256 << 10][below(2) as usize];
                options.wal_files = 2 + below(2) as u16;
                options.flush_interval_ms = [20, 3_600_000][below(2) as usize];
                options.stop_closes_at_least = below(2 * PARTITIONS as u64) as usize;
                options.stop_within_ms = 0;
            })
            .await;
            for log in online(&server) {
                let all = read_all(&log).await.unwrap();
                let records = crate::wire::records::batches(&all).count() as i64;
                assert_eq!(log.log_end(), Offset(records), "none is missing or there twice");
                assert!(records >= written.get(), "{records} of {}", written.get());
            }
            for _ in 0..1 + below(40) {
                for log in online(&server) {
                    append(&log, batch(1, &vec![7; below(3000) as usize])).await;
                }
                written.set(written.get() + 1);
            }
            server.stop().await;
        };
        let written = Rc::new(Cell::new(0));
        for _ in 0..5 {
            let server = sim::spawn_process("server", life(written.clone()));
            rt::sleep(std::time::Duration::from_micros(below(80_000))).await;
            // The power goes, or only the process: also while it starts or stops, if it hasn't stopped.
            match below(2) {
                0 => sim::kill(server),
                _ => sim::sigkill(server),
            }
            sim::exited(server).await;
            rt::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert!(written.get() > 0);
    });
}

/// A record to each partition and a stop that has no time for most of them: how many operations change something on the disk.
async fn changes_of_a_hasty_stop(partitions: i32) -> u64 {
    let disk = sim::disk::of("server");
    let changes = Rc::new(Cell::new(0));
    let counted = changes.clone();
    let ends = Rc::new(RefCell::new(Vec::new()));
    let noted = ends.clone();
    let writing = sim::spawn_process("server", async move {
        let hasty = |options: &mut ShardLogOptions| {
            options.stop_closes_at_least = 2;
            options.stop_within_ms = 0;
            // It has room for all, so that none of its files is being freed.
            options.wal_file_bytes = 8 << 20;
            options.flush_interval_ms = 3_600_000;
        };
        let server = Server::start(specs(partitions), hasty).await;
        for log in online(&server) {
            append(&log, batch(1, b"one record")).await;
            noted.borrow_mut().push(log.log_end());
        }
        let disk = sim::disk::of("server");
        disk.set_faults(FaultPlan::default());
        server.stop().await;
        counted.set(disk.changes_started());
    });
    assert_eq!(sim::exited(writing).await, sim::Exit::Finished);
    // Nothing says that all of it is in the segments, and a start finds it in spite of that. A stop with more time brings it there.
    assert!(disk.read(format!("{DIR}/.kafka_cleanshutdown")).is_err());
    let reading = sim::spawn_process("server", async move {
        let server = Server::start(specs(partitions), |_| {}).await;
        let found = |server: &Server| online(server).iter().map(|log| log.log_end()).collect::<Vec<_>>();
        assert_eq!(found(&server), *ends.borrow());
        for log in online(&server) {
            let all = read_all(&log).await.unwrap();
            let records = crate::wire::records::batches(&all).count() as i64;
            assert_eq!(log.log_end(), Offset(records));
        }
        server.stop().await;
        let server = Server::start(specs(partitions), |_| {}).await;
        assert!(server.data_dir.recovered_wals().is_empty());
        assert_eq!(found(&server), *ends.borrow());
        server.stop().await;
    });
    assert_eq!(sim::exited(reading).await, sim::Exit::Finished);
    changes.get()
}

#[test]
fn a_stop_leaves_to_the_log_what_it_has_no_time_for() {
    sim::check_seeds(
        "a_stop_leaves_to_the_log_what_it_has_no_time_for",
        0..10,
        |_| async {
            let few = changes_of_a_hasty_stop(40).await;
            let many = changes_of_a_hasty_stop(400).await;
            assert!(
                many <= few + 10 * 32,
                "{many} changes of the disk where {few} were enough"
            );
        },
    );
}

/// A record to each partition, an orderly stop and a start, and how many operations change something on the disk at a stop
/// after that.
async fn changes_of_a_stop(partitions: i32) -> u64 {
    let writing = sim::spawn_process("server", async move {
        let server = Server::start(specs(partitions), |_| {}).await;
        for log in online(&server) {
            append(&log, batch(1, b"one record")).await;
        }
        server.stop().await;
    });
    assert_eq!(sim::exited(writing).await, sim::Exit::Finished);
    let changes = Rc::new(Cell::new(0));
    let counted = changes.clone();
    let resting = sim::spawn_process("server", async move {
        let server = Server::start(specs(partitions), |_| {}).await;
        let disk = sim::disk::of("server");
        disk.set_faults(FaultPlan::default());
        server.stop().await;
        counted.set(disk.changes_started());
    });
    assert_eq!(sim::exited(resting).await, sim::Exit::Finished);
    changes.get()
}

#[test]
fn a_stop_writes_nothing_for_partitions_that_rest() {
    sim::check_seeds(
        "a_stop_writes_nothing_for_partitions_that_rest",
        0..3,
        |_| async {
            let few = changes_of_a_stop(3).await;
            let many = changes_of_a_stop(150).await;
            assert!(
                many <= few + 2,
                "{many} changes of the disk where {few} were enough"
            );
            // What was written to since has its files made again, and is found.
            let run = sim::spawn_process("server", async move {
                for life in 1..4 {
                    let server = Server::start(specs(10), |_| {}).await;
                    for (nth, log) in online(&server).into_iter().enumerate() {
                        let expected = if nth < 3 { 1 + life } else { life };
                        if nth % 2 == 0 {
                            append(&log, batch(1, b"one more")).await;
                            assert_eq!(log.log_end(), Offset(expected + 1), "{log:?} in life {life}");
                        }
                        assert!(!read_all(&log).await.unwrap().is_empty());
                    }
                    server.stop().await;
                }
            });
            assert_eq!(sim::exited(run).await, sim::Exit::Finished);
        },
    );
}
