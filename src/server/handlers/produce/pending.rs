//! Hot path: produce, step 5. A produce request between its append and its answer.

use std::rc::Rc;

use bytes::BytesMut;
use smallvec::SmallVec;

use crate::base::ids::{LeaderEpoch, NodeId, TopicId};
use crate::log::{Appended, CommitState, LogStopped, PartitionLog};
use crate::rt::sync::Permit;
use crate::server::context::Endpoint;
use crate::wire::codec::EncodeError;
use crate::wire::errors::ErrorCode;
use crate::wire::frame::response_frame;
use crate::wire::messages::ProduceResponse;
use crate::wire::messages::produce::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};

/// What came of one partition's batch.
pub(super) enum Outcome {
    /// Appended; durable when the log says so.
    Appended(Rc<PartitionLog>, Appended),
    /// Refused, with words for a person where the code does not say enough.
    Refused(ErrorCode, Option<String>),
    /// Refused for some of its records, which the answer names by their place in the batch (KIP-467).
    RecordsRefused {
        code: ErrorCode,
        message: Option<String>,
        refused: Vec<i32>,
        what: &'static str,
    },
    /// Another node leads the partition.
    Elsewhere(NodeId, LeaderEpoch),
}

/// One partition of the request.
pub(super) struct PartitionOutcome {
    pub(super) partition: i32,
    pub(super) outcome: Outcome,
}

/// One topic of the request, as the request named it.
pub(super) struct TopicOutcome {
    pub(super) name: String,
    pub(super) id: TopicId,
    pub(super) partitions: SmallVec<[PartitionOutcome; 1]>,
}

/// An appended request that waits for its commit.
pub struct PendingProduce {
    pub(super) correlation_id: i32,
    pub(super) version: i16,
    pub(super) topics: SmallVec<[TopicOutcome; 1]>,
    /// Endpoints of the leaders named in the outcomes.
    pub(super) endpoints: Vec<Endpoint>,
    /// The request's share of the memory budget, given back with the answer.
    pub(super) _permits: Vec<Permit>,
}

impl PendingProduce {
    /// Whether the answer can be given now.
    pub fn is_committed(&self) -> bool {
        self.topics
            .iter()
            .flat_map(|topic| &topic.partitions)
            .all(|p| match &p.outcome {
                Outcome::Appended(log, appended) => {
                    log.commit_state(appended.last_offset.plus(1)) != CommitState::Pending
                }
                _ => true,
            })
    }

    /// Waits until the answer can be given: every batch is durable, or its log has stopped.
    pub async fn committed(&self) {
        for partition in self.topics.iter().flat_map(|topic| &topic.partitions) {
            if let Outcome::Appended(log, appended) = &partition.outcome {
                // A log that has stopped is told in the answer.
                let _ = log.wait_durable(appended.last_offset.plus(1)).await;
            }
        }
    }

    /// The answer's frame.
    pub fn into_answer(self) -> Result<BytesMut, EncodeError> {
        let responses = self.topics.into_iter().map(|topic| TopicProduceResponse {
            name: topic.name,
            topic_id: topic.id,
            partition_responses: topic
                .partitions
                .into_iter()
                .map(|p| partition_response(p, topic.id))
                .collect(),
        });
        let endpoints = self.endpoints.into_iter().map(|endpoint| NodeEndpoint {
            node_id: endpoint.node.0,
            host: endpoint.host,
            port: endpoint.port.into(),
            rack: endpoint.rack,
        });
        let response = ProduceResponse {
            responses: responses.collect(),
            throttle_time_ms: 0,
            node_endpoints: endpoints.collect(),
        };
        response_frame(&response, self.version, self.correlation_id)
    }
}

fn partition_response(partition: PartitionOutcome, topic: TopicId) -> PartitionProduceResponse {
    let mut response = PartitionProduceResponse {
        index: partition.partition,
        base_offset: -1,
        ..Default::default()
    };
    let refused = match partition.outcome {
        Outcome::Appended(log, appended) => {
            if log.commit_state(appended.last_offset.plus(1)) == CommitState::Failed {
                (failed_commit(log.stopped(), topic), None)
            } else {
                response.base_offset = appended.base_offset.0;
                response.log_append_time_ms = appended.log_append_time_ms;
                response.log_start_offset = appended.log_start_offset.0;
                return response;
            }
        }
        Outcome::Refused(code, message) => (code, message),
        Outcome::RecordsRefused {
            code,
            message,
            refused,
            what,
        } => {
            let record_error = |index| BatchIndexAndErrorMessage {
                batch_index: index,
                batch_index_error_message: Some(format!("it {what}")),
            };
            response.record_errors = refused.into_iter().map(record_error).collect();
            (code, message)
        }
        Outcome::Elsewhere(node, epoch) => {
            response.current_leader = LeaderIdAndEpoch {
                leader_id: node.0,
                leader_epoch: epoch.0,
            };
            (ErrorCode::NotLeaderOrFollower, None)
        }
    };
    response.error_code = refused.0.code();
    response.error_message = refused.1;
    response
}

/// Why records that were appended are not acknowledged. A topic that was deleted meanwhile is no failure of the disk;
/// `topic` is zero where the request names it.
fn failed_commit(stopped: Option<LogStopped>, topic: TopicId) -> ErrorCode {
    match stopped {
        Some(LogStopped::Deleted) if topic == TopicId::ZERO => ErrorCode::UnknownTopicOrPartition,
        Some(LogStopped::Deleted) => ErrorCode::UnknownTopicId,
        Some(LogStopped::Moved) => ErrorCode::NotLeaderOrFollower,
        _ => ErrorCode::KafkaStorageError,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use smallvec::smallvec;

    use super::*;
    use crate::base::ids::{ShardId, TopicPartition};
    use crate::log::{AppendOrigin, DataDir, PartitionSpec, ShardLog, ShardLogOptions, TopicLogConfig};
    use crate::rt::sim;
    use crate::wire::api::ApiKey;
    use crate::wire::codec::{Message, Reader};
    use crate::wire::header::read_response_header;
    use crate::wire::records::{BatchBuilder, Compression};

    const TOPIC: TopicId = TopicId([3; 16]);

    async fn shard_log() -> (Rc<ShardLog>, Rc<PartitionLog>) {
        let data_dir = DataDir::open("/data").expect("a data directory");
        let options = ShardLogOptions {
            wal_file_bytes: 1 << 20,
            wal_files: 2,
            ..ShardLogOptions::new(data_dir, ShardId(0))
        };
        let shard = ShardLog::open(options).await.expect("opens");
        shard.start().await.expect("starts");
        let spec = PartitionSpec {
            topic_id: TOPIC,
            topic_name: "short-lived".into(),
            partition: 0,
            leader_epoch: LeaderEpoch(0),
            config: Arc::new(TopicLogConfig::default()),
        };
        let log = shard.create_partition(spec).await.expect("created");
        (shard, log)
    }

    /// The answer to a record appended right before its topic is deleted. `named` is what the request calls the topic by.
    async fn answer_after_deletion(named: (&str, TopicId), version: i16) -> PartitionProduceResponse {
        let (shard, log) = shard_log().await;
        let mut builder = BatchBuilder::new(Compression::None);
        builder.append(1_700_000_000_000, None, Some(b"too late"), &[]);
        let batch = builder.build().expect("a batch");
        let appended = log.append(batch, AppendOrigin::Client).expect("appended");
        let pending = PendingProduce {
            correlation_id: 7,
            version,
            topics: smallvec![TopicOutcome {
                name: named.0.to_string(),
                id: named.1,
                partitions: smallvec![PartitionOutcome {
                    partition: 0,
                    outcome: Outcome::Appended(log.clone(), appended),
                }],
            }],
            endpoints: Vec::new(),
            _permits: Vec::new(),
        };
        assert!(!pending.is_committed());
        // Nothing has been awaited since the append, so the commit has not begun.
        let partition = TopicPartition {
            topic: TOPIC,
            partition: 0,
        };
        shard.delete_partition(partition).await.expect("deleted");
        pending.committed().await;
        let frame = pending.into_answer().expect("an answer");
        let mut reader = Reader::of_slice(&frame[4..]);
        let correlation_id = read_response_header(&mut reader, ApiKey::Produce, version).expect("a header");
        assert_eq!(correlation_id, 7);
        let mut response = ProduceResponse::decode(&mut reader, version).expect("an answer of this version");
        shard.shutdown().await.expect("in order");
        response.responses.remove(0).partition_responses.remove(0)
    }

    /// A deletion is no failure of the disk, which KAFKA_STORAGE_ERROR would say.
    #[test]
    fn records_of_a_topic_deleted_before_their_commit_are_of_an_unknown_topic() {
        sim::check_seeds(
            "records_of_a_topic_deleted_before_their_commit",
            0..20,
            |_| async {
                for (named, version, expected) in [
                    (
                        ("short-lived", TopicId::ZERO),
                        12,
                        ErrorCode::UnknownTopicOrPartition,
                    ),
                    (("", TOPIC), 13, ErrorCode::UnknownTopicId),
                ] {
                    let answer = answer_after_deletion(named, version).await;
                    assert_eq!((answer.error_code, answer.base_offset), (expected.code(), -1));
                }
            },
        );
    }
}
