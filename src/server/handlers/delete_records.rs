//! DeleteRecords (key 21), versions 0 to 2 (KIP-107): raises the start of partitions, so that older records are gone.
//!
//! - Answered when the new start is durable: no crash brings the records back. Their segments leave the disk later.
//! - Offset -1 means the high watermark. One below the log's start changes nothing; the answer is the start as it is.
//! - An offset behind the high watermark, or another negative one: OFFSET_OUT_OF_RANGE.
//! - A topic with `cleanup.policy` compact alone: POLICY_VIOLATION. One with an empty policy is fine (KIP-1161).
//! - Internal topics: INVALID_TOPIC_EXCEPTION.
//! - A partition this node does not lead: NOT_LEADER_OR_FOLLOWER; one that is not there: UNKNOWN_TOPIC_OR_PARTITION.
//! - The low watermark of a refused partition is -1.
//!
//! The request's timeout has nothing to wait for: there is one replica.

use std::rc::Rc;

use crate::base::ids::Offset;
use crate::log::{DeleteBefore, DeleteRecordsError, PartitionLog};
use crate::rt;
use crate::server::context::RequestContext;
use crate::server::error_codes::delete_records_error;
use crate::server::handlers::partition_lookup::{LookupError, find};
use crate::wire::errors::ErrorCode;
use crate::wire::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsTopic, DeleteRecordsTopicResult,
};
use crate::wire::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

/// The offset that stands for the high watermark.
const HIGH_WATERMARK: i64 = -1;
/// The low watermark where there is none to tell.
const UNKNOWN_LOW_WATERMARK: i64 = -1;
/// How many partitions of a topic are worked on at once: they share the writes that make their starts durable.
const PARTITIONS_AT_ONCE: usize = 256;

/// Deletes records and says where each log begins now.
pub async fn handle(cx: &RequestContext, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        topics.push(delete_of_topic(cx, topic).await);
    }
    DeleteRecordsResponse { throttle_time_ms: 0, topics }
}

async fn delete_of_topic(cx: &RequestContext, topic: DeleteRecordsTopic) -> DeleteRecordsTopicResult {
    let mut partitions = Vec::with_capacity(topic.partitions.len());
    for some in topic.partitions.chunks(PARTITIONS_AT_ONCE) {
        let begun: Vec<_> = some
            .iter()
            .map(|partition| {
                let deletion = look_up(cx, &topic.name, partition);
                deletion.map(|(log, before)| rt::spawn(async move { log.delete_records(before).await }))
            })
            .collect();
        for (partition, deletion) in some.iter().zip(begun) {
            let result = match deletion {
                Ok(deletion) => deletion.await.map_err(|error| refusal(&topic.name, partition, &error)),
                Err(code) => Err(code),
            };
            partitions.push(answer(partition, result));
        }
    }
    DeleteRecordsTopicResult { name: topic.name, partitions }
}

fn look_up(
    cx: &RequestContext,
    topic: &str,
    partition: &DeleteRecordsPartition,
) -> Result<(Rc<PartitionLog>, DeleteBefore), ErrorCode> {
    let image = cx.shard().image();
    let topic = image.topic_by_name(topic).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if topic.is_internal() {
        return Err(ErrorCode::InvalidTopicException);
    }
    let log = find(cx.shard(), &image, topic, partition.partition_index).map_err(LookupError::code)?;
    let before = match partition.offset {
        HIGH_WATERMARK => DeleteBefore::HighWatermark,
        offset => DeleteBefore::Offset(Offset(offset)),
    };
    Ok((log, before))
}

fn refusal(topic: &str, partition: &DeleteRecordsPartition, error: &DeleteRecordsError) -> ErrorCode {
    let code = delete_records_error(error);
    if code == ErrorCode::KafkaStorageError {
        let partition = partition.partition_index;
        tracing::error!(topic, partition, %error, "records could not be deleted");
    }
    code
}

fn answer(
    partition: &DeleteRecordsPartition,
    result: Result<Offset, ErrorCode>,
) -> DeleteRecordsPartitionResult {
    DeleteRecordsPartitionResult {
        partition_index: partition.partition_index,
        low_watermark: result.map_or(UNKNOWN_LOW_WATERMARK, |start| start.0),
        error_code: result.err().unwrap_or(ErrorCode::None).code(),
    }
}
