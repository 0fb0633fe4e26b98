//! Says to a broker, Kafka or ours, what the steps need, and waits where a broker answers that it is not ready yet.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::add_partitions_to_txn::AddPartitionsToTxnTopic;
use corelane::wire::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use corelane::wire::messages::fetch::{FetchPartition, FetchTopic, PartitionData};
use corelane::wire::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use corelane::wire::messages::offset_fetch::OffsetFetchRequestTopic;
use corelane::wire::messages::produce::{PartitionProduceData, TopicProduceData};
use corelane::wire::messages::*;
use corelane::wire::records::batches;

use crate::fixture::client::Client;

/// Only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Answers that say: not yet.
const NOT_YET: &[ErrorCode] = &[
    ErrorCode::UnknownTopicOrPartition,
    ErrorCode::NotLeaderOrFollower,
    ErrorCode::LeaderNotAvailable,
    ErrorCode::CoordinatorNotAvailable,
    ErrorCode::CoordinatorLoadInProgress,
    ErrorCode::NotCoordinator,
    ErrorCode::ConcurrentTransactions,
];

/// A record as a consumer sees it: offset, timestamp, key, value, headers.
pub type Seen = (
    i64,
    i64,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Vec<(String, Option<Vec<u8>>)>,
);

/// A connection to a broker.
pub struct Talk {
    client: Client,
}

/// A producer with an id.
#[derive(Clone, Copy, Debug)]
pub struct Producer {
    pub id: i64,
    pub epoch: i16,
}

/// Asks until the answer is not that it is too early.
#[track_caller]
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(why) => assert!(Instant::now() < deadline, "{what}: still {why}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[track_caller]
fn settled(code: i16) -> Result<(), String> {
    let not_yet = NOT_YET.iter().any(|known| known.code() == code);
    assert!(code == 0 || not_yet, "error code {code}");
    if not_yet {
        Err(format!("error code {code}"))
    } else {
        Ok(())
    }
}

impl Talk {
    pub fn to(address: &str) -> Talk {
        Talk {
            client: Client::connect(address),
        }
    }

    pub fn create(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let topic = CreatableTopic {
            name: name.to_string(),
            num_partitions: partitions,
            replication_factor: 1,
            configs: configs
                .iter()
                .map(|(name, value)| CreatableTopicConfig {
                    name: name.to_string(),
                    value: Some(value.to_string()),
                })
                .collect(),
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest {
            topics: vec![topic],
            timeout_ms: 60_000,
            validate_only: false,
        };
        let answer = self.client.call(&request, 5);
        assert_eq!(answer.topics[0].error_code, 0, "{answer:?}");
    }

    /// Appends a batch; gives the offset of its first record.
    #[track_caller]
    pub fn produce(
        &mut self,
        topic: &str,
        partition: i32,
        batch: Bytes,
        transactional_id: Option<&str>,
    ) -> i64 {
        let request = ProduceRequest {
            transactional_id: transactional_id.map(str::to_string),
            acks: -1,
            timeout_ms: 60_000,
            topic_data: vec![TopicProduceData {
                name: topic.to_string(),
                partition_data: vec![PartitionProduceData {
                    index: partition,
                    records: Some(batch),
                }],
                ..TopicProduceData::default()
            }],
        };
        until("produce", || {
            let answer = self.client.call(&request, 9);
            let partition = &answer.responses[0].partition_responses[0];
            settled(partition.error_code)?;
            Ok(partition.base_offset)
        })
    }

    pub fn init_producer(&mut self, transactional_id: Option<&str>) -> Producer {
        let request = InitProducerIdRequest {
            transactional_id: transactional_id.map(str::to_string),
            transaction_timeout_ms: 60_000,
            ..InitProducerIdRequest::default()
        };
        until("a producer id", || {
            if let Some(id) = transactional_id {
                // Kafka makes the topic of the transactions' state when somebody asks for their coordinator.
                let find = FindCoordinatorRequest {
                    key: id.to_string(),
                    key_type: 1,
                    ..FindCoordinatorRequest::default()
                };
                settled(self.client.call(&find, 3).error_code)?;
            }
            let answer = self.client.call(&request, 2);
            settled(answer.error_code)?;
            Ok(Producer {
                id: answer.producer_id,
                epoch: answer.producer_epoch,
            })
        })
    }

    pub fn add_to_transaction(
        &mut self,
        transactional_id: &str,
        producer: Producer,
        topic: &str,
        partition: i32,
    ) {
        let request = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: transactional_id.to_string(),
            v3_and_below_producer_id: producer.id,
            v3_and_below_producer_epoch: producer.epoch,
            v3_and_below_topics: vec![AddPartitionsToTxnTopic {
                name: topic.to_string(),
                partitions: vec![partition],
            }],
            ..AddPartitionsToTxnRequest::default()
        };
        until("a partition in a transaction", || {
            let answer = self.client.call(&request, 3);
            settled(answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code)
        });
    }

    pub fn end_transaction(&mut self, transactional_id: &str, producer: Producer, committed: bool) {
        let request = EndTxnRequest {
            transactional_id: transactional_id.to_string(),
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            committed,
        };
        until("the end of a transaction", || {
            settled(self.client.call(&request, 3).error_code)
        });
    }

    /// Ends a transaction as clients do since Kafka 4.0 (KIP-890): gives the producer with its next epoch.
    pub fn end_transaction_with_epoch(
        &mut self,
        transactional_id: &str,
        producer: Producer,
        committed: bool,
    ) -> Producer {
        let request = EndTxnRequest {
            transactional_id: transactional_id.to_string(),
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            committed,
        };
        until("the end of a transaction", || {
            let answer = self.client.call(&request, 5);
            settled(answer.error_code)?;
            Ok(Producer {
                id: answer.producer_id,
                epoch: answer.producer_epoch,
            })
        })
    }

    pub fn commit(&mut self, group: &str, topic: &str, partition: i32, offset: i64) {
        let request = OffsetCommitRequest {
            group_id: group.to_string(),
            generation_id_or_member_epoch: -1,
            topics: vec![OffsetCommitRequestTopic {
                name: topic.to_string(),
                partitions: vec![OffsetCommitRequestPartition {
                    partition_index: partition,
                    committed_offset: offset,
                    committed_leader_epoch: 0,
                    committed_metadata: Some("noted".to_string()),
                }],
                ..OffsetCommitRequestTopic::default()
            }],
            ..OffsetCommitRequest::default()
        };
        until("a commit", || {
            let find = FindCoordinatorRequest {
                key: group.to_string(),
                ..FindCoordinatorRequest::default()
            };
            settled(self.client.call(&find, 3).error_code)?;
            settled(self.client.call(&request, 7).topics[0].partitions[0].error_code)
        });
    }

    /// Offset and metadata that a group has committed.
    pub fn committed(&mut self, group: &str, topic: &str, partition: i32) -> (i64, Option<String>) {
        let request = OffsetFetchRequest {
            group_id: group.to_string(),
            topics: Some(vec![OffsetFetchRequestTopic {
                name: topic.to_string(),
                partition_indexes: vec![partition],
            }]),
            ..OffsetFetchRequest::default()
        };
        until("a committed offset", || {
            let answer = self.client.call(&request, 5);
            settled(answer.error_code)?;
            let partition = &answer.topics[0].partitions[0];
            settled(partition.error_code)?;
            Ok((partition.committed_offset, partition.metadata.clone()))
        })
    }

    /// A topic's number of partitions, and its id.
    pub fn describe(&mut self, topic: &str) -> (usize, corelane::base::ids::TopicId) {
        let request = MetadataRequest {
            topics: Some(vec![corelane::wire::messages::metadata::MetadataRequestTopic {
                name: Some(topic.to_string()),
                ..Default::default()
            }]),
            ..MetadataRequest::default()
        };
        until("a topic", || {
            let answer = self.client.call(&request, 12);
            settled(answer.topics[0].error_code)?;
            Ok((answer.topics[0].partitions.len(), answer.topics[0].topic_id))
        })
    }

    /// The value of a topic's config.
    pub fn config(&mut self, topic: &str, name: &str) -> Option<String> {
        let request = DescribeConfigsRequest {
            resources: vec![
                corelane::wire::messages::describe_configs::DescribeConfigsResource {
                    resource_type: 2,
                    resource_name: topic.to_string(),
                    configuration_keys: Some(vec![name.to_string()]),
                },
            ],
            ..DescribeConfigsRequest::default()
        };
        let answer = self.client.call(&request, 4);
        answer.results[0].configs[0].value.clone()
    }

    pub fn set_config(&mut self, topic: &str, name: &str, value: &str) {
        use corelane::wire::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};
        let request = IncrementalAlterConfigsRequest {
            resources: vec![AlterConfigsResource {
                resource_type: 2,
                resource_name: topic.to_string(),
                configs: vec![AlterableConfig {
                    name: name.to_string(),
                    config_operation: 0,
                    value: Some(value.to_string()),
                }],
            }],
            validate_only: false,
        };
        let answer = self.client.call(&request, 1);
        assert_eq!(answer.responses[0].error_code, 0, "{answer:?}");
    }

    /// Deletes the records before an offset.
    pub fn delete_records(&mut self, topic: &str, partition: i32, before: i64) {
        use corelane::wire::messages::delete_records::{DeleteRecordsPartition, DeleteRecordsTopic};
        let request = DeleteRecordsRequest {
            topics: vec![DeleteRecordsTopic {
                name: topic.to_string(),
                partitions: vec![DeleteRecordsPartition {
                    partition_index: partition,
                    offset: before,
                }],
            }],
            timeout_ms: 60_000,
        };
        let answer = self.client.call(&request, 2);
        assert_eq!(answer.topics[0].partitions[0].error_code, 0, "{answer:?}");
    }

    fn fetch(&mut self, topic: &str, partition: i32, from: i64, committed_only: bool) -> PartitionData {
        let request = FetchRequest {
            max_wait_ms: 100,
            min_bytes: 1,
            max_bytes: 1 << 20,
            isolation_level: i8::from(committed_only),
            topics: vec![FetchTopic {
                topic: topic.to_string(),
                partitions: vec![FetchPartition {
                    partition,
                    fetch_offset: from,
                    partition_max_bytes: 1 << 20,
                    ..FetchPartition::default()
                }],
                ..FetchTopic::default()
            }],
            ..FetchRequest::default()
        };
        until("a fetch", || {
            let mut answer = self.client.call(&request, 11);
            let data = answer.responses.remove(0).partitions.remove(0);
            settled(data.error_code)?;
            Ok(data)
        })
    }

    /// Where the partition ends for readers of everything, and of what is committed.
    pub fn ends(&mut self, topic: &str, partition: i32) -> (i64, i64) {
        let data = self.fetch(topic, partition, 0, false);
        (data.high_watermark, data.last_stable_offset)
    }

    /// All batches from offset `from` on, as they are stored.
    pub fn batches(&mut self, topic: &str, partition: i32, from: i64) -> Vec<u8> {
        let (mut all, mut next) = (Vec::new(), from);
        loop {
            let data = self.fetch(topic, partition, next, false);
            if next >= data.high_watermark {
                return all;
            }
            let bytes = data.records.unwrap_or_default();
            for batch in batches(&bytes).map_while(Result::ok) {
                next = batch.header().next_offset().0;
                all.extend_from_slice(batch.bytes());
            }
        }
    }

    /// What a consumer of committed records gets, as Kafka's own consumer works it out.
    pub fn committed_records(&mut self, topic: &str, partition: i32) -> Vec<Seen> {
        let (mut seen, mut next) = (Vec::new(), 0);
        loop {
            let data = self.fetch(topic, partition, next, true);
            if next >= data.last_stable_offset {
                return seen;
            }
            let mut aborted: Vec<(i64, i64)> = data
                .aborted_transactions
                .unwrap_or_default()
                .iter()
                .map(|one| (one.first_offset, one.producer_id))
                .collect();
            aborted.sort_unstable();
            let mut passing_over = Vec::new();
            for batch in batches(&data.records.unwrap_or_default()).map_while(Result::ok) {
                let header = *batch.header();
                while aborted
                    .first()
                    .is_some_and(|(first, _)| *first <= header.last_offset().0)
                {
                    passing_over.push(aborted.remove(0).1);
                }
                next = header.next_offset().0;
                if header.attributes.is_control() {
                    passing_over.retain(|producer| *producer != header.producer_id.0);
                } else if !(header.attributes.is_transactional()
                    && passing_over.contains(&header.producer_id.0))
                {
                    seen.extend(records(batch.bytes()));
                }
            }
        }
    }
}

/// The records of batches, without those of control batches.
pub fn records(bytes: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    for batch in batches(bytes) {
        let batch = batch.expect("whole");
        batch.check_crc().expect("undamaged");
        if batch.header().attributes.is_control() {
            continue;
        }
        for record in batch.open(64 << 20).expect("readable").records() {
            let record = record.expect("a record");
            let headers = record.headers().map(|header| {
                (
                    String::from_utf8_lossy(header.key).into_owned(),
                    header.value.map(<[u8]>::to_vec),
                )
            });
            seen.push((
                record.offset.0,
                record.timestamp_ms,
                record.key.map(<[u8]>::to_vec),
                record.value.map(<[u8]>::to_vec),
                headers.collect(),
            ));
        }
    }
    seen
}

/// Waits until a log directory's closed segments of a partition are all compacted: the checkpoint is where the last segment begins.
/// Gives that offset.
pub fn wait_until_compacted(log_dir: &Path, topic: &str, partition: i32) -> i64 {
    let partition_dir = log_dir.join(format!("{topic}-{partition}"));
    until("compaction", || {
        let names = fs::read_dir(&partition_dir).expect("listed");
        let bases = names.filter_map(|entry| {
            let name = entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name");
            name.strip_suffix(".log")?.parse::<i64>().ok()
        });
        let last = bases.max().expect("a segment");
        let checkpoint = fs::read_to_string(log_dir.join("cleaner-offset-checkpoint")).unwrap_or_default();
        let line = format!("{topic} {partition} {last}");
        match checkpoint.lines().any(|found| found == line) {
            true if last > 0 => Ok(last),
            _ => Err(format!("not {line}:\n{checkpoint}")),
        }
    })
}
