//! `corelane storage export`: topics of ours that Apache Kafka takes over, and its own consumer reads.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use corelane::base::ids::TopicId;
use corelane::wire::records::{BatchBuilder, Compression};

use crate::fixture::Broker;
use crate::import::{CODECS, FIRST_TIMESTAMP_MS, PLAIN, batch, built, noise, of_producer};
use crate::kafka_server::KafkaServer;
use crate::talk::{Seen, Talk, records, wait_until_compacted};
use crate::{failed, storage, succeeded};

const MADE: &str = "made-here";
const COMPACTED: &str = "made.compacted";
/// Kafka has it with another number of partitions.
const OTHER: &str = "made-otherwise";

/// What Kafka has to have then.
pub struct Given {
    partitions: Vec<(&'static str, i32, Vec<Seen>)>,
    repeated: (Bytes, i64),
}

/// The topics as Kafka has to have them before: empty.
pub fn create_in_kafka(kafka: &str) -> TopicId {
    let mut talk = Talk::to(kafka);
    talk.create(MADE, 2, &[("retention.ms", "-1")]);
    talk.create(COMPACTED, 1, &[("cleanup.policy", "compact")]);
    talk.create(OTHER, 3, &[]);
    talk.describe(MADE).1
}

/// Writes topics here, and goes on with one that came from Kafka; ends with a kill, so that the newest records are in the write-ahead log.
pub fn fill(broker: &mut Broker) -> Given {
    let mut talk = Talk::to(broker.bootstrap());
    talk.create(MADE, 2, &[("segment.bytes", "1048576"), ("retention.ms", "-1")]);
    let compaction = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "1048576"),
        ("min.cleanable.dirty.ratio", "0.0"),
    ];
    talk.create(COMPACTED, 1, &compaction);
    talk.create(OTHER, 1, &[]);
    for number in 0..150 {
        let mut builder = BatchBuilder::new(Compression::None);
        let (key, value) = (format!("key {}", number % 11), noise_text(number, 10_000));
        let value = (number % 19 != 0).then_some(value.as_bytes());
        builder.append(
            FIRST_TIMESTAMP_MS + i64::from(number),
            Some(key.as_bytes()),
            value,
            &[],
        );
        talk.produce(COMPACTED, 0, built(builder), None);
    }
    wait_until_compacted(&broker.data_dir(), COMPACTED, 0);

    let producer = talk.init_producer(None);
    let mut repeated = None;
    let mut sequence = 0;
    let mut write = |talk: &mut Talk, number: i32| {
        let codec = CODECS[number as usize % CODECS.len()];
        talk.produce(MADE, 0, built(batch(codec, number)), None);
        let mut builder = of_producer(batch(codec, number), producer, sequence);
        let value = noise_text(number, 40_000);
        // Of now: Kafka forgets producers whose newest timestamp is a day old.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let time = now.as_millis() as i64;
        builder.append(time, Some(b"large"), Some(value.as_bytes()), &[]);
        sequence += 5;
        let bytes = built(builder);
        let offset = talk.produce(MADE, 1, bytes.clone(), None);
        repeated = Some((bytes, offset));
    };
    (0..60).for_each(|number| write(&mut talk, number));
    talk.delete_records(MADE, 1, 7);
    // Another life, so that there is another leader epoch.
    drop(talk);
    broker.sigkill_and_restart(1);
    let mut talk = Talk::to(broker.bootstrap());
    (60..70).for_each(|number| write(&mut talk, number));
    let next = built(batch(Compression::Gzip, 1000));
    talk.produce(PLAIN, 0, next, None);
    let partitions = [
        (MADE, 0, 0),
        (MADE, 1, 7),
        (COMPACTED, 0, 0),
        (PLAIN, 0, 0),
        (PLAIN, 1, 0),
    ];
    let given = Given {
        partitions: partitions
            .map(|(topic, partition, from)| (topic, partition, seen(&mut talk, topic, partition, from)))
            .into(),
        repeated: repeated.expect("written"),
    };
    drop(talk);
    broker.sigkill();
    given
}

/// The records from an offset on; the first batch may begin before it.
fn seen(talk: &mut Talk, topic: &str, partition: i32, from: i64) -> Vec<Seen> {
    let mut seen = records(&talk.batches(topic, partition, from));
    seen.retain(|record| record.0 >= from);
    seen
}

/// Text that compresses badly, in one line.
fn noise_text(seed: i32, len: usize) -> String {
    noise(seed as u32, len)
        .iter()
        .map(|byte| char::from(b'!' + byte % 94))
        .collect()
}

fn export_to(kafka: &Path, data_dir: &Path, topic: &str, arguments: &[&str]) -> std::process::Output {
    let arguments = [&["export", topic], arguments, &["--data-dir"]].concat();
    storage(&arguments, &[data_dir, kafka])
}

pub fn refused_while_kafka_runs(kafka: &KafkaServer, broker: &Broker) {
    let said = failed(export_to(&kafka.log_dir(), &broker.data_dir(), "twins-kept", &[]));
    assert!(said.contains("an Apache Kafka broker runs on"), "{said}");
    let import = storage(&["import", "--data-dir"], &[&broker.data_dir(), &kafka.log_dir()]);
    let said = failed(import);
    assert!(said.contains("an Apache Kafka broker runs on"), "{said}");
}

/// Exports everything to the stopped Kafka, with the tries that have to fail.
pub fn export(kafka: &KafkaServer, broker: &Broker, id: TopicId) {
    let (to, from) = (kafka.log_dir(), broker.data_dir());
    for (topic, complaint) in [
        (PLAIN, "--replace deletes them"),
        (OTHER, "needs as many partitions in Kafka"),
        ("nowhere", "there is no topic"),
        ("__consumer_offsets", "internal topic"),
    ] {
        let said = failed(export_to(&to, &from, topic, &[]));
        assert!(said.contains(complaint), "{said}");
    }
    let said = succeeded(export_to(&to, &from, MADE, &[]));
    assert!(
        said.contains(&format!("with topic id {id}, 2 partitions")),
        "{said}"
    );
    succeeded(export_to(&to, &from, COMPACTED, &[]));
    succeeded(export_to(&to, &from, PLAIN, &["--replace"]));
    let unfinished = fs::read_dir(&to).expect("listed").any(|entry| {
        let name = entry.expect("an entry").file_name();
        name.to_string_lossy().ends_with("-delete")
    });
    assert!(!unfinished);

    // To nobody: with its own id, or the one that is said.
    let elsewhere = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let other = TopicId([9; 16]);
    succeeded(export_to(
        elsewhere.path(),
        &from,
        MADE,
        &["--topic-id", &other.to_string()],
    ));
    let metadata = fs::read_to_string(elsewhere.path().join("made-here-1/partition.metadata")).expect("read");
    assert_eq!(metadata, format!("version: 0\ntopic_id: {other}"));
    let starts = fs::read_to_string(elsewhere.path().join("log-start-offset-checkpoint")).expect("read");
    assert_eq!(starts, "0\n2\nmade-here 0 0\nmade-here 1 7\n");
}

/// Has Kafka's tool look at every file of the exported partitions.
pub fn dump(kafka: &KafkaServer) {
    let mut files = Vec::new();
    for partition in ["made-here-0", "made-here-1", "made.compacted-0", "plain.topic-0"] {
        crate::add_dumpable(&kafka.log_dir().join(partition), &mut files);
    }
    crate::dump(kafka, &files);
}

/// Looks at it through Kafka that has taken it over: by its own consumer, and by what it says to producers.
pub fn check(kafka: &KafkaServer, given: &Given) {
    let mut talk = Talk::to(&kafka.bootstrap());
    let mut lines = Vec::new();
    for (topic, partition, expected) in &given.partitions {
        let from = expected[0].0;
        assert!(
            seen(&mut talk, topic, *partition, from) == *expected,
            "{topic}-{partition}"
        );
        if *topic != PLAIN {
            lines.extend(expected.iter().map(|record| as_line(*partition, record)));
        }
    }
    let consumer = kafka
        .java("org.apache.kafka.tools.consumer.ConsoleConsumer")
        .args([
            "--bootstrap-server",
            &kafka.bootstrap(),
            "--include",
            "made-here|made[.]compacted",
            "--from-beginning",
        ])
        .args([
            "--max-messages",
            &lines.len().to_string(),
            "--timeout-ms",
            "60000",
        ])
        .args(
            ["timestamp", "partition", "offset", "headers", "key"]
                .map(|what| format!("--formatter-property=print.{what}=true")),
        )
        .output()
        .expect("java runs");
    let text = String::from_utf8_lossy(&consumer.stdout);
    let mut printed: Vec<&str> = text.lines().collect();
    printed.sort_unstable();
    lines.sort_unstable();
    let first_wrong = lines.iter().zip(&printed).find(|(line, printed)| line != printed);
    assert!(
        printed.len() == lines.len() && first_wrong.is_none(),
        "{} of {} lines, first other one {first_wrong:?}: {}",
        printed.len(),
        lines.len(),
        String::from_utf8_lossy(&consumer.stderr)
    );
    // It knows the producer, and goes on at the end.
    let (bytes, offset) = &given.repeated;
    assert_eq!(talk.produce(MADE, 1, bytes.clone(), None), *offset);
    let end = given.partitions[1].2.last().expect("records").0 + 1;
    assert_eq!(
        talk.produce(MADE, 1, built(batch(Compression::Zstd, 1)), None),
        end
    );
    // It complains of a slow machine, too.
    let said = kafka.log();
    let complaint = said.lines().find(|line| {
        let error = line.contains("ERROR") && !line.contains("Exceptionally slow controller event");
        error || line.contains("stray")
    });
    assert_eq!(complaint, None);
}

/// A record as Kafka's console consumer prints it.
fn as_line(partition: i32, record: &Seen) -> String {
    let text = |bytes: &Option<Vec<u8>>| match bytes {
        Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        None => "null".to_string(),
    };
    let (offset, timestamp, key, value, headers) = record;
    let mut printed: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}:{}", text(value)))
        .collect();
    if printed.is_empty() {
        printed.push("NO_HEADERS".to_string());
    }
    let (headers, key, value) = (printed.join(","), text(key), text(value));
    format!("CreateTime:{timestamp}\tPartition:{partition}\tOffset:{offset}\t{headers}\t{key}\t{value}")
}
