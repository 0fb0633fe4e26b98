//! A stock idempotent producer (librdkafka) keeps producing and a consumer keeps reading while the broker is killed with
//! SIGKILL at random moments and started again, with another number of shards as it comes: every record arrives
//! once, in order, at the offset it was acknowledged with, and nothing that was read is ever different later.
//!
//! 20 kills; `CORELANE_KILLS=1000 cargo test --test kills` for more, `CORELANE_KILLS_SEED` for other moments.

mod fixture;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fixture::{Broker, Chance, Options};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::util::Timeout;
use rdkafka::{Offset, TopicPartitionList};

const TOPIC: &str = "killed";
const PARTITIONS: usize = 4;
const MOST_SHARDS: u64 = 3;
/// Kills of a run that nobody asks more of.
const KILLS: u64 = 20;
/// The broker is killed within this after the first acknowledgement since its start.
const KILLED_WITHIN: Duration = Duration::from_millis(400);
/// A hanging client is the only reason to wait this long.
const DEADLINE: Duration = Duration::from_secs(120);

#[test]
fn an_idempotent_producer_loses_and_doubles_nothing_when_the_broker_is_killed() {
    let setting = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
    };
    let kills = setting("CORELANE_KILLS", KILLS);
    let seed = setting("CORELANE_KILLS_SEED", 1);
    println!("{kills} kills, CORELANE_KILLS_SEED={seed}");
    let mut chance = Chance(seed);
    let mut broker = Broker::start(
        Options::shards(2)
            .set("num.partitions", PARTITIONS)
            .keep_ports(MOST_SHARDS as u16),
    );
    let bootstrap = broker.bootstrap().to_owned();
    let produced = Acknowledged::default();
    let read: Vec<Mutex<u64>> = (0..PARTITIONS).map(|_| Mutex::default()).collect();
    let stop = AtomicBool::new(false);
    let totals = std::thread::scope(|scope| {
        let producer = scope.spawn(|| produce(&bootstrap, &produced, &stop));
        let consumer = scope.spawn(|| consume(&bootstrap, &read, &stop, &produced));
        // Also when this thread panics: the others would go on for ever.
        let _stop = StopWhenDropped(&stop);
        for kill in 1..=kills {
            let before = produced.count.load(Ordering::Relaxed);
            wait_until(
                || produced.count.load(Ordering::Relaxed) > before,
                || format!("kill {kill}: no record is acknowledged any more; {before} were"),
            );
            std::thread::sleep(KILLED_WITHIN.mul_f64(chance.below(1000) as f64 / 1000.0));
            broker.sigkill_and_restart(1 + chance.below(MOST_SHARDS) as usize);
        }
        stop.store(true, Ordering::Relaxed);
        let totals = producer.join().expect("the producer");
        consumer.join().expect("the consumer");
        totals
    });
    let again: Vec<Mutex<u64>> = (0..PARTITIONS).map(|_| Mutex::default()).collect();
    consume(&bootstrap, &again, &stop, &produced);
    for (partition, total) in totals.iter().enumerate() {
        assert!(*total > 0, "partition {partition} was produced to");
        for (who, read) in [("while it was killed", &read), ("afterwards", &again)] {
            assert_eq!(
                *read[partition].lock().unwrap(),
                *total,
                "partition {partition}, read {who}"
            );
        }
    }
    println!("{} records", totals.iter().sum::<u64>());
    broker.stop();
}

struct StopWhenDropped<'a>(&'a AtomicBool);

impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What the producer was told.
#[derive(Default)]
struct Acknowledged {
    count: AtomicU64,
    /// How many records of each partition exist, once the producer has ended.
    totals: Mutex<Option<Vec<u64>>>,
}

/// Looks at every delivery report.
struct Reports<'a> {
    acknowledged: &'a Acknowledged,
    wrong: Mutex<Option<String>>,
}

impl rdkafka::client::ClientContext for Reports<'_> {}

impl ProducerContext for Reports<'_> {
    /// The record's number within its partition, which has to be its offset.
    type DeliveryOpaque = Box<u64>;

    fn delivery(&self, result: &DeliveryResult<'_>, number: Box<u64>) {
        let wrong = match result {
            Ok(message) if message.offset() == *number as i64 => {
                self.acknowledged.count.fetch_add(1, Ordering::Relaxed);
                return;
            }
            Ok(message) => format!("record {number} is said to be at offset {}", message.offset()),
            Err((error, _)) => format!("record {number} was not delivered: {error}"),
        };
        self.wrong.lock().unwrap().get_or_insert(wrong);
    }
}

/// Sends numbered records to all partitions in turn until told to stop; gives how many each got.
fn produce(bootstrap: &str, acknowledged: &Acknowledged, stop: &AtomicBool) -> Vec<u64> {
    let producer: BaseProducer<Reports<'_>> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("enable.idempotence", "true")
        .set("queue.buffering.max.messages", "2000")
        .set("reconnect.backoff.max.ms", "200")
        .create_with_context(Reports {
            acknowledged,
            wrong: Mutex::default(),
        })
        .expect("a producer");
    let mut next = vec![0_u64; PARTITIONS];
    while !stop.load(Ordering::Relaxed) && producer.context().wrong.lock().unwrap().is_none() {
        for (partition, number) in next.iter_mut().enumerate() {
            let value = value_of(partition, *number);
            let mut record = BaseRecord::with_opaque_to(TOPIC, Box::new(*number))
                .partition(partition as i32)
                .key("")
                .payload(&value);
            while let Err((error, back)) = producer.send(record) {
                assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull));
                producer.poll(Duration::from_millis(20));
                record = back;
            }
            *number += 1;
        }
        producer.poll(Duration::ZERO);
    }
    producer
        .flush(Timeout::After(DEADLINE))
        .expect("everything delivered");
    assert_eq!(*producer.context().wrong.lock().unwrap(), None);
    *acknowledged.totals.lock().unwrap() = Some(next.clone());
    next
}

/// Some ten bytes to some four hundred, by number.
fn value_of(partition: usize, number: u64) -> String {
    format!("{partition} {number} {}", "x".repeat((number % 391) as usize))
}

/// Reads all partitions from the beginning until everything that was produced is read.
fn consume(bootstrap: &str, read: &[Mutex<u64>], stop: &AtomicBool, acknowledged: &Acknowledged) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "none")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "error")
        .set("allow.auto.create.topics", "true")
        .set("reconnect.backoff.max.ms", "200")
        .create()
        .expect("a consumer");
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        all.add_partition_offset(TOPIC, partition as i32, Offset::Offset(0))
            .expect("an offset");
    }
    consumer.assign(&all).expect("assigned");
    let mut ends_by = None;
    loop {
        let totals = acknowledged.totals.lock().unwrap().clone();
        let so_far = || read.iter().map(|read| *read.lock().unwrap()).collect::<Vec<_>>();
        if totals.as_ref().is_some_and(|totals| *totals == so_far()) {
            return;
        }
        if stop.load(Ordering::Relaxed) {
            let ends_by = *ends_by.get_or_insert_with(|| Instant::now() + DEADLINE);
            assert!(
                Instant::now() < ends_by,
                "{:?} of {totals:?} records were read",
                so_far()
            );
        }
        let record = match consumer.poll(Duration::from_millis(100)) {
            None => continue,
            // What a consumer is told of a broker that is gone for a moment.
            Some(Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::UnknownTopicOrPartition,
            ))) => continue,
            Some(record) => record.expect("a record"),
        };
        let partition = record.partition() as usize;
        let mut next = read[partition].lock().unwrap();
        assert_eq!(
            record.offset(),
            *next as i64,
            "partition {partition}: the next offset"
        );
        let value = String::from_utf8_lossy(record.payload().expect("a value")).into_owned();
        assert_eq!(
            value,
            value_of(partition, *next),
            "partition {partition}, offset {next}"
        );
        *next += 1;
    }
}

fn wait_until(is: impl Fn() -> bool, otherwise: impl Fn() -> String) {
    let deadline = Instant::now() + DEADLINE;
    while !is() {
        assert!(Instant::now() < deadline, "{}", otherwise());
        std::thread::sleep(Duration::from_millis(2));
    }
}
