//! Compaction of transactions, which come with imported topics: against what a consumer of committed records has to see, whatever crashes in
//! between.

use super::compaction::{DIR, Server, config, run, spec};
use super::oracle::below;
use crate::base::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicId};
use crate::log::file_names::{PARTITION_METADATA, SegmentFile};
use crate::log::*;
use crate::rt;
use crate::rt::sim::{self, disk::FaultPlan};
use crate::wire::records::{
    BatchBuilder, BatchHeader, Compression, ControlMarker, MarkerKind, batches, patch_base_offset_and_epoch,
};
use bytes::BytesMut;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// Key, and whether there is a value.
type Told = (String, bool);

/// What was written, known to the test alone.
#[derive(Default)]
struct History {
    segments: Vec<Written>,
    end: i64,
    /// Those that count.
    committed: BTreeMap<i64, Told>,
    aborted: BTreeSet<i64>,
    transactions: Vec<Transaction>,
    /// Where each producer's last batch of records ends.
    last_of_producer: BTreeMap<i64, i64>,
}

/// A segment.
struct Written {
    base: i64,
    log: Vec<u8>,
    aborted: Vec<AbortedTransaction>,
}

/// One that has ended.
struct Transaction {
    producer: i64,
    first: i64,
    /// Its marker's.
    last: i64,
    kind: MarkerKind,
}

/// One that has not.
struct Open {
    first: i64,
    records: Vec<(i64, Told)>,
}

impl History {
    /// Four producers with a transaction each at a time, and records in none.
    fn random() -> History {
        let mut history = History::default();
        let mut open: BTreeMap<i64, Open> = BTreeMap::new();
        let mut sequences: BTreeMap<i64, i32> = BTreeMap::new();
        for _ in 0..150 {
            let producer = 1 + below(4) as i64;
            match below(7) {
                0 => {
                    let (batch, told) = batch(BatchBuilder::new(Compression::None));
                    let base = history.push(batch);
                    history.committed.extend((base..).zip(told));
                }
                1..=3 => {
                    let sequence = sequences.entry(producer).or_default();
                    let builder = BatchBuilder::new([Compression::None, Compression::Lz4][below(2) as usize])
                        .producer(ProducerId(producer), ProducerEpoch(0), *sequence)
                        .transactional();
                    let (batch, told) = batch(builder);
                    *sequence += told.len() as i32;
                    let base = history.push(batch);
                    let new = || Open {
                        first: base,
                        records: Vec::new(),
                    };
                    open.entry(producer)
                        .or_insert_with(new)
                        .records
                        .extend((base..).zip(told));
                    history.last_of_producer.insert(producer, history.end - 1);
                }
                _ => history.end_transaction(producer, &mut open),
            }
        }
        for producer in 1..=4 {
            history.end_transaction(producer, &mut open);
        }
        history
    }

    fn end_transaction(&mut self, producer: i64, open: &mut BTreeMap<i64, Open>) {
        let Some(ended) = open.remove(&producer) else {
            return;
        };
        let kind = [MarkerKind::Commit, MarkerKind::Abort][below(2) as usize];
        let mut builder =
            BatchBuilder::new(Compression::None).producer(ProducerId(producer), ProducerEpoch(0), -1);
        let marker = ControlMarker {
            kind,
            coordinator_epoch: 0,
        };
        builder.append_control(2_000, marker);
        let last = self.push(builder.build().unwrap());
        self.transactions.push(Transaction {
            producer,
            first: ended.first,
            last,
            kind,
        });
        match kind {
            MarkerKind::Commit => self.committed.extend(ended.records),
            MarkerKind::Abort => {
                self.aborted
                    .extend(ended.records.iter().map(|(offset, _)| *offset));
                let last_stable = open.values().map(|open| open.first).min().unwrap_or(last + 1);
                let segment = self.segments.last_mut().unwrap();
                segment.aborted.push(AbortedTransaction {
                    producer_id: ProducerId(producer),
                    first_offset: Offset(ended.first),
                    last_offset: Offset(last),
                    last_stable: Offset(last_stable),
                });
            }
        }
    }

    /// Adds a batch; gives its base offset.
    fn push(&mut self, mut batch: BytesMut) -> i64 {
        let base = self.end;
        if self.segments.last().is_none_or(|last| last.log.len() > 1_500) {
            self.segments.push(Written {
                base,
                log: Vec::new(),
                aborted: Vec::new(),
            });
        }
        patch_base_offset_and_epoch(&mut batch, Offset(base), LeaderEpoch(0));
        self.end = BatchHeader::parse(&batch).unwrap().next_offset().0;
        self.segments.last_mut().unwrap().log.extend_from_slice(&batch);
        base
    }

    /// Writes the partition's directory, as an import does.
    async fn write(&self) {
        let dir = Path::new(DIR).join("changes-0");
        rt::disk::create_dir_all(&dir).await.unwrap();
        let write = async |path, bytes| rt::disk::write_file_atomic(path, bytes).await.unwrap();
        write(
            dir.join(PARTITION_METADATA),
            partition_metadata::encode(TopicId([7; 16])),
        )
        .await;
        for segment in &self.segments {
            let base = Offset(segment.base);
            write(SegmentFile::Log.path(&dir, base), segment.log.clone()).await;
            if !segment.aborted.is_empty() {
                let bytes = AbortedTransaction::encode_all(&segment.aborted);
                write(SegmentFile::TransactionIndex.path(&dir, base), bytes).await;
            }
        }
        for dir in [Path::new(DIR), Path::new("/data"), Path::new("/")] {
            rt::disk::sync_dir(dir).await.unwrap();
        }
    }

    /// Reads everything as a consumer of committed records does, in fetches of several sizes, and checks what it sees; then what there is.
    async fn check(&self, server: &Server) -> Seen {
        let (log, end) = (&server.log, server.log.log_end());
        let mut seen = Seen::default();
        let mut from = log.log_start();
        while from < end {
            let max = [1, 1_000, 50_000][below(3) as usize];
            let plan = log
                .read_plan(from, max, MinOneBatch::Yes, ReadUpto::LastStable)
                .unwrap();
            let records = plan.execute().await.unwrap();
            let next = records.next_offset().expect("something up to the log's end");
            let aborted = log.aborted_transactions(from..next);
            seen.fetched(&records.to_vec(), aborted);
            from = next;
        }
        let newest = |below: i64| -> BTreeMap<&str, i64> {
            let records = self.committed.range(..below);
            records.map(|(offset, told)| (&*told.0, *offset)).collect()
        };
        let compacted_below = server.compacted_below().min(self.end);
        let newest_compacted = newest(compacted_below);
        for (offset, told) in seen.committed.range(..self.end) {
            assert_eq!(self.committed.get(offset), Some(told), "at {offset}");
            assert!(
                *offset >= compacted_below || newest_compacted[&*told.0] == *offset,
                "an old record of {} at {offset}",
                told.0
            );
        }
        for (key, offset) in newest(self.end) {
            assert!(
                seen.committed.contains_key(&offset) || !self.committed[&offset].1,
                "the newest of {key}, at {offset}, is lost"
            );
        }
        let left = self.aborted.range(..compacted_below);
        let left: Vec<_> = left.filter(|offset| seen.all.contains(*offset)).collect();
        assert_eq!(left, Vec::<&i64>::new(), "records that were aborted");
        // Of each transaction that was aborted readers are told as long as its marker is there.
        let told: BTreeSet<i64> = log
            .aborted_transactions(Offset(0)..end)
            .iter()
            .map(|one| one.last_offset.0)
            .collect();
        let aborts = self
            .transactions
            .iter()
            .filter(|one| one.kind == MarkerKind::Abort);
        let markers = aborts
            .map(|one| one.last)
            .filter(|marker| seen.markers.contains(marker));
        assert_eq!(told, markers.collect());
        for one in &self.transactions {
            let has_batches = seen.has_batch_of(one);
            assert!(
                !has_batches || seen.markers.contains(&one.last),
                "the transaction at {} has no end",
                one.first
            );
        }
        for (producer, last) in &self.last_of_producer {
            let is_last =
                |header: &&BatchHeader| header.producer_id.0 == *producer && header.last_offset().0 == *last;
            assert!(
                seen.batches.iter().any(|header| is_last(&header)),
                "producer {producer}"
            );
        }
        seen
    }
}

/// A batch with one to three records.
fn batch(mut builder: BatchBuilder) -> (BytesMut, Vec<Told>) {
    let told: Vec<Told> = (0..1 + below(3))
        .map(|_| (format!("key-{}", below(12)), below(4) > 0))
        .collect();
    for (key, has_value) in &told {
        builder.append(1_000, Some(key.as_bytes()), has_value.then_some(&[7; 90]), &[]);
    }
    (builder.build().unwrap(), told)
}

/// What was read.
#[derive(Default)]
struct Seen {
    committed: BTreeMap<i64, Told>,
    all: BTreeSet<i64>,
    /// Offsets of transactions' ends.
    markers: BTreeSet<i64>,
    batches: Vec<BatchHeader>,
}

impl Seen {
    /// Takes what a fetch brings, as Kafka's consumer does.
    fn fetched(&mut self, bytes: &[u8], mut aborted: Vec<AbortedTransaction>) {
        aborted.sort_by_key(|one| one.first_offset);
        let mut aborted = aborted.into_iter().peekable();
        let mut passed_over: BTreeSet<ProducerId> = BTreeSet::new();
        for batch in batches(bytes) {
            let batch = batch.unwrap();
            batch.check_crc().unwrap();
            let header = *batch.header();
            self.batches.push(header);
            while let Some(begun) = aborted.next_if(|next| next.first_offset <= header.last_offset()) {
                passed_over.insert(begun.producer_id);
            }
            let open = batch.open(1 << 20).unwrap();
            for record in open.records() {
                let record = record.unwrap();
                if let Some(marker) =
                    ControlMarker::from_record(&record).filter(|_| header.attributes.is_control())
                {
                    self.markers.insert(record.offset.0);
                    if marker.kind == MarkerKind::Abort {
                        passed_over.remove(&header.producer_id);
                    }
                    continue;
                }
                self.all.insert(record.offset.0);
                if !header.attributes.is_transactional() || !passed_over.contains(&header.producer_id) {
                    let key = String::from_utf8(record.key.unwrap().to_vec()).unwrap();
                    self.committed
                        .insert(record.offset.0, (key, record.value.is_some()));
                }
            }
        }
    }

    /// Whether a batch of records is there, with records or without.
    fn has_batch_of(&self, transaction: &Transaction) -> bool {
        self.batches.iter().any(|header| {
            header.producer_id.0 == transaction.producer
                && !header.attributes.is_control()
                && (transaction.first..transaction.last).contains(&header.base_offset.0)
        })
    }
}

/// Fills a segment, so that there is something new to compact.
async fn fill_segment(server: &Server) {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.append(5_000, Some(b"filler"), Some(&[1; 5_900]), &[]);
    server.append(builder.build().unwrap()).await;
    server.settle().await;
}

/// Takes the log up, and compacts it some times.
async fn compact(history: Rc<History>, epoch: i32, faults: FaultPlan, rounds: usize) {
    let server = Server::start(spec(epoch, config(0)), [200, 1 << 20][below(2) as usize]).await;
    let mut seen = history.check(&server).await;
    fill_segment(&server).await;
    sim::disk::set_faults(faults);
    for _ in 0..rounds {
        server.shard.compact_now().await;
        seen = history.check(&server).await;
        fill_segment(&server).await;
    }
    if rounds > 3 {
        assert!(server.compacted_below() >= history.end, "all of it was compacted");
        // What the log keeps of a transaction then it keeps for its producer's sake.
        for one in &history.transactions {
            assert_eq!(
                seen.markers.contains(&one.last),
                seen.has_batch_of(one),
                "the marker at {}",
                one.last
            );
        }
    }
    server.stop().await;
}

#[test]
fn consumers_of_committed_records_see_the_newest_of_them_and_nothing_that_was_aborted() {
    sim::check_seeds(
        "consumers_of_committed_records_see_the_newest",
        0..40,
        |_| async {
            let history = Rc::new(History::random());
            let write = history.clone();
            run(async move { write.write().await }).await;
            for (epoch, rounds) in [(1, 0), (2, 1), (3, 5)] {
                let faults = FaultPlan::default();
                run(compact(history.clone(), epoch, faults, rounds)).await;
            }
        },
    );
}

#[test]
fn a_crash_at_any_step_leaves_transactions_whole() {
    sim::check_seeds(
        "a_crash_at_any_step_leaves_transactions_whole",
        0..120,
        |seed| async move {
            let history = Rc::new(History::random());
            let write = history.clone();
            run(async move { write.write().await }).await;
            let plan = FaultPlan {
                crash_at_op: Some(1 + seed * 2),
                ..FaultPlan::default()
            };
            let crashing = compact(history.clone(), 1, plan, 4);
            sim::exited(sim::spawn_process("server", crashing)).await;
            rt::sleep(Duration::from_millis(100)).await;
            sim::disk::of("server").set_faults(FaultPlan::default());
            run(compact(history.clone(), 2, FaultPlan::default(), 0)).await;
            run(compact(history, 3, FaultPlan::default(), 4)).await;
        },
    );
}
