//! What callers know: what they tried to append, what was acknowledged, what they read.

use crate::base::ids::{Offset, ProducerEpoch, ProducerId, TopicId, TopicPartition};
use crate::rt;
use crate::wire::records::{BatchBuilder, Compression, batches};
use bytes::BytesMut;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What callers know of all partitions. Lives in the test, not in the server.
#[derive(Clone, Default)]
pub struct Oracle(Rc<RefCell<Inner>>);

#[derive(Default)]
struct Inner {
    partitions: BTreeMap<TopicPartition, Known>,
    next_batch: u64,
    acknowledged: u64,
    refused_for_want_of_room: u64,
}

#[derive(Default)]
struct Known {
    tried: BTreeMap<u64, Tried>,
    /// In the order they were first tried, for the idempotent producer that retries them.
    open: Vec<u64>,
    next_sequence: i32,
    producer_epoch: i16,
}

#[derive(Clone)]
struct Tried {
    records: i64,
    bytes: Vec<u8>,
    /// Where the server said it went.
    base: Option<Offset>,
    /// Acknowledged, or read by a consumer.
    certain: bool,
}

pub fn partition(index: u8) -> TopicPartition {
    TopicPartition {
        topic: TopicId([index + 1; 16]),
        partition: i32::from(index),
    }
}

pub fn below(limit: u64) -> u64 {
    rt::random_u64() % limit
}

impl Oracle {
    /// A new batch for an idempotent producer of the partition: its number and bytes.
    pub fn make_batch(&self, id: TopicPartition) -> (u64, BytesMut) {
        let mut inner = self.0.borrow_mut();
        let number = inner.next_batch;
        inner.next_batch += 1;
        let known = inner.partitions.entry(id).or_default();
        let records = 1 + below(4);
        let value_bytes = match below(20) {
            // Many of one size, so that old bytes on disk lie where new ones could.
            10.. => 100,
            0 => 3000 + below(19_000),
            1..=4 => 500 + below(3000),
            _ => below(200),
        };
        let compression = if below(4) == 0 {
            Compression::Lz4
        } else {
            Compression::None
        };
        let mut builder = BatchBuilder::new(compression).producer(
            ProducerId(i64::from(id.partition)),
            ProducerEpoch(known.producer_epoch),
            known.next_sequence,
        );
        for record in 0..records {
            let mut value = vec![0; value_bytes as usize];
            rt::random_bytes(&mut value);
            let key = format!("{number} {record}");
            builder.append(1_000_000 + number as i64, Some(key.as_bytes()), Some(&value), &[]);
        }
        let bytes = builder.build().expect("compresses");
        known.next_sequence += records as i32;
        known.tried.insert(
            number,
            Tried {
                records: records as i64,
                bytes: bytes[21..].to_vec(),
                base: None,
                certain: false,
            },
        );
        known.open.push(number);
        (number, bytes)
    }

    /// The producer gives up what was not acknowledged, and goes on with a new epoch.
    pub fn give_up(&self, id: TopicPartition) {
        let mut inner = self.0.borrow_mut();
        let known = inner.partitions.entry(id).or_default();
        known.open.clear();
        known.producer_epoch += 1;
        known.next_sequence = 0;
    }

    /// The batches nobody acknowledged yet, to be tried again in order.
    pub fn open_batches(&self, id: TopicPartition) -> Vec<(u64, BytesMut)> {
        let inner = self.0.borrow();
        let Some(known) = inner.partitions.get(&id) else {
            return Vec::new();
        };
        known
            .open
            .iter()
            .map(|number| {
                let mut bytes = BytesMut::from(&[0u8; 21][..]);
                bytes.extend_from_slice(&known.tried[number].bytes);
                let length = (bytes.len() - 12) as i32;
                bytes[8..12].copy_from_slice(&length.to_be_bytes());
                bytes[16] = 2;
                let crc = crc32c::crc32c(&bytes[21..]);
                bytes[17..21].copy_from_slice(&crc.to_be_bytes());
                (*number, bytes)
            })
            .collect()
    }

    /// The server said where a batch goes.
    pub fn appended(&self, id: TopicPartition, number: u64, base: Offset) {
        let mut inner = self.0.borrow_mut();
        let tried = inner
            .partitions
            .get_mut(&id)
            .unwrap()
            .tried
            .get_mut(&number)
            .unwrap();
        if tried.certain {
            assert_eq!(
                tried.base,
                Some(base),
                "{id:?} batch {number} has another offset now"
            );
        }
        tried.base = Some(base);
    }

    /// The server acknowledged a batch.
    pub fn acknowledged(&self, id: TopicPartition, number: u64) {
        let mut inner = self.0.borrow_mut();
        inner.acknowledged += 1;
        let known = inner.partitions.get_mut(&id).unwrap();
        known.tried.get_mut(&number).unwrap().certain = true;
        known.open.retain(|n| *n != number);
    }

    /// The server said that its disk is full.
    pub fn refused_for_want_of_room(&self) {
        self.0.borrow_mut().refused_for_want_of_room += 1;
    }

    /// How often the server has said that its disk is full.
    pub fn times_without_room(&self) -> u64 {
        self.0.borrow().refused_for_want_of_room
    }

    /// How many batches were acknowledged so far.
    pub fn total_acknowledged(&self) -> u64 {
        self.0.borrow().acknowledged
    }

    /// A consumer read these bytes: they are what was appended there, and stay there.
    pub fn consumed(&self, id: TopicPartition, bytes: &[u8]) {
        for (number, base) in self.identify(id, bytes) {
            let mut inner = self.0.borrow_mut();
            let tried = inner
                .partitions
                .get_mut(&id)
                .unwrap()
                .tried
                .get_mut(&number)
                .unwrap();
            assert_eq!(
                tried.base,
                Some(base),
                "{id:?} batch {number} was read at another offset"
            );
            tried.certain = true;
        }
    }

    /// After a restart: `bytes` is the whole log. Everything certain is there once, at its offset; everything there was
    /// tried, is whole, and stands where it was said to go.
    pub fn check_log(&self, id: TopicPartition, bytes: &[u8], log_end: Offset) {
        let found = self.identify(id, bytes);
        let inner = self.0.borrow();
        let Some(known) = inner.partitions.get(&id) else {
            assert!(found.is_empty(), "{id:?} has records nobody wrote");
            return;
        };
        let mut next = Offset::ZERO;
        let mut there = BTreeMap::new();
        for (number, base) in found {
            let tried = &known.tried[&number];
            assert_eq!(base, next, "{id:?} has a gap before batch {number}");
            assert_eq!(
                tried.base,
                Some(base),
                "{id:?} batch {number} is at another offset than was said"
            );
            next = base.plus(tried.records);
            assert!(
                there.insert(number, base).is_none(),
                "{id:?} batch {number} is there twice"
            );
        }
        assert_eq!(log_end, next, "{id:?} ends elsewhere");
        for (number, tried) in &known.tried {
            if tried.certain {
                assert!(
                    there.contains_key(number),
                    "{id:?} lost batch {number}, acknowledged at {:?}; it ends at {next}",
                    tried.base
                );
            }
        }
        let numbers: Vec<_> = there.keys().collect();
        let by_offset: BTreeMap<_, _> = there.iter().map(|(n, base)| (*base, n)).collect();
        assert_eq!(
            numbers,
            by_offset.values().copied().collect::<Vec<_>>(),
            "{id:?} is out of order"
        );
    }

    /// Which batches these bytes are: each is byte for byte one that was tried.
    fn identify(&self, id: TopicPartition, bytes: &[u8]) -> Vec<(u64, Offset)> {
        let inner = self.0.borrow();
        let known = inner.partitions.get(&id);
        batches(bytes)
            .map(|batch| {
                let batch = batch.expect("whole batches");
                batch.check_crc().expect("an undamaged batch");
                let open = batch.open(1 << 20).expect("readable records");
                let record = open.records().next().expect("a record").expect("a good record");
                let key = std::str::from_utf8(record.key.expect("a key")).unwrap();
                let number: u64 = key.split(' ').next().unwrap().parse().unwrap();
                let tried = known.and_then(|k| k.tried.get(&number));
                let tried = tried.unwrap_or_else(|| panic!("{id:?} has batch {number}, which nobody wrote"));
                assert_eq!(
                    batch.bytes()[21..],
                    tried.bytes,
                    "{id:?} batch {number} is not what was written"
                );
                (number, batch.header().base_offset)
            })
            .collect()
    }
}
