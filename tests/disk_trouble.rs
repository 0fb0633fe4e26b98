//! A real broker on a real full disk: a small ext4 image on a loop device. Where the machine does not allow that (it needs root),
//! the tests say so and do nothing.

mod fixture;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::metadata::MetadataRequestTopic;
use corelane::wire::messages::produce::{PartitionProduceData, TopicProduceData};
use corelane::wire::messages::{DeleteTopicsRequest, MetadataRequest, ProduceRequest};
use corelane::wire::records::{BatchBuilder, Compression};
use fixture::client::Client;
use fixture::{Broker, Options, is_error};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::{Offset, TopicPartitionList};

const KEPT: &str = "kept";
const DOOMED: &str = "doomed";
const OTHERS: &str = "others";
const PARTITIONS: i32 = 2;
const IMAGE_BYTES: u64 = 192 << 20;
const VALUE_BYTES: usize = 50_000;
/// Only a hang reaches it.
const DEADLINE: Duration = Duration::from_secs(120);

/// A file system of its own; gone when dropped.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// `None`, and a line that says why, where the machine does not allow it.
    fn mount() -> Option<SmallDisk> {
        let skipped = |why: String| {
            println!("SKIPPED: a small disk can't be made here: {why}");
            eprintln!("SKIPPED: a small disk can't be made here: {why}");
            None
        };
        if !rustix::process::geteuid().is_root() {
            return skipped("mounting needs root".to_owned());
        }
        let folder = tempfile::Builder::new()
            .prefix("small-disk-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("a temporary folder");
        let disk = SmallDisk { folder };
        let image = disk.folder.path().join("image");
        File::create(&image)
            .and_then(|file| file.set_len(IMAGE_BYTES))
            .expect("an image");
        fs::create_dir(disk.path()).expect("a place to mount");
        let (image, path) = (image.display().to_string(), disk.path().display().to_string());
        let steps: [(&str, &[&str]); 2] = [
            ("mkfs.ext4", &["-q", "-F", "-m", "0", &image]),
            ("mount", &["-o", "loop", &image, &path]),
        ];
        for (program, arguments) in steps {
            match Command::new(program).args(arguments).output() {
                Ok(done) if done.status.success() => {}
                Ok(done) => {
                    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
                    return skipped(format!("{program}: {said}"));
                }
                Err(error) => return skipped(format!("{program}: {error}")),
            }
        }
        Some(disk)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn data_dir(&self) -> PathBuf {
        self.path().join("data")
    }

    fn free_bytes(&self) -> u64 {
        let found = rustix::fs::statvfs(self.path()).expect("statvfs");
        found.f_bavail * found.f_frsize
    }

    /// Somebody else's file, that takes all there is.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("others");
        let file = File::create(&path).expect("a file");
        // Not what the broker gives back meanwhile.
        let free = self.free_bytes();
        let mut len = 0;
        // The last bytes may go for the file system's own needs.
        for step in [1 << 20, 64 << 10, 4096] {
            while len + step <= free
                && rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), len, step).is_ok()
            {
                len += step;
            }
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let path = self.path();
        let _ = Command::new("umount").arg(&path).output();
    }
}

fn options(disk: &SmallDisk) -> Options {
    let data_dir = disk.data_dir().display().to_string();
    Options::shards(2)
        .data_dirs(&[&data_dir])
        .set("wal_file_bytes", 8 << 20)
        .set("wal_files", 2)
        .set("num.partitions", PARTITIONS)
        .set("offsets.topic.num.partitions", 2)
        .set("group.initial.rebalance.delay.ms", 0)
}

fn error(code: i16) -> ErrorCode {
    ErrorCode::from_code(code).expect("a code Kafka knows")
}

/// A connection to the leader of a topic's first partition.
fn leader(broker: &Broker, topic: &str) -> Client {
    let request = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            name: Some(topic.to_owned()),
            ..MetadataRequestTopic::default()
        }]),
        allow_auto_topic_creation: true,
        ..MetadataRequest::default()
    };
    let deadline = Instant::now() + DEADLINE;
    loop {
        let answer = Client::connect(broker.bootstrap()).call(&request, 12);
        let partition = answer.topics[0]
            .partitions
            .iter()
            .find(|p| p.partition_index == 0);
        let node = partition.and_then(|p| answer.brokers.iter().find(|b| b.node_id == p.leader_id));
        if let Some(node) = node {
            return Client::connect(&format!("{}:{}", node.host, node.port));
        }
        assert!(Instant::now() < deadline, "{topic} has a leader");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Produces one record. The error says what the answer says.
fn try_produce(broker: &Broker, topic: &str) -> Result<i64, (ErrorCode, String)> {
    let mut builder = BatchBuilder::new(Compression::None);
    let time = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock");
    builder.append(time.as_millis() as i64, None, Some(b"one"), &[]);
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
    let answer = leader(broker, topic).call(&request, 9);
    let answer = &answer.responses[0].partition_responses[0];
    match error(answer.error_code) {
        ErrorCode::None => Ok(answer.base_offset),
        code => Err((code, answer.error_message.clone().unwrap_or_default())),
    }
}

fn delete(broker: &Broker, topic: &str) {
    let request = DeleteTopicsRequest {
        topic_names: vec![topic.to_owned()],
        timeout_ms: 30_000,
        ..DeleteTopicsRequest::default()
    };
    let answer = Client::connect(broker.bootstrap()).call(&request, 5);
    assert_eq!(
        error(answer.responses[0].error_code),
        ErrorCode::None,
        "{answer:?}"
    );
}

fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is() {
        assert!(Instant::now() < deadline, "in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What a stock producer was told, per partition: the number of records, and what went wrong.
#[derive(Default)]
struct Reports {
    acknowledged: [AtomicI64; PARTITIONS as usize],
    wrong: Mutex<Option<String>>,
}

impl Reports {
    fn count(&self) -> i64 {
        self.acknowledged.iter().map(|a| a.load(Ordering::Relaxed)).sum()
    }
}

impl rdkafka::client::ClientContext for Reports {}

impl ProducerContext for Reports {
    /// The record's number within its partition, which has to be its offset.
    type DeliveryOpaque = Box<i64>;

    fn delivery(&self, result: &DeliveryResult<'_>, number: Box<i64>) {
        match result {
            Ok(message) if message.offset() == *number => {
                self.acknowledged[message.partition() as usize].fetch_add(1, Ordering::Relaxed);
            }
            other => {
                let said = format!("record {number}: {:?}", other.as_ref().map(|m| m.offset()));
                self.wrong.lock().unwrap().get_or_insert(said);
            }
        }
    }
}

fn value_of(partition: i32, number: i64) -> Vec<u8> {
    let mut value = format!("{partition} {number} ").into_bytes();
    value.resize(VALUE_BYTES, b'0' + (number % 10) as u8);
    value
}

fn producer(broker: &Broker) -> BaseProducer<Reports> {
    ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", "600000")
        .set("queue.buffering.max.messages", "200")
        .set("linger.ms", "0")
        .create_with_context(Reports::default())
        .expect("a producer")
}

/// Reads all there is of a topic, and commits where each partition ends. Gives those ends.
fn read_and_commit(broker: &Broker, topic: &str, at_least: i64) -> BTreeMap<i32, i64> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("group.id", "readers")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "error")
        .create()
        .expect("a consumer");
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        all.add_partition_offset(topic, partition, Offset::Offset(0))
            .expect("an offset");
    }
    consumer.assign(&all).expect("assigned");
    let mut next: BTreeMap<i32, i64> = (0..PARTITIONS).map(|p| (p, 0)).collect();
    let deadline = Instant::now() + DEADLINE;
    while next.values().sum::<i64>() < at_least {
        assert!(
            Instant::now() < deadline,
            "{next:?} of {at_least} records were read"
        );
        let Some(record) = consumer.poll(Duration::from_millis(100)) else {
            continue;
        };
        let record = record.expect("a record");
        let expected = next.get_mut(&record.partition()).expect("a partition");
        assert_eq!(record.offset(), *expected, "no gap and no record twice");
        assert_eq!(
            record.payload(),
            Some(&value_of(record.partition(), *expected)[..]),
            "what was sent"
        );
        *expected += 1;
    }
    let mut ends = TopicPartitionList::new();
    for (partition, end) in &next {
        ends.add_partition_offset(topic, *partition, Offset::Offset(*end))
            .expect("an offset");
    }
    wait_until("offsets are committed", || {
        match consumer.commit(&ends, CommitMode::Sync) {
            Ok(()) => true,
            // The coordinator may just have been made.
            Err(e) => {
                let code = e.rdkafka_error_code();
                assert!(
                    matches!(
                        code,
                        Some(
                            RDKafkaErrorCode::NotCoordinator
                                | RDKafkaErrorCode::CoordinatorNotAvailable
                                | RDKafkaErrorCode::CoordinatorLoadInProgress
                                | RDKafkaErrorCode::WaitingForCoordinator
                        )
                    ),
                    "{e}"
                );
                false
            }
        }
    });
    let committed = consumer.committed_offsets(ends, DEADLINE).expect("offsets");
    for (partition, end) in &next {
        let found = committed.find_partition(topic, *partition).expect("a partition");
        assert_eq!(found.offset(), Offset::Offset(*end));
    }
    next
}

fn full_lines(log: &[String]) -> usize {
    log.iter()
        .filter(|line| line.contains("the disk is full"))
        .count()
}

fn only_full(log: &[String]) {
    let others: Vec<_> = log
        .iter()
        .filter(|line| is_error(line) && !line.contains("the disk is full"))
        .collect();
    assert!(others.is_empty(), "nothing else goes wrong: {others:#?}");
}

#[test]
fn a_producer_fills_the_disk_and_goes_on_when_a_topic_is_deleted() {
    let Some(disk) = SmallDisk::mount() else { return };
    let mut broker = Broker::start(options(&disk));
    let pid = broker.pid();
    try_produce(&broker, OTHERS).expect("there is room");
    // A topic that will have to go.
    let doomed = producer(&broker);
    for number in 0..1200 {
        let value = value_of(0, number);
        let mut record = BaseRecord::with_opaque_to(DOOMED, Box::new(number))
            .partition(0)
            .key("")
            .payload(&value);
        while let Err((_, back)) = doomed.send(record) {
            doomed.poll(Duration::from_millis(20));
            record = back;
        }
    }
    doomed.flush(DEADLINE).expect("everything delivered");
    assert_eq!(*doomed.context().wrong.lock().unwrap(), None);
    drop(doomed);

    // A stock idempotent producer, until nothing is acknowledged any more.
    let kept = producer(&broker);
    let mut next = [0_i64; PARTITIONS as usize];
    let mut pending: Option<(i32, i64)> = None;
    let mut sent_after_full = 0;
    let deadline = Instant::now() + DEADLINE;
    while sent_after_full < 20 {
        assert!(
            Instant::now() < deadline,
            "the disk becomes full; {} are left",
            disk.free_bytes()
        );
        let (partition, number) = *pending.get_or_insert_with(|| {
            let partition = i32::from(next[0] > next[1]);
            (partition, next[partition as usize])
        });
        let value = value_of(partition, number);
        let record = BaseRecord::with_opaque_to(KEPT, Box::new(number))
            .partition(partition)
            .key("")
            .payload(&value);
        match kept.send(record) {
            Ok(()) => {
                next[partition as usize] += 1;
                pending = None;
                sent_after_full += usize::from(full_lines(&broker.log_lines()) > 0);
            }
            Err(_) => {
                kept.poll(Duration::from_millis(20));
                sent_after_full += usize::from(full_lines(&broker.log_lines()) > 0);
            }
        }
        kept.poll(Duration::ZERO);
    }
    let sent: i64 = next.iter().sum();
    let mut others = 0;
    let (code, message) = loop {
        // Each shard looks for itself, once a second.
        match try_produce(&broker, OTHERS) {
            Ok(_) => others += 1,
            Err(refused) => break refused,
        }
        assert!(others < 10_000, "the disk is full");
    };
    assert_eq!(code, ErrorCode::KafkaStorageError);
    let data_dir = disk.data_dir().display().to_string();
    assert!(
        message.contains(&data_dir) && message.contains("full"),
        "{message}"
    );
    // What is on its way is answered, one way or the other.
    let mut before = -1;
    while before != kept.context().count() {
        before = kept.context().count();
        kept.poll(Duration::from_millis(500));
    }
    let acknowledged = kept.context().count();
    println!(
        "full after {acknowledged} of {sent} records, {} bytes left",
        disk.free_bytes()
    );
    assert!(acknowledged < sent, "some are refused");

    // Reads and group offsets go on.
    read_and_commit(&broker, KEPT, acknowledged);
    // The way out, and the same producer goes on with what was refused.
    delete(&broker, DOOMED);
    wait_until("all is acknowledged", || {
        kept.poll(Duration::from_millis(20));
        kept.context().count() == sent
    });
    assert_eq!(
        *kept.context().wrong.lock().unwrap(),
        None,
        "each at its offset, once"
    );
    let read = read_and_commit(&broker, KEPT, sent);
    for (partition, end) in read {
        assert_eq!(end, next[partition as usize]);
    }
    assert_eq!(broker.pid(), pid, "it is the same process");
    let log = broker.stop_with_log();
    only_full(&log);
    assert!(
        full_lines(&log) <= 3,
        "it is said once for each time it is full: {log:#?}"
    );
    assert!(log.iter().any(|line| line.contains("the disk has room again")));

    // Once more, from the files alone.
    broker.start_again(1);
    read_and_commit(&broker, KEPT, sent);
    broker.stop();
}

#[test]
fn others_fill_the_disk_to_the_last_block_and_a_restart_comes_too() {
    let Some(disk) = SmallDisk::mount() else { return };
    let mut broker = Broker::start(options(&disk));
    for topic in [KEPT, DOOMED] {
        for offset in 0..20 {
            assert_eq!(try_produce(&broker, topic), Ok(offset));
        }
    }
    // Its reserve is made soon after the start.
    let reserve = disk.data_dir().join("corelane-reserve");
    wait_until("the reserve is there", || reserve.exists());
    let others = disk.fill();
    wait_until("the broker sees it", || full_lines(&broker.log_lines()) > 0);
    assert!(
        !reserve.exists() && disk.free_bytes() > 0,
        "the reserve is given back"
    );
    // Each shard looks for itself, once a second.
    let mut kept = 20;
    wait_until("records are refused", || match try_produce(&broker, KEPT) {
        Ok(_) => {
            kept += 1;
            false
        }
        Err((code, _)) => code == ErrorCode::KafkaStorageError,
    });
    commit(&broker, 7);
    delete(&broker, DOOMED);

    // A kill and a start on the full disk: all is there, and the same goes on.
    let log = broker.log_lines();
    only_full(&log);
    broker.sigkill_with_log();
    broker.start_again(2);
    assert_eq!(committed(&broker), 7);
    commit(&broker, 8);
    let (code, _) = try_produce(&broker, KEPT).expect_err("the disk is full");
    assert_eq!(code, ErrorCode::KafkaStorageError);

    fs::remove_file(&others).expect("remove");
    let mut taken = Err((ErrorCode::None, String::new()));
    wait_until("records are taken again", || {
        taken = try_produce(&broker, KEPT);
        taken.is_ok()
    });
    assert_eq!(taken, Ok(kept), "no gap, nothing lost");
    wait_until("the reserve is made again", || reserve.exists());
    assert_eq!(committed(&broker), 8);
    only_full(&broker.stop_with_log());
}

fn offsets_consumer(broker: &Broker) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("group.id", "others")
        .create()
        .expect("a consumer")
}

fn commit(broker: &Broker, offset: i64) {
    let consumer = offsets_consumer(broker);
    let mut ends = TopicPartitionList::new();
    ends.add_partition_offset(KEPT, 0, Offset::Offset(offset))
        .expect("an offset");
    let mut outcome = Ok(());
    wait_until("the offset is committed", || {
        outcome = consumer.commit(&ends, CommitMode::Sync);
        outcome.is_ok()
    });
    outcome.expect("committed");
}

fn committed(broker: &Broker) -> i64 {
    let consumer = offsets_consumer(broker);
    let mut asked = TopicPartitionList::new();
    asked.add_partition(KEPT, 0);
    let found = consumer.committed_offsets(asked, DEADLINE).expect("offsets");
    match found.elements()[0].offset() {
        Offset::Offset(offset) => offset,
        other => panic!("{other:?}"),
    }
}
