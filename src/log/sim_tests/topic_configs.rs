//! What a topic's configs do at the append, and that a change counts at once.

use super::lifecycle::{Server, append, batch, of_producer, read_all, spec};
use super::lifetime::{HOUR_MS, at, change, keeping};
use crate::base::ids::Offset;
use crate::log::*;
use crate::rt;
use crate::rt::sim;
use crate::wire::records::{BatchBuilder, Compression, CompressionTarget};
use std::time::Duration;

fn segments(log: &PartitionLog) -> usize {
    log.state.borrow().segments.len()
}

#[test]
fn segments_close_by_size_and_by_age_as_told_at_run_time() {
    sim::check_seeds("segments_close_by_size_and_by_age", 0..4, |_| async {
        let server = Server::start(vec![spec(1, keeping())], |_| {}).await;
        let log = server.online();
        append(&log, at(1000, &[1; 15_000])).await;
        append(&log, at(1000, &[1; 15_000])).await;
        assert_eq!(segments(&log), 2, "20,000 bytes");
        change(&log, |config| config.segment_bytes = 100_000);
        append(&log, at(1000, &[1; 15_000])).await;
        assert_eq!(segments(&log), 2, "100,000 bytes");
        // Age is the distance of timestamps from the segment's first.
        change(&log, |config| config.segment_ms = 500);
        append(&log, at(1500, b"v")).await;
        assert_eq!(segments(&log), 2, "just as old as it may be");
        append(&log, at(1501, b"v")).await;
        assert_eq!(segments(&log), 3, "older");
        append(&log, at(1502, b"v")).await;
        assert_eq!(segments(&log), 3);
        // Without timestamps it is the time since it was begun.
        change(&log, |config| config.segment_ms = 10_000);
        append(&log, at(-1, b"v")).await;
        assert_eq!(segments(&log), 3);
        rt::sleep(Duration::from_millis(10_500)).await;
        append(&log, at(-1, b"v")).await;
        assert_eq!(segments(&log), 4);
        // A full index closes a segment as well.
        change(&log, |config| {
            config.segment_index_bytes = 100;
            config.index_interval_bytes = 0;
        });
        for _ in 0..30 {
            append(&log, at(2000, b"v")).await;
        }
        assert!(segments(&log) >= 6, "{}", segments(&log));
    });
}

#[test]
fn jitter_closes_each_segment_at_another_time() {
    sim::check_seeds("jitter_closes_each_segment_at_another_time", 0..4, |_| async {
        let config = TopicLogConfig {
            segment_ms: 1000,
            segment_jitter_ms: 600,
            ..keeping()
        };
        let server = Server::start(vec![spec(1, config)], |_| {}).await;
        let log = server.online();
        let (mut ages, mut begun_ms) = (Vec::new(), 0);
        for timestamp_ms in (0..30_000).step_by(20) {
            let before = segments(&log);
            append(&log, at(timestamp_ms, b"v")).await;
            if segments(&log) > before {
                ages.push(timestamp_ms - begun_ms);
                begun_ms = timestamp_ms;
            }
        }
        assert!(
            ages.iter().skip(1).all(|age| (400..=1020).contains(age)),
            "{ages:?}"
        );
        ages.sort_unstable();
        ages.dedup();
        assert!(ages.len() > 5, "{ages:?}");
    });
}

#[test]
fn timestamps_and_sizes_are_held_to_what_is_told_at_run_time() {
    sim::check_seeds("timestamps_and_sizes_are_held", 0..1, |_| async {
        let server = Server::start(vec![spec(1, keeping())], |_| {}).await;
        let log = server.online();
        let now_ms = rt::wall_ms();
        let times = |times: &[i64]| {
            let mut builder = BatchBuilder::new(Compression::Lz4);
            for timestamp_ms in times {
                builder.append(*timestamp_ms, Some(b"k"), Some(b"v"), &[]);
            }
            log.append(builder.build().unwrap(), AppendOrigin::Client)
                .map(|_| ())
        };
        let refused = |result: Result<(), AppendError>, at| match result {
            Err(AppendError::Timestamp { timestamp_ms }) => assert_eq!(timestamp_ms, at),
            other => panic!("{other:?}"),
        };
        times(&[0, now_ms + HOUR_MS]).unwrap();
        refused(times(&[now_ms, now_ms + HOUR_MS + 1000]), now_ms + HOUR_MS + 1000);
        change(&log, |config| {
            config.message_timestamp_before_max_ms = HOUR_MS;
            config.message_timestamp_after_max_ms = 2 * HOUR_MS;
        });
        times(&[now_ms, now_ms + HOUR_MS + 1000]).unwrap();
        refused(times(&[0]), 0);
        // Neither the first nor the largest is at fault.
        refused(times(&[now_ms, 5, now_ms + 1]), 5);
        times(&[now_ms, -1]).unwrap();
        change(&log, |config| {
            config.message_timestamp_type = crate::wire::records::TimestampType::LogAppendTime
        });
        times(&[0, 5]).unwrap();

        let size = batch(1, &[1; 500]).len();
        change(&log, |config| config.max_message_bytes = size - 1);
        let too_large = log.append(batch(1, &[1; 500]), AppendOrigin::Client);
        assert!(
            matches!(too_large, Err(AppendError::TooLarge { bytes, limit }) if bytes == size && limit == size - 1)
        );
        change(&log, |config| config.max_message_bytes = size);
        append(&log, batch(1, &[1; 500])).await;
    });
}

#[test]
fn a_relaxed_topic_waits_for_the_disk_when_flush_messages_says_so() {
    sim::check_seeds("a_relaxed_topic_waits_for_the_disk", 0..4, |_| async {
        let config = TopicLogConfig {
            durability: Durability::Relaxed,
            ..keeping()
        };
        let server = Server::start(vec![spec(1, config)], |_| {}).await;
        let log = server.online();
        let write = || {
            log.append(batch(1, b"v"), AppendOrigin::Client)
                .unwrap()
                .last_offset
                .plus(1)
        };
        let next = write();
        assert_eq!(log.commit_state(next), CommitState::Done);
        log.wait_durable(next).await.unwrap();
        log.wait_on_disk(next).await.unwrap();
        change(&log, |config| config.flush_messages = 3);
        assert_eq!(log.commit_state(write()), CommitState::Done);
        assert_eq!(log.commit_state(write()), CommitState::Done);
        let third = write();
        assert_eq!(log.commit_state(third), CommitState::Pending);
        log.wait_durable(third).await.unwrap();
        assert!(log.durable_end().0 >= third.0 - 2);
        change(&log, |config| config.flush_messages = 1);
        let last = write();
        log.wait_durable(last).await.unwrap();
        assert!(log.durable_end() >= last);
    });
}

#[test]
fn a_batch_gets_the_topics_compression() {
    sim::check_seeds("a_batch_gets_the_topics_compression", 0..4, |_| async {
        let server = Server::start(vec![spec(1, keeping())], |_| {}).await;
        let log = server.online();
        let original = of_producer(0, 3);
        assert!(!log.wants_recompression(&original));
        let target = |codec| Some(CompressionTarget { codec, level: None });
        change(&log, |config| config.compression = target(Compression::Zstd));
        assert!(log.wants_recompression(&original));
        let changed = log.recompress(original.clone()).await.unwrap();
        assert!(!log.wants_recompression(&changed));
        assert_eq!(append(&log, changed.clone()).await.base_offset, Offset(0));
        // Sent again, it is the same batch, whatever it is compressed with by now.
        change(&log, |config| config.compression = target(Compression::Gzip));
        let again = append(&log, log.recompress(original.clone()).await.unwrap()).await;
        assert!(again.duplicate && again.base_offset == Offset(0));
        assert_eq!(read_all(&log).await.unwrap()[21..], changed[21..]);

        // Damage does not get a good checksum.
        let mut damaged = original.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert!(matches!(
            log.recompress(damaged).await,
            Err(AppendError::Batch(_))
        ));
        // What is too large is refused as it came, and as it becomes.
        change(&log, |config| config.max_message_bytes = 200);
        let large = batch(1, &[1; 500]);
        assert_eq!(log.recompress(large.clone()).await.unwrap(), large);
        let mut builder = BatchBuilder::new(Compression::Gzip);
        builder.append(1000, Some(b"k"), Some(&[1; 5000]), &[]);
        let small = builder.build().unwrap();
        assert!(small.len() < 200);
        change(&log, |config| config.compression = target(Compression::None));
        let refused = log.recompress(small).await;
        assert!(matches!(refused, Err(AppendError::TooLarge { limit: 200, .. })));
    });
}
