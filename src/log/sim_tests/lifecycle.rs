//! One shard, no crashes: what callers are promised, step by step, and damage that is named.

use super::oracle::below;
use crate::base::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, ShardId, TopicId};
use crate::log::*;
use crate::rt::sim::{self, disk::SimDisk};
use crate::wire::records::{BatchBuilder, Compression, TimestampType, batches};
use bytes::BytesMut;
use std::rc::Rc;
use std::sync::Arc;

pub(super) const DIR: &str = "/data/log";

pub(super) fn spec(topic: u8, config: TopicLogConfig) -> PartitionSpec {
    PartitionSpec {
        topic_id: TopicId([topic; 16]),
        topic_name: "orders".into(),
        partition: 0,
        leader_epoch: LeaderEpoch(0),
        config: Arc::new(config),
    }
}

pub(super) struct Server {
    pub(super) data_dir: Arc<DataDir>,
    pub(super) shard: Rc<ShardLog>,
    pub(super) recovered: RecoveredPartitions,
}

impl Server {
    pub(super) async fn start(
        specs: Vec<PartitionSpec>,
        change: impl FnOnce(&mut ShardLogOptions),
    ) -> Server {
        let data_dir = DataDir::open(DIR).unwrap();
        let mut options = ShardLogOptions::new(data_dir.clone(), ShardId(0));
        options.wal_file_bytes = 256 << 10;
        options.producer_id_expiration_ms = i64::MAX;
        change(&mut options);
        let shard = ShardLog::open(options).await.unwrap();
        let recovered = shard.recover(specs).await;
        data_dir.remove_recovered_wals().unwrap();
        shard.start().await.unwrap();
        Server {
            data_dir,
            shard,
            recovered,
        }
    }

    pub(super) async fn stop(self) {
        self.shard.shutdown().await.unwrap();
        self.data_dir.mark_clean_shutdown().unwrap();
    }

    pub(super) fn online(&self) -> Rc<PartitionLog> {
        self.recovered[0].1.as_ref().expect("online").clone()
    }
}

pub(super) fn batch(records: usize, value: &[u8]) -> BytesMut {
    let mut builder = BatchBuilder::new(Compression::None);
    for i in 0..records {
        builder.append(1000 + i as i64, Some(b"k"), Some(value), &[]);
    }
    builder.build().unwrap()
}

pub(super) fn of_producer(sequence: i32, records: usize) -> BytesMut {
    let mut builder =
        BatchBuilder::new(Compression::None).producer(ProducerId(9), ProducerEpoch(0), sequence);
    for i in 0..records {
        builder.append(1000 + i as i64, Some(b"k"), Some(b"v"), &[]);
    }
    builder.build().unwrap()
}

pub(super) async fn append(log: &Rc<PartitionLog>, bytes: BytesMut) -> Appended {
    let appended = log.append(bytes, AppendOrigin::Client).unwrap();
    log.wait_durable(appended.last_offset.plus(1)).await.unwrap();
    appended
}

pub(super) async fn read_all(log: &Rc<PartitionLog>) -> Result<Vec<u8>, ReadError> {
    let mut all = Vec::new();
    let mut from = log.log_start();
    while from < log.log_end() {
        let plan = log.read_plan(from, 4096, MinOneBatch::Yes, ReadUpto::LogEnd)?;
        let bytes = plan.execute().await?.to_vec();
        from = batches(&bytes).last().unwrap().unwrap().header().next_offset();
        all.extend(bytes);
    }
    Ok(all)
}

/// Runs a server in a process of its own, so that it has a disk that can be looked at.
pub(super) async fn run(server: impl Future<Output = ()> + 'static) -> SimDisk {
    let process = sim::spawn_process("server", server);
    assert_eq!(sim::exited(process).await, sim::Exit::Finished);
    sim::disk::of("server")
}

pub(super) fn small_segments() -> TopicLogConfig {
    TopicLogConfig {
        segment_bytes: 20_000,
        index_interval_bytes: 600,
        ..TopicLogConfig::default()
    }
}

#[test]
fn every_read_gives_what_a_vector_would() {
    sim::check_seeds("every_read_gives_what_a_vector_would", 0..30, |_| async {
        let server = Server::start(vec![spec(1, small_segments())], |options| {
            options.tail_bytes = 30_000;
            options.flush_bytes = 3000;
            options.open_files = 2;
            options.read_cache_bytes = 300 << 10;
        })
        .await;
        let log = server.online();
        // Per batch: first offset, last offset, bytes.
        let mut model: Vec<(Offset, Offset, Vec<u8>)> = Vec::new();
        for _ in 0..150 {
            let records = 1 + below(3) as usize;
            let appended = append(&log, batch(records, &vec![7; below(1500) as usize])).await;
            let plan = log.read_plan(appended.base_offset, 1, MinOneBatch::Yes, ReadUpto::LogEnd);
            let bytes = plan.unwrap().execute().await.unwrap().to_vec();
            model.push((appended.base_offset, appended.last_offset, bytes));
            let from = Offset(below(log.log_end().0 as u64 + 1) as i64);
            let max = below(9000) as usize;
            let got = log
                .read_plan(from, max, MinOneBatch::Yes, ReadUpto::HighWatermark)
                .unwrap();
            let in_memory = got.is_in_memory();
            let got = got.execute().await.unwrap().to_vec();
            let mut expected = Vec::new();
            for (_, _, bytes) in model.iter().filter(|(_, last, _)| *last >= from) {
                if !expected.is_empty() && expected.len() + bytes.len() > max {
                    break;
                }
                expected.extend_from_slice(bytes);
            }
            if in_memory {
                assert_eq!(got, expected, "from {from}, {max} bytes");
            } else {
                // A read from disk ends with its segment.
                assert!(
                    !got.is_empty() && expected.starts_with(&got),
                    "from {from}, {max} bytes"
                );
            }
        }
        let whole: Vec<u8> = model.iter().flat_map(|(_, _, bytes)| bytes.clone()).collect();
        assert_eq!(read_all(&log).await.unwrap(), whole);
        let beyond = log.read_plan(log.log_end().plus(1), 1, MinOneBatch::Yes, ReadUpto::LogEnd);
        assert!(matches!(beyond, Err(ReadError::OffsetOutOfRange { .. })));
        server.stop().await;

        let server = Server::start(vec![spec(1, small_segments())], |_| {}).await;
        assert_eq!(read_all(&server.online()).await.unwrap(), whole);
        assert_eq!(server.online().size_bytes(), whole.len() as u64);
    });
}

#[test]
fn five_batches_of_a_producer_are_recognised_after_a_restart() {
    sim::check_seeds("five_batches_are_recognised", 0..4, |seed| async move {
        let server = Server::start(vec![spec(1, small_segments())], |_| {}).await;
        for sequence in 0..8 {
            append(&server.online(), of_producer(sequence * 2, 2)).await;
        }
        if seed % 2 == 0 {
            server.stop().await;
        }
        let server = Server::start(vec![spec(1, small_segments())], |_| {}).await;
        let log = server.online();
        for sequence in 3..8 {
            let again = append(&log, of_producer(sequence * 2, 2)).await;
            assert!(again.duplicate);
            assert_eq!(again.base_offset, Offset(i64::from(sequence) * 2));
            assert_eq!(again.log_append_time_ms, 1001, "the batch's own timestamp");
        }
        let gap = log.append(of_producer(20, 1), AppendOrigin::Client);
        assert!(matches!(gap, Err(AppendError::OutOfOrderSequence { .. })));
        assert_eq!(append(&log, of_producer(16, 1)).await.base_offset, Offset(16));
    });
}

#[test]
fn what_may_not_be_appended_is_refused_whole() {
    sim::check_seeds("what_may_not_be_appended_is_refused", 0..1, |_| async {
        let config = TopicLogConfig {
            max_message_bytes: 500,
            cleanup_policy: CleanupPolicy::Compact,
            ..TopicLogConfig::default()
        };
        let server = Server::start(vec![spec(1, config.clone())], |_| {}).await;
        let log = server.online();
        let refused = |bytes: &[u8]| {
            log.append(BytesMut::from(bytes), AppendOrigin::Client)
                .unwrap_err()
        };
        let good = batch(1, b"v");

        assert!(matches!(refused(b""), AppendError::BatchCount { count: 0 }));
        assert!(matches!(
            refused(&[&good[..], &good[..]].concat()),
            AppendError::BatchCount { count: 2 }
        ));
        assert!(matches!(refused(&good[..good.len() - 1]), AppendError::Batch(_)));
        let mut flipped = good.clone();
        *flipped.last_mut().unwrap() ^= 1;
        assert!(matches!(refused(&flipped), AppendError::Batch(_)));
        assert!(matches!(
            refused(&batch(1, &[0; 600])),
            AppendError::TooLarge { .. }
        ));
        let mut builder = BatchBuilder::new(Compression::Zstd);
        builder.append(1, Some(b"k"), Some(b"v"), &[]);
        builder.append(1, None, Some(b"v"), &[]);
        builder.append(1, Some(b"k"), Some(b"v"), &[]);
        builder.append(1, None, Some(b"v"), &[]);
        // All that are at fault are named, so that a client can send the others again.
        assert!(matches!(
            refused(&builder.build().unwrap()),
            AppendError::Records { ref refused, .. } if refused == &[1, 3]
        ));
        let mut builder = BatchBuilder::new(Compression::None);
        builder.append(i64::MAX / 2, Some(b"k"), Some(b"v"), &[]);
        assert!(matches!(
            refused(&builder.build().unwrap()),
            AppendError::Timestamp { .. }
        ));
        assert_eq!(log.log_end(), Offset(0));

        // Several batches from a coordinator, and the broker's time.
        log.set_config(Arc::new(TopicLogConfig {
            message_timestamp_type: TimestampType::LogAppendTime,
            ..config
        }));
        let two = [&good[..], &batch(2, b"w")[..]].concat();
        let appended = log
            .append(BytesMut::from(&two[..]), AppendOrigin::Coordinator)
            .unwrap();
        assert_eq!(
            (appended.base_offset, appended.last_offset),
            (Offset(0), Offset(2))
        );
        assert!(appended.log_append_time_ms > 0);
        log.wait_durable(Offset(3)).await.unwrap();
        let all = read_all(&log).await.unwrap();
        for batch in batches(&all) {
            let batch = batch.unwrap();
            batch.check_crc().unwrap();
            assert_eq!(batch.header().max_timestamp, appended.log_append_time_ms);
        }
    });
}

#[test]
fn a_topic_made_anew_has_none_of_the_old_data() {
    sim::check_seeds("a_topic_made_anew_has_none_of_the_old_data", 0..6, |_| async {
        let server = Server::start(vec![], |options| options.flush_bytes = 1000).await;
        let old = server
            .shard
            .create_partition(spec(1, small_segments()))
            .await
            .unwrap();
        for _ in 0..40 {
            append(&old, batch(2, &[1; 700])).await;
        }
        server.shard.delete_partition(old.id()).await.unwrap();
        assert!(matches!(
            old.append(batch(1, b"x"), AppendOrigin::Client),
            Err(AppendError::Stopped(_))
        ));
        let new = server
            .shard
            .create_partition(spec(2, small_segments()))
            .await
            .unwrap();
        assert_eq!(new.log_end(), Offset(0));
        append(&new, batch(1, b"fresh")).await;
        crate::rt::sleep(std::time::Duration::from_millis(500)).await;
        let names: Vec<_> = crate::rt::disk::read_dir(DIR).await.unwrap();
        assert!(!names.iter().any(|e| e.name.ends_with("-delete")), "{names:?}");
        // No orderly end: the WAL still has records of the old topic.
        let server = Server::start(vec![spec(2, small_segments())], |_| {}).await;
        assert_eq!(server.online().log_end(), Offset(1));
    });
}

#[test]
fn records_are_found_by_their_time() {
    sim::check_seeds("records_are_found_by_their_time", 0..10, |_| async {
        let server = Server::start(vec![spec(1, small_segments())], |options| {
            options.tail_bytes = 20_000;
            options.flush_bytes = 2000;
        })
        .await;
        let log = server.online();
        let mut times = Vec::new();
        for i in 0..120 {
            let mut builder = BatchBuilder::new([Compression::None, Compression::Gzip][below(2) as usize]);
            for _ in 0..1 + below(4) {
                let time = 10_000 + i * 10 + below(200) as i64;
                builder.append(time, Some(b"k"), Some(&[3; 300]), &[]);
                times.push(time);
            }
            append(&log, builder.build().unwrap()).await;
        }
        for _ in 0..60 {
            let target = 9_900 + below(1700) as i64;
            let hit = log
                .offset_for_timestamp(target, ReadUpto::HighWatermark)
                .await
                .unwrap();
            let expected = times.iter().position(|t| *t >= target);
            assert_eq!(hit.map(|h| h.offset.0 as usize), expected, "time {target}");
        }
        let max = times.iter().max().unwrap();
        let hit = log.max_timestamp(ReadUpto::HighWatermark).await.unwrap().unwrap();
        assert_eq!(hit.timestamp_ms, *max);
        assert_eq!(times[hit.offset.0 as usize], *max);
    });
}

#[test]
fn a_flipped_bit_in_a_closed_segment_is_named_and_never_read() {
    sim::check_seeds("a_flipped_bit_in_a_closed_segment_is_named", 0..200, |_| async {
        let disk = run(async {
            let server = Server::start(vec![spec(1, small_segments())], |_| {}).await;
            for _ in 0..60 {
                append(&server.online(), batch(1, &[1; 900])).await;
            }
            server.stop().await;
        })
        .await;
        let path = format!("{DIR}/orders-0/00000000000000000000.log");
        disk.flip_random_bit(&path).unwrap();
        run(async move {
            let server = Server::start(vec![spec(1, small_segments())], |_| {}).await;
            match &server.recovered[0].1 {
                Ok(log) => match read_all(log).await {
                    Err(ReadError::Damaged(damage)) => {
                        assert_eq!(damage.path.to_str(), Some(&*path));
                        assert_eq!(server.shard.damaged_reads(), 1);
                        // What comes before the damaged batch is given, also by a read that goes beyond it.
                        let damaged = damage.offset.expect("a place in the log");
                        if damaged > Offset(0) {
                            let all = log.read_plan(Offset(0), 1 << 20, MinOneBatch::Yes, ReadUpto::LogEnd);
                            let before = all.unwrap().execute().await.unwrap().to_vec();
                            let last = batches(&before).last().unwrap().unwrap().header().next_offset();
                            assert_eq!(last, damaged);
                        }
                        // Behind it everything can be read again: all batches have one record.
                        let behind = log.read_plan(damaged.plus(1), 1, MinOneBatch::Yes, ReadUpto::LogEnd);
                        let behind = behind.unwrap().execute().await;
                        assert!(matches!(behind, Ok(_) | Err(ReadError::Damaged(_))));
                        assert!(server.shard.damaged_reads() >= 1);
                    }
                    // The bit may be one of the few no checksum covers: the leader epoch of a batch.
                    Ok(all) => {
                        let epochs = batches(&all).map(|b| b.unwrap().header().partition_leader_epoch);
                        assert!(epochs.into_iter().any(|epoch| epoch != LeaderEpoch(0)));
                    }
                    Err(e) => panic!("{e}"),
                },
                Err(e) => panic!("closed segments are not read at start: {e}"),
            }
        })
        .await;
    });
}

#[test]
fn damage_in_the_wal_costs_no_acknowledged_record_silently() {
    sim::check_seeds(
        "damage_in_the_wal_costs_no_acknowledged_record",
        0..150,
        |_| async {
            let disk = run(async {
                let server = Server::start(vec![spec(1, small_segments())], |options| {
                    options.flush_bytes = 1 << 20;
                    options.flush_interval_ms = 1_000_000;
                })
                .await;
                for i in 0..12 {
                    append(&server.online(), batch(1, &vec![i; below(3000) as usize])).await;
                }
            })
            .await;
            let wal = format!("{DIR}/wal");
            let names = disk.files_below(&wal).unwrap();
            let file = names.iter().find(|n| n.ends_with("-00.wal")).unwrap().clone();
            let path = if file.starts_with('/') {
                file
            } else {
                format!("{wal}/{file}")
            };
            // Somewhere in the first frames, which later ones witness.
            let position = below(5 * 4096);
            disk.flip_bit(&path, position, below(8) as u8).unwrap();
            run(async move {
                let server = Server::start(vec![spec(1, small_segments())], |_| {}).await;
                match &server.recovered[0].1 {
                    Ok(log) => assert_eq!(log.log_end(), Offset(12), "bit at {position}"),
                    Err(PartitionOffline::Damaged(damage)) => {
                        assert!(damage.path.to_str().unwrap().contains("wal"), "{damage}");
                    }
                    Err(e) => panic!("{e}"),
                }
            })
            .await;
        },
    );
}

#[test]
fn a_missing_wal_file_is_noticed() {
    sim::check_seeds("a_missing_wal_file_is_noticed", 0..3, |_| async {
        run(async {
            let server = Server::start(vec![spec(1, small_segments())], |options| {
                options.flush_bytes = 1 << 20;
                options.flush_interval_ms = 1_000_000;
                options.wal_files = 6;
            })
            .await;
            for i in 0..60 {
                append(&server.online(), batch(1, &vec![i; 9000])).await;
            }
            let wal = format!("{DIR}/wal");
            let mut names = crate::rt::disk::read_dir(&wal).await.unwrap();
            names.retain(|n| n.name.ends_with("-00.wal"));
            crate::rt::disk::remove_file(format!("{wal}/{}", names[0].name))
                .await
                .unwrap();
        })
        .await;
        run(async {
            let server = Server::start(vec![spec(1, small_segments())], |_| {}).await;
            assert!(matches!(server.recovered[0].1, Err(PartitionOffline::Damaged(_))));
        })
        .await;
    });
}
