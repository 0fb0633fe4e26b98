//! The write-ahead log of one shard of a whole server fails: that shard takes no more records and says so with an error that
//! clients retry; it serves reads, the other shard goes on, and so do changes of the cluster.

use std::time::Duration;

use super::client::{BASE_PORT, Client};
use super::oracle::Oracle;
use super::server_life::{SERVER, ServerLife};
use crate::rt;
use crate::rt::sim;
use crate::rt::sim::disk::FaultPlan;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::create_topics::CreatableTopic;
use crate::wire::messages::fetch::{FetchPartition, FetchTopic};
use crate::wire::messages::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use crate::wire::messages::metadata::MetadataRequestTopic;
use crate::wire::messages::produce::{PartitionProduceData, TopicProduceData};
use crate::wire::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, FetchRequest, ListOffsetsRequest, MetadataRequest,
    ProduceRequest,
};
use crate::wire::records::{BatchBuilder, Compression, batches};

pub(super) const TOPIC: &str = "spread";
pub(super) const PARTITIONS: i32 = 4;

pub(super) struct Cluster {
    pub(super) client: Client,
    /// By partition.
    pub(super) ports: Vec<u16>,
}

impl Cluster {
    pub(super) async fn create(&mut self, topic: &str) -> ErrorCode {
        let request = CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name: topic.to_string(),
                num_partitions: PARTITIONS,
                replication_factor: 1,
                ..CreatableTopic::default()
            }],
            timeout_ms: 5000,
            validate_only: false,
        };
        let answer = self.client.call(BASE_PORT, 7, &request).await.expect("an answer");
        code(answer.topics[0].error_code)
    }

    pub(super) async fn delete(&mut self, topic: &str) -> ErrorCode {
        let request = DeleteTopicsRequest {
            topic_names: vec![topic.to_string()],
            timeout_ms: 5000,
            ..DeleteTopicsRequest::default()
        };
        let answer = self.client.call(BASE_PORT, 5, &request).await.expect("an answer");
        code(answer.responses[0].error_code)
    }

    pub(super) async fn find_leaders(&mut self) {
        let request = MetadataRequest {
            topics: Some(vec![MetadataRequestTopic {
                name: Some(TOPIC.to_string()),
                ..MetadataRequestTopic::default()
            }]),
            ..MetadataRequest::default()
        };
        let answer = self
            .client
            .call(BASE_PORT, 12, &request)
            .await
            .expect("an answer");
        let mut found = answer.topics[0].partitions.clone();
        found.sort_by_key(|partition| partition.partition_index);
        let ports = found.iter().map(|p| BASE_PORT + p.leader_id as u16 % 1000);
        self.ports = ports.collect();
    }

    pub(super) async fn produce(&mut self, partition: i32) -> ErrorCode {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.append(rt::wall_ms(), None, Some(&[7; 500]), &[]);
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: 5000,
            topic_data: vec![TopicProduceData {
                name: TOPIC.to_string(),
                partition_data: vec![PartitionProduceData {
                    index: partition,
                    records: Some(builder.build().expect("a batch").freeze()),
                }],
                ..TopicProduceData::default()
            }],
            ..ProduceRequest::default()
        };
        let port = self.ports[partition as usize];
        let answer = self.client.call(port, 9, &request).await.expect("an answer");
        code(answer.responses[0].partition_responses[0].error_code)
    }

    /// How many records there are from the beginning on. One answer need not have them all.
    pub(super) async fn fetch(&mut self, partition: i32) -> (usize, ErrorCode) {
        let mut records = 0;
        loop {
            let (more, code) = self.fetch_from(partition, records as i64).await;
            records += more;
            if more == 0 || code != ErrorCode::None {
                return (records, code);
            }
        }
    }

    async fn fetch_from(&mut self, partition: i32, fetch_offset: i64) -> (usize, ErrorCode) {
        let request = FetchRequest {
            max_wait_ms: 10,
            min_bytes: 1,
            max_bytes: 10 << 20,
            topics: vec![FetchTopic {
                topic: TOPIC.to_string(),
                partitions: vec![FetchPartition {
                    partition,
                    fetch_offset,
                    partition_max_bytes: 10 << 20,
                    ..FetchPartition::default()
                }],
                ..FetchTopic::default()
            }],
            ..FetchRequest::default()
        };
        let port = self.ports[partition as usize];
        let answer = self.client.call(port, 11, &request).await.expect("an answer");
        let answer = &answer.responses[0].partitions[0];
        let bytes = answer.records.clone().unwrap_or_default();
        (batches(&bytes).count(), code(answer.error_code))
    }

    /// Where a partition ends.
    async fn end(&mut self, partition: i32) -> (i64, ErrorCode) {
        let request = ListOffsetsRequest {
            replica_id: -1,
            topics: vec![ListOffsetsTopic {
                name: TOPIC.to_string(),
                partitions: vec![ListOffsetsPartition {
                    partition_index: partition,
                    current_leader_epoch: -1,
                    timestamp: -1,
                }],
            }],
            ..ListOffsetsRequest::default()
        };
        let port = self.ports[partition as usize];
        let answer = self.client.call(port, 6, &request).await.expect("an answer");
        let answer = &answer.topics[0].partitions[0];
        (answer.offset, code(answer.error_code))
    }
}

pub(super) fn code(code: i16) -> ErrorCode {
    ErrorCode::from_code(code).expect("a code Kafka knows")
}

async fn one_life() {
    let server = ServerLife::start(2);
    server.serving().await;
    let mut cluster = Cluster {
        client: Client::new(&Oracle::default()),
        ports: Vec::new(),
    };
    assert_eq!(cluster.create(TOPIC).await, ErrorCode::None);
    assert_eq!(cluster.create("doomed").await, ErrorCode::None);
    cluster.find_leaders().await;
    for partition in 0..PARTITIONS {
        for _ in 0..5 {
            assert_eq!(cluster.produce(partition).await, ErrorCode::None);
        }
    }
    // The write-ahead log of shard 0 can't be written any more.
    sim::disk::of(SERVER).set_faults(FaultPlan {
        write_error: 1.0,
        only_paths_with: Some("-0000-".to_string()),
        ..FaultPlan::default()
    });
    let stopped: Vec<i32> = (0..PARTITIONS)
        .filter(|p| cluster.ports[*p as usize] == BASE_PORT)
        .collect();
    assert!(
        !stopped.is_empty() && stopped.len() < PARTITIONS as usize,
        "both shards lead"
    );
    for round in 0..3 {
        for partition in 0..PARTITIONS {
            let is_stopped = stopped.contains(&partition);
            let expected = match is_stopped {
                true => ErrorCode::KafkaStorageError,
                false => ErrorCode::None,
            };
            assert_eq!(
                cluster.produce(partition).await,
                expected,
                "partition {partition}"
            );
            let records = if is_stopped { 5 } else { 6 + round };
            assert_eq!(cluster.fetch(partition).await, (records, ErrorCode::None));
            assert_eq!(cluster.end(partition).await, (records as i64, ErrorCode::None));
        }
    }
    // Changes go on, also of what the stopped shard leads.
    assert_eq!(cluster.delete("doomed").await, ErrorCode::None);
    cluster.find_leaders().await;
    assert_eq!(cluster.ports.len(), PARTITIONS as usize);
    // Another start, and all of it is there.
    sim::sigkill(server.process());
    let _ = server.ended().await;
    sim::disk::of(SERVER).set_faults(FaultPlan::default());
    let server = ServerLife::start(2);
    server.serving().await;
    let mut cluster = Cluster {
        client: Client::new(&Oracle::default()),
        ports: Vec::new(),
    };
    cluster.find_leaders().await;
    for partition in 0..PARTITIONS {
        let (records, error) = cluster.fetch(partition).await;
        assert!(records >= 5 && error == ErrorCode::None);
        assert_eq!(cluster.produce(partition).await, ErrorCode::None);
    }
    server.stop().await;
}

#[test]
fn a_failed_write_ahead_log_takes_its_shard_offline_for_appends_and_nothing_else() {
    sim::check_seeds(
        "a_failed_write_ahead_log_takes_its_shard_offline",
        0..8,
        |_| async {
            let life = rt::timeout(Duration::from_secs(120), one_life()).await;
            life.expect("everything is answered");
        },
    );
}
