//! Compaction against a plain model: of every key the newest record, at its offset, whatever crashes in between.

use super::oracle::below;
use crate::base::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, ShardId, TopicId};
use crate::log::file_names::SegmentFile;
use crate::log::*;
use crate::rt;
use crate::rt::sim::{self, disk::FaultPlan};
use crate::wire::records::{BatchBuilder, Compression, batches};
use bytes::BytesMut;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub(super) const DIR: &str = "/data/log";
const FOR_EVER_MS: i64 = i64::MAX / 4;

/// A record as it was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    key: String,
    value: Option<Vec<u8>>,
    timestamp_ms: i64,
}

/// What was appended, by offset. Lives in the test, not in the server.
#[derive(Default)]
struct Model {
    records: BTreeMap<i64, Known>,
    /// The batch that is being appended: nobody knows whether it is there.
    open: Option<Batch>,
    /// The last one that is there for certain.
    last: Option<(Batch, i64)>,
    next_sequence: i32,
    /// Up to here compaction was once seen to be done.
    compacted_below: i64,
}

#[derive(Clone)]
struct Batch {
    records: Vec<Known>,
    bytes: BytesMut,
}

impl Model {
    fn next_batch(&mut self, keys: u64) -> Batch {
        let codecs = [
            Compression::None,
            Compression::Gzip,
            Compression::Snappy,
            Compression::Lz4,
            Compression::Zstd,
        ];
        let codec = codecs[below(5) as usize];
        let count = 1 + below(6);
        let mut builder =
            BatchBuilder::new(codec).producer(ProducerId(4), ProducerEpoch(0), self.next_sequence);
        let records: Vec<_> = (0..count)
            .map(|_| {
                let mut value = vec![0; below(400) as usize];
                rt::random_bytes(&mut value);
                Known {
                    key: format!("key-{}", below(keys)),
                    value: (below(4) > 0).then_some(value),
                    timestamp_ms: 1_000_000 + below(1000) as i64,
                }
            })
            .collect();
        for r in &records {
            builder.append(
                r.timestamp_ms,
                Some(r.key.as_bytes()),
                r.value.as_deref(),
                &[("h", Some(b"1"))],
            );
        }
        let bytes = builder.build().unwrap();
        self.next_sequence += count as i32;
        let batch = Batch { records, bytes };
        self.open = Some(batch.clone());
        batch
    }

    /// The open batch is in the log.
    fn appended(&mut self, base: i64) {
        let batch = self.open.take().unwrap();
        for (offset, record) in (base..).zip(&batch.records) {
            self.records.insert(offset, record.clone());
        }
        self.last = Some((batch, base));
    }

    /// The log ends there after a restart: the open batch is in it, or it is to be appended again.
    fn restarted(&mut self, log_end: i64) {
        let certain = self.records.keys().last().map_or(0, |last| last + 1);
        match self.open.as_ref().map(|open| open.records.len() as i64) {
            Some(count) if log_end == certain + count => self.appended(certain),
            Some(count) => {
                self.next_sequence -= count as i32;
                self.open = None;
                assert_eq!(log_end, certain, "acknowledged records are missing");
            }
            None => assert_eq!(log_end, certain, "acknowledged records are missing"),
        }
    }

    /// Checks records that were read from one place on; gives where they end.
    fn check_read(&self, bytes: &[u8], found: &mut BTreeMap<i64, Known>) -> Option<i64> {
        let mut end = None;
        for batch in batches(bytes) {
            let batch = batch.expect("whole batches");
            batch.check_crc().expect("an undamaged batch");
            let header = *batch.header();
            assert!(
                end.is_none_or(|end| header.base_offset.0 >= end),
                "the order is kept"
            );
            let open = batch.open(1 << 20).expect("readable records");
            let mut count = 0;
            for record in open.records() {
                let record = record.expect("a good record");
                let known = Known {
                    key: String::from_utf8(record.key.unwrap().to_vec()).unwrap(),
                    value: record.value.map(<[u8]>::to_vec),
                    timestamp_ms: record.timestamp_ms,
                };
                let appended = self.records.get(&record.offset.0);
                let open = self.open.is_some() && appended.is_none();
                assert!(
                    open || appended == Some(&known),
                    "offset {} has another record",
                    record.offset
                );
                assert_eq!(record.headers().count(), 1);
                found.insert(record.offset.0, known);
                count += 1;
            }
            assert_eq!(count, header.record_count);
            end = Some(header.next_offset().0);
        }
        end
    }

    /// Checks a whole log: of each key the newest is there, and of what was compacted nothing else.
    fn check_log(&mut self, found: &BTreeMap<i64, Known>, compacted_below: i64, tombstones: Tombstones) {
        self.compacted_below = self.compacted_below.max(compacted_below);
        let mut newest: BTreeMap<&str, i64> = BTreeMap::new();
        let mut newest_compacted: BTreeMap<&str, i64> = BTreeMap::new();
        for (offset, record) in &self.records {
            newest.insert(&record.key, *offset);
            if *offset < self.compacted_below {
                newest_compacted.insert(&record.key, *offset);
            }
        }
        for (key, offset) in &newest {
            let tombstone = self.records[offset].value.is_none();
            let must = !tombstone || tombstones == Tombstones::Stay;
            assert!(
                !must || found.contains_key(offset),
                "the newest of {key}, at {offset}, is lost"
            );
            if !found.contains_key(offset) {
                // Its key is gone altogether: no older value has come back.
                assert!(found.values().all(|record| record.key != *key), "{key} is back");
            }
        }
        for (offset, record) in found.range(..self.compacted_below) {
            assert_eq!(
                newest_compacted[record.key.as_str()],
                *offset,
                "an old record of {} is still there",
                record.key
            );
        }
        for (offset, record) in self.records.range(self.compacted_below..) {
            assert!(
                found.contains_key(offset)
                    || newest[record.key.as_str()] != *offset
                    || record.value.is_none(),
                "offset {offset} was not compacted and is gone"
            );
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tombstones {
    Stay,
    MayGo,
}

type Shared = Rc<RefCell<Model>>;

pub(super) fn config(delete_retention_ms: i64) -> TopicLogConfig {
    TopicLogConfig {
        segment_bytes: 6_000,
        index_interval_bytes: 500,
        message_timestamp_before_max_ms: i64::MAX,
        cleanup_policy: CleanupPolicy::Compact,
        min_cleanable_dirty_ratio: 0.0,
        delete_retention_ms,
        file_delete_delay_ms: 50,
        ..TopicLogConfig::default()
    }
}

pub(super) fn spec(epoch: i32, config: TopicLogConfig) -> PartitionSpec {
    PartitionSpec {
        topic_id: TopicId([7; 16]),
        topic_name: "changes".into(),
        partition: 0,
        leader_epoch: LeaderEpoch(epoch),
        config: Arc::new(config),
    }
}

/// What blocks does not end with the power: the next wait does.
async fn there<T, E: std::fmt::Debug>(result: Result<T, E>) -> T {
    if result.is_err() {
        rt::yield_now().await;
    }
    result.unwrap()
}

pub(super) struct Server {
    data_dir: Arc<DataDir>,
    pub(super) shard: Rc<ShardLog>,
    pub(super) log: Rc<PartitionLog>,
}

impl Server {
    pub(super) async fn start(spec: PartitionSpec, memory_bytes: usize) -> Server {
        let data_dir = there(DataDir::open(DIR)).await;
        let options = ShardLogOptions {
            wal_file_bytes: 128 << 10,
            wal_files: 3,
            direct_run_bytes: 16 << 10,
            flush_bytes: 4 << 10,
            flush_interval_ms: 10,
            tail_bytes: [4 << 10, 1 << 20][below(2) as usize],
            read_cache_bytes: 1 << 20,
            open_files: 3,
            checkpoint_interval_ms: 100,
            producer_id_expiration_ms: i64::MAX,
            compaction: CompactionLimits {
                memory_bytes,
                bytes_per_second: f64::MAX,
                interval_ms: 1_000_000_000,
            },
            ..ShardLogOptions::new(data_dir.clone(), ShardId(0))
        };
        let shard = ShardLog::open(options).await.unwrap();
        let mut recovered = shard.recover(vec![spec]).await;
        let log = recovered.pop().unwrap().1.expect("online");
        there(data_dir.remove_recovered_wals()).await;
        shard.start().await.unwrap();
        Server { data_dir, shard, log }
    }

    pub(super) async fn stop(self) {
        self.shard.shutdown().await.unwrap();
        there(self.data_dir.mark_clean_shutdown()).await;
    }

    pub(super) async fn append(&self, bytes: BytesMut) -> Appended {
        let appended = self.log.append(bytes, AppendOrigin::Client).unwrap();
        let durable = self.log.wait_durable(appended.last_offset.plus(1)).await;
        durable.unwrap();
        appended
    }

    /// Reads everything, in fetches of several sizes.
    async fn read_all(&self, model: &Shared) -> BTreeMap<i64, Known> {
        let mut found = BTreeMap::new();
        let mut from = self.log.log_start();
        let end = self.log.log_end();
        while from < end {
            let max = [1, 3_000, 50_000][below(3) as usize];
            let plan = self.log.read_plan(from, max, MinOneBatch::Yes, ReadUpto::LogEnd);
            let bytes = plan.unwrap().execute().await.unwrap().to_vec();
            let last = model.borrow().check_read(&bytes, &mut found);
            let last = last.unwrap_or_else(|| panic!("nothing at {from}, and the log ends at {end}"));
            assert!(last > from.0);
            from = Offset(last);
        }
        found
    }

    pub(super) fn compacted_below(&self) -> i64 {
        self.log.state.borrow().compacted_below.0
    }

    /// All but the last segment get closed.
    pub(super) async fn settle(&self) {
        rt::sleep(Duration::from_millis(60)).await;
        rt::sleep(Duration::from_millis(60)).await;
    }
}

pub(super) async fn run(server: impl Future<Output = ()> + 'static) {
    let process = sim::spawn_process("server", server);
    assert_eq!(sim::exited(process).await, sim::Exit::Finished);
}

/// Appends, compacts and reads at the same time.
async fn work(model: Shared, epoch: i32, keys: u64, retention_ms: i64, rounds: u64) {
    let tombstones = match retention_ms {
        FOR_EVER_MS => Tombstones::Stay,
        _ => Tombstones::MayGo,
    };
    let memory_bytes = [0, 20 * 24, 1 << 20][below(3) as usize];
    let server = Server::start(spec(epoch, config(retention_ms)), memory_bytes).await;
    model.borrow_mut().restarted(server.log.log_end().0);
    let found = server.read_all(&model).await;
    model
        .borrow_mut()
        .check_log(&found, server.compacted_below(), tombstones);
    for _ in 0..rounds {
        retry_last(&server, &model).await;
        for _ in 0..below(40) {
            let batch = model.borrow_mut().next_batch(keys);
            let appended = server.append(batch.bytes).await;
            assert!(!appended.duplicate);
            model.borrow_mut().appended(appended.base_offset.0);
        }
        if below(3) > 0 {
            server.settle().await;
        }
        let reader = rt::spawn(read_on(server.log.clone(), model.clone()));
        server.shard.compact_now().await;
        reader.await;
        let found = server.read_all(&model).await;
        model
            .borrow_mut()
            .check_log(&found, server.compacted_below(), tombstones);
    }
    if below(2) == 0 {
        server.stop().await;
    }
}

/// An idempotent producer that has not heard of its last success.
async fn retry_last(server: &Server, model: &Shared) {
    let last = model.borrow().last.clone();
    if let Some((batch, base)) = last {
        let again = server.append(batch.bytes).await;
        assert!(
            again.duplicate && again.base_offset == Offset(base),
            "{again:?}, it was at {base}"
        );
    }
}

/// Reads from random places while segments are replaced.
async fn read_on(log: Rc<PartitionLog>, model: Shared) {
    for _ in 0..60 {
        let from = Offset(below(log.log_end().0 as u64 + 1) as i64);
        let plan = log
            .read_plan(from, 5_000, MinOneBatch::Yes, ReadUpto::LogEnd)
            .unwrap();
        if below(2) == 0 {
            // It gets old.
            rt::sleep(Duration::from_micros(below(3_000))).await;
        }
        let bytes = plan.execute().await.unwrap().to_vec();
        let end = model.borrow().check_read(&bytes, &mut BTreeMap::new());
        assert!(from == log.log_end() || end.is_some_and(|end| end > from.0));
        rt::sleep(Duration::from_micros(below(500))).await;
    }
}

#[test]
fn the_newest_record_of_every_key_stays_at_its_offset() {
    sim::check_seeds("the_newest_record_of_every_key_stays", 0..40, |_| async {
        let model = Shared::default();
        let keys = 1 + below(60);
        let retention_ms = [0, FOR_EVER_MS][below(2) as usize];
        for epoch in 0..3 {
            run(work(model.clone(), epoch, keys, retention_ms, 3)).await;
        }
        assert!(model.borrow().compacted_below > 0 || model.borrow().records.len() < 100);
    });
}

#[test]
fn a_crash_at_any_operation_leaves_old_segments_or_new_ones() {
    sim::check_seeds("a_crash_leaves_old_segments_or_new_ones", 0..60, |_| async {
        let model = Shared::default();
        let keys = 1 + below(40);
        let retention_ms = [0, FOR_EVER_MS][below(2) as usize];
        for epoch in 0..5 {
            let plan = FaultPlan {
                crash_at_op: Some(20 + below(300)),
                ..FaultPlan::default()
            };
            sim::disk::of("server").set_faults(plan);
            let process = sim::spawn_process("server", work(model.clone(), epoch, keys, retention_ms, 3));
            sim::exited(process).await;
            rt::sleep(Duration::from_millis(100)).await;
        }
        sim::disk::of("server").set_faults(FaultPlan::default());
        run(work(model.clone(), 9, keys, retention_ms, 2)).await;
    });
}

/// Small segments, old tombstones and new records: all that a compaction can be in the middle of.
async fn prepare(model: Shared, keys: u64) {
    let server = Server::start(spec(0, config(0)), 1 << 20).await;
    for batches in [60, 20] {
        for _ in 0..batches {
            let batch = model.borrow_mut().next_batch(keys);
            let appended = server.append(batch.bytes).await;
            model.borrow_mut().appended(appended.base_offset.0);
        }
        server.settle().await;
        if batches == 60 {
            server.shard.compact_now().await;
        }
    }
    server.stop().await;
}

/// Takes the log up, looks at all of it, and compacts it. Gives how many changes of the disk that took.
async fn compact_all(model: Shared, epoch: i32, faults: FaultPlan, changes: Rc<Cell<u64>>) {
    let server = Server::start(spec(epoch, config(0)), 1 << 20).await;
    model.borrow_mut().restarted(server.log.log_end().0);
    let found = server.read_all(&model).await;
    model
        .borrow_mut()
        .check_log(&found, server.compacted_below(), Tombstones::MayGo);
    retry_last(&server, &model).await;
    sim::disk::set_faults(faults);
    server.shard.compact_now().await;
    changes.set(sim::disk::of("server").changes_started());
    let found = server.read_all(&model).await;
    model
        .borrow_mut()
        .check_log(&found, server.compacted_below(), Tombstones::MayGo);
}

#[test]
fn a_crash_at_any_step_of_a_compaction_leaves_old_segments_or_new_ones() {
    // Few keys, so that what is left is small and segments are merged; the step is another one with each seed.
    sim::check_seeds("a_crash_at_any_step_of_a_compaction", 0..200, |seed| async move {
        let model = Shared::default();
        let changes = Rc::new(Cell::new(0));
        let keys = [3, 40][(seed % 2) as usize];
        run(prepare(model.clone(), keys)).await;
        let plan = FaultPlan {
            crash_at_op: Some(1 + seed / 2),
            ..FaultPlan::default()
        };
        let crashing = compact_all(model.clone(), 1, plan, changes.clone());
        sim::exited(sim::spawn_process("server", crashing)).await;
        rt::sleep(Duration::from_millis(100)).await;
        sim::disk::of("server").set_faults(FaultPlan::default());
        let whole = compact_all(model.clone(), 2, FaultPlan::default(), changes.clone());
        run(whole).await;
        let whole = compact_all(model.clone(), 3, FaultPlan::default(), changes.clone());
        run(whole).await;
    });
}

#[test]
fn a_failing_disk_stops_a_compaction_and_loses_nothing() {
    sim::check_seeds("a_failing_disk_stops_a_compaction", 0..60, |_| async {
        let model = Shared::default();
        let changes = Rc::new(Cell::new(0));
        run(prepare(model.clone(), 10)).await;
        let plan = FaultPlan {
            write_error: 0.05,
            sync_error: 0.05,
            read_error: [0.0, 0.05][below(2) as usize],
            only_paths_with: Some("cleaned".to_string()),
            ..FaultPlan::default()
        };
        run(compact_all(model.clone(), 1, plan, changes.clone())).await;
        sim::disk::of("server").set_faults(FaultPlan::default());
        run(compact_all(model.clone(), 2, FaultPlan::default(), changes)).await;
    });
}

/// One batch with one record.
fn record(key: &str, value: Option<&[u8]>) -> BytesMut {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.append(5_000, Some(key.as_bytes()), value, &[]);
    builder.build().unwrap()
}

async fn offsets(server: &Server) -> Vec<i64> {
    let mut found = Vec::new();
    let mut from = server.log.log_start();
    while from < server.log.log_end() {
        let plan = server
            .log
            .read_plan(from, 50_000, MinOneBatch::Yes, ReadUpto::LogEnd);
        let bytes = plan.unwrap().execute().await.unwrap().to_vec();
        for batch in batches(&bytes) {
            let batch = batch.unwrap();
            let open = batch.open(1 << 20).unwrap();
            found.extend(open.records().map(|r| r.unwrap().offset.0));
            from = batch.header().next_offset();
        }
    }
    found
}

#[test]
fn a_tombstone_goes_when_its_time_has_come() {
    sim::check_seeds("a_tombstone_goes_when_its_time_has_come", 0..5, |_| async {
        run(async {
            let server = Server::start(spec(0, config(60_000)), 1 << 20).await;
            let filler = vec![1; 5_000];
            server.append(record("a", Some(b"1"))).await;
            server.append(record("a", None)).await;
            server.append(record("b", Some(b"2"))).await;
            // Each of these fills a segment.
            for _ in 0..2 {
                server.append(record("filler", Some(&filler))).await;
            }
            server.settle().await;
            server.shard.compact_now().await;
            assert_eq!(offsets(&server).await, [1, 2, 3, 4]);
            for wait_s in [30, 31] {
                rt::sleep(Duration::from_secs(wait_s)).await;
                let last = server.append(record("filler", Some(&filler))).await;
                server.settle().await;
                server.shard.compact_now().await;
                let all = offsets(&server).await;
                assert_eq!(all.contains(&1), wait_s == 30, "{all:?}");
                assert!(all.contains(&2) && all.contains(&last.base_offset.0));
            }
            let checkpoint =
                rt::disk::read_file(Path::new(DIR).join("cleaner-offset-checkpoint"), 1000).await;
            let checkpoint = String::from_utf8(checkpoint.unwrap()).unwrap();
            assert_eq!(
                checkpoint,
                format!("0\n1\nchanges 0 {}\n", server.compacted_below())
            );
            server.stop().await;
        })
        .await;
    });
}

#[test]
fn small_segments_become_one_and_the_last_is_left_alone() {
    sim::check_seeds("small_segments_become_one", 0..5, |_| async {
        run(async {
            let server = Server::start(spec(0, config(0)), 1 << 20).await;
            let value = vec![1; 2_500];
            for i in 0..20 {
                server.append(record(["x", "y"][i % 2], Some(&value))).await;
            }
            server.settle().await;
            let segments = || server.log.state.borrow().segments.len();
            assert_eq!(segments(), 10);
            let before = server.log.size_bytes();
            server.shard.compact_now().await;
            // They were full. The last two records are in the active segment.
            assert!(segments() == 10 && server.log.size_bytes() < before / 2);
            // Most of them are empty: whoever fetches from there is told that there is something.
            let plan = server
                .log
                .read_plan(Offset(0), 50_000, MinOneBatch::Yes, ReadUpto::LogEnd);
            assert!(plan.unwrap().expected_bytes() > 0);
            assert_eq!(offsets(&server).await, [16, 17, 18, 19]);
            // What is empty now is merged with its neighbours, and readers find their way over it.
            server.append(record("z", Some(&vec![1; 4_000]))).await;
            server.settle().await;
            server.shard.compact_now().await;
            assert_eq!(offsets(&server).await, [18, 19, 20]);
            assert!(segments() <= 3, "{}", segments());
            rt::sleep(Duration::from_millis(200)).await;
            let entries = rt::disk::read_dir(Path::new(DIR).join("changes-0"))
                .await
                .unwrap();
            let logs = entries.iter().filter_map(|e| SegmentFile::parse(&e.name));
            let logs = logs.filter(|(kind, _)| *kind == SegmentFile::Log).count();
            assert_eq!(logs, segments(), "{entries:?}");
            assert!(
                !entries.iter().any(|e| e.name.ends_with(".deleted")),
                "{entries:?}"
            );
            server.stop().await;
        })
        .await;
    });
}

#[test]
fn a_damaged_segment_is_left_alone_and_so_is_what_is_behind() {
    sim::check_seeds("a_damaged_segment_is_left_alone", 0..3, |_| async {
        run(async {
            let server = Server::start(spec(0, config(0)), 1 << 20).await;
            for i in 0..12 {
                let value = vec![i; 2_500];
                server
                    .append(record(&format!("key {}", i % 3), Some(&value)))
                    .await;
            }
            server.stop().await;
        })
        .await;
        let disk = sim::disk::of("server");
        let path = Path::new(DIR)
            .join("changes-0")
            .join(SegmentFile::Log.name(Offset(4)));
        disk.flip_bit(&path, 1_000, 3).unwrap();
        run(async {
            let server = Server::start(spec(1, config(0)), 1 << 20).await;
            let before = server.log.size_bytes();
            server.shard.compact_now().await;
            assert_eq!(server.log.size_bytes(), before);
            assert_eq!(server.compacted_below(), 0);
            let entries = rt::disk::read_dir(Path::new(DIR).join("changes-0"))
                .await
                .unwrap();
            assert!(
                !entries.iter().any(|e| e.name.contains(".cleaned")),
                "{entries:?}"
            );
            server.stop().await;
        })
        .await;
    });
}

#[test]
fn a_log_that_is_not_compacted_is_left_alone() {
    sim::check_seeds("a_log_that_is_not_compacted_is_left_alone", 0..2, |_| async {
        run(async {
            let deletes = TopicLogConfig {
                cleanup_policy: CleanupPolicy::Delete,
                ..config(0)
            };
            let server = Server::start(spec(0, deletes), 1 << 20).await;
            for _ in 0..20 {
                server.append(record("key", Some(&[1; 2_500]))).await;
            }
            server.settle().await;
            server.shard.compact_now().await;
            assert_eq!(offsets(&server).await.len(), 20);
            // Switched over at run time.
            server.log.set_config(Arc::new(config(0)));
            server.shard.compact_now().await;
            assert_eq!(offsets(&server).await.len(), 3);
            server.stop().await;
        })
        .await;
    });
}
