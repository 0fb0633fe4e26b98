//! Records with keys that come again: what compaction must keep, and what it must not bring back.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::oracle::below;
use super::partition_facts::PartitionFacts;
use super::promise::{Promise, Tombstones};
use crate::rt;
use crate::wire::records::{BatchBuilder, BatchView, batches};

/// How many keys there are in a partition: few, so that they come again.
const KEYS: u64 = 12;

/// The header that says which record of which batch this is.
const IDENTITY: &str = "is";

/// A record of a compacted topic.
#[derive(Clone)]
pub struct KeyedRecord {
    pub key: String,
    /// Nothing deletes the key.
    pub value: Option<Bytes>,
}

/// The records of a new batch.
pub fn make_records(count: i32) -> Vec<KeyedRecord> {
    let record = |_| {
        let mut value = vec![0; below(600) as usize];
        rt::random_bytes(&mut value);
        KeyedRecord {
            key: format!("key {}", below(KEYS)),
            value: (below(5) > 0).then(|| value.into()),
        }
    };
    (0..count).map(record).collect()
}

/// A record that takes so much room that the index gets an entry for it.
pub fn make_padding() -> Vec<KeyedRecord> {
    let mut value = vec![0; 3_100];
    rt::random_bytes(&mut value);
    vec![KeyedRecord {
        key: format!("key {}", below(KEYS)),
        value: Some(value.into()),
    }]
}

/// Puts them into a batch, which carries its number in each of them.
pub fn append_to(builder: &mut BatchBuilder, records: &[KeyedRecord], number: u64, timestamp_ms: i64) {
    for (nth, record) in records.iter().enumerate() {
        let identity = format!("{number} {nth}");
        builder.append(
            timestamp_ms,
            Some(record.key.as_bytes()),
            record.value.as_deref(),
            &[(IDENTITY, Some(identity.as_bytes()))],
        );
    }
}

/// A record that was found: its offset, the number of its batch, and which of its records it is.
struct Found {
    offset: i64,
    number: u64,
    nth: usize,
}

fn open(batch: &BatchView<'_>) -> Vec<(Found, KeyedRecord)> {
    batch.check_crc().expect("an undamaged batch");
    let open = batch.open(1 << 20).expect("readable records");
    let mut all = Vec::new();
    for record in open.records() {
        let record = record.expect("a good record");
        let identity = record.headers().next().expect("a header");
        assert_eq!(identity.key, IDENTITY.as_bytes());
        let text = std::str::from_utf8(identity.value.expect("a value")).expect("text");
        let (number, nth) = text.split_once(' ').expect("two numbers");
        let found = Found {
            offset: record.offset.0,
            number: number.parse().expect("a number"),
            nth: nth.parse().expect("a number"),
        };
        let content = KeyedRecord {
            key: String::from_utf8(record.key.expect("a key").to_vec()).expect("text"),
            value: record.value.map(Bytes::copy_from_slice),
        };
        all.push((found, content));
    }
    assert_eq!(all.len(), batch.header().record_count as usize);
    all
}

/// The records there are, with their offsets and keys.
pub fn keys_of(bytes: &[u8]) -> Vec<(i64, String)> {
    let opened = batches(bytes).flat_map(|batch| open(&batch.expect("whole batches")));
    opened
        .map(|(found, content)| (found.offset, content.key))
        .collect()
}

impl PartitionFacts {
    /// A batch of a compacted topic, of which some records may be gone.
    pub fn read_keyed(&mut self, batch: &BatchView<'_>) {
        let id = self.id;
        for (found, content) in open(batch) {
            let Found { offset, number, nth } = found;
            let tried = self.tried.get(&number).and_then(|tried| tried.keyed.get(nth));
            let tried = tried.unwrap_or_else(|| {
                panic!("{id:?} has record {nth} of batch {number}, which nobody wrote there")
            });
            assert!(
                tried.key == content.key && tried.value == content.value,
                "{id:?} record {nth} of batch {number} is not what was written"
            );
            self.place(number, offset - nth as i64);
        }
    }

    /// `bytes` is all that is there: of each key the newest record is, or nothing of a key that was deleted.
    pub fn check_keys(&self, bytes: &[u8]) {
        let id = self.id;
        let mut last_found: BTreeMap<String, i64> = BTreeMap::new();
        for batch in batches(bytes) {
            for (found, content) in open(&batch.expect("whole batches")) {
                last_found.insert(content.key, found.offset);
            }
        }
        // The newest of each key that must be there, and whether it says that the key is deleted.
        let mut newest: BTreeMap<&str, (i64, bool)> = BTreeMap::new();
        let mut may_have_deleted: BTreeMap<&str, i64> = BTreeMap::new();
        for tried in self.tried.values() {
            for (nth, record) in tried.keyed.iter().enumerate() {
                match tried.base.filter(|_| tried.certain) {
                    Some(base) => {
                        let place = (base + nth as i64, record.value.is_none());
                        let known = newest.entry(&record.key).or_insert(place);
                        *known = place.max(*known);
                    }
                    None if record.value.is_none() => {
                        may_have_deleted.insert(&record.key, 0);
                    }
                    None => {}
                }
            }
        }
        let tombstones_stay = self.promise == Promise::NewestOfKey(Tombstones::Stay);
        for (key, (offset, deletes)) in newest {
            match last_found.get(key) {
                Some(found) => assert!(
                    *found >= offset,
                    "{id:?} {key} was last written at {offset}, and the record at {found} is the last there is"
                ),
                None => assert!(
                    (deletes || may_have_deleted.contains_key(key)) && !tombstones_stay,
                    "{id:?} {key} was last written at {offset}, and is gone"
                ),
            }
        }
    }

    /// How many records are certain to have been written, and are not among these.
    pub fn records_gone(&self, bytes: &[u8]) -> i64 {
        let written: i64 = self
            .tried
            .values()
            .filter(|tried| tried.certain)
            .map(|tried| tried.records)
            .sum();
        let there: i64 = batches(bytes)
            .map(|batch| i64::from(batch.expect("whole batches").header().record_count))
            .sum();
        written - there
    }
}
