//! The topics a run writes to: made for it, and deleted after it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};

use super::answer::error_name;
use super::broker_client::BrokerClient;
use super::workload::Workload;
use crate::wire::api::ApiKey;
use crate::wire::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use crate::wire::messages::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use crate::wire::messages::metadata::MetadataRequestTopic;
use crate::wire::messages::{CreateTopicsRequest, DeleteTopicsRequest, ListOffsetsRequest, MetadataRequest};

/// Newest versions used: they name topics, as all brokers understand them.
const CREATE_TOPICS_VERSION: i16 = 6;
const DELETE_TOPICS_VERSION: i16 = 5;
const LIST_OFFSETS_VERSION: i16 = 6;
const METADATA_VERSION: i16 = 9;

/// How long all partitions may take to have leaders.
const LEADERS_WITHIN: Duration = Duration::from_secs(60);

/// Between two looks at whether they have.
const POLL_EVERY: Duration = Duration::from_millis(20);

/// Asks for the end of a partition.
const LATEST: i64 = -1;

/// What the broker is given to create or delete a topic.
const ADMIN_TIMEOUT_MS: i32 = 60_000;

/// Topics of a run that are alike. Their partitions are numbered through: first those of the first topic.
pub struct BenchTopics {
    /// Names, used by nobody else. They end with `-` and their index.
    names: Vec<String>,
    partitions_per_topic: i32,
    /// Which node leads each partition, and where it is reached.
    pub leaders: Vec<String>,
}

impl BenchTopics {
    /// Creates the topics and waits until every partition has a leader that serves it. `kind` tells them apart from others of
    /// the same run.
    ///
    /// # Errors
    /// When the broker refuses, or takes too long.
    pub fn create(
        client: &mut BrokerClient,
        workload: &Workload,
        kind: &str,
        config: &BTreeMap<String, String>,
    ) -> anyhow::Result<BenchTopics> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (now_ms, process) = (now.as_millis(), std::process::id());
        let name = |index| format!("bench-{}-{kind}-{now_ms}-{process}-{index}", workload.name);
        let names: Vec<String> = (0..workload.topics.count).map(name).collect();
        let topic = |name: &String| CreatableTopic {
            name: name.clone(),
            num_partitions: workload.topics.partitions,
            replication_factor: workload.topics.replication_factor,
            configs: configs(config),
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest {
            topics: names.iter().map(topic).collect(),
            timeout_ms: ADMIN_TIMEOUT_MS,
            ..CreateTopicsRequest::default()
        };
        let version = client.version(ApiKey::CreateTopics, CREATE_TOPICS_VERSION)?;
        for result in client.exchange(&request, version)?.topics {
            ensure!(
                result.error_code == 0,
                "topic {} was not created: {} {}",
                result.name,
                error_name(result.error_code),
                result.error_message.as_deref().unwrap_or_default()
            );
        }
        let mut topics = BenchTopics {
            names,
            partitions_per_topic: workload.topics.partitions,
            leaders: Vec::new(),
        };
        topics.leaders = topics.wait_for_leaders(client)?;
        topics.wait_until_served()?;
        Ok(topics)
    }

    /// Name of the topic of a partition, and the partition's index in it.
    pub fn of(&self, partition: i32) -> (&str, i32) {
        let topic = (partition / self.partitions_per_topic) as usize;
        (&self.names[topic], partition % self.partitions_per_topic)
    }

    /// The number of the first partition of the topic with this name, among those of this run.
    pub fn first_partition(name: &[u8], partitions_per_topic: i32) -> Option<i32> {
        let index = name.rsplit(|byte| *byte == b'-').next()?;
        let index: i32 = std::str::from_utf8(index).ok()?.parse().ok()?;
        index.checked_mul(partitions_per_topic)
    }

    /// Partitions of each topic.
    pub fn partitions_per_topic(&self) -> i32 {
        self.partitions_per_topic
    }

    /// Deletes the topics.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn delete(&self, client: &mut BrokerClient) -> anyhow::Result<()> {
        let request = DeleteTopicsRequest {
            topic_names: self.names.clone(),
            timeout_ms: ADMIN_TIMEOUT_MS,
            ..DeleteTopicsRequest::default()
        };
        let version = client.version(ApiKey::DeleteTopics, DELETE_TOPICS_VERSION)?;
        for result in client.exchange(&request, version)?.responses {
            let error = error_name(result.error_code);
            ensure!(
                result.error_code == 0,
                "topic {} was not deleted: {error}",
                result.name.unwrap_or_default()
            );
        }
        Ok(())
    }

    fn wait_for_leaders(&self, client: &mut BrokerClient) -> anyhow::Result<Vec<String>> {
        let version = client.version(ApiKey::Metadata, METADATA_VERSION)?;
        let topic = |name: &String| MetadataRequestTopic {
            name: Some(name.clone()),
            ..MetadataRequestTopic::default()
        };
        let request = MetadataRequest {
            topics: Some(self.names.iter().map(topic).collect()),
            allow_auto_topic_creation: false,
            ..MetadataRequest::default()
        };
        let all = self.names.len() * self.partitions_per_topic as usize;
        let begun = Instant::now();
        loop {
            let answer = client.exchange(&request, version)?;
            let addresses: BTreeMap<i32, String> = answer
                .brokers
                .iter()
                .map(|broker| (broker.node_id, format!("{}:{}", broker.host, broker.port)))
                .collect();
            let mut leaders: BTreeMap<i32, String> = BTreeMap::new();
            for topic in &answer.topics {
                let name = topic.name.as_deref().unwrap_or_default();
                let first = BenchTopics::first_partition(name.as_bytes(), self.partitions_per_topic);
                let first = first.with_context(|| format!("an answer about topic {name}"))?;
                for partition in &topic.partitions {
                    if let Some(address) = addresses.get(&partition.leader_id) {
                        leaders.insert(first + partition.partition_index, address.clone());
                    }
                }
            }
            if leaders.len() == all {
                return Ok(leaders.into_values().collect());
            }
            if begun.elapsed() > LEADERS_WITHIN {
                bail!(
                    "{} of {all} partitions have a leader after {LEADERS_WITHIN:?}",
                    leaders.len()
                );
            }
            std::thread::sleep(POLL_EVERY);
        }
    }

    /// Metadata may name a leader which does not know of it yet, so each is asked for something of its partitions.
    fn wait_until_served(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut nodes: BTreeMap<&str, BrokerClient> = BTreeMap::new();
        for (number, leader) in (0i32..).zip(&self.leaders) {
            let client = match nodes.entry(leader) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(BrokerClient::connect(leader)?),
            };
            let version = client.version(ApiKey::ListOffsets, LIST_OFFSETS_VERSION)?;
            let (topic, partition) = self.of(number);
            let request = end_of(topic, partition);
            loop {
                let answer = client.exchange(&request, version)?;
                let result = answer.topics.first().and_then(|topic| topic.partitions.first());
                let error = result.context("an empty answer to ListOffsets")?.error_code;
                if error == 0 {
                    break;
                }
                if begun.elapsed() > LEADERS_WITHIN {
                    bail!(
                        "partition {partition} of {topic} is answered with {} after {LEADERS_WITHIN:?}",
                        error_name(error)
                    );
                }
                std::thread::sleep(POLL_EVERY);
            }
        }
        Ok(())
    }
}

fn end_of(topic: &str, partition: i32) -> ListOffsetsRequest {
    let partition = ListOffsetsPartition {
        partition_index: partition,
        timestamp: LATEST,
        ..ListOffsetsPartition::default()
    };
    ListOffsetsRequest {
        topics: vec![ListOffsetsTopic {
            name: topic.to_string(),
            partitions: vec![partition],
        }],
        ..ListOffsetsRequest::default()
    }
}

fn configs(configs: &BTreeMap<String, String>) -> Vec<CreatableTopicConfig> {
    let config = |(name, value): (&String, &String)| CreatableTopicConfig {
        name: name.clone(),
        value: Some(value.clone()),
    };
    configs.iter().map(config).collect()
}
