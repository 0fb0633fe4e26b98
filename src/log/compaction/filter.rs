//! What of a batch stays: the decision alone, without a file or a clock. Kafka's `Cleaner.cleanInto`.

use super::key_map::KeyMap;
use crate::base::ids::{Offset, ProducerId};
use crate::wire::records::{BatchHeader, Record};
use std::collections::HashMap;

/// What decides in one pass.
pub(super) struct Rules<'a> {
    /// Newest offset per key of the dirty part.
    pub newest: &'a KeyMap,
    /// Where that part ends: records from here on stay, whatever they are.
    pub until: Offset,
    /// Offset of the last record of each active producer.
    pub last_of_producer: &'a HashMap<ProducerId, Offset>,
    /// When the pass began, by the wall clock, in ms.
    pub now_ms: i64,
    /// The topic's `delete.retention.ms`.
    pub delete_retention_ms: i64,
}

/// Which records of a batch stay, in their order.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub flags: Vec<bool>,
    count: usize,
    tombstones: bool,
}

/// What becomes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It stays, byte for byte.
    Stays,
    /// It loses records, and its base timestamp to the delete horizon if there is one, in ms.
    Shrinks(Option<i64>),
    /// It loses all records.
    GetsEmpty,
    /// It goes.
    Goes,
}

impl Rules<'_> {
    /// Whether the batch is copied without a look inside: markers of transactions.
    pub fn copies(&self, header: &BatchHeader) -> bool {
        header.attributes.is_control()
    }

    /// Decides on a batch's next record.
    pub fn judge(&self, header: &BatchHeader, record: &Record<'_>, kept: &mut Kept) {
        let keep = self.keeps(header, record);
        kept.flags.push(keep);
        kept.count += usize::from(keep);
        kept.tombstones |= keep && record.value.is_none() && record.offset < self.until;
    }

    fn keeps(&self, header: &BatchHeader, record: &Record<'_>) -> bool {
        // What a tombstone replaces is not known to be gone before it has been in the map.
        if record.offset >= self.until {
            return true;
        }
        // Without a key it can't be replaced and would stay for ever: it is from a time when the topic was not compacted.
        let Some(key) = record.key else { return false };
        if self
            .newest
            .newest(key)
            .is_some_and(|newest| record.offset < newest)
        {
            return false;
        }
        let expired = header
            .delete_horizon_ms()
            .is_some_and(|horizon| self.now_ms >= horizon);
        record.value.is_some() || !expired || header.attributes.is_transactional()
    }

    /// What becomes of the batch.
    pub fn fate(&self, header: &BatchHeader, kept: &Kept) -> Fate {
        if kept.count == 0 {
            let last = self.last_of_producer.get(&header.producer_id);
            return match last {
                // It says what the producer's next sequence is.
                Some(last) if header.has_producer() && *last == header.last_offset() => {
                    match header.record_count {
                        0 => Fate::Stays,
                        _ => Fate::GetsEmpty,
                    }
                }
                _ => Fate::Goes,
            };
        }
        let sets_horizon =
            kept.tombstones && header.delete_horizon_ms().is_none() && !header.attributes.is_transactional();
        if kept.count == header.record_count as usize && !sets_horizon {
            return Fate::Stays;
        }
        Fate::Shrinks(sets_horizon.then(|| self.now_ms.saturating_add(self.delete_retention_ms)))
    }
}

/// Whether a record says what is newest of its key. One in a transaction does not: it may have been aborted.
pub(super) fn replaces(header: &BatchHeader) -> bool {
    !header.attributes.is_control() && !header.attributes.is_transactional()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::ProducerEpoch;
    use crate::wire::records::{
        BatchBuilder, BatchView, Compression, ControlMarker, MarkerKind, Retaining, empty_batch,
    };

    /// A batch's fate, carried out.
    #[derive(Debug, PartialEq, Eq)]
    enum Made {
        Stays,
        Becomes(Vec<u8>),
        Goes,
    }

    /// Key, and whether there is a value.
    type Of = (&'static str, bool);

    struct Case {
        newest: KeyMap,
        until: Offset,
        last_of_producer: HashMap<ProducerId, Offset>,
        now_ms: i64,
    }

    impl Case {
        fn new(newest: &[(&str, i64)]) -> Case {
            let mut map = KeyMap::new(1 << 20, 100);
            for (key, offset) in newest {
                map.put(key.as_bytes(), Offset(*offset)).unwrap();
            }
            Case {
                newest: map,
                until: Offset(1000),
                last_of_producer: HashMap::new(),
                now_ms: 1000,
            }
        }

        fn fate(&self, bytes: &[u8]) -> Made {
            let rules = Rules {
                newest: &self.newest,
                until: self.until,
                last_of_producer: &self.last_of_producer,
                now_ms: self.now_ms,
                delete_retention_ms: 500,
            };
            let batch = BatchView::parse(bytes).unwrap();
            if rules.copies(batch.header()) {
                return Made::Stays;
            }
            let open = batch.open(1 << 20).unwrap();
            let mut kept = Kept::default();
            for record in open.records() {
                let record = record.unwrap();
                rules.judge(batch.header(), &record, &mut kept);
            }
            match rules.fate(batch.header(), &kept) {
                Fate::Stays => Made::Stays,
                Fate::Goes => Made::Goes,
                Fate::GetsEmpty => Made::Becomes(empty_batch(&batch)),
                Fate::Shrinks(horizon) => {
                    let mut retaining = Retaining::begin(batch, &open, &kept.flags, horizon).unwrap();
                    Made::Becomes(retaining.step().unwrap().expect("a step is enough for so few"))
                }
            }
        }
    }

    fn builder(base: i64) -> BatchBuilder {
        BatchBuilder::new(Compression::Zstd)
            .base_offset(Offset(base))
            .producer(ProducerId(5), ProducerEpoch(0), 0)
    }

    fn build(mut builder: BatchBuilder, records: &[Of]) -> Vec<u8> {
        for (i, (key, value)) in records.iter().enumerate() {
            let value = value.then_some(&b"value"[..]);
            builder.append(70 + i as i64, Some(key.as_bytes()), value, &[]);
        }
        builder.build().unwrap().to_vec()
    }

    fn left(fate: Made) -> Vec<(i64, String, i64)> {
        let Made::Becomes(bytes) = fate else {
            panic!("{fate:?}")
        };
        let batch = BatchView::parse(&bytes).unwrap();
        let open = batch.open(1 << 20).unwrap();
        let records = open.records().map(|record| {
            let record = record.unwrap();
            let key = String::from_utf8(record.key.unwrap().to_vec()).unwrap();
            (record.offset.0, key, record.timestamp_ms)
        });
        records.collect()
    }

    #[test]
    fn the_newest_of_a_key_stays() {
        let bytes = build(builder(10), &[("a", true), ("b", true), ("a", true), ("c", true)]);
        let case = Case::new(&[("a", 12), ("c", 99)]);
        // `b` is not in the dirty part: what is there of it is the newest.
        assert_eq!(
            left(case.fate(&bytes)),
            [(11, "b".into(), 71), (12, "a".into(), 72)]
        );
        assert_eq!(Case::new(&[("a", 10)]).fate(&bytes), Made::Stays);
        let gone = Case::new(&[("a", 20), ("b", 21), ("c", 22)]);
        assert_eq!(gone.fate(&bytes), Made::Goes);
    }

    #[test]
    fn a_tombstone_stays_until_its_horizon_has_passed() {
        let bytes = build(builder(10), &[("a", false), ("b", true)]);
        let mut case = Case::new(&[("a", 10), ("b", 11)]);
        let Made::Becomes(marked) = case.fate(&bytes) else {
            panic!()
        };
        let header = *BatchView::parse(&marked).unwrap().header();
        assert_eq!((header.delete_horizon_ms(), header.record_count), (Some(1500), 2));
        // The horizon is set once.
        case.now_ms = 1499;
        assert_eq!(case.fate(&marked), Made::Stays);
        case.now_ms = 1500;
        assert_eq!(left(case.fate(&marked)), [(11, "b".into(), 71)]);
    }

    #[test]
    fn what_is_behind_the_map_is_left_alone() {
        let bytes = build(builder(10), &[("a", true), ("b", false), ("a", true)]);
        let mut case = Case::new(&[("a", 10), ("b", 5)]);
        case.until = Offset(11);
        assert_eq!(case.fate(&bytes), Made::Stays);
        // A horizon that another tombstone of the batch has set does not count for it either.
        case.until = Offset(12);
        let Made::Becomes(marked) = case.fate(&bytes) else {
            panic!()
        };
        case.now_ms = i64::MAX;
        case.until = Offset(11);
        assert_eq!(case.fate(&marked), Made::Stays);
        case.until = Offset(12);
        assert_eq!(
            left(case.fate(&marked)),
            [(10, "a".into(), 70), (12, "a".into(), 72)]
        );
    }

    #[test]
    fn the_last_batch_of_an_active_producer_stays_empty() {
        let bytes = build(builder(10), &[("a", true), ("a", true)]);
        let mut case = Case::new(&[("a", 50)]);
        assert_eq!(case.fate(&bytes), Made::Goes);
        case.last_of_producer.insert(ProducerId(5), Offset(11));
        let Made::Becomes(empty) = case.fate(&bytes) else {
            panic!()
        };
        let header = *BatchView::parse(&empty).unwrap().header();
        assert_eq!((header.record_count, header.last_sequence()), (0, 1));
        assert_eq!(case.fate(&empty), Made::Stays);
        // The producer has gone on, or is gone.
        case.last_of_producer.insert(ProducerId(5), Offset(60));
        assert_eq!(case.fate(&empty), Made::Goes);
    }

    #[test]
    fn records_without_a_key_go() {
        let mut builder = builder(10);
        builder.append(1, None, Some(b"x"), &[]);
        builder.append(1, Some(b""), Some(b"y"), &[]);
        let bytes = builder.build().unwrap();
        assert_eq!(left(Case::new(&[]).fate(&bytes)), [(11, String::new(), 1)]);
    }

    #[test]
    fn transactions_are_left_alone_but_for_what_is_replaced() {
        let bytes = build(builder(10).transactional(), &[("a", false), ("b", true)]);
        let mut case = Case::new(&[]);
        case.now_ms = i64::MAX;
        assert_eq!(case.fate(&bytes), Made::Stays);
        assert!(!replaces(BatchView::parse(&bytes).unwrap().header()));
        assert_eq!(left(Case::new(&[("a", 20)]).fate(&bytes)), [(11, "b".into(), 71)]);
        let mut marker = builder(12);
        let commit = ControlMarker {
            kind: MarkerKind::Commit,
            coordinator_epoch: 0,
        };
        marker.append_control(9, commit);
        let marker = marker.build().unwrap();
        assert!(!replaces(BatchView::parse(&marker).unwrap().header()));
        assert_eq!(case.fate(&marker), Made::Stays);
    }
}
