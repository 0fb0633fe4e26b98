//! What the storage engine costs: appends in memory, durable commits, plans of reads.

use bytes::BytesMut;
use corelane::base::ids::{LeaderEpoch, Offset, ShardId, TopicId};
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

criterion_group!(benches, append, commit, plan);
criterion_main!(benches);
