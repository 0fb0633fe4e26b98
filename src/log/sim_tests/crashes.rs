//! Crashes at any operation, lost and torn writes, failing disks, restarts with another number of shards.

use super::oracle::{Oracle, below};
use super::server::{Run, serve};
use crate::log::Durability;
use crate::rt;
use crate::rt::sim::{self, disk::FaultPlan};
use std::time::Duration;

fn random_run(epoch: i32) -> Run {
    Run {
        shards: 1 + below(3) as u16,
        epoch,
        all_online: true,
        batches: 5 + below(30),
        shutdown: below(3) == 0,
        durability: Durability::Durable,
    }
}

/// Waits for the server's end, which comes in bounded time.
pub(super) async fn ended(server: sim::ProcessId) -> sim::Exit {
    let end = rt::timeout(Duration::from_secs(30), sim::exited(server)).await;
    // A killed process is gone, and its lock free, only when the kernel has done what was in flight.
    rt::sleep(Duration::from_millis(100)).await;
    end.expect("the server gets on")
}

async fn last_look(oracle: &Oracle, epoch: i32) {
    sim::disk::of("server").set_faults(FaultPlan::default());
    let run = Run {
        batches: 3,
        shutdown: true,
        ..random_run(epoch)
    };
    let server = sim::spawn_process("server", serve(oracle.clone(), run));
    assert_eq!(ended(server).await, sim::Exit::Finished);
}

#[test]
fn without_faults_everything_is_there_after_each_restart() {
    sim::check_seeds("without_faults_everything_is_there", 0..20, |_| async {
        let oracle = Oracle::default();
        for epoch in 0..4 {
            let server = sim::spawn_process("server", serve(oracle.clone(), random_run(epoch)));
            assert_eq!(ended(server).await, sim::Exit::Finished);
        }
        last_look(&oracle, 4).await;
        assert!(oracle.total_acknowledged() > 20);
    });
}

#[test]
fn a_crash_at_any_operation_loses_nothing_acknowledged() {
    sim::check_seeds(
        "a_crash_at_any_operation_loses_nothing_acknowledged",
        0..200,
        |_| async {
            let oracle = Oracle::default();
            for epoch in 0..5 {
                let plan = FaultPlan {
                    crash_at_op: Some(1 + below(250)),
                    ..FaultPlan::default()
                };
                sim::disk::of("server").set_faults(plan);
                let server = sim::spawn_process("server", serve(oracle.clone(), random_run(epoch)));
                ended(server).await;
            }
            last_look(&oracle, 5).await;
        },
    );
}

#[test]
fn a_kill_at_any_time_loses_nothing_acknowledged() {
    sim::check_seeds(
        "a_kill_at_any_time_loses_nothing_acknowledged",
        0..100,
        |_| async {
            let oracle = Oracle::default();
            for epoch in 0..5 {
                let slow = FaultPlan {
                    slow_chance: 0.02,
                    slow: Duration::from_millis(3),
                    ..FaultPlan::default()
                };
                sim::disk::of("server").set_faults(slow);
                let server = sim::spawn_process("server", serve(oracle.clone(), random_run(epoch)));
                rt::sleep(Duration::from_micros(below(120_000))).await;
                if below(2) == 0 {
                    sim::kill(server)
                } else {
                    sim::sigkill(server)
                }
                ended(server).await;
            }
            last_look(&oracle, 5).await;
        },
    );
}

#[test]
fn a_failing_disk_loses_nothing_acknowledged() {
    sim::check_seeds("a_failing_disk_loses_nothing_acknowledged", 0..100, |_| async {
        let oracle = Oracle::default();
        for epoch in 0..5 {
            let chance = [0.0, 0.002, 0.02][below(3) as usize];
            let plan = FaultPlan {
                write_error: chance,
                sync_error: chance,
                read_error: [0.0, 0.002][below(2) as usize],
                only_paths_with: [None, Some("wal/".to_string()), Some("topic-3".to_string())]
                    [below(3) as usize]
                    .clone(),
                capacity_bytes: (below(4) == 0).then(|| (700 << 10) + below(2 << 20)),
                ..FaultPlan::default()
            };
            sim::disk::of("server").set_faults(plan);
            let run = Run {
                all_online: false,
                ..random_run(epoch)
            };
            let server = sim::spawn_process("server", serve(oracle.clone(), run));
            rt::sleep(Duration::from_micros(20_000 + below(200_000))).await;
            match below(3) {
                0 => sim::kill(server),
                1 => sim::sigkill(server),
                _ => rt::sleep(Duration::from_secs(2)).await,
            }
            sim::kill(server);
            ended(server).await;
        }
        last_look(&oracle, 5).await;
    });
}

#[test]
fn what_a_failed_sync_left_readable_is_made_durable() {
    sim::check_seeds(
        "what_a_failed_sync_left_readable_is_made_durable",
        0..100,
        |_| async {
            let oracle = Oracle::default();
            for epoch in 0..3 {
                // A sync fails, the process dies, the machine stays: the bytes can be read, and no sync will save them.
                let plan = FaultPlan {
                    sync_error: 0.1,
                    only_paths_with: Some(".log".to_string()),
                    ..FaultPlan::default()
                };
                sim::disk::of("server").set_faults(plan);
                let run = Run {
                    all_online: false,
                    ..random_run(2 * epoch)
                };
                let server = sim::spawn_process("server", serve(oracle.clone(), run));
                rt::sleep(Duration::from_micros(20_000 + below(100_000))).await;
                sim::sigkill(server);
                ended(server).await;
                // The next server finds them, and then the power goes.
                sim::disk::of("server").set_faults(FaultPlan::default());
                let run = Run {
                    batches: 2,
                    shutdown: false,
                    ..random_run(2 * epoch + 1)
                };
                let server = sim::spawn_process("server", serve(oracle.clone(), run));
                rt::sleep(Duration::from_millis(below(400))).await;
                sim::kill(server);
                ended(server).await;
            }
            last_look(&oracle, 9).await;
        },
    );
}
