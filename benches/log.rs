//! What the storage engine costs: appends in memory, durable commits, frames of the write-ahead log, plans of reads.

use bytes::BytesMut;
use corelane::base::ids::{LeaderEpoch, Offset, ShardId, TopicId, TopicPartition};
use corelane::log::wal::{
    DIRECTORY_ENTRY_BYTES, DirectoryEntry, FRAME_HEADER_BYTES, FrameHeader, encode_frame, frame_bytes,
    parse_directory, prefix_check,
};
use corelane::log::*;
use corelane::rt;
use corelane::wire::records::{BatchBuilder, Compression};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn spec(partition: i32) -> PartitionSpec {
    PartitionSpec {
        topic_id: TopicId([1; 16]),
        topic_name: "bench".into(),
        partition,
        leader_epoch: LeaderEpoch(0),
        config: Arc::new(TopicLogConfig::default()),
    }
}

/// Runs `work` with a shard's log of so many partitions, in a directory of its own.
fn with_log(
    partitions: i32,
    work: impl AsyncFnOnce(Vec<Rc<PartitionLog>>) -> Duration + Send + 'static,
) -> Duration {
    let dir = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let path: PathBuf = dir.path().to_path_buf();
    rt::run_on_shard(move || async move { run(&path, partitions, work).await }).expect("a shard")
}

async fn run(
    path: &Path,
    partitions: i32,
    work: impl AsyncFnOnce(Vec<Rc<PartitionLog>>) -> Duration,
) -> Duration {
    let data_dir = DataDir::open(path).expect("a data directory");
    let options = ShardLogOptions {
        uncommitted_bytes: 1 << 30,
        ..ShardLogOptions::new(data_dir, ShardId(0))
    };
    let shard = ShardLog::open(options).await.expect("a shard");
    let recovered = shard.recover((0..partitions).map(spec).collect()).await;
    shard.start().await.expect("started");
    let logs = recovered
        .into_iter()
        .map(|(_, log)| log.expect("online"))
        .collect();
    let took = work(logs).await;
    shard.shutdown().await.expect("in order");
    took
}

fn batch(records: usize, value_bytes: usize) -> BytesMut {
    let mut builder = BatchBuilder::new(Compression::None);
    for _ in 0..records {
        builder.append(1_700_000_000_000, None, Some(&vec![7; value_bytes]), &[]);
    }
    builder.build().expect("a batch")
}

/// Appends so many batches, waiting for the disk every 32 MiB outside of the measured time.
fn append(c: &mut Criterion) {
    for (name, records, value) in [
        ("one 100-byte record", 1, 100),
        ("16 KiB", 150, 100),
        ("256 KiB", 256, 1000),
    ] {
        let one = batch(records, value);
        let mut group = c.benchmark_group("append in memory");
        group
            .throughput(Throughput::Bytes(one.len() as u64))
            .sample_size(10);
        group.bench_function(name, |b| {
            b.iter_custom(|times| {
                let one = one.clone();
                with_log(1, async move |logs| {
                    let log = &logs[0];
                    let mut took = Duration::ZERO;
                    let mut left = times as usize;
                    while left > 0 {
                        let some = left.min((32 << 20) / one.len());
                        let batches: Vec<_> = (0..some).map(|_| BytesMut::from(&one[..])).collect();
                        let start = Instant::now();
                        for batch in batches {
                            log.append(batch, AppendOrigin::Client).expect("appended");
                        }
                        took += start.elapsed();
                        log.wait_durable(log.log_end()).await.expect("durable");
                        left -= some;
                    }
                    took
                })
            });
        });
    }
}

/// One append to each of so many partitions, then all durable: one frame of the write-ahead log, or direct writes.
fn commit(c: &mut Criterion) {
    for (name, partitions, records, value) in [
        ("1 partition, 100 bytes", 1, 1, 100),
        ("100 partitions, 100 bytes each", 100, 1, 100),
        ("8 partitions, 16 KiB each", 8, 150, 100),
        ("4 partitions, 256 KiB each", 4, 256, 1000),
    ] {
        let one = batch(records, value);
        let mut group = c.benchmark_group("durable commit");
        group
            .throughput(Throughput::Bytes((one.len() * partitions as usize) as u64))
            .sample_size(10);
        group.bench_function(name, |b| {
            b.iter_custom(|times| {
                let one = one.clone();
                with_log(partitions, async move |logs| {
                    let start = Instant::now();
                    for _ in 0..times {
                        for log in &logs {
                            log.append(BytesMut::from(&one[..]), AppendOrigin::Client)
                                .expect("appended");
                        }
                        for log in &logs {
                            log.wait_durable(log.log_end()).await.expect("durable");
                        }
                    }
                    start.elapsed()
                })
            });
        });
    }
}

/// Plans a fetch of up to 1 MiB from memory.
fn plan(c: &mut Criterion) {
    for (name, records, value) in [("100-byte batches", 1, 100), ("16 KiB batches", 150, 100)] {
        let one = batch(records, value);
        let mut group = c.benchmark_group("plan a 1 MiB read from the tail");
        group.throughput(Throughput::Bytes(1 << 20)).sample_size(10);
        group.bench_function(name, |b| {
            b.iter_custom(|times| {
                let one = one.clone();
                with_log(1, async move |logs| {
                    let log = &logs[0];
                    for _ in 0..(2 << 20) / one.len() {
                        log.append(BytesMut::from(&one[..]), AppendOrigin::Client)
                            .expect("appended");
                    }
                    log.wait_durable(log.log_end()).await.expect("durable");
                    let start = Instant::now();
                    for _ in 0..times {
                        let plan =
                            log.read_plan(Offset(0), 1 << 20, MinOneBatch::Yes, ReadUpto::HighWatermark);
                        std::hint::black_box(plan.expect("in range").execute().await.expect("in memory"));
                    }
                    start.elapsed()
                })
            });
        });
    }
}

/// Builds a frame of the write-ahead log, as the committer does before it writes it, and reads it back as a start does.
fn frame(c: &mut Criterion) {
    for (name, entries, records, value) in [
        ("1 entry of 100 bytes", 1, 1, 100),
        ("100 entries of 100 bytes", 100, 1, 100),
        ("8 entries of 16 KiB", 8, 150, 100),
    ] {
        let one = batch(records, value);
        let directory: Vec<_> = (0..entries)
            .map(|partition| DirectoryEntry {
                partition: TopicPartition {
                    topic: TopicId([7; 16]),
                    partition,
                },
                base_offset: Offset(0),
                bytes: one.len() as u32,
                offsets: records as u32,
                check: prefix_check(0, &one),
            })
            .collect();
        let payload_bytes = one.len() * directory.len();
        let mut out = vec![0; frame_bytes(directory.len(), payload_bytes).expect("it fits")];
        let header = FrameHeader {
            run: 1,
            shard: 0,
            file_use: 0,
            frame: 0,
            durable_below: 0,
            retired_below: 0,
            frame_bytes: out.len() as u32,
            entries: 0,
            payload_bytes: 0,
            directory_crc: 0,
        };
        let mut group = c.benchmark_group("write-ahead log frame");
        group.throughput(Throughput::Bytes(payload_bytes as u64));
        group.bench_function(format!("encode {name}"), |b| {
            b.iter(|| {
                let payload = directory.iter().map(|_| &one[..]);
                encode_frame(&mut out, header, &directory, payload);
                std::hint::black_box(&out);
            });
        });
        group.bench_function(format!("check {name}"), |b| {
            b.iter(|| {
                let header = FrameHeader::parse(&out).expect("a header");
                let found = parse_directory(&header, &out[FRAME_HEADER_BYTES..]).expect("a directory");
                let mut at = FRAME_HEADER_BYTES + found.len() * DIRECTORY_ENTRY_BYTES;
                for entry in found {
                    let end = at + entry.bytes as usize;
                    assert!(entry.matches(&out[at..end]));
                    at = end;
                }
            });
        });
    }
}

criterion_group!(benches, append, commit, plan, frame);
criterion_main!(benches);
