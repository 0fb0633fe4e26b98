//! librdkafka, through the `rdkafka` crate, as producer and as a group of three consumers: access-log lines keyed by
//! client address arrive once, byte for byte and in order per key, and do so again after the broker was killed and came
//! back with another number of shards.
//!
//! The same scenario with clients of other languages is in `tests/clients/pairs`.

mod fixture;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fixture::{Broker, Chance, Options};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::util::Timeout;

const PARTITIONS: i32 = 12;
const MEMBERS: usize = 3;
const GENERATED_LINES: usize = 20_000;
const SEED: u64 = 20_150_517;
/// A hanging client is the only reason to wait this long.
const DEADLINE: Duration = Duration::from_secs(120);

type Line = Vec<u8>;
/// The lines of each key in order.
type ByKey = BTreeMap<Vec<u8>, Vec<Line>>;

#[test]
fn what_is_produced_is_read_by_a_group_and_again_after_a_kill_with_other_shard_counts() {
    let mut broker = Broker::start(Options::shards(2).set("group.initial.rebalance.delay.ms", 2000));
    let mut inputs = vec![("generated", generated_lines(SEED, GENERATED_LINES))];
    inputs.extend(real_lines());
    for (name, lines) in &inputs {
        create_topic(broker.bootstrap(), name);
        produce(broker.bootstrap(), name, lines);
    }
    read_all_and_check(&broker, &inputs, "first");
    for shards in [3, 1] {
        broker.sigkill_and_restart(shards);
        read_all_and_check(&broker, &inputs, &format!("with-{shards}-shards"));
    }
    broker.stop();
}

fn read_all_and_check(broker: &Broker, inputs: &[(&str, Vec<Line>)], when: &str) {
    for (topic, lines) in inputs {
        let mut expected = ByKey::new();
        for line in lines {
            expected
                .entry(key_of(line).to_vec())
                .or_default()
                .push(line.clone());
        }
        let got = consume(broker.bootstrap(), topic, &format!("{topic}-{when}"), lines.len());
        assert_eq!(got.len(), expected.len(), "{topic}, {when}: number of keys");
        for (key, lines) in &expected {
            let found = got.get(key).map_or(&[][..], Vec::as_slice);
            let key = String::from_utf8_lossy(key);
            assert_eq!(
                found.len(),
                lines.len(),
                "{topic}, {when}: number of lines of {key}"
            );
            assert!(
                found == lines,
                "{topic}, {when}: the lines of {key} differ from what was produced"
            );
        }
    }
}

/// The client's address: the first field of a log line, `address` of a JSON line.
fn key_of(line: &[u8]) -> &[u8] {
    const FIELD: &[u8] = b"\"address\":\"";
    if line.first() == Some(&b'{') {
        let at = line
            .windows(FIELD.len())
            .position(|window| window == FIELD)
            .expect("an address")
            + FIELD.len();
        let rest = &line[at..];
        return &rest[..rest
            .iter()
            .position(|&byte| byte == b'"')
            .expect("a closed string")];
    }
    &line[..line.iter().position(|&byte| byte == b' ').expect("a first field")]
}

/// Lines of the combined log format, from some 100 bytes to some 4 KiB, of 300 clients, some far busier than others.
fn generated_lines(seed: u64, count: usize) -> Vec<Line> {
    let mut chance = Chance(seed);
    let clients: Vec<String> = (0..300)
        .map(|_| {
            format!(
                "{}.{}.{}.{}",
                chance.below(255),
                chance.below(255),
                chance.below(255),
                chance.below(255)
            )
        })
        .collect();
    (0..count)
        .map(|number| {
            let client = &clients[chance.below(300).min(chance.below(300)) as usize];
            let query = if chance.below(50) == 0 { 3000 + chance.below(1000) } else { chance.below(60) };
            let (status, size) = ([200, 200, 206, 304, 404, 500][chance.below(6) as usize], chance.below(200_000));
            let second = number % 60;
            format!(
                "{client} - - [17/May/2015:10:05:{second:02} +0000] \"GET /p/{number}?q={} HTTP/1.1\" {status} \
                 {size} \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\"",
                "x".repeat(query as usize)
            )
            .into_bytes()
        })
        .collect()
}

/// The real logs beside the repository, where somebody has put them.
fn real_lines() -> Vec<(&'static str, Vec<Line>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let mut found = Vec::new();
    for (topic, file) in [("apache", "apache_access.log"), ("nginx", "nginx_access.jsonl")] {
        match std::fs::read(folder.join(file)) {
            Ok(bytes) => {
                let lines = bytes
                    .split(|&byte| byte == b'\n')
                    .filter(|line| !line.is_empty())
                    .map(<[u8]>::to_vec);
                found.push((topic, lines.collect()));
            }
            Err(_) => println!("{file} is not here: skipped, the generated lines alone are used"),
        }
    }
    found
}

fn client_config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config
}

fn create_topic(bootstrap: &str, topic: &str) {
    let admin: AdminClient<DefaultClientContext> =
        client_config(bootstrap).create().expect("an admin client");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1));
    let answer = runtime
        .block_on(admin.create_topics([&new], &AdminOptions::new()))
        .expect("an answer");
    assert_eq!(answer, vec![Ok(topic.to_owned())]);
}

/// Counts what was acknowledged and keeps the first refusal.
#[derive(Default)]
struct Deliveries {
    acknowledged: AtomicUsize,
    refusal: Mutex<Option<String>>,
}

impl rdkafka::client::ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        match result {
            Ok(_) => {
                self.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            Err((error, _)) => {
                self.refusal
                    .lock()
                    .unwrap()
                    .get_or_insert_with(|| error.to_string());
            }
        }
    }
}

/// Sends every line with librdkafka's defaults; returns when all are acknowledged.
fn produce(bootstrap: &str, topic: &str, lines: &[Line]) {
    let producer: BaseProducer<Deliveries> = client_config(bootstrap)
        .create_with_context(Deliveries::default())
        .expect("a producer");
    for line in lines {
        let mut record = BaseRecord::to(topic).key(key_of(line)).payload(line.as_slice());
        // The client's own queue may be full: let it deliver some.
        while let Err((error, back)) = producer.send(record) {
            assert_eq!(
                error.rdkafka_error_code(),
                Some(rdkafka::error::RDKafkaErrorCode::QueueFull)
            );
            producer.poll(Duration::from_millis(50));
            record = back;
        }
    }
    producer
        .flush(Timeout::After(DEADLINE))
        .expect("everything delivered");
    let deliveries = producer.context();
    assert_eq!(*deliveries.refusal.lock().unwrap(), None);
    assert_eq!(deliveries.acknowledged.load(Ordering::Relaxed), lines.len());
}

/// What the three members have read.
#[derive(Default)]
struct Read {
    by_key: ByKey,
    count: usize,
    next_offset: HashMap<i32, i64>,
    member_records: [usize; MEMBERS],
}

/// Reads `expect` records as a group of three from the beginning. Also checks that each partition's offsets follow each
/// other and that every member had a part in it.
fn consume(bootstrap: &str, topic: &str, group: &str, expect: usize) -> ByKey {
    let read = Arc::new(Mutex::new(Read::default()));
    let deadline = Instant::now() + DEADLINE;
    std::thread::scope(|scope| {
        for member in 0..MEMBERS {
            let read = read.clone();
            scope.spawn(move || consume_as(member, bootstrap, topic, group, expect, deadline, &read));
        }
    });
    let read = Arc::into_inner(read)
        .expect("the members have ended")
        .into_inner()
        .unwrap();
    assert_eq!(read.count, expect, "{topic}: number of records that {group} read");
    assert!(
        read.next_offset.len() > 1 || read.by_key.len() == 1,
        "{topic}: keys spread over partitions"
    );
    if read.next_offset.len() == PARTITIONS as usize {
        assert!(
            read.member_records.iter().all(|&count| count > 0),
            "{topic}: {:?}",
            read.member_records
        );
    }
    read.by_key
}

fn consume_as(
    member: usize,
    bootstrap: &str,
    topic: &str,
    group: &str,
    expect: usize,
    deadline: Instant,
    read: &Mutex<Read>,
) {
    let mut config = client_config(bootstrap);
    config.set("group.id", group).set("auto.offset.reset", "earliest");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    consumer.subscribe(&[topic]).expect("subscribe");
    while read.lock().unwrap().count < expect && Instant::now() < deadline {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else {
            continue;
        };
        let message = message.expect("a record");
        let mut read = read.lock().unwrap();
        let next = read.next_offset.entry(message.partition()).or_insert(0);
        assert_eq!(
            message.offset(),
            *next,
            "{topic}-{}: the next offset",
            message.partition()
        );
        *next += 1;
        let key = message.key().expect("a key").to_vec();
        read.by_key
            .entry(key)
            .or_default()
            .push(message.payload().expect("a value").to_vec());
        read.count += 1;
        read.member_records[member] += 1;
    }
}
