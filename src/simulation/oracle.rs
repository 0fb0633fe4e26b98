//! What the clients of all runs of a server were told, and what must therefore be true.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bytes::Bytes;

use super::keyed_records::{KeyedRecord, append_to, make_padding, make_records};
use super::partition_facts::{PartitionFacts, Tried, UNCHANGED_FROM};
use super::promise::Promise;
use crate::base::ids::{ProducerEpoch, ProducerId, TopicId, TopicPartition};
use crate::rt;
use crate::wire::records::{BatchBuilder, Compression};

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
    promise: Promise,
    partitions: usize,
    /// How many somebody wanted it to have.
    most_partitions: usize,
    state: TopicState,
    /// The configs it was given, as they were answered.
    configs: BTreeMap<String, String>,
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
    partitions: BTreeMap<TopicPartition, PartitionFacts>,
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

    pub fn created(
        &self,
        name: &str,
        id: TopicId,
        partitions: usize,
        promise: Promise,
        configs: &[(&'static str, String)],
    ) {
        let mut facts = self.facts.borrow_mut();
        facts.creating.remove(name);
        let of = |(name, value): &(&str, String)| (name.to_string(), value.clone());
        let topic = Topic {
            name: name.to_string(),
            promise,
            partitions,
            most_partitions: partitions,
            state: TopicState::Live,
            configs: configs.iter().map(of).collect(),
        };
        let before = facts.topics.insert(id, topic);
        assert!(before.is_none(), "{name} has the id of another topic");
    }

    /// A topic is asked to have this many partitions.
    pub fn growing(&self, id: TopicId, partitions: usize) {
        let mut facts = self.facts.borrow_mut();
        facts.topics.get_mut(&id).expect("a topic").most_partitions = partitions;
    }

    pub fn grown(&self, id: TopicId, partitions: usize) {
        let mut facts = self.facts.borrow_mut();
        facts.topics.get_mut(&id).expect("a topic").partitions = partitions;
    }

    /// A topic's config is asked to be something else: until that is answered nobody knows what it is.
    pub fn configuring(&self, id: TopicId, config: &str) {
        let mut facts = self.facts.borrow_mut();
        facts.topics.get_mut(&id).expect("a topic").configs.remove(config);
    }

    pub fn configured(&self, id: TopicId, config: &str, value: &str) {
        let mut facts = self.facts.borrow_mut();
        let topic = facts.topics.get_mut(&id).expect("a topic");
        topic.configs.insert(config.to_string(), value.to_string());
    }

    /// The configs that a topic must be said to have.
    pub fn promised_configs(&self, id: TopicId) -> BTreeMap<String, String> {
        self.facts.borrow().topics[&id].configs.clone()
    }

    /// What a topic's clients may rely on.
    pub fn promise(&self, id: TopicId) -> Promise {
        self.facts.borrow().topics[&id].promise
    }

    /// The topics that live, with their names.
    pub fn live_topics(&self) -> Vec<(String, TopicId)> {
        let facts = self.facts.borrow();
        let live = facts
            .topics
            .iter()
            .filter(|(_, topic)| topic.state == TopicState::Live);
        live.map(|(id, topic)| (topic.name.clone(), *id)).collect()
    }

    /// The server ended without being told to.
    pub fn server_died(&self) {
        let mut facts = self.facts.borrow_mut();
        facts
            .partitions
            .values_mut()
            .for_each(PartitionFacts::server_died);
    }

    pub fn deleting(&self, id: TopicId) {
        self.facts
            .borrow_mut()
            .topics
            .get_mut(&id)
            .expect("a topic")
            .state = TopicState::Deleting;
    }

    /// The topics that must be gone, with their names.
    pub fn deleted_topics(&self) -> Vec<(String, TopicId)> {
        let facts = self.facts.borrow();
        let deleted = facts
            .topics
            .iter()
            .filter(|(_, topic)| topic.state == TopicState::Deleted);
        deleted.map(|(id, topic)| (topic.name.clone(), *id)).collect()
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
                let (id, partitions) = expected;
                let found = found.get(name);
                let most = facts.topics[id].most_partitions;
                assert!(
                    found.is_some_and(|found| found.0 == *id && (*partitions..=most).contains(&found.1)),
                    "topic {name} was created with {expected:?}, and there is {found:?}"
                );
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
        let records = 1 + below(4) as i32;
        let promise = self.promise(partition.topic);
        let keyed = match promise.compacts() {
            true => make_records(records),
            false => Vec::new(),
        };
        self.make_batch_of(partition, producer, records, keyed)
    }

    /// Makes a batch for a compacted topic that takes much room.
    pub fn make_padding(&self, partition: TopicPartition) -> NewBatch {
        self.make_batch_of(partition, None, 1, make_padding())
    }

    fn make_batch_of(
        &self,
        partition: TopicPartition,
        producer: Option<(ProducerId, i32)>,
        records: i32,
        keyed: Vec<KeyedRecord>,
    ) -> NewBatch {
        let mut facts = self.facts.borrow_mut();
        let number = facts.next_batch;
        facts.next_batch += 1;
        let compression = match below(4) {
            0 => Compression::Lz4,
            _ => Compression::None,
        };
        let mut builder = BatchBuilder::new(compression);
        if let Some((id, sequence)) = producer {
            builder = builder.producer(id, ProducerEpoch(0), sequence);
        }
        let timestamp_ms = rt::wall_ms();
        if !keyed.is_empty() {
            append_to(&mut builder, &keyed, number, timestamp_ms);
        } else {
            let value_bytes = match below(20) {
                0 => 10_000 + below(20_000),
                1..=3 => 500 + below(3000),
                _ => below(200),
            };
            let mut value = vec![0; value_bytes as usize];
            rt::random_bytes(&mut value);
            for record in 0..records {
                let key = format!("{number} {record}");
                builder.append(timestamp_ms, Some(key.as_bytes()), Some(&value), &[]);
            }
        }
        let bytes = builder.build().expect("compresses").freeze();
        let tried = Tried {
            records: records.into(),
            bytes: bytes.slice(UNCHANGED_FROM..),
            base: None,
            certain: false,
            sequence: producer,
            timestamp_ms,
            keyed,
        };
        facts.partition(partition).tried.insert(number, tried);
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
        facts.partition(partition).place(number, base);
    }

    // Consumers.

    /// Everything before this offset must be readable by whoever asks now.
    pub fn promised_end(&self, partition: TopicPartition) -> i64 {
        self.facts.borrow_mut().partition(partition).end
    }

    /// Somebody was told a high watermark, or the end of the partition.
    pub fn saw_end(&self, partition: TopicPartition, promised: i64, end: i64) {
        let mut facts = self.facts.borrow_mut();
        let known = facts.partition(partition);
        assert!(
            end >= promised || known.promise == Promise::UntilDeath,
            "{partition:?} ended at {promised}, and now at {end}"
        );
        known.end = known.end.max(end);
    }

    /// What lies before this is gone for whoever asks now.
    pub fn promised_start(&self, partition: TopicPartition) -> i64 {
        self.facts.borrow_mut().partition(partition).start
    }

    /// Somebody was told where the partition starts.
    pub fn saw_start(&self, partition: TopicPartition, promised: i64, start: i64) {
        self.facts
            .borrow_mut()
            .partition(partition)
            .saw_start(promised, start);
    }

    /// Records with lower offsets than this are asked to be deleted.
    pub fn deleting_records(&self, partition: TopicPartition, before: i64) {
        let mut facts = self.facts.borrow_mut();
        let known = facts.partition(partition);
        known.delete_before = known.delete_before.max(before);
    }

    /// Somebody has read these batches. The offset behind the last of them.
    pub fn read(&self, partition: TopicPartition, bytes: &[u8]) -> Option<i64> {
        self.facts.borrow_mut().partition(partition).read(bytes)
    }

    /// `bytes` is all that is in a partition, which begins at `start` and ends at `end`.
    pub fn check_whole(&self, partition: TopicPartition, bytes: &[u8], start: i64, end: i64) {
        let mut facts = self.facts.borrow_mut();
        facts.partition(partition).check_whole(bytes, start, end);
    }

    /// How many of a partition's records were there once, and are not among these.
    pub fn records_gone(&self, partition: TopicPartition, bytes: &[u8]) -> i64 {
        let mut facts = self.facts.borrow_mut();
        let known = facts.partition(partition);
        match known.promise {
            Promise::UntilDeath => known.records_lost(bytes),
            _ => known.records_gone(bytes),
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
    fn partition(&mut self, id: TopicPartition) -> &mut PartitionFacts {
        let promise = self.topics[&id.topic].promise;
        let new = || PartitionFacts::new(id, promise);
        self.partitions.entry(id).or_insert_with(new)
    }

    fn committed(&mut self, group: &str, partition: TopicPartition) -> &mut Committed {
        self.committed
            .entry((group.to_string(), partition))
            .or_insert_with(|| Committed {
                floor: -1,
                ..Committed::default()
            })
    }
}
