//! A broker with several data directories: partitions are spread over them, found again in any order of them, and offline, but
//! never begun anew, while their directory is not there; they are moved from one to another while they are in use.

mod fixture;

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use corelane::wire::codec::{Message, Reader, Request};
use corelane::wire::errors::ErrorCode;
use corelane::wire::frame::request_frame;
use corelane::wire::header::read_response_header;
use corelane::wire::messages::alter_replica_log_dirs::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use corelane::wire::messages::delete_topics::DeleteTopicState;
use corelane::wire::messages::produce::{PartitionProduceData, TopicProduceData};
use corelane::wire::messages::{
    AlterReplicaLogDirsRequest, DeleteTopicsRequest, DescribeLogDirsRequest, ProduceRequest, ProduceResponse,
};
use corelane::wire::records::{BatchBuilder, Compression};
use fixture::client::Client;
use fixture::partitions::{consume, create, described, error, leader, produce};
use fixture::{Broker, Options};
use tempfile::TempDir;

const TOPIC: &str = "spread";
const PARTITIONS: i32 = 6;

fn has_folder(broker: &Broker, dir: &str, topic: &str, partition: i32) -> bool {
    broker
        .data_dir_named(dir)
        .join(format!("{topic}-{partition}"))
        .is_dir()
}

/// A broker with two directories and a record in each partition of the topic. Also gives the partitions in `more`.
fn spread() -> (Broker, Vec<i32>) {
    let broker = Broker::start(Options::shards(2).data_dirs(&["data", "more"]));
    create(&broker, TOPIC, PARTITIONS);
    for partition in 0..PARTITIONS {
        assert_eq!(
            produce(&broker, TOPIC, partition, &format!("first of {partition}")),
            Ok(0)
        );
    }
    let found = described(&broker, TOPIC);
    let of = |name: &str| found[name].clone().expect("online");
    let (data, more) = (of("data"), of("more"));
    assert_eq!((data.len(), more.len()), (3, 3), "as many in each: {found:?}");
    for partition in 0..PARTITIONS {
        assert_ne!(data.contains(&partition), more.contains(&partition));
    }
    (broker, more)
}

#[test]
fn partitions_are_spread_and_found_again() {
    let (mut broker, more) = spread();
    for (shards, dirs) in [
        (3, ["more", "data"]),
        (1, ["data", "more"]),
        (2, ["more", "data"]),
    ] {
        // Once the records are in the write-ahead logs alone, and once in segments.
        match shards {
            3 => broker.sigkill(),
            _ => broker.stop(),
        }
        broker.use_data_dirs(&dirs);
        broker.start_again(shards);
        let found = described(&broker, TOPIC);
        assert_eq!(found["more"], Ok(more.clone()), "with {shards} shards");
        for partition in 0..PARTITIONS {
            let values = consume(&broker, TOPIC, partition).expect("online");
            assert_eq!(values[0], format!("first of {partition}"));
            assert_eq!(
                produce(&broker, TOPIC, partition, &format!("of {shards} shards")),
                Ok(values.len() as i64)
            );
        }
    }
    broker.stop();
    for partition in 0..PARTITIONS {
        let in_more = more.contains(&partition);
        assert_eq!(has_folder(&broker, "more", TOPIC, partition), in_more);
        assert_eq!(has_folder(&broker, "data", TOPIC, partition), !in_more);
    }
    // A new topic goes to where fewer are.
    broker.start_again(2);
    create(&broker, "one", 1);
    create(&broker, "two", 1);
    let of = |topic: &str| described(&broker, topic)["more"].clone().expect("online").len();
    assert_eq!(of("one") + of("two"), 1);
    broker.stop();
}

#[test]
fn what_a_missing_directory_holds_is_offline_and_comes_back() {
    let (mut broker, more) = spread();
    broker.sigkill();
    let (place, away) = (broker.data_dir_named("more"), broker.data_dir_named("away"));
    // Not named at all; and named, but empty, as the place is where no disk is mounted.
    for step in ["unnamed", "empty"] {
        if step == "unnamed" {
            broker.use_data_dirs(&["data"]);
        } else {
            fs::rename(&place, &away).expect("moved away");
            broker.use_data_dirs(&["data", "more"]);
        }
        broker.start_again(2);
        for partition in 0..PARTITIONS {
            let (fetched, produced) = (
                consume(&broker, TOPIC, partition),
                produce(&broker, TOPIC, partition, step),
            );
            if more.contains(&partition) {
                assert_eq!(fetched, Err(ErrorCode::KafkaStorageError), "{step}");
                assert_eq!(produced, Err(ErrorCode::KafkaStorageError), "{step}");
            } else {
                assert_eq!(fetched.expect("online")[0], format!("first of {partition}"));
                assert!(produced.is_ok(), "{step}: {produced:?}");
            }
        }
        let named = broker.log_lines();
        for partition in &more {
            let named = named
                .iter()
                .any(|line| line.contains("offline") && line.contains(&format!("partition={partition}")));
            assert!(named, "partition {partition} is named");
        }
        create(&broker, step, 2);
        for partition in 0..2 {
            assert_eq!(produce(&broker, step, partition, step), Ok(0));
        }
        broker.stop_with_log();
        for partition in &more {
            assert!(!has_folder(&broker, "data", TOPIC, *partition), "not begun anew");
            assert!(step != "empty" || !has_folder(&broker, "more", TOPIC, *partition));
        }
    }
    // The disk is back, under another name; the empty directory has become one of the server's and stays.
    broker.use_data_dirs(&["away", "data", "more"]);
    broker.start_again(1);
    let found = described(&broker, TOPIC);
    assert_eq!(found["away"], Ok(more.clone()));
    for partition in 0..PARTITIONS {
        let values = consume(&broker, TOPIC, partition).expect("online");
        assert_eq!(values[0], format!("first of {partition}"));
        assert_eq!(values.len(), if more.contains(&partition) { 1 } else { 3 });
        assert!(produce(&broker, TOPIC, partition, "again").is_ok());
    }
    broker.stop();
}

/// The folders of a topic's partitions in a data directory, under whatever name.
fn folders_of(broker: &Broker, dir: &str, topic: &str) -> Vec<String> {
    let entries = fs::read_dir(broker.data_dir_named(dir)).expect("listed");
    let names = entries.map(|entry| entry.expect("listed").file_name().into_string().expect("text"));
    names
        .filter(|name| name.starts_with(&format!("{topic}-")))
        .collect()
}

fn delete(broker: &Broker, topic: &str) {
    let request = DeleteTopicsRequest {
        topics: vec![DeleteTopicState {
            name: Some(topic.to_owned()),
            ..DeleteTopicState::default()
        }],
        timeout_ms: 30_000,
        ..DeleteTopicsRequest::default()
    };
    let answer = Client::connect(broker.bootstrap()).call(&request, 6);
    assert_eq!(error(answer.responses[0].error_code), ErrorCode::None);
}

#[test]
fn a_topic_deleted_while_a_directory_is_missing_leaves_nothing_in_it() {
    let (mut broker, more) = spread();
    create(&broker, "kept", 4);
    for partition in 0..4 {
        assert_eq!(produce(&broker, "kept", partition, "first"), Ok(0));
    }
    broker.stop();
    let unknown = broker.data_dir_named("more").join("unknown-0");
    fs::create_dir(&unknown).expect("a folder of nobody");
    broker.use_data_dirs(&["data"]);
    broker.start_again(2);
    delete(&broker, TOPIC);
    // The same name, another topic.
    create(&broker, TOPIC, 1);
    assert_eq!(produce(&broker, TOPIC, 0, "another"), Ok(0));
    let unexpected = |line: &&String| fixture::is_error(line) && !line.contains("partition is offline");
    assert_eq!(broker.stop_with_log().iter().find(unexpected), None);
    // Further starts, each of which writes the metadata anew.
    broker.start_again(1);
    broker.stop_with_log();
    assert_eq!(
        folders_of(&broker, "more", TOPIC).len(),
        more.len(),
        "nobody was there"
    );
    broker.use_data_dirs(&["data", "more"]);
    broker.start_again(2);
    let deadline = Instant::now() + Duration::from_secs(60);
    while folders_of(&broker, "more", TOPIC) != [""; 0] {
        assert!(
            Instant::now() < deadline,
            "still there: {:?}",
            folders_of(&broker, "more", TOPIC)
        );
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(
        consume(&broker, TOPIC, 0).expect("online"),
        ["another".to_owned()]
    );
    for partition in 0..4 {
        assert_eq!(
            consume(&broker, "kept", partition).expect("online"),
            ["first".to_owned()]
        );
    }
    assert!(unknown.is_dir(), "what is not known to be deleted stays");
    broker.stop();
}

#[test]
fn a_partition_is_made_where_it_was_wanted_before() {
    let broker = Broker::start(Options::shards(1).data_dirs(&["data", "more", "most"]));
    let ask = |topic: &str, partitions: Vec<i32>, dir: &str| {
        let request = AlterReplicaLogDirsRequest {
            dirs: vec![AlterReplicaLogDir {
                path: broker.data_dir_named(dir).to_str().expect("text").to_owned(),
                topics: vec![AlterReplicaLogDirTopic {
                    name: topic.to_owned(),
                    partitions,
                }],
            }],
        };
        let answer = Client::connect(broker.bootstrap()).call(&request, 2);
        for partition in &answer.results[0].partitions {
            assert_eq!(error(partition.error_code), ErrorCode::UnknownTopicOrPartition);
        }
    };
    ask("later", vec![0, 1, 2, 5], "most");
    ask("later", vec![1], "more");
    create(&broker, "later", 4);
    let found = described(&broker, "later");
    let of = |name: &str| found[name].clone().expect("online");
    assert!([0, 2].iter().all(|p| of("most").contains(p)), "{found:?}");
    assert!(of("more").contains(&1), "the last wish counts: {found:?}");
    for partition in 0..4 {
        assert_eq!(produce(&broker, "later", partition, "first"), Ok(0));
    }
    // Another topic under the name begins without wishes.
    delete(&broker, "later");
    ask("later", vec![0], "data");
    create(&broker, "later", 1);
    assert_eq!(described(&broker, "later")["data"], Ok(vec![0]));
}

#[test]
fn a_partition_in_the_wrong_directory_is_not_begun_anew() {
    let (mut broker, more) = spread();
    broker.stop();
    let folder = |dir: &str| broker.data_dir_named(dir).join(format!("{TOPIC}-{}", more[0]));
    let (from, to) = (folder("more"), folder("data"));
    fs::rename(&from, &to).expect("moved by hand");
    broker.start_again(2);
    assert_eq!(
        consume(&broker, TOPIC, more[0]),
        Err(ErrorCode::KafkaStorageError)
    );
    let to_text = to.to_str().expect("text").to_owned();
    let named = broker.stop_with_log();
    assert!(
        named
            .iter()
            .any(|line| line.contains(&to_text) && line.contains("files are here")),
        "{named:#?}"
    );
    assert!(!from.exists() && to.is_dir());
    // Put back, with a copy left: the copy counts for nothing.
    fs::rename(&to, &from).expect("moved back");
    fs::create_dir(&to).expect("new");
    for entry in fs::read_dir(&from).expect("listed") {
        let entry = entry.expect("listed");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
    }
    broker.start_again(2);
    assert_eq!(consume(&broker, TOPIC, more[0]).expect("online").len(), 1);
    assert!(!to.exists(), "it was moved away");
    assert!(
        broker
            .log_lines()
            .iter()
            .any(|line| line.contains("in two data directories"))
    );
    broker.stop();
}

#[test]
fn a_directory_that_fails_at_the_start_is_offline_alone() {
    let (mut broker, more) = spread();
    broker.stop();
    let wal = broker.data_dir_named("more").join("wal");
    fs::remove_dir(&wal).expect("empty after an orderly end");
    fs::write(&wal, "no directory").expect("written");
    broker.start_again(2);
    let found = described(&broker, TOPIC);
    assert_eq!(found["more"], Err(ErrorCode::KafkaStorageError));
    assert_eq!(found["data"].as_ref().expect("online").len(), 3);
    for partition in 0..PARTITIONS {
        let produced = produce(&broker, TOPIC, partition, "second");
        match more.contains(&partition) {
            true => assert_eq!(produced, Err(ErrorCode::KafkaStorageError)),
            false => assert_eq!(produced, Ok(1)),
        }
    }
    create(&broker, "new", 2);
    for partition in 0..2 {
        assert_eq!(produce(&broker, "new", partition, "first"), Ok(0));
    }
    let named = broker.stop_with_log();
    assert!(
        named
            .iter()
            .any(|line| line.contains("a data directory is offline") && line.contains("more")),
        "{named:#?}"
    );
    fs::remove_file(&wal).expect("removed");
    broker.start_again(1);
    assert_eq!(described(&broker, TOPIC)["more"], Ok(more.clone()));
    for partition in more {
        assert_eq!(consume(&broker, TOPIC, partition).expect("online").len(), 1);
    }
    broker.stop();
}

/// Asks the leader of a partition to have it in a data directory.
fn alter(broker: &Broker, topic: &str, partition: i32, dir: &str) -> ErrorCode {
    let path = match dir.starts_with('/') {
        true => dir.to_owned(),
        false => broker.data_dir_named(dir).to_str().expect("text").to_owned(),
    };
    let request = AlterReplicaLogDirsRequest {
        dirs: vec![AlterReplicaLogDir {
            path,
            topics: vec![AlterReplicaLogDirTopic {
                name: topic.to_owned(),
                partitions: vec![partition],
            }],
        }],
    };
    let answer = leader(broker, topic, partition).call(&request, 2);
    error(answer.results[0].partitions[0].error_code)
}

/// Where a partition is, and where it is on its way to with how many offsets behind.
fn whereabouts(broker: &Broker, topic: &str, partition: i32) -> (Option<String>, Option<(String, i64)>) {
    let request = DescribeLogDirsRequest { topics: None };
    let (mut here, mut future) = (None, None);
    for dir in leader(broker, topic, partition).call(&request, 5).results {
        let name = dir.log_dir.rsplit('/').next().expect("a name").to_owned();
        let partitions = dir
            .topics
            .iter()
            .filter(|found| found.name == topic)
            .flat_map(|t| &t.partitions);
        for found in partitions.filter(|p| p.partition_index == partition) {
            match found.is_future_key {
                true => future = Some((name.clone(), found.offset_lag)),
                false => assert_eq!(here.replace(name.clone()), None, "it is in one place"),
            }
        }
    }
    (here, future)
}

/// Waits until a partition is in a directory, and on its way to no other.
#[track_caller]
fn arrived(broker: &Broker, topic: &str, partition: i32, dir: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while whereabouts(broker, topic, partition) != (Some(dir.to_owned()), None) {
        assert!(
            Instant::now() < deadline,
            "it is still at {:?}",
            whereabouts(broker, topic, partition)
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// Names of the partition directories of a topic in a data directory, those on their way in and out too.
fn folders(broker: &Broker, dir: &str, topic: &str) -> Vec<String> {
    let entries = fs::read_dir(broker.data_dir_named(dir)).expect("listed");
    let names = entries.map(|entry| entry.expect("listed").file_name().into_string().expect("text"));
    let mut names: Vec<_> = names
        .filter(|name| name.starts_with(&format!("{topic}-")))
        .collect();
    names.sort();
    names
}

#[test]
fn a_partition_is_moved_and_what_can_not_be_is_said() {
    let mut broker = Broker::start(Options::shards(2).data_dirs(&["data", "more"]));
    create(&broker, TOPIC, 1);
    let other = |dir: &str| if dir == "data" { "more" } else { "data" };
    let mut at = whereabouts(&broker, TOPIC, 0).0.expect("online");
    assert_eq!(alter(&broker, TOPIC, 0, "/elsewhere"), ErrorCode::LogDirNotFound);
    assert_eq!(alter(&broker, TOPIC, 0, &at), ErrorCode::None, "it is there");
    let mut expected = Vec::new();
    // An empty one, one whose records are in the write-ahead log alone, and one of both.
    for round in 0..4 {
        at = other(&at).to_owned();
        assert_eq!(alter(&broker, TOPIC, 0, &at), ErrorCode::None);
        arrived(&broker, TOPIC, 0, &at);
        assert_eq!(consume(&broker, TOPIC, 0), Ok(expected.clone()), "round {round}");
        for n in 0..3 {
            let value = format!("{n} of round {round}");
            assert_eq!(produce(&broker, TOPIC, 0, &value), Ok(expected.len() as i64));
            expected.push(value);
        }
        if round == 2 {
            broker.sigkill_and_restart(1);
            assert_eq!(whereabouts(&broker, TOPIC, 0), (Some(at.clone()), None));
            assert_eq!(consume(&broker, TOPIC, 0), Ok(expected.clone()));
        }
    }
    broker.stop();
    assert_eq!(folders(&broker, &at, TOPIC), [format!("{TOPIC}-0")]);
    broker.start_again(3);
    assert_eq!(consume(&broker, TOPIC, 0), Ok(expected));
    broker.stop();
    // What was left is removed in the background, or by the next start.
    assert_eq!(folders(&broker, other(&at), TOPIC), [""; 0]);
}

/// Values that a producer wrote: those that were acknowledged, in order.
struct Written {
    acknowledged: Vec<u64>,
    next: u64,
}

/// Writes numbered records of some size until told to stop or the broker is gone, trying again what was refused for a moment.
fn write_on(
    broker_address: String,
    topic: &'static str,
    stop: Arc<AtomicBool>,
    mut written: Written,
) -> Written {
    let padding = "x".repeat(8_000);
    let mut client = Client::connect(&broker_address);
    while !stop.load(Ordering::Relaxed) {
        let mut builder = BatchBuilder::new(Compression::None);
        let value = format!("{} {padding}", written.next);
        builder.append(1_700_000_000_000, None, Some(value.as_bytes()), &[]);
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: 30_000,
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
        let frame = request_frame(&request, 9, 1, Some("test")).expect("a request");
        let answer = client.try_send(&frame).ok().and_then(|()| client.receive());
        let Some(answer) = answer.and_then(|answer| produced(&answer)) else {
            // Nobody knows whether it was written.
            written.next += 1;
            return written;
        };
        match error(answer.responses[0].partition_responses[0].error_code) {
            ErrorCode::None => {
                written.acknowledged.push(written.next);
                written.next += 1;
            }
            ErrorCode::NotLeaderOrFollower => thread::sleep(Duration::from_millis(1)),
            code => panic!("{code:?}"),
        }
    }
    written
}

fn produced(frame: &[u8]) -> Option<ProduceResponse> {
    let mut reader = Reader::of_slice(frame);
    read_response_header(&mut reader, ProduceRequest::API, 9).ok()?;
    ProduceResponse::decode(&mut reader, 9).ok()
}

/// What was acknowledged is there once and in order, and nothing that was not written.
#[track_caller]
fn check_written(broker: &Broker, topic: &str, written: &Written) {
    let values = consume(broker, topic, 0).expect("online");
    let numbers: Vec<u64> = values
        .iter()
        .map(|value| {
            value
                .split_once(' ')
                .expect("a number first")
                .0
                .parse()
                .expect("a number")
        })
        .collect();
    assert!(
        numbers.windows(2).all(|two| two[0] < two[1]),
        "in order, and none twice"
    );
    assert!(numbers.last().is_none_or(|last| *last < written.next));
    let numbers: std::collections::BTreeSet<u64> = numbers.into_iter().collect();
    let lost: Vec<_> = written
        .acknowledged
        .iter()
        .filter(|n| !numbers.contains(n))
        .collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

#[test]
fn a_partition_is_moved_under_load() {
    let options = Options::shards(1)
        .data_dirs(&["data", "more"])
        .set("log.segment.bytes", 1 << 20)
        .set("wal_file_bytes", 8 << 20);
    let mut broker = Broker::start(options);
    create(&broker, TOPIC, 1);
    let stop = Arc::new(AtomicBool::new(false));
    let nothing = Written {
        acknowledged: Vec::new(),
        next: 0,
    };
    let writer = thread::spawn({
        let (address, stop) = (broker.bootstrap().to_owned(), stop.clone());
        move || write_on(address, TOPIC, stop, nothing)
    });
    let mut seen = 0;
    for round in 0..6 {
        let dir = ["more", "data"][round % 2];
        let filled = Instant::now() + Duration::from_millis(400);
        while Instant::now() < filled {
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(alter(&broker, TOPIC, 0, dir), ErrorCode::None);
        arrived(&broker, TOPIC, 0, dir);
        let values = consume(&broker, TOPIC, 0).expect("read while it is moved").len();
        assert!(values > seen, "records are taken: {values}");
        seen = values;
    }
    stop.store(true, Ordering::Relaxed);
    let written = writer.join().expect("the writer ends");
    check_written(&broker, TOPIC, &written);
    broker.stop();
    broker.start_again(2);
    check_written(&broker, TOPIC, &written);
    broker.stop();
}

/// Killed at any moment of a move, there is one log, and it is whole; the move goes on.
#[test]
fn a_kill_during_a_move_loses_nothing() {
    let options = Options::shards(1)
        .data_dirs(&["data", "more"])
        .set("log.segment.bytes", 1 << 20)
        .set("wal_file_bytes", 8 << 20)
        .set("replica.alter.log.dirs.io.max.bytes.per.second", 24 << 20);
    let mut broker = Broker::start(options);
    create(&broker, TOPIC, 1);
    let mut written = Written {
        acknowledged: Vec::new(),
        next: 0,
    };
    for round in 0..8u64 {
        let stop = Arc::new(AtomicBool::new(false));
        let writer = thread::spawn({
            let (address, stop) = (broker.bootstrap().to_owned(), stop.clone());
            move || write_on(address, TOPIC, stop, written)
        });
        thread::sleep(Duration::from_millis(300));
        let (at, _) = whereabouts(&broker, TOPIC, 0);
        let to = if at.as_deref() == Some("data") {
            "more"
        } else {
            "data"
        };
        assert_eq!(alter(&broker, TOPIC, 0, to), ErrorCode::None);
        thread::sleep(Duration::from_millis(30 + round * 97 % 400));
        broker.sigkill();
        stop.store(true, Ordering::Relaxed);
        written = writer.join().expect("the writer ends");
        broker.start_again(1 + (round % 2) as usize);
        check_written(&broker, TOPIC, &written);
        if round % 4 == 3 {
            arrived(&broker, TOPIC, 0, to);
            check_written(&broker, TOPIC, &written);
        }
        if broker.addresses().len() != 1 {
            broker.stop();
            broker.start_again(1);
        }
    }
    broker.stop();
}

/// A move that is given up leaves nothing behind, and a topic that is deleted meanwhile is deleted.
#[test]
fn a_move_is_given_up() {
    let options = Options::shards(1)
        .data_dirs(&["data", "more"])
        .set("wal_file_bytes", 8 << 20)
        .set("replica.alter.log.dirs.io.max.bytes.per.second", 1 << 20);
    let mut broker = Broker::start(options);
    create(&broker, TOPIC, 1);
    let padding = "x".repeat(900_000);
    for _ in 0..10 {
        produce(&broker, TOPIC, 0, &padding).expect("online");
    }
    let (at, none) = whereabouts(&broker, TOPIC, 0);
    let at = at.expect("online");
    assert_eq!(none, None);
    let to = if at == "data" { "more" } else { "data" };
    let under_way = |broker: &Broker| {
        assert_eq!(alter(broker, TOPIC, 0, to), ErrorCode::None);
        let deadline = Instant::now() + Duration::from_secs(30);
        while folders(broker, to, TOPIC).is_empty() {
            assert!(Instant::now() < deadline, "the move begins");
            thread::sleep(Duration::from_millis(5));
        }
        assert!(folders(broker, to, TOPIC)[0].ends_with("-future"));
        let (here, future) = whereabouts(broker, TOPIC, 0);
        assert_eq!(here.as_ref(), Some(&at));
        let (future, lag) = future.expect("on its way");
        assert_eq!((&*future, lag), (to, 10));
    };
    let nothing_left = |broker: &Broker| {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !folders(broker, to, TOPIC).is_empty() {
            assert!(Instant::now() < deadline, "{:?}", folders(broker, to, TOPIC));
            thread::sleep(Duration::from_millis(5));
        }
    };
    under_way(&broker);
    assert_eq!(alter(&broker, TOPIC, 0, &at), ErrorCode::None);
    nothing_left(&broker);
    assert_eq!(whereabouts(&broker, TOPIC, 0), (Some(at.clone()), None));
    assert_eq!(consume(&broker, TOPIC, 0).expect("online").len(), 10);
    // A stop in the middle: it goes on after the start.
    under_way(&broker);
    broker.stop();
    assert!(folders(&broker, to, TOPIC)[0].ends_with("-future"));
    broker.start_again(1);
    let (here, future) = whereabouts(&broker, TOPIC, 0);
    assert_eq!(
        (here.as_deref(), future.map(|(dir, _)| dir).as_deref()),
        (Some(&*at), Some(to))
    );
    delete(&broker, TOPIC);
    nothing_left(&broker);
    broker.stop();
}

/// A log directory as a stopped Apache Kafka leaves it, with the partitions that a broker of ours has.
fn as_of_kafka(from: &Broker) -> TempDir {
    let kafka = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    for partition in 0..PARTITIONS {
        let name = format!("{TOPIC}-{partition}");
        let in_more = has_folder(from, "more", TOPIC, partition);
        let dir = from
            .data_dir_named(if in_more { "more" } else { "data" })
            .join(&name);
        let to = kafka.path().join(&name);
        fs::create_dir(&to).expect("made");
        for file in fs::read_dir(dir).expect("listed") {
            let file = file.expect("listed");
            fs::copy(file.path(), to.join(file.file_name())).expect("copied");
        }
    }
    kafka
}

#[test]
fn imported_partitions_are_spread() {
    let (mut source, _) = spread();
    source.stop();
    let kafka = as_of_kafka(&source);
    let mut broker = Broker::start(Options::shards(2).data_dirs(&["data", "more"]));
    create(&broker, "own", 1);
    assert_eq!(produce(&broker, "own", 0, "own"), Ok(0));
    broker.stop();
    // One of them is new to the server.
    let dirs = ["data", "more", "third"];
    broker.use_data_dirs(&dirs);
    let import = |dirs: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
        command
            .args(["storage", "import", "--without-metadata"])
            .arg(kafka.path());
        for dir in dirs {
            command.arg("--data-dir").arg(broker.data_dir_named(dir));
        }
        let output = command.output().expect("start the command");
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), said)
    };
    // What would go to a directory that is not there does not come.
    let (came, said) = import(&["data"]);
    assert!(!came && said.contains("name all of them"), "{said}");
    let (came, said) = import(&dirs);
    assert!(came && said.contains("spread: imported, 6 partitions"), "{said}");
    let (came, said) = import(&dirs);
    assert!(came && said.contains("spread: it is here already"), "{said}");
    let places = |dir: &str| {
        let all = 0..PARTITIONS;
        all.filter(|partition| has_folder(&broker, dir, TOPIC, *partition))
            .collect::<Vec<_>>()
    };
    let placed = dirs.map(places);
    assert!(placed.iter().all(|of_dir| of_dir.len() == 2), "{placed:?}");
    let mut all = placed.concat();
    all.sort_unstable();
    assert_eq!(all, (0..PARTITIONS).collect::<Vec<_>>(), "each once");
    for (start, dirs) in [dirs, ["third", "data", "more"]].into_iter().enumerate() {
        broker.use_data_dirs(&dirs);
        broker.start_again(1 + start);
        let found = described(&broker, TOPIC);
        for (dir, partitions) in ["data", "more", "third"].iter().zip(&placed) {
            assert_eq!(found[*dir], Ok(partitions.clone()));
        }
        for partition in 0..PARTITIONS {
            let values = consume(&broker, TOPIC, partition).expect("online");
            assert_eq!(values[0], format!("first of {partition}"));
            assert_eq!(produce(&broker, TOPIC, partition, "more"), Ok(1 + start as i64));
        }
        assert_eq!(consume(&broker, "own", 0).expect("online"), ["own"]);
        broker.sigkill();
    }
}
