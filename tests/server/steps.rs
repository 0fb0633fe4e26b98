//! Steps that many tests begin with.

use std::time::{Duration, Instant};

use corelane::base::ids::TopicId;
use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use corelane::wire::messages::metadata::{MetadataRequestTopic, MetadataResponseTopic};
use corelane::wire::messages::produce::{PartitionProduceData, TopicProduceData};
use corelane::wire::messages::{CreateTopicsRequest, MetadataRequest, ProduceRequest};
use corelane::wire::records::{BatchBuilder, Compression};

use crate::fixture::client::Client;
use crate::server::Server;

/// Far longer than anything takes that a server does in the background.
const PATIENCE: Duration = Duration::from_secs(60);

/// Error codes of answers by their names, so that a failure can be read.
pub fn error(code: i16) -> ErrorCode {
    ErrorCode::from_code(code).expect("a code Kafka knows")
}

/// A topic as CreateTopics wants it.
pub fn new_topic(name: &str, partitions: i32) -> CreatableTopic {
    CreatableTopic {
        name: name.to_string(),
        num_partitions: partitions,
        replication_factor: 1,
        ..CreatableTopic::default()
    }
}

/// A topic with configs.
pub fn new_topic_with(name: &str, partitions: i32, configs: &[(&str, &str)]) -> CreatableTopic {
    let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
        name: name.to_string(),
        value: Some(value.to_string()),
    };
    CreatableTopic {
        configs: configs.iter().map(config).collect(),
        ..new_topic(name, partitions)
    }
}

/// Creates a topic and waits until it can be used.
#[track_caller]
pub fn create_topic(server: &Server, topic: CreatableTopic) {
    let name = topic.name.clone();
    let partitions = topic.num_partitions;
    let request = CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: 30_000,
        validate_only: false,
    };
    let answer = server.client().call(&request, 7);
    assert_eq!(error(answer.topics[0].error_code), ErrorCode::None, "{answer:?}");
    let mut client = server.client();
    eventually(server, || {
        let topic = topic_metadata(&mut client, &name);
        topic.error_code == 0 && topic.partitions.len() == partitions as usize
    });
}

/// What Metadata says of a topic, without creating it.
pub fn topic_metadata(client: &mut Client, name: &str) -> MetadataResponseTopic {
    let topic = MetadataRequestTopic {
        name: Some(name.to_string()),
        ..MetadataRequestTopic::default()
    };
    let request = MetadataRequest {
        topics: Some(vec![topic]),
        allow_auto_topic_creation: false,
        ..MetadataRequest::default()
    };
    client.call(&request, 12).topics.remove(0)
}

/// The id of a topic.
pub fn topic_id(client: &mut Client, name: &str) -> TopicId {
    topic_metadata(client, name).topic_id
}

/// A connection to the node that leads a partition.
#[track_caller]
pub fn leader(server: &Server, topic: &str, partition: i32) -> Client {
    let topics = vec![MetadataRequestTopic {
        name: Some(topic.to_string()),
        ..MetadataRequestTopic::default()
    }];
    let request = MetadataRequest {
        topics: Some(topics),
        ..MetadataRequest::default()
    };
    let mut client = server.client();
    let mut address = None;
    eventually(server, || {
        let answer = client.call(&request, 12);
        let found = answer.topics[0]
            .partitions
            .iter()
            .find(|one| one.partition_index == partition);
        let leader = found.and_then(|found| {
            answer
                .brokers
                .iter()
                .find(|broker| broker.node_id == found.leader_id)
        });
        address = leader.map(|node| format!("{}:{}", node.host, node.port));
        address.is_some()
    });
    Client::connect(&address.expect("a leader was found"))
}

/// Holds at once with us. Kafka's answers to changes come before all its brokers follow them, so there it may take time.
#[track_caller]
pub fn eventually(server: &Server, mut holds: impl FnMut() -> bool) {
    let attempts = if server.is_foreign() { 100 } else { 1 };
    for _ in 0..attempts {
        if holds() {
            return;
        }
        if server.is_foreign() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    panic!("it does not hold");
}

/// Produces one batch with a record for each timestamp, and gives the offset of the first.
#[track_caller]
pub fn produce(server: &Server, topic: &str, partition: i32, timestamps_ms: &[i64]) -> i64 {
    let mut builder = BatchBuilder::new(Compression::None);
    for timestamp_ms in timestamps_ms {
        builder.append(*timestamp_ms, None, Some(b"value"), &[]);
    }
    let batch = builder.build().expect("a batch").freeze();
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: topic.to_string(),
            partition_data: vec![PartitionProduceData {
                index: partition,
                records: Some(batch),
            }],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    };
    let mut client = leader(server, topic, partition);
    let mut base_offset = -1;
    eventually(server, || {
        let answer = client.call(&request, 9);
        let partition = &answer.responses[0].partition_responses[0];
        base_offset = partition.base_offset;
        partition.error_code == 0
    });
    base_offset
}

/// Waits until it holds: what is waited for happens in the background.
#[track_caller]
pub fn until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "it does not come to hold");
        std::thread::sleep(Duration::from_millis(20));
    }
}
