//! Recovery begins where the checkpoint says that everything before is synced, and finds the same as if it had read it all.

use super::lifecycle::{DIR, Server, append, batch, read_all, run, spec};
use super::oracle::below;
use crate::base::ids::{Offset, ProducerEpoch, ProducerId};
use crate::log::recovery_checkpoint::RecoveryCheckpoint;
use crate::log::*;
use crate::rt::sim;
use crate::wire::records::{BatchBuilder, Compression};
use bytes::BytesMut;
use std::cell::RefCell;
use std::rc::Rc;

const LOG: &str = "/data/log/orders-0/00000000000000000000.log";
const CHECKPOINT: &str = "/data/log/corelane-recovery-checkpoint";

fn one_segment() -> TopicLogConfig {
    TopicLogConfig {
        index_interval_bytes: 600,
        ..TopicLogConfig::default()
    }
}

/// Everything goes to the segment at once and is noted at once.
async fn start() -> Server {
    Server::start(vec![spec(1, one_segment())], |options| {
        options.direct_run_bytes = 1;
        options.checkpoint_bytes = 1;
        options.scan_files_step_bytes = 5_000;
        options.tail_bytes = 10_000;
    })
    .await
}

/// Waits until the checkpoint has what was synced: it is written in the background.
async fn noted() {
    crate::rt::sleep(std::time::Duration::from_secs(1)).await;
}

fn of(producer: i64, sequence: i32, time_ms: i64) -> BytesMut {
    let mut builder =
        BatchBuilder::new(Compression::None).producer(ProducerId(producer), ProducerEpoch(0), sequence);
    builder.append(time_ms, Some(b"k"), Some(&[5; 300]), &[]);
    builder.build().unwrap()
}

#[test]
fn what_was_synced_long_ago_is_not_read_at_a_start() {
    sim::check_seeds("what_was_synced_long_ago_is_not_read", 0..30, |_| async {
        let disk = run(async {
            let server = start().await;
            for _ in 0..40 {
                append(&server.online(), batch(1, &[1; 900])).await;
            }
            noted().await;
            for _ in 0..below(10) {
                append(&server.online(), batch(1, &[1; 900])).await;
            }
        })
        .await;
        // In the first half, so before the scan point: only a read can find it.
        disk.flip_bit(LOG, 100 + below(18_000), below(8) as u8).unwrap();
        run(async {
            let server = start().await;
            let log = server.online();
            assert!(log.log_end() >= Offset(40));
            match read_all(&log).await {
                Err(ReadError::Damaged(damage)) => assert_eq!(damage.path.to_str(), Some(LOG)),
                // The bit is one of a batch's leader epoch, which no checksum covers.
                Ok(_) => {}
                Err(e) => panic!("{e}"),
            }
            let good = log.read_plan(Offset(30), 100_000, MinOneBatch::Yes, ReadUpto::LogEnd);
            assert!(!good.unwrap().execute().await.unwrap().to_vec().is_empty());
        })
        .await;
    });
}

#[test]
fn what_rests_is_synced_and_noted() {
    sim::check_seeds("what_rests_is_synced_and_noted", 0..10, |_| async {
        let disk = run(async {
            let server = Server::start(vec![spec(1, one_segment())], |options| {
                options.flush_interval_ms = 20;
                options.checkpoint_interval_ms = 50;
            })
            .await;
            for _ in 0..5 {
                append(&server.online(), batch(1, &[1; 900])).await;
            }
            noted().await;
        })
        .await;
        let checkpoint = RecoveryCheckpoint::parse(&disk.read(CHECKPOINT).unwrap()).unwrap();
        let [(_, point)] = &checkpoint.partitions[..] else {
            panic!("one partition: {checkpoint:?}");
        };
        assert_eq!(point.recovery_point, Offset(5));
        assert_eq!(point.scan_point.as_ref().unwrap().offset, Offset(5));
    });
}

#[test]
fn damage_behind_the_scan_point_and_a_shorter_file_are_noticed() {
    sim::check_seeds(
        "damage_behind_the_scan_point_is_noticed",
        0..4,
        |seed| async move {
            let disk = run(async {
                let server = start().await;
                for _ in 0..40 {
                    append(&server.online(), batch(1, &[1; 900])).await;
                }
                noted().await;
            })
            .await;
            let bytes = disk.read(LOG).unwrap().len() as u64;
            disk.set_len(LOG, bytes - 5000 - 4096 * seed).unwrap();
            run(async {
                let server = start().await;
                assert!(matches!(server.recovered[0].1, Err(PartitionOffline::Damaged(_))));
            })
            .await;
        },
    );
}

#[test]
fn a_start_finds_the_same_with_and_without_a_scan_point() {
    sim::check_seeds("a_start_finds_the_same_with_and_without", 0..60, |_| async {
        // With few producers their state is in the checkpoint, with many in a file.
        let producers = [1, 3, 40][below(3) as usize];
        let appended = Rc::new(RefCell::new(Vec::new()));
        let model = appended.clone();
        let disk = run(async move {
            let server = start().await;
            let mut sequences = vec![0; producers];
            for i in 0..100 + below(60) {
                let producer = below(producers as u64) as usize;
                let sequence = sequences[producer];
                sequences[producer] += 1;
                let time_ms = 1_000 + below(10_000) as i64;
                append(&server.online(), of(producer as i64, sequence, time_ms)).await;
                model.borrow_mut().push((producer as i64, sequence, time_ms));
                if i == 90 {
                    noted().await;
                }
            }
        })
        .await;
        if below(3) == 0 {
            let at = below(disk.read(CHECKPOINT).unwrap().len() as u64);
            disk.flip_bit(CHECKPOINT, at, 0).unwrap();
        }
        if below(3) == 0 {
            for kind in ["index", "timeindex"] {
                // There may be none, or an empty one.
                let _ = disk.flip_random_bit(format!("{DIR}/orders-0/00000000000000000000.{kind}"));
            }
        }
        run(async move {
            // Twice: the first start notes what it found.
            drop(start().await);
            let server = start().await;
            let log = server.online();
            let model = appended.borrow().clone();
            assert_eq!(log.log_end(), Offset(model.len() as i64));
            assert_eq!(log.size_bytes() as usize, read_all(&log).await.unwrap().len());
            for _ in 0..20 {
                let at = below(model.len() as u64) as usize;
                let plan = log.read_plan(Offset(at as i64), 1, MinOneBatch::Yes, ReadUpto::LogEnd);
                let bytes = plan.unwrap().execute().await.unwrap().to_vec();
                let first = crate::wire::records::batches(&bytes).next().unwrap().unwrap();
                assert_eq!(first.header().base_offset, Offset(at as i64));
            }
            let newest = model.iter().map(|(_, _, time_ms)| *time_ms).max().unwrap();
            let hit = log.max_timestamp(ReadUpto::HighWatermark).await.unwrap().unwrap();
            assert_eq!(hit.timestamp_ms, newest);
            assert_eq!(model[hit.offset.0 as usize].2, newest);
            // The last batch of each producer is recognised, and the next one fits.
            for producer in 0..producers as i64 {
                let of_producer = model.iter().rposition(|(p, ..)| *p == producer);
                let next = match of_producer {
                    None => 0,
                    Some(at) => {
                        let (_, sequence, time_ms) = model[at];
                        let again = append(&log, of(producer, sequence, time_ms)).await;
                        assert!(again.duplicate && again.base_offset == Offset(at as i64));
                        sequence + 1
                    }
                };
                let gap = log.append(of(producer, next + 1, 1), AppendOrigin::Client);
                assert!(of_producer.is_none() || matches!(gap, Err(AppendError::OutOfOrderSequence { .. })));
                if of_producer.is_some() {
                    assert!(!append(&log, of(producer, next, 1)).await.duplicate);
                }
            }
        })
        .await;
    });
}
