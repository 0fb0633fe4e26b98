//! `corelane storage inspect` on files that a broker has left, whole and damaged.

mod fixture;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use corelane::base::ids::{ProducerEpoch, ProducerId};
use corelane::wire::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use corelane::wire::messages::produce::{PartitionProduceData, TopicProduceData};
use corelane::wire::messages::{CreateTopicsRequest, ProduceRequest};
use corelane::wire::records::{BatchBuilder, Compression};
use fixture::client::Client;
use fixture::{Broker, Options};
use serde_json::Value;

const BATCHES: i32 = 60;
const RECORDS_PER_BATCH: i32 = 5;
const PRODUCER: i64 = 77;
const FIRST_TIMESTAMP_MS: i64 = 1_700_000_000_000;

fn inspect(partition: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_corelane"))
        .args(["storage", "inspect"])
        .arg(partition)
        .args(arguments)
        .output()
        .expect("start the command")
}

/// The report; says whether the command succeeded.
fn report(partition: &Path, arguments: &[&str]) -> (Value, bool) {
    let output = inspect(partition, &[&["--json"], arguments].concat());
    let report = serde_json::from_slice(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (
        report.unwrap_or_else(|_| panic!("no JSON: {said}")),
        output.status.success(),
    )
}

fn batch(number: i32) -> BatchBuilder {
    let codecs = [Compression::None, Compression::Zstd, Compression::Gzip];
    let codec = codecs[number as usize % codecs.len()];
    let mut builder =
        BatchBuilder::new(codec).producer(ProducerId(PRODUCER), ProducerEpoch(2), number * RECORDS_PER_BATCH);
    for i in 0..RECORDS_PER_BATCH {
        // Compresses badly, so that there are several segments.
        let mut state = (number * 31 + i) as u32;
        let value: Vec<u8> = (0..10_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        builder.append(FIRST_TIMESTAMP_MS + i64::from(number), None, Some(&value), &[]);
    }
    builder
}

/// A broker that has written one partition and ended in order.
fn written() -> (Broker, PathBuf) {
    let mut broker = Broker::start(Options::shards(1));
    let mut client = Client::connect(broker.bootstrap());
    let topic = CreatableTopic {
        name: "seen".to_string(),
        num_partitions: 1,
        replication_factor: 1,
        configs: vec![CreatableTopicConfig {
            name: "segment.bytes".to_string(),
            value: Some("1048576".to_string()),
        }],
        ..CreatableTopic::default()
    };
    let create = CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: 30_000,
        validate_only: false,
    };
    assert_eq!(client.call(&create, 7).topics[0].error_code, 0);
    for number in 0..BATCHES {
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: 30_000,
            topic_data: vec![TopicProduceData {
                name: "seen".to_string(),
                partition_data: vec![PartitionProduceData {
                    index: 0,
                    records: Some(batch(number).build().expect("a batch").freeze()),
                }],
                ..TopicProduceData::default()
            }],
            ..ProduceRequest::default()
        };
        let answer = client.call(&request, 9);
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    }
    broker.stop();
    let partition = broker.data_dir().join("seen-0");
    (broker, partition)
}

fn segments(partition: &Path) -> Vec<PathBuf> {
    let mut segments: Vec<PathBuf> = fs::read_dir(partition)
        .expect("listed")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    segments.sort();
    segments
}

#[test]
fn a_partition_is_shown_and_its_damage_is_named() {
    let (_broker, partition) = written();
    let records = i64::from(BATCHES * RECORDS_PER_BATCH);
    for arguments in [&[][..], &["--deep"]] {
        let (report, good) = report(&partition, arguments);
        assert!(good, "{report}");
        assert_eq!(
            (&report["first_offset"], &report["next_offset"]),
            (&0.into(), &records.into())
        );
        assert_eq!(report["records"], records);
        assert_eq!(
            (&report["damage"], &report["notes"]),
            (&Value::Array(Vec::new()), &Value::Array(Vec::new()))
        );
        assert!(report["topic_id"].is_string());
        assert_eq!(report["leader_epochs"][0]["start_offset"], 0);
        let producer = &report["producers"][0];
        assert_eq!(
            (&producer["producer_id"], &producer["epoch"]),
            (&PRODUCER.into(), &2.into())
        );
        assert_eq!(
            (&producer["batches"], &producer["last_sequence"]),
            (&BATCHES.into(), &(records - 1).into())
        );
        assert_eq!(
            producer["last_timestamp_ms"],
            FIRST_TIMESTAMP_MS + i64::from(BATCHES) - 1
        );
        let all = report["segments"].as_array().expect("a list");
        assert!(all.len() > 1);
        for segment in all {
            assert_eq!(segment["end"]["state"], "whole");
            assert_eq!(segment["codecs"].as_array().map(Vec::len), Some(3));
            assert!(segment["index"]["entries"].as_u64() > Some(0), "{segment}");
            assert!(segment["timeindex"]["entries"].as_u64() > Some(0), "{segment}");
        }
        let snapshots = report["snapshots"].as_array().expect("a list");
        assert_eq!(snapshots.last().expect("of the shutdown")["producers"], 1);
    }
    let (with_batches, _) = report(&partition, &["--batches"]);
    let batches = with_batches["batches"].as_array().expect("a list");
    assert_eq!(batches.len(), BATCHES as usize);
    assert_eq!(
        (&batches[1]["base_offset"], &batches[1]["last_offset"]),
        (&5.into(), &9.into())
    );
    assert_eq!(
        (&batches[1]["codec"], &batches[1]["base_sequence"]),
        (&"zstd".into(), &5.into())
    );

    let human = inspect(&partition, &["--batches"]);
    let text = String::from_utf8_lossy(&human.stdout).into_owned();
    assert!(
        human.status.success() && text.contains("PRODUCER") && text.contains("offsets 5 to 9"),
        "{text}"
    );

    // A bit in the midst of a batch in the midst of the first segment.
    let first = segments(&partition).remove(0);
    let good = fs::read(&first).expect("read");
    let hurt = batches[7]["position"].as_u64().expect("a number") as usize;
    let mut bytes = good.clone();
    bytes[hurt + 1000] ^= 4;
    fs::write(&first, &bytes).expect("written");
    let (hurt_report, fine) = report(&partition, &[]);
    assert!(!fine);
    let damage = hurt_report["damage"].as_array().expect("a list");
    let said = damage[0].as_str().expect("a text");
    assert!(
        said.contains("00000000000000000000.log") && said.contains(&format!("byte {hurt}, behind offset 34")),
        "{said}"
    );
    assert_eq!(hurt_report["segments"][0]["next_offset"], 35);
    let human = inspect(&partition, &[]);
    assert!(!human.status.success());
    assert!(String::from_utf8_lossy(&human.stdout).contains("damage: "));
    assert!(String::from_utf8_lossy(&human.stderr).contains("damage in 1 place"));

    // Cut off in the midst of a batch.
    fs::write(&first, &good[..hurt + 20]).expect("written");
    assert!(!report(&partition, &[]).1);
    fs::write(&first, &good).expect("written");

    // Zeros behind the last segment are its padding, behind an earlier one they are damage.
    let last = segments(&partition).pop().expect("there are some");
    let ends = fs::read(&last).expect("read");
    fs::write(&last, [&ends[..], &[0; 3000]].concat()).expect("written");
    let (padded, fine) = report(&partition, &[]);
    assert!(fine);
    let end = &padded["segments"]
        .as_array()
        .expect("a list")
        .last()
        .expect("one")["end"];
    assert_eq!((&end["state"], &end["bytes"]), (&"zeros".into(), &3000.into()));
    fs::write(&last, &ends).expect("written");
    fs::write(&first, [&good[..], &[0; 10]].concat()).expect("written");
    assert!(!report(&partition, &[]).1);
    fs::write(&first, &good).expect("written");

    // What can be made anew from the segment is no damage.
    let index = first.with_extension("index");
    let mut entries = fs::read(&index).expect("read");
    entries[7] ^= 1;
    fs::write(&index, entries).expect("written");
    let (noted, fine) = report(&partition, &[]);
    assert!(fine);
    assert!(
        noted["notes"][0]
            .as_str()
            .expect("a text")
            .contains("00000000000000000000.index")
    );
}

#[test]
fn what_is_no_partition_is_said() {
    let folder = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let empty = inspect(folder.path(), &[]);
    let said = String::from_utf8_lossy(&empty.stderr).into_owned();
    assert!(
        !empty.status.success() && said.contains("holds no segment"),
        "{said}"
    );
    let missing = inspect(&folder.path().join("nowhere-0"), &[]);
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(
        !missing.status.success() && said.contains("could not list"),
        "{said}"
    );
    let help = inspect(Path::new("--help"), &[]);
    let said = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(
        said.contains("Examples:") && said.contains("corelane storage inspect"),
        "{said}"
    );
}
