//! `corelane storage import`: topics of every kind written to Kafka, and found again here.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use bytes::Bytes;
use corelane::base::ids::{ProducerEpoch, ProducerId, TopicId};
use corelane::wire::records::{BatchBuilder, Compression};

use crate::fixture::Broker;
use crate::kafka_server::{KafkaServer, files_below};
use crate::talk::{Producer, Seen, Talk, until, wait_until_compacted};
use crate::{failed, storage, succeeded};

pub const CODECS: [Compression; 5] = [
    Compression::None,
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];
pub const PLAIN: &str = "plain.topic";
const TRANSACTIONAL: &str = "transactional";
const COMPACTED: &str = "compacted-topic";
const GROUP: &str = "readers";
pub const FIRST_TIMESTAMP_MS: i64 = 1_700_000_000_000;

/// What is to be found again.
pub struct Wanted {
    partitions: Vec<WantedPartition>,
    topics: Vec<(&'static str, usize, TopicId)>,
    /// What consumers of committed records see of the transactional topic.
    committed: Vec<Seen>,
    /// A batch of the producer that wrote last, which is in the log at this offset.
    repeated: (Bytes, i64),
    producer: Producer,
}

struct WantedPartition {
    topic: &'static str,
    partition: i32,
    bytes: Vec<u8>,
    end: i64,
}

/// Records with and without keys, values and headers, all different.
pub fn batch(codec: Compression, number: i32) -> BatchBuilder {
    let mut builder = BatchBuilder::new(codec);
    for i in 0..4 {
        let time = FIRST_TIMESTAMP_MS + i64::from(number) * 100 + i64::from(i);
        let key = format!("key {}", (number + i) % 13);
        let value = format!("value {number} {i} ").repeat(200);
        let header = format!("{number}");
        let key = (i != 1).then_some(key.as_bytes());
        let value = (i != 2).then_some(value.as_bytes());
        let headers = [("number", Some(header.as_bytes())), ("none", None)];
        builder.append(time, key, value, if i == 3 { &headers } else { &[] });
    }
    builder
}

pub fn of_producer(builder: BatchBuilder, producer: Producer, sequence: i32) -> BatchBuilder {
    builder.producer(ProducerId(producer.id), ProducerEpoch(producer.epoch), sequence)
}

pub fn built(mut builder: BatchBuilder) -> Bytes {
    builder.build().expect("compresses").freeze()
}

/// Writes to Kafka, and notes what it has then.
pub fn fill(kafka: &KafkaServer) -> Wanted {
    let mut talk = Talk::to(&kafka.bootstrap());
    talk.create(PLAIN, 2, &[("retention.ms", "-1"), ("segment.bytes", "1048576")]);
    talk.create(TRANSACTIONAL, 1, &[("retention.ms", "-1")]);
    let compaction = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "1048576"),
        ("min.cleanable.dirty.ratio", "0.0"),
        ("remote.storage.enable", "false"),
    ];
    talk.create(COMPACTED, 1, &compaction);

    // Every codec, from a producer without an id and one with one, over more than one segment.
    let producer = talk.init_producer(None);
    let mut repeated = None;
    for number in 0..40 {
        let codec = CODECS[number as usize % CODECS.len()];
        talk.produce(PLAIN, 0, built(batch(codec, number)), None);
        let bytes = built(of_producer(batch(codec, number), producer, number * 4));
        let offset = talk.produce(PLAIN, 1, bytes.clone(), None);
        repeated = Some((bytes, offset));
        let large = BatchBuilder::new(Compression::None);
        talk.produce(PLAIN, 0, built(with_large_value(large, number)), None);
    }

    // Two transactions at a time, one of them aborted now and then, and records outside of any.
    let ids = ["first-transactions", "second-transactions"];
    let producers = ids.map(|id| talk.init_producer(Some(id)));
    for round in 0..6 {
        for (which, id) in ids.iter().enumerate() {
            talk.add_to_transaction(id, producers[which], TRANSACTIONAL, 0);
            let number = round * 2 + which as i32;
            let builder = of_producer(batch(Compression::Lz4, number), producers[which], round * 4);
            talk.produce(TRANSACTIONAL, 0, built(builder.transactional()), Some(id));
        }
        talk.produce(
            TRANSACTIONAL,
            0,
            built(batch(Compression::None, 100 + round)),
            None,
        );
        for (which, id) in ids.iter().enumerate() {
            talk.end_transaction(id, producers[which], (round + which as i32) % 3 != 0);
        }
    }
    until("the transactions' markers", || {
        match talk.ends(TRANSACTIONAL, 0) {
            (high_watermark, last_stable) if high_watermark == last_stable => Ok(()),
            ends => Err(format!("an open transaction at {ends:?}")),
        }
    });

    for number in 0..300 {
        let mut builder = BatchBuilder::new(Compression::None);
        let value = noise(number as u32, 10_000);
        let key = format!("key {}", number % 17);
        let value = (number % 23 != 0).then_some(&value[..]);
        builder.append(FIRST_TIMESTAMP_MS + number, Some(key.as_bytes()), value, &[]);
        talk.produce(COMPACTED, 0, built(builder), None);
    }
    wait_until_compacted(&kafka.log_dir(), COMPACTED, 0);

    talk.commit(GROUP, PLAIN, 1, 77);
    talk.commit(GROUP, COMPACTED, 0, 299);
    let topics = [PLAIN, TRANSACTIONAL, COMPACTED].map(|name| {
        let (partitions, id) = talk.describe(name);
        (name, partitions, id)
    });
    let partitions =
        [(PLAIN, 0), (PLAIN, 1), (TRANSACTIONAL, 0), (COMPACTED, 0)].map(|(topic, partition)| {
            WantedPartition {
                topic,
                partition,
                bytes: talk.batches(topic, partition, 0),
                end: talk.ends(topic, partition).0,
            }
        });
    Wanted {
        committed: talk.committed_records(TRANSACTIONAL, 0),
        partitions: partitions.into(),
        topics: topics.into(),
        repeated: repeated.expect("written"),
        producer,
    }
}

fn with_large_value(mut builder: BatchBuilder, number: i32) -> BatchBuilder {
    builder.append(
        FIRST_TIMESTAMP_MS + i64::from(number),
        None,
        Some(&noise(number as u32, 60_000)),
        &[],
    );
    builder
}

/// Bytes that do not compress.
pub fn noise(seed: u32, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(next).collect()
}

fn import_from(kafka: &Path, data_dir: &Path, arguments: &[&str]) -> std::process::Output {
    storage(
        &[&["import"], arguments, &["--data-dir"]].concat(),
        &[data_dir, kafka],
    )
}

pub fn refused_while_the_server_runs(broker: &Broker, kafka: &KafkaServer) {
    let said = failed(import_from(&kafka.log_dir(), &broker.data_dir(), &[]));
    assert!(said.contains("is in use by another Corelane server"), "{said}");
}

/// Imports everything: looked at first, then for good, with the tries that have to fail.
pub fn import(kafka: &KafkaServer, broker: &Broker) {
    let (from, to) = (kafka.log_dir(), broker.data_dir());
    let before = files_below(&from);
    // All but two topics that are here already.
    let looked = failed(import_from(&from, &to, &["--dry-run"]));
    for said in [
        "plain.topic: can be imported, 2 partitions",
        "__transaction_state: not imported",
        "twins-kept: REFUSED, Topic 'twins-kept' already exists",
        "2 topics were not imported",
    ] {
        assert!(looked.contains(said), "{looked}");
    }
    assert!(!to.join("plain.topic-0").exists());

    let said = failed(import_from(&from, &to, &["--topic", "nowhere"]));
    assert!(said.contains("nowhere: REFUSED"), "{said}");
    let said = failed(import_from(&from, &to, &["--topic", "__transaction_state"]));
    assert!(said.contains("internal topic"), "{said}");
    let said = failed(import_from(&from.join("plain.topic-0"), &to, &[]));
    assert!(said.contains("there is no __cluster_metadata-0"), "{said}");
    damaged_is_refused(&from, &to);
    an_unfinished_import_goes_on(&from, &to);

    let wanted = [
        "--topic",
        TRANSACTIONAL,
        "--topic",
        COMPACTED,
        "--topic",
        "__consumer_offsets",
    ];
    let said = succeeded(import_from(&from, &to, &wanted));
    for topic in [TRANSACTIONAL, COMPACTED, "__consumer_offsets"] {
        assert!(said.contains(&format!("{topic}: imported")), "{said}");
    }
    let again = succeeded(import_from(&from, &to, &wanted));
    assert!(again.contains("transactional: it is here already"), "{again}");
    assert!(!again.contains(": imported"), "{again}");
    assert!(files_below(&from) == before, "Kafka's files are only read");
}

/// A topic with a flipped bit does not come; cut off before it, it would.
fn damaged_is_refused(from: &Path, to: &Path) {
    let path = from.join(TRANSACTIONAL.to_string() + "-0/00000000000000000000.log");
    let good = fs::read(&path).expect("read");
    let mut hurt = good.clone();
    hurt[good.len() / 2] ^= 1;
    fs::write(&path, hurt).expect("written");
    let said = failed(import_from(from, to, &["--topic", TRANSACTIONAL]));
    assert!(
        said.contains("does not match") && said.contains("--cut-damaged"),
        "{said}"
    );
    assert!(!to.join("transactional-0").exists());
    // The markers behind the damage are gone: what they ended is open.
    let said = failed(import_from(
        from,
        to,
        &["--topic", TRANSACTIONAL, "--dry-run", "--cut-damaged"],
    ));
    assert!(said.contains("has not ended"), "{said}");
    fs::write(&path, good).expect("written");
}

/// What an import has left that did not come to its end is compared, and kept only if it is right.
fn an_unfinished_import_goes_on(from: &Path, to: &Path) {
    let scratch = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    succeeded(import_from(from, scratch.path(), &["--topic", PLAIN]));
    for name in ["plain.topic-0", "plain.topic-1"] {
        fs::create_dir(to.join(name)).expect("made");
        for (path, bytes) in files_below(&scratch.path().join(name)) {
            let place = to.join(name).join(path.file_name().expect("a name"));
            fs::write(place, bytes).expect("written");
        }
    }
    let log =
        |dir: &Path, partition: i32| dir.join(format!("plain.topic-{partition}/00000000000000000000.log"));
    let file = |partition: i32| fs::metadata(log(to, partition)).expect("there").ino();
    let other = fs::OpenOptions::new()
        .append(true)
        .open(log(to, 1))
        .expect("opened");
    other
        .set_len(other.metadata().expect("asked").len() - 1)
        .expect("cut");
    let before = (file(0), file(1));
    let said = succeeded(import_from(from, to, &["--topic", PLAIN]));
    assert!(said.contains("plain.topic: imported"), "{said}");
    assert!(file(0) == before.0 && file(1) != before.1);
    for partition in [0, 1] {
        let same =
            fs::read(log(to, partition)).expect("read") == fs::read(log(from, partition)).expect("read");
        assert!(same, "partition {partition}");
    }
}

/// Looks at the topics through a broker.
pub fn check_topics(broker: &str, wanted: &Wanted) {
    let mut talk = Talk::to(broker);
    for (name, partitions, id) in &wanted.topics {
        assert_eq!(talk.describe(name), (*partitions, *id), "{name}");
    }
    let transactional = &wanted.partitions[2];
    assert!(talk.batches(TRANSACTIONAL, 0, 0) == transactional.bytes);
}

/// Looks at all of it through a broker that has added nothing to it.
pub fn check(broker: &str, wanted: &Wanted) {
    check_topics(broker, wanted);
    let mut talk = Talk::to(broker);
    for partition in &wanted.partitions {
        let (topic, index) = (partition.topic, partition.partition);
        assert_eq!(talk.ends(topic, index).0, partition.end, "{topic}-{index}");
        let bytes = talk.batches(topic, index, 0);
        assert!(bytes == partition.bytes, "{topic}-{index} has other batches");
    }
    assert!(talk.committed_records(TRANSACTIONAL, 0) == wanted.committed);
    assert!(wanted.committed.len() < crate::talk::records(&wanted.partitions[2].bytes).len());
    assert_eq!(
        talk.config(COMPACTED, "cleanup.policy").as_deref(),
        Some("compact")
    );
    assert_eq!(talk.config(PLAIN, "retention.ms").as_deref(), Some("-1"));
    assert_eq!(talk.committed(GROUP, PLAIN, 1), (77, Some("noted".to_string())));
    assert_eq!(
        talk.committed(GROUP, COMPACTED, 0),
        (299, Some("noted".to_string()))
    );
    // A producer that did not hear that its last batch was taken says it again.
    let (batch, offset) = &wanted.repeated;
    assert_eq!(talk.produce(PLAIN, 1, batch.clone(), None), *offset);
    assert_ne!(talk.init_producer(None).id, wanted.producer.id);
}
