//! The storage engine on the real runtime, and its files read by Apache Kafka's own tool.
//!
//! The tool runs where Java and Maven are found, see `kafka_jars`.

mod kafka_jars;

use bytes::BytesMut;
use corelane::base::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, ShardId, TopicId};
use corelane::log::*;
use corelane::rt;
use corelane::wire::records::{BatchBuilder, Compression, batches};
use kafka_jars::KafkaJars;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

fn spec() -> PartitionSpec {
    PartitionSpec {
        topic_id: TopicId([5; 16]),
        topic_name: "events".into(),
        partition: 2,
        leader_epoch: LeaderEpoch(4),
        config: Arc::new(TopicLogConfig {
            segment_bytes: 300_000,
            ..TopicLogConfig::default()
        }),
    }
}

struct Server {
    data_dir: Arc<DataDir>,
    shard: Rc<ShardLog>,
    log: Rc<PartitionLog>,
}

/// The same partition, compacted whenever something can be.
fn compacted_spec() -> PartitionSpec {
    let config = TopicLogConfig {
        cleanup_policy: CleanupPolicy::Compact,
        min_cleanable_dirty_ratio: 0.0,
        file_delete_delay_ms: 0,
        ..(*spec().config).clone()
    };
    PartitionSpec {
        config: Arc::new(config),
        ..spec()
    }
}

async fn start(dir: &Path) -> Server {
    start_with(dir, spec()).await
}

async fn start_with(dir: &Path, spec: PartitionSpec) -> Server {
    let data_dir = DataDir::open(dir).expect("a data directory");
    let options = ShardLogOptions {
        wal_file_bytes: 1 << 20,
        direct_run_bytes: 64 << 10,
        flush_bytes: 32 << 10,
        tail_bytes: 200 << 10,
        ..ShardLogOptions::new(data_dir.clone(), ShardId(0))
    };
    let shard = ShardLog::open(options).await.expect("a shard");
    let mut recovered = shard.recover(vec![spec]).await;
    data_dir.remove_recovered_wals().expect("removed");
    shard.start().await.expect("started");
    let log = recovered.remove(0).1.expect("online");
    Server { data_dir, shard, log }
}

fn batch(number: i32) -> BytesMut {
    let codecs = [
        Compression::None,
        Compression::Lz4,
        Compression::Zstd,
        Compression::Snappy,
        Compression::Gzip,
    ];
    let mut builder = BatchBuilder::new(codecs[number as usize % codecs.len()]).producer(
        ProducerId(77),
        ProducerEpoch(1),
        number * 3,
    );
    for i in 0..3 {
        let value: Vec<u8> = (0..500 + number * 11)
            .map(|b| (b * 7 + number * i) as u8)
            .collect();
        let time = 1_700_000_000_000 + i64::from(number) * 10;
        builder.append(
            time,
            Some(format!("key {i}").as_bytes()),
            Some(&value),
            &[("h", Some(b"1"))],
        );
    }
    builder.build().expect("compresses")
}

async fn read_all(log: &Rc<PartitionLog>) -> Vec<u8> {
    let mut all = Vec::new();
    let mut from = Offset(0);
    while from < log.high_watermark() {
        let plan = log
            .read_plan(from, 100_000, MinOneBatch::Yes, ReadUpto::HighWatermark)
            .expect("in range");
        let bytes = plan.execute().await.expect("readable").to_vec();
        let last = batches(&bytes).last().expect("more").expect("whole");
        from = last.header().next_offset();
        all.extend_from_slice(&bytes);
    }
    all
}

/// Writes, leaves without an orderly end, comes back, writes again, and ends in order.
fn write_partition(dir: &Path) -> Vec<u8> {
    let before = on_shard(dir, async |dir| {
        let server = start(&dir).await;
        for number in 0..400 {
            let appended = server
                .log
                .append(batch(number), AppendOrigin::Client)
                .expect("appended");
            if number % 7 == 0 {
                let durable = server.log.wait_durable(appended.last_offset.plus(1)).await;
                durable.expect("durable");
            }
        }
        server.log.wait_durable(Offset(1200)).await.expect("durable");
        read_all(&server.log).await
    });
    let all = on_shard(dir, async move |dir| {
        let server = start(&dir).await;
        assert!(read_all(&server.log).await == before);
        let again = server
            .log
            .append(batch(399), AppendOrigin::Client)
            .expect("recognised");
        assert!(again.duplicate && again.last_offset == Offset(1199));
        for number in 400..450 {
            server
                .log
                .append(batch(number), AppendOrigin::Client)
                .expect("appended");
        }
        server.log.wait_durable(Offset(1350)).await.expect("durable");
        let all = read_all(&server.log).await;
        server.shard.shutdown().await.expect("in order");
        server.data_dir.mark_clean_shutdown().expect("marked");
        all
    });
    on_shard(dir, async move |dir| {
        let server = start(&dir).await;
        assert!(read_all(&server.log).await == all);
        server.shard.shutdown().await.expect("in order");
        all
    })
}

fn on_shard<T: Send + 'static, F: AsyncFnOnce(PathBuf) -> T + Send + 'static>(dir: &Path, f: F) -> T {
    let dir = dir.to_path_buf();
    rt::run_on_shard(move || async move { f(dir).await }).expect("a shard")
}

#[test]
fn a_partition_is_the_same_after_each_start_and_kafkas_tool_reads_it() {
    let dir = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let all = write_partition(dir.path());
    let partition = dir.path().join("events-2");
    let mut files: Vec<_> = std::fs::read_dir(&partition)
        .expect("listed")
        .map(|e| e.expect("an entry").path())
        .collect();
    files.sort();
    let of = |ext: &str| {
        files
            .iter()
            .filter(|f| f.extension().is_some_and(|e| e == ext))
            .cloned()
            .collect::<Vec<_>>()
    };
    assert!(of("log").len() > 2, "{files:?}");
    let on_disk: Vec<u8> = of("log")
        .iter()
        .flat_map(|f| std::fs::read(f).expect("read"))
        .collect();
    assert!(on_disk == all, "the segments hold the batches and nothing else");
    let metadata = std::fs::read_to_string(partition.join("partition.metadata")).expect("read");
    assert_eq!(metadata, format!("version: 0\ntopic_id: {}", TopicId([5; 16])));
    let epochs = std::fs::read_to_string(partition.join("leader-epoch-checkpoint")).expect("read");
    assert_eq!(epochs, "0\n1\n4 0\n");

    dump_all(&files);
}

#[test]
fn a_compacted_partition_is_the_same_after_a_start_and_kafkas_tool_reads_it() {
    let dir = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let all = on_shard(dir.path(), async |dir| {
        let server = start_with(&dir, compacted_spec()).await;
        let mut tombstone = BatchBuilder::new(Compression::Zstd);
        tombstone.append(1_700_000_000_000, Some(b"gone"), None, &[]);
        tombstone.append(1_700_000_000_001, Some(b"there"), Some(b"value"), &[]);
        let tombstone = tombstone.build().expect("compresses");
        server
            .log
            .append(tombstone, AppendOrigin::Client)
            .expect("appended");
        let mut last = Offset(0);
        for number in 0..450 {
            let appended = server
                .log
                .append(batch(number), AppendOrigin::Client)
                .expect("appended");
            last = appended.last_offset;
            if number % 150 == 149 {
                server.log.wait_durable(last.plus(1)).await.expect("durable");
                server.shard.compact_now().await;
            }
        }
        let all = read_all(&server.log).await;
        // The tombstone, the value beside it, and what is in the active segment.
        let found = offsets(&all);
        assert_eq!((found[0], found[1]), (0, 1));
        assert!(
            found.len() < 450 && *found.last().expect("more") == last.0,
            "{found:?}"
        );
        server.shard.shutdown().await.expect("in order");
        server.data_dir.mark_clean_shutdown().expect("marked");
        all
    });
    on_shard(dir.path(), async move |dir| {
        let server = start_with(&dir, compacted_spec()).await;
        assert!(read_all(&server.log).await == all);
        let again = server
            .log
            .append(batch(449), AppendOrigin::Client)
            .expect("recognised");
        assert!(again.duplicate);
        server.shard.shutdown().await.expect("in order");
    });
    let checkpoint = std::fs::read_to_string(dir.path().join("cleaner-offset-checkpoint")).expect("read");
    assert!(checkpoint.starts_with("0\n1\nevents 2 "), "{checkpoint}");
    let listed = std::fs::read_dir(dir.path().join("events-2")).expect("listed");
    let files: Vec<_> = listed.map(|e| e.expect("an entry").path()).collect();
    assert!(
        !files
            .iter()
            .any(|f| f.extension().is_some_and(|e| e == "swap" || e == "cleaned"))
    );
    dump_all(&files);
}

/// The offsets of all records.
fn offsets(bytes: &[u8]) -> Vec<i64> {
    let mut found = Vec::new();
    for batch in batches(bytes) {
        let open = batch.expect("whole").open(1 << 20).expect("readable");
        found.extend(open.records().map(|r| r.expect("a record").offset.0));
    }
    found
}

/// Has Kafka's tool look at all files of a partition, where it is found.
fn dump_all(files: &[PathBuf]) {
    let Some(jars) = KafkaJars::find("that Apache Kafka's dump tool reads our files") else {
        return;
    };
    for extension in ["log", "index", "timeindex", "snapshot"] {
        for file in files
            .iter()
            .filter(|f| f.extension().is_some_and(|e| e == extension))
        {
            dump(jars, file);
        }
    }
}

/// Runs Kafka's `DumpLogSegments` on a file; it must find nothing wrong.
fn dump(jars: &KafkaJars, file: &Path) {
    let output = jars
        .java("org.apache.kafka.tools.DumpLogSegments")
        .args(["--deep-iteration", "--files"])
        .arg(file)
        .output()
        .expect("java runs");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let bad = [
        "Mismatch",
        "Found",
        "rror",
        "xception",
        "isvalid: false",
        "corrupt",
    ];
    let complaint = bad.iter().find(|word| text.contains(**word));
    assert!(
        output.status.success() && complaint.is_none(),
        "{}: {text}",
        file.display()
    );
}
