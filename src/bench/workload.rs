//! What a benchmark does, as written in a TOML file.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use super::open_messaging;
use crate::wire::records::Compression;

/// Longest time a record may be kept back: a minute, far above what anybody sets.
const MAX_LINGER_MS: f64 = 60_000.0;

/// The workloads that come with the program: name and text.
pub const BUILT_IN: [(&str, &str); 18] = [
    ("big", include_str!("../../config/bench/big.toml")),
    ("mid", include_str!("../../config/bench/mid.toml")),
    ("tiny", include_str!("../../config/bench/tiny.toml")),
    ("spread", include_str!("../../config/bench/spread.toml")),
    (
        "tiny-pipelined",
        include_str!("../../config/bench/tiny-pipelined.toml"),
    ),
    ("many-1000", include_str!("../../config/bench/many-1000.toml")),
    ("many-10000", include_str!("../../config/bench/many-10000.toml")),
    ("keyed", include_str!("../../config/bench/keyed.toml")),
    ("latency", include_str!("../../config/bench/latency.toml")),
    (
        "latency-half",
        include_str!("../../config/bench/latency-half.toml"),
    ),
    (
        "latency-busy",
        include_str!("../../config/bench/latency-busy.toml"),
    ),
    ("end-to-end", include_str!("../../config/bench/end-to-end.toml")),
    ("fetch-tail", include_str!("../../config/bench/fetch-tail.toml")),
    ("fetch-warm", include_str!("../../config/bench/fetch-warm.toml")),
    ("fetch-cold", include_str!("../../config/bench/fetch-cold.toml")),
    (
        "fetch-cold-one",
        include_str!("../../config/bench/fetch-cold-one.toml"),
    ),
    ("idle-1", include_str!("../../config/bench/idle-1.toml")),
    ("idle-1000", include_str!("../../config/bench/idle-1000.toml")),
];

/// One workload file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Short name, used for the topic and the result.
    pub name: String,
    /// What it is to show, in a sentence.
    #[serde(default)]
    pub description: String,
    /// Which side is timed.
    pub measure: Measure,
    /// Seconds of load before anything is counted.
    #[serde(default = "default_warm_up_s")]
    pub warm_up_s: f64,
    /// Seconds that are counted.
    #[serde(default = "default_duration_s")]
    pub duration_s: f64,
    /// Where the records go.
    pub topics: Topics,
    /// What the records are.
    #[serde(default)]
    pub records: Records,
    /// Who writes. When `measure = "fetch"` these build the backlog and are not timed.
    #[serde(default)]
    pub producers: Producers,
    /// Who reads. When `measure = "fetch"` it is they who are timed; else they read along what is written, and the time
    /// from producer to consumer is measured as well.
    pub consumers: Option<Consumers>,
    /// Who reads old records beside the producers, again and again: `backlog_bytes` of them are written before the warm-up,
    /// in batches of 256 KiB, to topics of their own with the broker's configs. Only when `measure = "produce"`.
    pub catch_up: Option<Consumers>,
    /// The workload this is a variant of: `bench suite --vary` makes them, and pages show them together.
    pub variant_of: Option<String>,
}

/// Which side of a workload is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Requests to write.
    Produce,
    /// Reading a backlog that was written just before. While there is time left, the next one is written
    /// (which is not timed) and read.
    Fetch,
    /// Nobody: what the broker's process needs when nothing is asked of it, with the topics there.
    Idle,
}

/// Topics of a workload.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topics {
    /// How many, all alike.
    #[serde(default = "default_topics")]
    pub count: usize,
    /// Partitions of each topic.
    pub partitions: i32,
    /// Replicas of each partition.
    #[serde(default = "default_replication_factor")]
    pub replication_factor: i16,
    /// Configs the topics are created with, by Kafka's names.
    #[serde(default)]
    pub config: std::collections::BTreeMap<String, String>,
}

/// Records of a workload.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Records {
    /// Bytes of a record's value, which are random: they don't compress.
    #[serde(default = "default_record_bytes")]
    pub bytes: usize,
    /// A file to take values from instead. Relative to the folder of the workload's file.
    pub payload_file: Option<PathBuf>,
    /// What of that file is a value.
    #[serde(default)]
    pub payload: Payload,
    /// How many keys there are. Without: records have none.
    pub keys: Option<u64>,
    /// How often each key comes.
    #[serde(default)]
    pub key_distribution: KeyDistribution,
}

/// What of a payload file is a record's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Payload {
    /// Each line is one, in turn.
    #[default]
    Lines,
    /// The whole file is one.
    Whole,
}

/// How often each key comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyDistribution {
    /// All alike.
    #[default]
    Uniform,
    /// The second half as often as the first, the third a third as often, and so on.
    Zipf,
}

/// How batches are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchCompression {
    #[default]
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl From<BatchCompression> for Compression {
    fn from(compression: BatchCompression) -> Compression {
        match compression {
            BatchCompression::None => Compression::None,
            BatchCompression::Gzip => Compression::Gzip,
            BatchCompression::Snappy => Compression::Snappy,
            BatchCompression::Lz4 => Compression::Lz4,
            BatchCompression::Zstd => Compression::Zstd,
        }
    }
}

/// The writing side of a workload.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Producers {
    /// Connections, spread evenly over the nodes that lead partitions.
    pub connections: usize,
    /// Requests sent on a connection before the first one is answered.
    #[serde(default = "default_in_flight")]
    pub in_flight: usize,
    /// Builds records while the run goes, as a stock client does: there are `connections` producers, each with a connection to
    /// every node. A record's key decides its partition; without keys a producer stays with a partition for a batch. A
    /// request leaves when one of its batches is full or so many milliseconds old, and takes along what there is for the
    /// other partitions of its node. Latency counts from when each record was due. Without: batches are built before
    /// the run, and sent again and again.
    pub linger_ms: Option<f64>,
    /// When a request counts as done.
    #[serde(default)]
    pub acks: Acks,
    /// Bytes of a record batch: as many records as fit, at least one.
    pub batch_bytes: usize,
    /// How many partitions a request has a batch for.
    #[serde(default = "default_partitions_per_request")]
    pub partitions_per_request: usize,
    /// How the batches are compressed.
    #[serde(default)]
    pub compression: BatchCompression,
    /// Records a second, of all producers together: an open loop. Requests become due by the clock, and latency counts from
    /// then, so that a broker that stalls can't hide it. Without: as fast as answers come.
    pub records_per_s: Option<f64>,
    /// The same as a part of the highest rate, from 0 to 1: the run is preceded by one as fast as it goes.
    pub part_of_max: Option<f64>,
    /// Whose highest rate that is.
    #[serde(default)]
    pub max_of: MaxOf,
}

/// Whose highest rate a workload goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MaxOf {
    /// The broker's own.
    #[default]
    Own,
    /// That of the broker that a suite calls its reference, so that all have the same load. In a run alone: its own.
    Reference,
}

/// The `acks` of Produce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acks {
    /// All in-sync replicas have it.
    #[default]
    All,
    /// The leader has it.
    Leader,
}

impl Acks {
    /// The number on the wire.
    pub fn code(self) -> i16 {
        match self {
            Acks::All => -1,
            Acks::Leader => 1,
        }
    }
}

/// The reading side of a workload.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consumers {
    /// Connections, spread evenly over the nodes that lead partitions.
    pub connections: usize,
    /// Fetches sent on a connection before the first one is answered. Each is for partitions of its own.
    #[serde(default = "default_in_flight")]
    pub in_flight: usize,
    /// Bytes written, in total, before reading starts. Not for consumers that read along.
    #[serde(default)]
    pub backlog_bytes: u64,
    /// Groups, each of which reads everything over connections of its own. When `measure = "fetch"` they read the backlog one
    /// after the other over the same connections, before the next one is written.
    #[serde(default = "default_groups")]
    pub groups: usize,
    /// Whether the kernel's page cache is emptied between writing and reading.
    #[serde(default)]
    pub cache: Cache,
    /// `max_bytes` of a fetch.
    #[serde(default = "default_max_bytes")]
    pub max_bytes: i32,
    /// `partition_max_bytes` of a fetch.
    #[serde(default = "default_partition_max_bytes")]
    pub partition_max_bytes: i32,
}

/// State of the page cache before reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cache {
    /// As writing left it.
    #[default]
    Warm,
    /// Emptied, so that reading is from the disk.
    Cold,
}

fn default_warm_up_s() -> f64 {
    5.0
}
fn default_duration_s() -> f64 {
    15.0
}
fn default_record_bytes() -> usize {
    1024
}
fn default_topics() -> usize {
    1
}
fn default_replication_factor() -> i16 {
    1
}
fn default_in_flight() -> usize {
    1
}
fn default_groups() -> usize {
    1
}
/// The default of `batch.size` in Kafka's producer.
fn default_batch_bytes() -> usize {
    16_384
}
fn default_partitions_per_request() -> usize {
    1
}
/// The default of `fetch.max.bytes` in Kafka's consumer.
fn default_max_bytes() -> i32 {
    50 << 20
}
/// The default of `max.partition.fetch.bytes` in Kafka's consumer.
fn default_partition_max_bytes() -> i32 {
    1 << 20
}

impl Workload {
    /// Reads a workload: a file, or the name of one that comes with the program. A file whose name ends in `.yaml` or `.yml`
    /// is one of the OpenMessaging Benchmark.
    ///
    /// # Errors
    /// When there is no such file or name, or its contents make no sense.
    pub fn load(path_or_name: &str) -> anyhow::Result<Workload> {
        if let Some((_, text)) = BUILT_IN.iter().find(|(name, _)| *name == path_or_name) {
            return Workload::parse(text);
        }
        let path = Path::new(path_or_name);
        let text = std::fs::read_to_string(path).with_context(|| {
            let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
            format!(
                "no workload `{path_or_name}`: neither a file nor one of {}",
                names.join(", ")
            )
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let is_yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
        let parsed = if is_yaml {
            open_messaging::parse(&text, folder).and_then(|workload| workload.check().map(|()| workload))
        } else {
            Workload::parse(&text).map(|mut workload| {
                let file = &mut workload.records.payload_file;
                *file = file.take().map(|file| folder.join(file));
                workload
            })
        };
        parsed.with_context(|| format!("workload `{path_or_name}`"))
    }

    /// Reads the text of a workload file.
    ///
    /// # Errors
    /// When it is not TOML, has unknown keys, or asks for what can't be.
    pub fn parse(text: &str) -> anyhow::Result<Workload> {
        let workload: Workload = toml::from_str(text)?;
        workload.check()?;
        Ok(workload)
    }

    /// Sees whether it can be run.
    ///
    /// # Errors
    /// When it asks for what can't be.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(self.duration_s > 0.0, "duration_s must be above 0");
        ensure!(self.warm_up_s >= 0.0, "warm_up_s must not be negative");
        ensure!(self.topics.count > 0, "topics.count must be above 0");
        ensure!(self.topics.partitions > 0, "topics.partitions must be above 0");
        ensure!(self.records.keys != Some(0), "records.keys must be above 0");
        self.producers.check()?;
        for (name, consumers) in [("consumers", &self.consumers), ("catch_up", &self.catch_up)] {
            if let Some(consumers) = consumers {
                consumers.check(name)?;
            }
        }
        let old_records = |consumers: &Consumers| consumers.backlog_bytes > 0;
        match self.measure {
            Measure::Fetch => {
                let consumers = self
                    .consumers
                    .as_ref()
                    .context("measure = \"fetch\" needs [consumers]")?;
                ensure!(old_records(consumers), "consumers.backlog_bytes must be above 0");
                ensure!(
                    self.catch_up.is_none(),
                    "catch_up is only for measure = \"produce\""
                );
                ensure!(
                    self.producers.records_per_s.is_none() && self.producers.part_of_max.is_none(),
                    "producers.records_per_s and part_of_max are only for measure = \"produce\": a backlog is written as \
                     fast as it goes"
                );
                ensure!(
                    self.producers.linger_ms.is_none(),
                    "producers.linger_ms is only for measure = \"produce\": a backlog has batches of one size"
                );
            }
            Measure::Idle => ensure!(
                self.consumers.is_none() && self.catch_up.is_none(),
                "nobody reads when measure = \"idle\""
            ),
            Measure::Produce => {
                ensure!(
                    !self.consumers.as_ref().is_some_and(old_records),
                    "consumers.backlog_bytes is only for measure = \"fetch\"; readers of old records beside producers \
                     are [catch_up]"
                );
                ensure!(
                    self.consumers.is_none() || self.producers.linger_ms.is_none(),
                    "consumers that read along know batches by their size, which those of producers.linger_ms don't share"
                );
                ensure!(
                    self.catch_up.as_ref().is_none_or(old_records),
                    "catch_up.backlog_bytes must be above 0"
                );
            }
        }
        Ok(())
    }
}

impl Default for Records {
    /// As they are where nothing is said.
    fn default() -> Records {
        Records {
            bytes: default_record_bytes(),
            payload_file: None,
            payload: Payload::default(),
            keys: None,
            key_distribution: KeyDistribution::default(),
        }
    }
}

impl Default for Producers {
    /// One, with batches as large as Kafka's.
    fn default() -> Producers {
        Producers {
            connections: 1,
            in_flight: default_in_flight(),
            linger_ms: None,
            acks: Acks::default(),
            batch_bytes: default_batch_bytes(),
            partitions_per_request: default_partitions_per_request(),
            compression: BatchCompression::default(),
            records_per_s: None,
            part_of_max: None,
            max_of: MaxOf::default(),
        }
    }
}

impl Producers {
    fn check(&self) -> anyhow::Result<()> {
        ensure!(self.connections > 0, "producers.connections must be above 0");
        ensure!(self.in_flight > 0, "producers.in_flight must be above 0");
        ensure!(
            self.partitions_per_request > 0,
            "producers.partitions_per_request must be above 0"
        );
        if let Some(rate) = self.records_per_s {
            ensure!(
                rate > 0.0 && rate.is_finite(),
                "producers.records_per_s must be above 0"
            );
        }
        if let Some(linger) = self.linger_ms {
            ensure!(
                (0.0..=MAX_LINGER_MS).contains(&linger),
                "producers.linger_ms must be from 0 to {MAX_LINGER_MS}"
            );
            ensure!(
                self.partitions_per_request == 1,
                "with producers.linger_ms a request takes what there is for its node: partitions_per_request is not asked for"
            );
        }
        if let Some(part) = self.part_of_max {
            ensure!(
                part > 0.0 && part <= 1.0,
                "producers.part_of_max must be above 0 and at most 1"
            );
            ensure!(
                self.records_per_s.is_none(),
                "producers.records_per_s and part_of_max are two ways to say the rate"
            );
        }
        Ok(())
    }
}

impl Default for Consumers {
    /// One that reads along, as Kafka's does.
    fn default() -> Consumers {
        Consumers {
            connections: 1,
            in_flight: default_in_flight(),
            backlog_bytes: 0,
            groups: default_groups(),
            cache: Cache::default(),
            max_bytes: default_max_bytes(),
            partition_max_bytes: default_partition_max_bytes(),
        }
    }
}

impl Consumers {
    fn check(&self, section: &str) -> anyhow::Result<()> {
        ensure!(self.connections > 0, "{section}.connections must be above 0");
        ensure!(self.in_flight > 0, "{section}.in_flight must be above 0");
        ensure!(self.groups > 0, "{section}.groups must be above 0");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_workloads_are_read_by_name() {
        for (name, _) in BUILT_IN {
            let workload = Workload::load(name).expect(name);
            assert_eq!(workload.name, name);
        }
    }

    #[test]
    fn unknown_keys_and_nonsense_are_refused() {
        let big = BUILT_IN[0].1;
        assert!(Workload::parse(&format!("wamr_up_s = 1\n{big}")).is_err());
        assert!(Workload::parse(&big.replace("partitions = 8", "partitions = 0")).is_err());
        assert!(Workload::parse(&big.replace("\"produce\"", "\"fetch\"")).is_err());
        assert!(Workload::load("no-such-workload").is_err());
    }
}
