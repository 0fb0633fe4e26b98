//! What of a batch stays: the decision alone, without a file or a clock. Kafka's `Cleaner.cleanInto`.

use super::key_map::KeyMap;
use super::transactions::Standing;
use crate::base::ids::{Offset, ProducerEpoch, ProducerId};
use crate::wire::records::{BatchHeader, Record};
use std::collections::HashMap;

/// What decides in one pass.
pub(super) struct Rules<'a> {
    /// Newest offset per key of the dirty part.
    pub newest: &'a KeyMap,
    /// Where that part ends: records from here on stay, whatever they are.
    pub until: Offset,
    /// What the log has to keep of each active producer.
    pub last_of_producer: &'a HashMap<ProducerId, LastOfProducer>,
    /// When the pass began, by the wall clock, in ms.
    pub now_ms: i64,
    /// The topic's `delete.retention.ms`.
    pub delete_retention_ms: i64,
}

/// The batch that says where a producer is: it stays, without records if need be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastOfProducer {
    /// The one with its last record, at this offset.
    Records(Offset),
    /// It has written no record in its epoch: the transaction marker with which that began.
    Marker(ProducerEpoch),
}

/// Which records of a batch stay, in their order.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub flags: Vec<bool>,
    count: usize,
    /// Whether some of them are to go when the batch's delete horizon has passed.
    go_later: bool,
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
    /// Decides on a batch's next record. In one that was aborted there is nothing to decide: `fate` is asked at once.
    pub fn judge(&self, header: &BatchHeader, standing: Standing, record: &Record<'_>, kept: &mut Kept) {
        let keep = match standing {
            Standing::Counts => self.keeps(header, record),
            Standing::Aborted => false,
            Standing::Marker => true,
            Standing::MarkerOfNothing => !self.is_expired(header),
        };
        kept.flags.push(keep);
        kept.count += usize::from(keep);
        kept.go_later |= keep
            && match standing {
                Standing::Counts => record.value.is_none() && record.offset < self.until,
                Standing::Aborted | Standing::Marker => false,
                Standing::MarkerOfNothing => true,
            };
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
        record.value.is_some() || !self.is_expired(header)
    }

    fn is_expired(&self, header: &BatchHeader) -> bool {
        header
            .delete_horizon_ms()
            .is_some_and(|horizon| self.now_ms >= horizon)
    }

    /// What becomes of the batch.
    pub fn fate(&self, header: &BatchHeader, kept: &Kept) -> Fate {
        if kept.count == 0 {
            // The last batch of all stays too: a consumer that stands before it gets to the end even if nothing comes behind it.
            let stays = self.is_last_of_producer(header) || header.next_offset() == self.until;
            return match (stays, header.record_count) {
                (false, _) => Fate::Goes,
                (true, 0) => Fate::Stays,
                (true, _) => Fate::GetsEmpty,
            };
        }
        let sets_horizon = kept.go_later && header.delete_horizon_ms().is_none();
        if kept.count == header.record_count as usize && !sets_horizon {
            return Fate::Stays;
        }
        Fate::Shrinks(sets_horizon.then(|| self.now_ms.saturating_add(self.delete_retention_ms)))
    }

    /// Whether nothing else in the log says what the producer's epoch and next sequence are.
    fn is_last_of_producer(&self, header: &BatchHeader) -> bool {
        let last = self.last_of_producer.get(&header.producer_id);
        header.has_producer()
            && last.is_some_and(|last| match *last {
                LastOfProducer::Records(last) => last == header.last_offset(),
                LastOfProducer::Marker(epoch) => {
                    header.attributes.is_control() && header.producer_epoch == epoch
                }
            })
    }
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
        last_of_producer: HashMap<ProducerId, LastOfProducer>,
        now_ms: i64,
        standing: Standing,
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
                standing: Standing::Counts,
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
            let open = batch.open(1 << 20).unwrap();
            let mut kept = Kept::default();
            for record in open.records() {
                let record = record.unwrap();
                rules.judge(batch.header(), self.standing, &record, &mut kept);
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
    fn the_last_batch_stays_without_records() {
        let bytes = build(builder(10), &[("a", true), ("b", true)]);
        let mut case = Case::new(&[("a", 20), ("b", 21)]);
        assert_eq!(case.fate(&bytes), Made::Goes);
        case.until = Offset(12);
        let Made::Becomes(empty) = case.fate(&bytes) else {
            panic!("it stays")
        };
        let header = *BatchView::parse(&empty).unwrap().header();
        assert_eq!((header.next_offset(), header.record_count), (Offset(12), 0));
        assert_eq!(case.fate(&empty), Made::Stays);
        case.until = Offset(1000);
        assert_eq!(case.fate(&empty), Made::Goes);
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
        let last = |offset| LastOfProducer::Records(Offset(offset));
        case.last_of_producer.insert(ProducerId(5), last(11));
        let Made::Becomes(empty) = case.fate(&bytes) else {
            panic!()
        };
        let header = *BatchView::parse(&empty).unwrap().header();
        assert_eq!((header.record_count, header.last_sequence()), (0, 1));
        assert_eq!(case.fate(&empty), Made::Stays);
        // The producer has gone on, or is gone.
        case.last_of_producer.insert(ProducerId(5), last(60));
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
    fn what_is_in_a_transaction_counts_unless_that_was_aborted() {
        let bytes = build(builder(10).transactional(), &[("a", false), ("b", true)]);
        let mut case = Case::new(&[("a", 10), ("b", 20)]);
        let Made::Becomes(marked) = case.fate(&bytes) else {
            panic!()
        };
        let header = *BatchView::parse(&marked).unwrap().header();
        assert_eq!((header.delete_horizon_ms(), header.record_count), (Some(1500), 1));
        assert!(header.attributes.is_transactional());
        case.now_ms = 1500;
        assert_eq!(case.fate(&marked), Made::Goes);

        let mut case = Case::new(&[]);
        case.standing = Standing::Aborted;
        // Behind the map as well: whether it was aborted has nothing to do with its keys.
        case.until = Offset(0);
        assert_eq!(case.fate(&bytes), Made::Goes);
        let last = LastOfProducer::Records(Offset(11));
        case.last_of_producer.insert(ProducerId(5), last);
        let Made::Becomes(empty) = case.fate(&bytes) else {
            panic!()
        };
        let header = *BatchView::parse(&empty).unwrap().header();
        assert_eq!((header.record_count, header.last_sequence()), (0, 1));
        assert!(header.attributes.is_transactional());
    }

    fn marker(offset: i64, epoch: i16) -> Vec<u8> {
        let mut builder = builder(offset);
        builder.set_producer(ProducerId(5), ProducerEpoch(epoch), -1);
        let commit = ControlMarker {
            kind: MarkerKind::Commit,
            coordinator_epoch: 0,
        };
        builder.append_control(9, commit);
        builder.build().unwrap().to_vec()
    }

    #[test]
    fn a_marker_stays_until_nothing_is_left_of_its_transaction_and_its_time_has_come() {
        let bytes = marker(12, 3);
        let mut case = Case::new(&[]);
        case.standing = Standing::Marker;
        case.now_ms = i64::MAX;
        assert_eq!(case.fate(&bytes), Made::Stays);
        case.standing = Standing::MarkerOfNothing;
        case.now_ms = 1000;
        let Made::Becomes(marked) = case.fate(&bytes) else {
            panic!()
        };
        let view = BatchView::parse(&marked).unwrap();
        assert_eq!(view.header().delete_horizon_ms(), Some(1500));
        let open = view.open(1000).unwrap();
        let record = open.records().next().unwrap().unwrap();
        assert_eq!(
            ControlMarker::from_record(&record).unwrap().kind,
            MarkerKind::Commit
        );
        case.now_ms = 1499;
        assert_eq!(case.fate(&marked), Made::Stays);
        case.now_ms = 1500;
        assert_eq!(case.fate(&marked), Made::Goes);
        // Where the producer's epoch is said by it alone, it stays without its record.
        case.last_of_producer
            .insert(ProducerId(5), LastOfProducer::Marker(ProducerEpoch(3)));
        let Made::Becomes(empty) = case.fate(&marked) else {
            panic!()
        };
        let header = *BatchView::parse(&empty).unwrap().header();
        assert_eq!(
            (header.record_count, header.producer_epoch),
            (0, ProducerEpoch(3))
        );
        assert!(header.attributes.is_control() && header.delete_horizon_ms().is_none());
        assert_eq!(case.fate(&empty), Made::Stays);
        let records = build(self::builder(10), &[("a", true)]);
        case.standing = Standing::Aborted;
        assert_eq!(case.fate(&records), Made::Goes);
        case.last_of_producer
            .insert(ProducerId(5), LastOfProducer::Marker(ProducerEpoch(4)));
        assert_eq!(case.fate(&empty), Made::Goes);
    }
}
