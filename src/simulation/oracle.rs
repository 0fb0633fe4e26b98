//! What the clients of all runs of a server were told, and what must therefore be true.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bytes::Bytes;

use crate::base::ids::{ProducerEpoch, ProducerId, TopicId, TopicPartition};
use crate::rt;
use crate::wire::records::{BatchBuilder, BatchView, Compression, batches};

/// The byte of a batch from which on the server changes nothing.
const UNCHANGED_FROM: usize = 21;

/// A random number below `limit`.
pub fn below(limit: u64) -> u64 {
    rt::random_u64() % limit
}

/// The batch a producer wants written.
#[derive(Clone)]
pub struct NewBatch {
    /// Names it: its records carry it.
    pub number: u64,
    pub bytes: Bytes,
    pub records: i32,
}

/// The topics as they must be found from now on.
pub struct PromisedTopics {
    live: BTreeMap<String, (TopicId, usize)>,
    deleted: BTreeSet<TopicId>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TopicState {
    /// Its creation was answered.
    Live,
    /// Its deletion was asked for.
    Deleting,
    /// Its deletion was answered.
    Deleted,
}

struct Topic {
    name: String,
    partitions: usize,
    state: TopicState,
}

struct Tried {
    records: i64,
    /// What the server may not change of it.
    bytes: Bytes,
    /// Where it is, once anybody was told.
    base: Option<i64>,
    /// Whether it must be there: acknowledged, or read.
    certain: bool,
    /// The idempotent producer and its sequence number.
    sequence: Option<(ProducerId, i32)>,
}

#[derive(Default)]
struct Partition {
    tried: BTreeMap<u64, Tried>,
    /// The batches whose place is known, by their base offset.
    places: BTreeMap<i64, u64>,
    /// Everything before this must be readable.
    end: i64,
}

#[derive(Default)]
struct Committed {
    tried: BTreeSet<i64>,
    /// What anybody was told last; -1 for nothing.
    floor: i64,
}

#[derive(Default)]
struct Facts {
    topics: BTreeMap<TopicId, Topic>,
    /// Names that were asked to be created, with no answer yet.
    creating: BTreeSet<String>,
    partitions: BTreeMap<TopicPartition, Partition>,
    committed: BTreeMap<(String, TopicPartition), Committed>,
    producer_ids: BTreeSet<i64>,
    next_batch: u64,
    acknowledged: u64,
}

/// One for all clients of a simulation.
#[derive(Clone, Default)]
pub struct Oracle {
    facts: Rc<RefCell<Facts>>,
    calm: Rc<Cell<bool>>,
}

impl Oracle {
    /// Whether nothing is wrong, so that no error can be excused.
    pub fn is_calm(&self) -> bool {
        self.calm.get()
    }

    pub fn set_calm(&self, calm: bool) {
        self.calm.set(calm);
    }

    /// How many batches were acknowledged.
    pub fn acknowledged_batches(&self) -> u64 {
        self.facts.borrow().acknowledged
    }

    /// What is not done, for a person.
    pub fn unfinished(&self, group: &str) -> String {
        let mut text = String::new();
        for (name, id) in self.live_partitions() {
            let (end, committed) = (self.promised_end(id), self.promised_commit(group, id));
            let facts = self.facts.borrow();
            let known = facts.partitions.get(&id);
            let open = known.map_or(0, |known| {
                known.tried.values().filter(|tried| !tried.certain).count()
            });
            text += &format!(
                "\n{name}-{} ends at {end}, {group} committed {committed}, {open} batches have no answer",
                id.partition
            );
        }
        text
    }

    // Topics.

    pub fn creating(&self, name: &str) {
        self.facts.borrow_mut().creating.insert(name.to_string());
    }

    pub fn created(&self, name: &str, id: TopicId, partitions: usize) {
        let mut facts = self.facts.borrow_mut();
        facts.creating.remove(name);
        let topic = Topic {
            name: name.to_string(),
            partitions,
            state: TopicState::Live,
        };
        let before = facts.topics.insert(id, topic);
        assert!(before.is_none(), "{name} has the id of another topic");
    }

    pub fn deleting(&self, id: TopicId) {
        self.facts
            .borrow_mut()
            .topics
            .get_mut(&id)
            .expect("a topic")
            .state = TopicState::Deleting;
    }

    pub fn deleted(&self, id: TopicId) {
        self.facts
            .borrow_mut()
            .topics
            .get_mut(&id)
            .expect("a topic")
            .state = TopicState::Deleted;
    }

    /// Whether nobody has asked for the topic's deletion.
    pub fn is_live(&self, id: TopicId) -> bool {
        self.facts.borrow().topics[&id].state == TopicState::Live
    }

    /// All partitions of topics that live.
    pub fn live_partitions(&self) -> Vec<(String, TopicPartition)> {
        let facts = self.facts.borrow();
        let live = facts
            .topics
            .iter()
            .filter(|(_, topic)| topic.state == TopicState::Live);
        live.flat_map(|(id, topic)| {
            (0..topic.partitions as i32).map(|partition| {
                (
                    topic.name.clone(),
                    TopicPartition {
                        topic: *id,
                        partition,
                    },
                )
            })
        })
        .collect()
    }

    /// What must be found by whoever asks now.
    pub fn promised_topics(&self) -> PromisedTopics {
        let facts = self.facts.borrow();
        let of = |state| facts.topics.iter().filter(move |(_, topic)| topic.state == state);
        PromisedTopics {
            live: of(TopicState::Live)
                .map(|(id, topic)| (topic.name.clone(), (*id, topic.partitions)))
                .collect(),
            deleted: of(TopicState::Deleted).map(|(id, _)| *id).collect(),
        }
    }

    /// The server said that there are these topics.
    pub fn saw_topics(&self, promised: &PromisedTopics, found: &BTreeMap<String, (TopicId, usize)>) {
        let facts = self.facts.borrow();
        for (name, expected) in &promised.live {
            // Its deletion may have been asked for after the question.
            if facts.topics[&expected.0].state == TopicState::Live {
                assert_eq!(found.get(name), Some(expected), "topic {name} was created");
            }
        }
        for (name, (id, _)) in found {
            assert!(!promised.deleted.contains(id), "topic {name} was deleted");
            let known = facts.topics.contains_key(id) || facts.creating.contains(name);
            assert!(
                known || name == "__consumer_offsets",
                "nobody created topic {name}"
            );
        }
    }

    // Producers.

    pub fn got_producer_id(&self, id: i64) {
        let is_new = self.facts.borrow_mut().producer_ids.insert(id);
        assert!(is_new, "producer id {id} was given twice");
    }

    /// Makes a batch that is written at most once.
    pub fn make_batch(&self, partition: TopicPartition, producer: Option<(ProducerId, i32)>) -> NewBatch {
        let mut facts = self.facts.borrow_mut();
        let number = facts.next_batch;
        facts.next_batch += 1;
        let records = 1 + below(4) as i32;
        let value_bytes = match below(20) {
            0 => 10_000 + below(20_000),
            1..=3 => 500 + below(3000),
            _ => below(200),
        };
        let compression = match below(4) {
            0 => Compression::Lz4,
            _ => Compression::None,
        };
        let mut builder = BatchBuilder::new(compression);
        if let Some((id, sequence)) = producer {
            builder = builder.producer(id, ProducerEpoch(0), sequence);
        }
        let mut value = vec![0; value_bytes as usize];
        rt::random_bytes(&mut value);
        for record in 0..records {
            let key = format!("{number} {record}");
            builder.append(rt::wall_ms(), Some(key.as_bytes()), Some(&value), &[]);
        }
        let bytes = builder.build().expect("compresses").freeze();
        let tried = Tried {
            records: records.into(),
            bytes: bytes.slice(UNCHANGED_FROM..),
            base: None,
            certain: false,
            sequence: producer,
        };
        facts
            .partitions
            .entry(partition)
            .or_default()
            .tried
            .insert(number, tried);
        NewBatch {
            number,
            bytes,
            records,
        }
    }

    /// A batch was acknowledged.
    pub fn acknowledged(&self, partition: TopicPartition, number: u64, base: i64) {
        let mut facts = self.facts.borrow_mut();
        facts.acknowledged += 1;
        let known = facts.partitions.get_mut(&partition).expect("a partition");
        known.place(partition, number, base);
    }

    // Consumers.

    /// Everything before this offset must be readable by whoever asks now.
    pub fn promised_end(&self, partition: TopicPartition) -> i64 {
        self.facts
            .borrow()
            .partitions
            .get(&partition)
            .map_or(0, |known| known.end)
    }

    /// Somebody was told a high watermark, or the end of the partition.
    pub fn saw_end(&self, partition: TopicPartition, promised: i64, end: i64) {
        assert!(
            end >= promised,
            "{partition:?} ended at {promised}, and now at {end}"
        );
        let mut facts = self.facts.borrow_mut();
        let known = facts.partitions.entry(partition).or_default();
        known.end = known.end.max(end);
    }

    /// Somebody has read these batches. The offset behind the last of them.
    pub fn read(&self, partition: TopicPartition, bytes: &[u8]) -> Option<i64> {
        let mut facts = self.facts.borrow_mut();
        let known = facts.partitions.entry(partition).or_default();
        let mut next = None;
        for batch in batches(bytes) {
            let batch = batch.expect("whole batches");
            let base = batch.header().base_offset.0;
            assert!(
                next.is_none_or(|next| next == base),
                "{partition:?} has a gap before {base}"
            );
            let number = known.identify(partition, &batch);
            known.place(partition, number, base);
            next = Some(batch.header().next_offset().0);
        }
        next
    }

    /// `bytes` is all that is in a partition, which ends at `end`.
    pub fn check_whole(&self, partition: TopicPartition, bytes: &[u8], end: i64) {
        let next = self.read(partition, bytes).unwrap_or(0);
        assert_eq!(next, end, "{partition:?} ends elsewhere");
        let facts = self.facts.borrow();
        let Some(known) = facts.partitions.get(&partition) else {
            return;
        };
        let mut there = BTreeSet::new();
        let mut sequences: BTreeMap<ProducerId, i32> = BTreeMap::new();
        let mut at = 0;
        for batch in batches(bytes) {
            let batch = batch.expect("whole batches");
            assert_eq!(batch.header().base_offset.0, at, "{partition:?} has a gap");
            at = batch.header().next_offset().0;
            let number = known.identify(partition, &batch);
            assert!(there.insert(number), "{partition:?} has batch {number} twice");
            let tried = &known.tried[&number];
            if let Some((producer, sequence)) = tried.sequence {
                let expected = sequences.entry(producer).or_default();
                assert_eq!(
                    sequence, *expected,
                    "{partition:?} batch {number}: sequence numbers"
                );
                *expected += tried.records as i32;
            }
        }
        for (number, tried) in &known.tried {
            let is_there = there.contains(number);
            assert!(
                is_there || !tried.certain,
                "{partition:?} lost batch {number}, which was at {:?}; it ends at {end}",
                tried.base
            );
        }
    }

    // Committed offsets.

    pub fn committing(&self, group: &str, partition: TopicPartition, offset: i64) {
        let mut facts = self.facts.borrow_mut();
        facts.committed(group, partition).tried.insert(offset);
    }

    pub fn committed(&self, group: &str, partition: TopicPartition, offset: i64) {
        let mut facts = self.facts.borrow_mut();
        let committed = facts.committed(group, partition);
        assert!(
            offset >= committed.floor,
            "{group} {partition:?}: a commit was accepted that goes back"
        );
        committed.floor = offset;
    }

    /// Whoever asks now must be told this, or more.
    pub fn promised_commit(&self, group: &str, partition: TopicPartition) -> i64 {
        self.facts.borrow_mut().committed(group, partition).floor
    }

    /// Somebody was told a committed offset.
    pub fn saw_commit(&self, group: &str, partition: TopicPartition, promised: i64, offset: i64) {
        assert!(
            offset >= promised,
            "{group} {partition:?}: {promised} was committed, now it is {offset}"
        );
        let mut facts = self.facts.borrow_mut();
        let committed = facts.committed(group, partition);
        assert!(
            offset == -1 || committed.tried.contains(&offset),
            "{group} {partition:?}: nobody committed {offset}"
        );
        committed.floor = committed.floor.max(offset);
    }
}

impl Facts {
    fn committed(&mut self, group: &str, partition: TopicPartition) -> &mut Committed {
        self.committed
            .entry((group.to_string(), partition))
            .or_insert_with(|| Committed {
                floor: -1,
                ..Committed::default()
            })
    }
}

impl Partition {
    /// Which of the batches that were tried this is, byte for byte.
    fn identify(&self, partition: TopicPartition, batch: &BatchView<'_>) -> u64 {
        batch.check_crc().expect("an undamaged batch");
        let open = batch.open(1 << 20).expect("readable records");
        let record = open.records().next().expect("a record").expect("a good record");
        let key = std::str::from_utf8(record.key.expect("a key")).expect("text");
        let number = key.split(' ').next().and_then(|number| number.parse().ok());
        let number: u64 = number.expect("a batch's number");
        let tried = self.tried.get(&number);
        let tried =
            tried.unwrap_or_else(|| panic!("{partition:?} has batch {number}, which nobody wrote there"));
        assert_eq!(
            batch.bytes()[UNCHANGED_FROM..],
            tried.bytes,
            "{partition:?} batch {number} is not what was written"
        );
        number
    }

    /// A batch is certain to be at this offset.
    fn place(&mut self, partition: TopicPartition, number: u64, base: i64) {
        let tried = self.tried.get_mut(&number).expect("a batch that was tried");
        if let Some(known) = tried.base {
            assert_eq!(
                base, known,
                "{partition:?} batch {number} was at {known}, and is at {base}"
            );
        }
        tried.base = Some(base);
        tried.certain = true;
        let next = base + tried.records;
        self.end = self.end.max(next);
        if let Some(other) = self.places.insert(base, number) {
            assert_eq!(other, number, "{partition:?} has two batches at {base}");
        }
        if let Some((before, other)) = self.places.range(..base).next_back() {
            let end = before + self.tried[other].records;
            assert!(
                end <= base,
                "{partition:?} batch {other} reaches to {end}, batch {number} is at {base}"
            );
        }
        if let Some((after, other)) = self.places.range(base + 1..).next() {
            assert!(
                *after >= next,
                "{partition:?} batch {number} reaches to {next}, batch {other} is at {after}"
            );
        }
    }
}
