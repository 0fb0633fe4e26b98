//! Workload files of the OpenMessaging Benchmark, which are YAML.
//!
//! What they say and a workload here can't do is refused, not left out silently.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use super::workload::{
    Acks, BatchCompression, Consumers, KeyDistribution, Measure, Payload, Producers, Records, Topics,
    Workload,
};

const SECONDS_PER_MINUTE: f64 = 60.0;

/// What its drivers for Kafka set: `batch.size` and a `linger.ms` of 1, with which batches at full speed are full.
const BATCH_BYTES: usize = 131_072;

/// Requests a producer of Kafka has in flight.
const IN_FLIGHT: usize = 5;

/// Keys of records that have random ones.
const RANDOM_KEYS: u64 = 1 << 20;

/// The keys of such a file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OpenMessagingWorkload {
    name: String,
    #[serde(default = "one")]
    topics: usize,
    #[serde(default = "one_partition")]
    partitions_per_topic: i32,
    #[serde(default)]
    key_distributor: KeyDistributor,
    message_size: usize,
    #[serde(default)]
    use_randomized_payloads: bool,
    /// How random the payloads are; ours are wholly, as the brokers don't look inside.
    #[serde(default, rename = "randomBytesRatio")]
    _random_bytes_ratio: f64,
    #[serde(default, rename = "randomizedPayloadPoolSize")]
    _randomized_payload_pool_size: u64,
    payload_file: Option<PathBuf>,
    #[serde(default)]
    subscriptions_per_topic: usize,
    #[serde(default = "one")]
    producers_per_topic: usize,
    #[serde(default = "one")]
    consumer_per_subscription: usize,
    /// Records a second; 0 for as many as it takes.
    producer_rate: f64,
    #[serde(default)]
    consumer_backlog_size_g_b: f64,
    #[serde(default)]
    backlog_drain_ratio: Option<f64>,
    #[serde(default = "five_minutes")]
    test_duration_minutes: f64,
    #[serde(default = "a_minute")]
    warmup_duration_minutes: f64,
    /// How often it prints; here it is each second.
    #[serde(default, rename = "logIntervalMillis")]
    _log_interval_millis: u64,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum KeyDistributor {
    #[default]
    NoKey,
    KeyRoundRobin,
    RandomNano,
}

fn one() -> usize {
    1
}
fn one_partition() -> i32 {
    1
}
fn five_minutes() -> f64 {
    5.0
}
fn a_minute() -> f64 {
    1.0
}

/// Reads the text of a file. Paths in it are relative to its folder.
///
/// # Errors
/// When it is not such a file, or asks for what can't be done.
pub fn parse(text: &str, folder: &Path) -> anyhow::Result<Workload> {
    let given: OpenMessagingWorkload =
        serde_saphyr::from_str(text).context("not a workload of the OpenMessaging Benchmark")?;
    ensure!(
        given.backlog_drain_ratio.is_none() && given.consumer_backlog_size_g_b == 0.0,
        "consumerBacklogSizeGB and backlogDrainRatio: a backlog that is built while producers go on is not read from such \
         files; see catch_up in a TOML workload"
    );
    if given.producer_rate < 0.0 {
        bail!("producerRate must not be negative");
    }
    let producers = given.topics * given.producers_per_topic;
    let consumers = given.subscriptions_per_topic > 0;
    let paced = given.producer_rate > 0.0;
    Ok(Workload {
        description: format!(
            "{} topics of {} partitions, {}-byte records, {}",
            given.topics,
            given.partitions_per_topic,
            given.message_size,
            if paced {
                format!("{} a second", given.producer_rate)
            } else {
                "as fast as it goes".to_string()
            }
        ),
        name: given.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"),
        measure: Measure::Produce,
        warm_up_s: given.warmup_duration_minutes * SECONDS_PER_MINUTE,
        duration_s: given.test_duration_minutes * SECONDS_PER_MINUTE,
        topics: Topics {
            count: given.topics,
            partitions: given.partitions_per_topic,
            replication_factor: 1,
            config: std::collections::BTreeMap::new(),
        },
        records: Records {
            bytes: given.message_size,
            payload: Payload::Whole,
            payload_file: given
                .payload_file
                .filter(|_| !given.use_randomized_payloads)
                .map(|file| folder.join(file)),
            keys: match given.key_distributor {
                KeyDistributor::NoKey => None,
                KeyDistributor::KeyRoundRobin | KeyDistributor::RandomNano => Some(RANDOM_KEYS),
            },
            key_distribution: KeyDistribution::Uniform,
        },
        producers: Producers {
            connections: producers,
            in_flight: IN_FLIGHT,
            acks: Acks::All,
            // A record that comes alone is sent alone.
            batch_bytes: if paced { 1 } else { BATCH_BYTES },
            partitions_per_request: 1,
            compression: BatchCompression::None,
            records_per_s: paced.then_some(given.producer_rate),
            ..Producers::default()
        },
        consumers: consumers.then(|| Consumers {
            connections: given.consumer_per_subscription * given.topics,
            groups: given.subscriptions_per_topic,
            ..Consumers::default()
        }),
        catch_up: None,
        variant_of: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_read() {
        let text = "name: 1 topic / 16 partitions / 1kb\n\ntopics: 1\npartitionsPerTopic: 16\nmessageSize: 1024\n\
                    payloadFile: \"payload/payload-1Kb.data\"\nsubscriptionsPerTopic: 2\nconsumerPerSubscription: 1\n\
                    producersPerTopic: 3\nproducerRate: 50000\nconsumerBacklogSizeGB: 0\ntestDurationMinutes: 15\n";
        let workload = parse(text, Path::new("/workloads")).expect("a workload");
        workload.check().expect("it makes sense");
        assert_eq!(workload.name, "1-topic---16-partitions---1kb");
        assert_eq!(workload.duration_s, 900.0);
        assert_eq!(workload.producers.records_per_s, Some(50_000.0));
        let file = workload.records.payload_file.as_deref();
        assert_eq!(file, Some(Path::new("/workloads/payload/payload-1Kb.data")));
        let consumers = workload.consumers.expect("two groups");
        assert_eq!((consumers.groups, consumers.connections), (2, 1));
    }

    #[test]
    fn what_can_not_be_done_is_refused() {
        let base = "name: x\nmessageSize: 100\nproducerRate: 0\n";
        assert!(parse(base, Path::new("")).is_ok());
        assert!(parse(&format!("{base}consumerBacklogSizeGB: 5\n"), Path::new("")).is_err());
        assert!(parse(&format!("{base}producerRatee: 5\n"), Path::new("")).is_err());
        assert!(parse("name: [", Path::new("")).is_err());
    }
}
