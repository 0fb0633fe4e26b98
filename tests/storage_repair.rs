//! `corelane storage repair` on files that a real broker has left: damage is explained as the broker explains it, nothing is changed
//! unless it is told, and then the broker serves what is left and takes new records behind it.

mod fixture;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use corelane::wire::messages::fetch::{FetchPartition, FetchTopic};
use corelane::wire::messages::produce::{PartitionProduceData, TopicProduceData};
use corelane::wire::messages::{CreateTopicsRequest, FetchRequest, ProduceRequest};
use corelane::wire::records::{BatchBuilder, Compression, batches};
use fixture::client::Client;
use fixture::{Broker, Options, is_error};
use serde_json::{Value, json};

fn command(path: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
    command.args(["storage", "repair"]).arg(path).args(arguments);
    command
}

fn repair(path: &Path, arguments: &[&str]) -> Output {
    command(path, arguments).output().expect("start the command")
}

/// The report; says whether the command succeeded.
fn report(path: &Path, arguments: &[&str]) -> (Value, bool) {
    let output = repair(path, &[&["--json"], arguments].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout);
    (
        report.unwrap_or_else(|_| panic!("no JSON: {said}")),
        output.status.success(),
    )
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn of_topic<'a>(report: &'a Value, topic: &str) -> &'a Value {
    let partitions = report["partitions"].as_array().expect("a list");
    let found = partitions.iter().find(|one| one["topic"] == topic);
    found.unwrap_or_else(|| panic!("{topic} in {report}"))
}

fn states(report: &Value) -> BTreeMap<String, String> {
    let partitions = report["partitions"].as_array().expect("a list");
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    partitions
        .iter()
        .map(|one| (text(&one["topic"]), text(&one["state"])))
        .collect()
}

/// Every file below a directory.
fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("listed") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(tree(&path));
        } else {
            let bytes = fs::read(&path).expect("read");
            files.insert(path, bytes);
        }
    }
    files
}

fn create(client: &mut Client, topic: &str) {
    let config = |name: &str, value: &str| CreatableTopicConfig {
        name: name.to_owned(),
        value: Some(value.to_owned()),
    };
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: topic.to_owned(),
            num_partitions: 1,
            replication_factor: 1,
            configs: vec![config("segment.bytes", "1048576"), config("retention.ms", "-1")],
            ..CreatableTopic::default()
        }],
        timeout_ms: 60_000,
        validate_only: false,
    };
    assert_eq!(client.call(&request, 7).topics[0].error_code, 0);
}

/// Bytes that belong to one record alone.
fn value(topic: &str, number: i64, len: usize) -> Vec<u8> {
    let mut state = topic.bytes().fold(number as u32 + 1, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(byte.into())
    });
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

fn try_produce(client: &mut Client, topic: &str, number: i64, len: usize) -> Result<i64, ErrorCode> {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.append(
        1_700_000_000_000 + number,
        None,
        Some(&value(topic, number, len)),
        &[],
    );
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 60_000,
        topic_data: vec![TopicProduceData {
            name: topic.to_owned(),
            partition_data: vec![PartitionProduceData {
                index: 0,
                records: Some(builder.build().expect("a batch").freeze()),
            }],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    };
    let answer = client.call(&request, 9);
    let partition = &answer.responses[0].partition_responses[0];
    match partition.error_code {
        0 => Ok(partition.base_offset),
        code => Err(ErrorCode::from_code(code).expect("a code Kafka knows")),
    }
}

fn produce(client: &mut Client, topic: &str, numbers: std::ops::Range<i64>, len: usize) {
    for number in numbers {
        assert_eq!(try_produce(client, topic, number, len), Ok(number));
    }
}

/// The offsets of the batches from one on, up to the end or to an error, which is given as well.
fn read(client: &mut Client, topic: &str, from: i64) -> (Vec<i64>, ErrorCode) {
    let (mut found, mut next) = (Vec::new(), from);
    loop {
        let request = FetchRequest {
            max_wait_ms: 0,
            max_bytes: 8 << 20,
            topics: vec![FetchTopic {
                topic: topic.to_owned(),
                partitions: vec![FetchPartition {
                    fetch_offset: next,
                    partition_max_bytes: 8 << 20,
                    ..FetchPartition::default()
                }],
                ..FetchTopic::default()
            }],
            ..FetchRequest::default()
        };
        let mut answer = client.call(&request, 11);
        let data = answer.responses.remove(0).partitions.remove(0);
        if data.error_code != 0 {
            return (
                found,
                ErrorCode::from_code(data.error_code).expect("a code Kafka knows"),
            );
        }
        let bytes = data.records.unwrap_or_default();
        let before = next;
        for batch in batches(&bytes).map_while(Result::ok) {
            batch.check_crc().expect("good");
            next = batch.header().next_offset().0;
            found.push(batch.header().base_offset.0);
        }
        if next >= data.high_watermark || next == before {
            return (found, ErrorCode::None);
        }
    }
}

/// Segments with their base offsets, ascending.
fn segments(partition: &Path) -> Vec<(i64, PathBuf)> {
    let mut segments: Vec<(i64, PathBuf)> = fs::read_dir(partition)
        .expect("listed")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .map(|path| {
            let base = path.file_stem().expect("a name").to_string_lossy().parse();
            (base.expect("a number"), path)
        })
        .collect();
    segments.sort();
    segments
}

/// Flips a bit in a record of a segment; gives its offset, and the first byte and the size of its batch.
fn flip(path: &Path, nth: usize) -> (i64, u64, u64) {
    let mut bytes = fs::read(path).expect("read");
    let mut all = batches(&bytes);
    for _ in 0..nth {
        all.next().expect("more").expect("whole");
    }
    let at = all.position();
    let batch = all.next().expect("more").expect("whole");
    let (offset, size) = (batch.header().base_offset.0, batch.header().size_bytes());
    bytes[at + 300] ^= 8;
    fs::write(path, bytes).expect("written");
    (offset, at as u64, size as u64)
}

fn offline(log: &[String]) -> Vec<&String> {
    log.iter()
        .filter(|line| is_error(line) && line.contains("a partition is offline"))
        .collect()
}

const RECORDS: i64 = 60;
const LEN: usize = 50_000;
const TOPICS: [&str; 6] = ["bent", "epochs", "index", "short", "tail", "whole"];

/// A broker that has written several topics and ended in order.
fn written() -> Broker {
    let mut broker = Broker::start(Options::shards(1));
    let mut client = Client::connect(broker.bootstrap());
    for topic in TOPICS {
        create(&mut client, topic);
        produce(&mut client, topic, 0..RECORDS, LEN);
    }
    drop(client);
    broker.stop();
    broker
}

/// What was damaged.
struct Damage {
    bent: (i64, u64, u64),
    cut_from: i64,
    tail: (i64, u64, u64),
}

fn damage(data_dir: &Path) -> Damage {
    let partition = |topic: &str| data_dir.join(format!("{topic}-0"));
    let bent = flip(&segments(&partition("bent"))[1].1, 5);
    fs::write(
        partition("epochs").join("leader-epoch-checkpoint"),
        "0\n2\n3 9\n1",
    )
    .expect("written");
    let (_, closed) = segments(&partition("index")).remove(0);
    fs::remove_file(closed.with_extension("index")).expect("there was one");
    let (base, last) = segments(&partition("short")).pop().expect("there are some");
    let bytes = fs::read(&last).expect("read");
    let batch = batches(&bytes).next().expect("one").expect("whole");
    let len = batch.header().size_bytes();
    fs::write(&last, &bytes[..len + 1000]).expect("written");
    let (_, last) = segments(&partition("tail")).pop().expect("there are some");
    let tail = flip(&last, 2);
    Damage {
        bent,
        cut_from: base + 1,
        tail,
    }
}

#[test]
fn damage_is_explained_and_cut_only_when_told() {
    let mut broker = written();
    let data_dir = broker.data_dir();
    let (fine, whole) = report(&data_dir, &[]);
    assert!(whole && fine["changed"] == false, "{fine}");
    assert!(states(&fine).values().all(|state| state == "whole"), "{fine}");
    // Without a checkpoint all is read again, and nothing is lost.
    let checkpoint = data_dir.join("corelane-recovery-checkpoint");
    let good = fs::read(&checkpoint).expect("read");
    fs::write(&checkpoint, &good[1..]).expect("written");
    let (without, whole) = report(&data_dir, &[]);
    assert!(whole && without["checkpoint_damaged"] == true, "{without}");
    assert!(
        states(&without).values().all(|state| state == "whole"),
        "{without}"
    );
    fs::write(&checkpoint, &good).expect("written");

    let hurt = damage(&data_dir);
    let before = tree(&data_dir);
    let (found, whole) = report(&data_dir, &[]);
    let human = repair(&data_dir, &[]);
    assert!(!whole && !human.status.success());
    let expected: BTreeMap<String, String> = [
        ("bent", "damaged"),
        ("epochs", "offline"),
        ("index", "whole"),
        ("short", "offline"),
        ("tail", "damaged"),
        ("whole", "whole"),
    ]
    .into_iter()
    .map(|(topic, state)| (topic.to_owned(), state.to_owned()))
    .collect();
    assert_eq!(states(&found), expected, "{found}");
    let (offset, position, size) = hurt.bent;
    let bent = of_topic(&found, "bent");
    assert_eq!(bent["loses"], json!([{ "from": offset, "to": offset }]));
    let place = &bent["places"][0];
    assert_eq!(
        (
            &place["position"],
            &place["bytes"],
            &place["offset"],
            &place["goes_on_at"]
        ),
        (&json!(position), &json!(size), &json!(offset), &json!(offset + 1))
    );
    assert_eq!(bent["keeps_records"], RECORDS - 1);
    let short = of_topic(&found, "short");
    assert_eq!(
        short["loses"],
        json!([{ "from": hurt.cut_from, "to": RECORDS - 1 }])
    );
    assert_eq!(short["next_offset"], RECORDS);
    assert_eq!(
        of_topic(&found, "tail")["loses"],
        json!([{ "from": hurt.tail.0, "to": hurt.tail.0 }])
    );
    assert_eq!(of_topic(&found, "epochs")["loses"], json!([]));
    let notes = of_topic(&found, "index")["notes"].to_string();
    assert!(notes.contains(".index is not there"), "{notes}");
    let words = said(&human);
    for part in [
        "2 partitions are whole, 2 damaged, 2 offline",
        &format!("--cut loses offset {offset}\n"),
        &format!("--cut loses offsets {} to {}", hurt.cut_from, RECORDS - 1),
        "nothing was changed",
    ] {
        assert!(words.contains(part), "{part} in {words}");
    }
    assert!(tree(&data_dir) == before, "nothing was changed");
    // One of them alone.
    let (one, whole) = report(&data_dir.join("bent-0"), &[]);
    assert!(
        !whole && one["partitions"].as_array().map(Vec::len) == Some(1),
        "{one}"
    );

    // The broker says the same, and serves the others.
    broker.start_again(1);
    let mut client = Client::connect(broker.bootstrap());
    let refused = repair(&data_dir, &["--cut"]);
    assert!(
        !refused.status.success() && said(&refused).contains("in use by another Corelane server"),
        "{}",
        said(&refused)
    );
    let refused = repair(&data_dir, &[]);
    assert!(said(&refused).contains("in use by another Corelane server"));
    assert_eq!(read(&mut client, "whole", 0).0, (0..RECORDS).collect::<Vec<_>>());
    assert_eq!(read(&mut client, "index", 0).0, (0..RECORDS).collect::<Vec<_>>());
    let upto = (0..offset).collect::<Vec<_>>();
    assert_eq!(read(&mut client, "bent", 0), (upto, ErrorCode::CorruptMessage));
    for topic in ["epochs", "short"] {
        assert_ne!(read(&mut client, topic, 0).1, ErrorCode::None, "{topic}");
    }
    drop(client);
    let log = broker.stop_with_log();
    let reasons = offline(&log);
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    for topic in ["epochs", "short"] {
        let reason = of_topic(&found, topic)["reason"].as_str().expect("a reason");
        assert!(
            reasons.iter().any(|line| line.contains(reason)),
            "{reason} in {reasons:?}"
        );
    }

    // One by one, then all.
    let (done, fine) = report(&data_dir.join("bent-0"), &["--cut"]);
    assert!(fine, "{done}");
    let kept = of_topic(&done, "bent")["repaired"]["kept"][0]
        .as_str()
        .expect("a file");
    assert_eq!(fs::metadata(kept).expect("there").len(), size);
    let (done, fine) = report(&data_dir, &["--cut"]);
    assert!(fine, "{done}");
    assert_eq!(of_topic(&done, "short")["repaired"]["next_offset"], RECORDS);
    let (after, fine) = report(&data_dir, &[]);
    assert!(
        fine && states(&after).values().all(|state| state == "whole"),
        "{after}"
    );

    broker.start_again(1);
    serves_what_is_left(&broker, &hurt);
    // Gaps are no damage to a start that has to read.
    broker.sigkill_and_restart(2);
    let mut client = Client::connect(broker.bootstrap());
    let mut shards: Vec<Client> = broker.addresses().iter().map(|at| Client::connect(at)).collect();
    for topic in TOPICS {
        let ends = shards.iter_mut().map(|client| read(client, topic, RECORDS));
        assert!(
            ends.into_iter()
                .any(|end| end == (vec![RECORDS], ErrorCode::None)),
            "{topic}"
        );
    }
    assert_eq!(
        try_produce(&mut client, "none", 0, 10),
        Err(ErrorCode::UnknownTopicOrPartition)
    );
    broker.stop();
}

/// All that is left is read, and new records come behind all that were there.
fn serves_what_is_left(broker: &Broker, hurt: &Damage) {
    let mut client = Client::connect(broker.bootstrap());
    let all = |lost: std::ops::Range<i64>| (0..RECORDS).filter(|one| !lost.contains(one)).collect::<Vec<_>>();
    for (topic, lost) in [
        ("bent", hurt.bent.0..hurt.bent.0 + 1),
        ("epochs", 0..0),
        ("index", 0..0),
        ("short", hurt.cut_from..RECORDS),
        ("tail", hurt.tail.0..hurt.tail.0 + 1),
        ("whole", 0..0),
    ] {
        assert_eq!(
            read(&mut client, topic, 0),
            (all(lost.clone()), ErrorCode::None),
            "{topic}"
        );
        // Who stands where something was lost goes on behind it, and behind the end there is nothing.
        let behind = all(lost.clone())
            .into_iter()
            .filter(|one| *one >= lost.end)
            .collect::<Vec<_>>();
        assert_eq!(read(&mut client, topic, lost.start.max(lost.end - 1)).0, {
            let from = lost.start.max(lost.end - 1);
            let mut expected = behind;
            if lost.is_empty() {
                expected = all(0..0).into_iter().filter(|one| *one >= from).collect();
            }
            expected
        });
        assert_eq!(
            read(&mut client, topic, RECORDS + 7).1,
            ErrorCode::OffsetOutOfRange,
            "{topic}"
        );
        assert_eq!(
            try_produce(&mut client, topic, RECORDS, LEN),
            Ok(RECORDS),
            "{topic}"
        );
    }
}

#[test]
fn a_repair_that_is_killed_is_finished_by_the_next() {
    let mut broker = written();
    let data_dir = broker.data_dir();
    let hurt = damage(&data_dir);
    for delay_ms in [1, 20, 60, 120, 200, 300, 450] {
        let mut child = command(&data_dir, &["--cut", "--json"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start the command");
        std::thread::sleep(Duration::from_millis(delay_ms));
        child.kill().expect("killed, or it has ended");
        child.wait().expect("ended");
    }
    let (done, fine) = report(&data_dir, &["--cut"]);
    assert!(fine, "{done}");
    broker.start_again(1);
    serves_what_is_left(&broker, &hurt);
    broker.stop();
}

/// The write-ahead log's files.
fn wals(data_dir: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(data_dir.join("wal"))
        .expect("listed")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wal"))
        .collect();
    all.sort();
    all
}

/// Changes the bytes of the write-ahead log from a record's on.
fn hurt_wal(data_dir: &Path, wanted: &[u8], change: impl Fn(&mut [u8])) -> PathBuf {
    for path in wals(data_dir) {
        let mut bytes = fs::read(&path).expect("read");
        let at = bytes.windows(wanted.len()).position(|window| window == wanted);
        if let Some(at) = at {
            // The frame begins with its block.
            let frame = at / 4096 * 4096;
            assert!(frame + 4096 >= at + wanted.len(), "it is in one block");
            change(&mut bytes[frame..frame + 4096]);
            fs::write(&path, bytes).expect("written");
            return path;
        }
    }
    panic!("no write-ahead log has it");
}

const SMALL: usize = 200;

#[test]
fn damaged_records_of_a_write_ahead_log_are_passed_over() {
    let mut broker = Broker::start(Options::shards(1));
    let mut client = Client::connect(broker.bootstrap());
    for topic in ["hit", "near"] {
        create(&mut client, topic);
    }
    for number in 0..10 {
        produce(&mut client, "hit", number..number + 1, SMALL);
        produce(&mut client, "near", number..number + 1, SMALL);
    }
    drop(client);
    broker.sigkill();
    let data_dir = broker.data_dir();
    let wanted = value("hit", 4, SMALL);
    let wal = hurt_wal(&data_dir, &wanted, |frame| {
        let at = frame
            .windows(SMALL)
            .position(|window| window == wanted)
            .expect("there");
        frame[at + 17] ^= 1;
    });
    let before = tree(&data_dir);
    let (found, whole) = report(&data_dir, &[]);
    assert!(!whole && tree(&data_dir) == before, "{found}");
    let hit = of_topic(&found, "hit");
    assert_eq!(
        (&hit["state"], &hit["next_offset"]),
        (&json!("offline"), &json!(10))
    );
    assert_eq!(hit["loses"], json!([{ "from": 4, "to": 4 }]));
    assert_eq!(
        hit["from_write_ahead_logs"],
        json!([{ "from": 0, "to": 3 }, { "from": 5, "to": 9 }])
    );
    assert_eq!(of_topic(&found, "near")["state"], "whole");

    broker.start_again(1);
    let mut client = Client::connect(broker.bootstrap());
    assert_eq!(read(&mut client, "near", 0).0, (0..10).collect::<Vec<_>>());
    produce(&mut client, "near", 10..12, SMALL);
    drop(client);
    let log = broker.sigkill_with_log();
    let reasons = offline(&log);
    let reason = hit["reason"].as_str().expect("a reason");
    assert!(
        reasons.len() == 1 && reasons[0].contains(reason),
        "{reason}: {reasons:?}"
    );

    let (done, fine) = report(&data_dir.join("hit-0"), &["--cut"]);
    let repaired = of_topic(&done, "hit");
    assert!(fine, "{done}");
    assert_eq!(
        repaired["repaired"]["passed_over"],
        json!([{ "from": 4, "to": 4 }])
    );
    assert!(!wal.exists() && wal.with_extension("wal.damaged").exists());
    broker.start_again(1);
    let mut client = Client::connect(broker.bootstrap());
    let left = (0..10).filter(|one| *one != 4).collect::<Vec<_>>();
    assert_eq!(read(&mut client, "hit", 0), (left, ErrorCode::None));
    assert_eq!(read(&mut client, "near", 0).0, (0..12).collect::<Vec<_>>());
    produce(&mut client, "hit", 10..11, SMALL);
    drop(client);
    broker.stop();
}

#[test]
fn what_nobody_knows_of_is_said_and_all_partitions_come_back() {
    let mut broker = Broker::start(Options::shards(1));
    let mut client = Client::connect(broker.bootstrap());
    for topic in ["last", "later"] {
        create(&mut client, topic);
    }
    produce(&mut client, "last", 0..5, SMALL);
    produce(&mut client, "later", 0..5, SMALL);
    produce(&mut client, "last", 5..6, SMALL);
    produce(&mut client, "later", 5..9, SMALL);
    drop(client);
    broker.sigkill();
    let data_dir = broker.data_dir();
    // All of a frame: nothing tells whose it was.
    hurt_wal(&data_dir, &value("last", 5, SMALL), |frame| frame.fill(0xa5));
    let (found, whole) = report(&data_dir, &[]);
    assert!(!whole);
    let last = of_topic(&found, "last");
    assert_eq!(
        (&last["state"], &last["may_lose_more"]),
        (&json!("offline"), &json!(true))
    );
    assert_eq!(of_topic(&found, "later")["state"], "whole");
    assert_eq!(
        found["write_ahead_logs"].as_array().map(Vec::len),
        Some(1),
        "{found}"
    );
    let words = said(&repair(&data_dir, &[]));
    assert!(
        words.contains("new records may get offsets that lost ones had"),
        "{words}"
    );

    // All that may need the log are repaired together.
    let alone = repair(&data_dir.join("last-0"), &["--cut"]);
    assert!(!alone.status.success() && said(&alone).contains("repair all partitions together"));
    let (done, fine) = report(&data_dir, &["--cut"]);
    assert!(fine, "{done}");
    assert_eq!(of_topic(&done, "last")["repaired"]["next_offset"], 5);
    broker.start_again(1);
    let mut client = Client::connect(broker.bootstrap());
    assert_eq!(read(&mut client, "last", 0), ((0..5).collect(), ErrorCode::None));
    assert_eq!(read(&mut client, "later", 0), ((0..9).collect(), ErrorCode::None));
    produce(&mut client, "last", 5..7, SMALL);
    drop(client);
    broker.sigkill_and_restart(1);
    let mut client = Client::connect(broker.bootstrap());
    assert_eq!(read(&mut client, "last", 0).0, (0..7).collect::<Vec<_>>());
    drop(client);
    broker.stop();
}
