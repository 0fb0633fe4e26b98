//! The topic a run writes to: made for it, and deleted after it.

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

/// A topic of a run.
pub struct BenchTopic {
    /// Its name, used by nobody else.
    pub name: String,
    /// Which node leads each partition, and where it is reached.
    pub leaders: Vec<String>,
}

impl BenchTopic {
    /// Creates the topic and waits until every partition has a leader that serves it. `suffix` tells it apart from others of
    /// the same run.
    ///
    /// # Errors
    /// When the broker refuses, or takes too long.
    pub fn create(
        client: &mut BrokerClient,
        workload: &Workload,
        suffix: &str,
    ) -> anyhow::Result<BenchTopic> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!(
            "bench-{}-{}-{}{suffix}",
            workload.name,
            now.as_millis(),
            std::process::id()
        );
        let request = CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name: name.clone(),
                num_partitions: workload.topics.partitions,
                replication_factor: workload.topics.replication_factor,
                configs: configs(&workload.topics.config),
                ..CreatableTopic::default()
            }],
            timeout_ms: ADMIN_TIMEOUT_MS,
            ..CreateTopicsRequest::default()
        };
        let version = client.version(ApiKey::CreateTopics, CREATE_TOPICS_VERSION)?;
        let answer = client.exchange(&request, version)?;
        let result = answer.topics.first().context("an empty answer to CreateTopics")?;
        let error = error_name(result.error_code);
        ensure!(
            result.error_code == 0,
            "topic {name} was not created: {error} {}",
            result.error_message.as_deref().unwrap_or_default()
        );
        let leaders = wait_for_leaders(client, &name, workload.topics.partitions)?;
        wait_until_served(&name, &leaders)?;
        Ok(BenchTopic { name, leaders })
    }

    /// Deletes the topic.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn delete(&self, client: &mut BrokerClient) -> anyhow::Result<()> {
        let request = DeleteTopicsRequest {
            topic_names: vec![self.name.clone()],
            timeout_ms: ADMIN_TIMEOUT_MS,
            ..DeleteTopicsRequest::default()
        };
        let version = client.version(ApiKey::DeleteTopics, DELETE_TOPICS_VERSION)?;
        let answer = client.exchange(&request, version)?;
        let result = answer
            .responses
            .first()
            .context("an empty answer to DeleteTopics")?;
        let error = error_name(result.error_code);
        ensure!(
            result.error_code == 0,
            "topic {} was not deleted: {error}",
            self.name
        );
        Ok(())
    }
}

fn configs(configs: &BTreeMap<String, String>) -> Vec<CreatableTopicConfig> {
    let config = |(name, value): (&String, &String)| CreatableTopicConfig {
        name: name.clone(),
        value: Some(value.clone()),
    };
    configs.iter().map(config).collect()
}

fn wait_for_leaders(client: &mut BrokerClient, name: &str, partitions: i32) -> anyhow::Result<Vec<String>> {
    let version = client.version(ApiKey::Metadata, METADATA_VERSION)?;
    let request = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            name: Some(name.to_string()),
            ..MetadataRequestTopic::default()
        }]),
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    };
    let begun = Instant::now();
    loop {
        let answer = client.exchange(&request, version)?;
        let addresses: BTreeMap<i32, String> = answer
            .brokers
            .iter()
            .map(|broker| (broker.node_id, format!("{}:{}", broker.host, broker.port)))
            .collect();
        let leaders: BTreeMap<i32, String> = answer
            .topics
            .iter()
            .flat_map(|topic| &topic.partitions)
            .filter_map(|p| Some((p.partition_index, addresses.get(&p.leader_id)?.clone())))
            .collect();
        if leaders.len() == partitions as usize {
            return Ok(leaders.into_values().collect());
        }
        if begun.elapsed() > LEADERS_WITHIN {
            bail!(
                "{} of {partitions} partitions have a leader after {LEADERS_WITHIN:?}",
                leaders.len()
            );
        }
        std::thread::sleep(POLL_EVERY);
    }
}

/// Metadata may name a leader which does not know of it yet, so each is asked for something of its partitions.
fn wait_until_served(name: &str, leaders: &[String]) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut nodes: BTreeMap<&str, BrokerClient> = BTreeMap::new();
    for (partition, leader) in (0i32..).zip(leaders) {
        let client = match nodes.entry(leader) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(BrokerClient::connect(leader)?),
        };
        let version = client.version(ApiKey::ListOffsets, LIST_OFFSETS_VERSION)?;
        let partitions = vec![ListOffsetsPartition {
            partition_index: partition,
            timestamp: LATEST,
            ..ListOffsetsPartition::default()
        }];
        let topics = vec![ListOffsetsTopic {
            name: name.to_string(),
            partitions,
        }];
        let request = ListOffsetsRequest {
            topics,
            ..ListOffsetsRequest::default()
        };
        loop {
            let answer = client.exchange(&request, version)?;
            let result = answer.topics.first().and_then(|topic| topic.partitions.first());
            let error = result.context("an empty answer to ListOffsets")?.error_code;
            if error == 0 {
                break;
            }
            if begun.elapsed() > LEADERS_WITHIN {
                bail!(
                    "partition {partition} is answered with {} after {LEADERS_WITHIN:?}",
                    error_name(error)
                );
            }
            std::thread::sleep(POLL_EVERY);
        }
    }
    Ok(())
}
