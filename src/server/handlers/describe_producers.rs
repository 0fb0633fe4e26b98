//! DescribeProducers (key 61), version 0 (KIP-664): the idempotent producers that a partition remembers.
//!
//! - Only the node that leads a partition knows them: others answer NOT_LEADER_OR_FOLLOWER. Unknown topics and partitions are
//!   UNKNOWN_TOPIC_OR_PARTITION, damaged ones KAFKA_STORAGE_ERROR.
//! - Of each producer: its epoch, its last sequence number, and the largest timestamp of its last batch. It is forgotten
//!   `producer.id.expiration.ms` after that time.
//! - There is no transaction, so a producer's has no beginning (-1) and its coordinator no epoch (-1).

use crate::base::ids::ProducerId;
use crate::log::ProducerState;
use crate::metadata::ClusterImage;
use crate::server::context::RequestContext;
use crate::server::handlers::partition_lookup;
use crate::shard::Shard;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::describe_producers::{PartitionResponse, ProducerState as ToldProducer, TopicRequest, TopicResponse};
use crate::wire::messages::{DescribeProducersRequest, DescribeProducersResponse};

/// Answers with the producers of each partition.
pub async fn handle(cx: &RequestContext, request: DescribeProducersRequest) -> DescribeProducersResponse {
    let image = cx.shard().image();
    let topic = |TopicRequest { name, partition_indexes }| {
        let partition = |index: i32| partition(cx.shard(), &image, &name, index);
        let partitions = partition_indexes.into_iter().map(partition).collect();
        TopicResponse { name, partitions }
    };
    DescribeProducersResponse {
        topics: request.topics.into_iter().map(topic).collect(),
        ..DescribeProducersResponse::default()
    }
}

fn partition(shard: &Shard, image: &ClusterImage, topic: &str, partition_index: i32) -> PartitionResponse {
    let found = match image.topic_by_name(topic) {
        Some(topic) => partition_lookup::find(shard, image, topic, partition_index).map_err(|error| error.code()),
        None => Err(ErrorCode::UnknownTopicOrPartition),
    };
    let (code, active_producers) = match found {
        Ok(log) => (ErrorCode::None, log.producers().into_iter().map(told).collect()),
        Err(code) => (code, Vec::new()),
    };
    PartitionResponse { partition_index, error_code: code.code(), error_message: None, active_producers }
}

fn told((id, state): (ProducerId, ProducerState)) -> ToldProducer {
    ToldProducer {
        producer_id: id.0,
        producer_epoch: state.epoch.0.into(),
        last_sequence: state.last_sequence(),
        last_timestamp: state.last_timestamp_ms,
        coordinator_epoch: state.coordinator_epoch,
        current_txn_start_offset: state.current_txn_first_offset.map_or(-1, |offset| offset.0),
    }
}
