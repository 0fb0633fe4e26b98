//! OffsetForLeaderEpoch (key 23), versions 2 to 4 (KIP-101, KIP-320): where an epoch ended, so that a consumer or a follower
//! can find out whether its log went another way than the leader's.
//!
//! - Answers with the largest epoch not above the one asked for, and the offset behind its last record. The current epoch ends
//!   at the log's end.
//! - An epoch above the leader's, or one that is not known at all, is answered with epoch and offset -1.
//! - The client's current leader epoch is checked: FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH.
//! - v3 on: the replica's id, which makes no difference here.

use crate::base::ids::LeaderEpoch;
use crate::server::context::RequestContext;
use crate::server::handlers::partition_lookup::{LookupError, check_leader_epoch, find};
use crate::wire::errors::ErrorCode;
use crate::wire::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderPartition, OffsetForLeaderTopic, OffsetForLeaderTopicResult,
};
use crate::wire::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

/// Epoch and end of an epoch that is not known.
const UNKNOWN: (i32, i64) = (-1, -1);

/// Answers for each partition.
pub async fn handle(cx: &RequestContext, request: OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse {
    let topic = |OffsetForLeaderTopic { topic, partitions }| {
        let partitions = partitions.iter().map(|partition| answer(cx, &topic, partition)).collect();
        OffsetForLeaderTopicResult { topic, partitions }
    };
    OffsetForLeaderEpochResponse {
        topics: request.topics.into_iter().map(topic).collect(),
        ..OffsetForLeaderEpochResponse::default()
    }
}

fn answer(cx: &RequestContext, topic: &str, partition: &OffsetForLeaderPartition) -> EpochEndOffset {
    match end_of_epoch(cx, topic, partition) {
        Ok((epoch, end_offset)) => EpochEndOffset {
            error_code: ErrorCode::None.code(),
            partition: partition.partition,
            leader_epoch: epoch,
            end_offset,
        },
        Err(error) => EpochEndOffset {
            error_code: error.code(),
            partition: partition.partition,
            ..EpochEndOffset::default()
        },
    }
}

fn end_of_epoch(
    cx: &RequestContext,
    topic: &str,
    partition: &OffsetForLeaderPartition,
) -> Result<(i32, i64), ErrorCode> {
    let image = cx.shard().image();
    let topic = image.topic_by_name(topic).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let log = find(cx.shard(), &image, topic, partition.partition).map_err(LookupError::code)?;
    check_leader_epoch(&log, LeaderEpoch(partition.current_leader_epoch))?;
    let end = log.end_offset_for_epoch(LeaderEpoch(partition.leader_epoch));
    Ok(end.map_or(UNKNOWN, |(epoch, offset)| (epoch.0, offset.0)))
}
