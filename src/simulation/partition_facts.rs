//! What is known of one partition.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::keyed_records::KeyedRecord;
use super::promise::Promise;
use crate::base::ids::{ProducerId, TopicPartition};
use crate::rt;
use crate::wire::records::{BatchView, batches};

/// The byte of a batch from which on the server changes nothing.
pub const UNCHANGED_FROM: usize = 21;

/// A batch that somebody wanted written.
pub struct Tried {
    pub records: i64,
    /// What the server may not change of it.
    pub bytes: Bytes,
    /// Where it is, once anybody was told.
    pub base: Option<i64>,
    /// Whether it must be there: acknowledged, or read.
    pub certain: bool,
    /// The idempotent producer and its sequence number.
    pub sequence: Option<(ProducerId, i32)>,
    pub timestamp_ms: i64,
    /// Its records, in a topic that is compacted.
    pub keyed: Vec<KeyedRecord>,
}

/// What clients know of a partition.
pub struct PartitionFacts {
    pub id: TopicPartition,
    pub promise: Promise,
    pub tried: BTreeMap<u64, Tried>,
    /// The batches whose place is known, by their base offset.
    places: BTreeMap<i64, u64>,
    /// Of a relaxed topic: the places in each of the server's lives that are over.
    earlier_lives: Vec<BTreeMap<i64, u64>>,
    /// Everything before this must be readable.
    pub end: i64,
    /// The largest start of the log that anybody was told.
    pub start: i64,
    /// Up to here clients wanted records deleted.
    pub delete_before: i64,
}

impl PartitionFacts {
    pub fn new(id: TopicPartition, promise: Promise) -> PartitionFacts {
        PartitionFacts {
            id,
            promise,
            tried: BTreeMap::new(),
            places: BTreeMap::new(),
            earlier_lives: Vec::new(),
            end: 0,
            start: 0,
            delete_before: 0,
        }
    }

    /// Somebody has read these batches. The offset behind the last of them.
    pub fn read(&mut self, bytes: &[u8]) -> Option<i64> {
        let id = self.id;
        let mut next = None;
        for batch in batches(bytes) {
            let batch = batch.expect("whole batches");
            let base = batch.header().base_offset.0;
            if self.promise.compacts() {
                assert!(next.is_none_or(|next| next <= base), "{id:?} goes back to {base}");
                self.read_keyed(&batch);
            } else {
                assert!(
                    next.is_none_or(|next| next == base),
                    "{id:?} has a gap before {base}"
                );
                let number = self.identify(&batch);
                self.place(number, base);
            }
            next = Some(batch.header().next_offset().0);
        }
        next
    }

    /// Which of the batches that were tried this is, byte for byte.
    fn identify(&self, batch: &BatchView<'_>) -> u64 {
        let id = self.id;
        batch.check_crc().expect("an undamaged batch");
        let open = batch.open(1 << 20).expect("readable records");
        let record = open.records().next().expect("a record").expect("a good record");
        let key = std::str::from_utf8(record.key.expect("a key")).expect("text");
        let number = key.split(' ').next().and_then(|number| number.parse().ok());
        let number: u64 = number.expect("a batch's number");
        let tried = self.tried.get(&number);
        let tried = tried.unwrap_or_else(|| panic!("{id:?} has batch {number}, which nobody wrote there"));
        assert_eq!(
            batch.bytes()[UNCHANGED_FROM..],
            tried.bytes,
            "{id:?} batch {number} is not what was written"
        );
        number
    }

    /// A batch is certain to be at this offset.
    pub fn place(&mut self, number: u64, base: i64) {
        let id = self.id;
        let tried = self.tried.get_mut(&number).expect("a batch that was tried");
        if let Some(known) = tried.base {
            assert_eq!(
                base, known,
                "{id:?} batch {number} was at {known}, and is at {base}"
            );
        }
        tried.base = Some(base);
        tried.certain = true;
        let next = base + tried.records;
        self.end = self.end.max(next);
        if let Some(other) = self.places.insert(base, number) {
            assert_eq!(other, number, "{id:?} has two batches at {base}");
        }
        if let Some((before, other)) = self.places.range(..base).next_back() {
            let end = before + self.tried[other].records;
            assert!(
                end <= base,
                "{id:?} batch {other} reaches to {end}, batch {number} is at {base}"
            );
        }
        if let Some((after, other)) = self.places.range(base + 1..).next() {
            assert!(
                *after >= next,
                "{id:?} batch {number} reaches to {next}, batch {other} is at {after}"
            );
        }
    }

    /// Somebody was told where the log starts. It never goes back, and no further than clients or retention allow.
    pub fn saw_start(&mut self, promised: i64, start: i64) {
        let id = self.id;
        assert!(
            start >= promised,
            "{id:?}: what was gone before {promised} is back: it starts at {start}"
        );
        self.start = self.start.max(start);
        if start <= self.delete_before {
            return;
        }
        let gone = self.places.range(..start);
        match self.promise {
            Promise::ForTime(ms) => {
                for (base, number) in gone.filter(|(base, _)| **base >= self.delete_before) {
                    let age_ms = rt::wall_ms() - self.tried[number].timestamp_ms;
                    assert!(
                        age_ms > ms,
                        "{id:?} starts at {start}: batch {number} at {base} went after {age_ms} ms"
                    );
                }
            }
            Promise::ForBytes(bytes) => {
                let size = |tried: &Tried| (tried.bytes.len() + UNCHANGED_FROM) as i64;
                let here: i64 = self
                    .places
                    .range(start..)
                    .map(|(_, number)| size(&self.tried[number]))
                    .sum();
                let elsewhere = self.tried.values().filter(|tried| tried.base.is_none());
                let unknown: i64 = elsewhere.map(size).sum();
                assert!(
                    here + unknown >= bytes,
                    "{id:?} starts at {start}: {here} bytes are left, and perhaps {unknown}"
                );
            }
            _ => panic!("{id:?} keeps everything, and starts at {start}"),
        }
    }

    /// The server is dead: of a relaxed topic nobody knows what it has still.
    pub fn server_died(&mut self) {
        if self.promise != Promise::UntilDeath {
            return;
        }
        for tried in self.tried.values_mut() {
            tried.base = None;
            tried.certain = false;
        }
        self.earlier_lives.push(std::mem::take(&mut self.places));
        self.end = 0;
    }

    /// `bytes` is all that is in the partition, which begins at `start` and ends at `end`.
    pub fn check_whole(&mut self, bytes: &[u8], start: i64, end: i64) {
        let id = self.id;
        if self.promise.compacts() {
            self.read(bytes);
            self.check_keys(bytes);
            return;
        }
        let next = self.read(bytes).unwrap_or(start);
        assert_eq!(next, end, "{id:?} ends elsewhere");
        let mut there = BTreeSet::new();
        let mut sequences: BTreeMap<ProducerId, i32> = BTreeMap::new();
        let mut at = None;
        for batch in batches(bytes) {
            let batch = batch.expect("whole batches");
            let base = batch.header().base_offset.0;
            match at {
                None => assert!(base <= start, "{id:?} has a gap at its start"),
                Some(at) => assert_eq!(base, at, "{id:?} has a gap"),
            }
            at = Some(batch.header().next_offset().0);
            let number = self.identify(&batch);
            assert!(there.insert(number), "{id:?} has batch {number} twice");
            let tried = &self.tried[&number];
            if let Some((producer, sequence)) = tried.sequence {
                let first = if start == 0 { 0 } else { sequence };
                let expected = sequences.entry(producer).or_insert(first);
                assert_eq!(sequence, *expected, "{id:?} batch {number}: sequence numbers");
                *expected += tried.records as i32;
            }
        }
        for (number, tried) in &self.tried {
            let is_gone = tried.base.is_some_and(|base| base + tried.records <= start);
            assert!(
                there.contains(number) || !tried.certain || is_gone,
                "{id:?} lost batch {number}, which was at {:?}; it is there from {start} to {end}",
                tried.base
            );
        }
        self.check_earlier_lives(&there);
    }

    /// How many records deaths took of a relaxed topic, if these batches are there.
    pub fn records_lost(&self, bytes: &[u8]) -> i64 {
        let there: BTreeSet<u64> = batches(bytes)
            .map(|batch| self.identify(&batch.expect("whole batches")))
            .collect();
        let lives = self.earlier_lives.iter().flat_map(BTreeMap::values);
        let lost = lives.filter(|number| !there.contains(number));
        lost.map(|number| self.tried[number].records).sum()
    }

    /// What a death took of a relaxed topic was its end.
    fn check_earlier_lives(&self, there: &BTreeSet<u64>) {
        let id = self.id;
        for life in &self.earlier_lives {
            let mut lost = None;
            for (base, number) in life {
                match (there.contains(number), lost) {
                    (true, Some(lost)) => {
                        panic!("{id:?} lost batch {lost}, and has batch {number} behind it")
                    }
                    (true, None) => assert_eq!(
                        self.tried[number].base,
                        Some(*base),
                        "{id:?} batch {number} has moved"
                    ),
                    (false, _) => lost = lost.or(Some(number)),
                }
            }
        }
    }
}
