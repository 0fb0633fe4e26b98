//! ListOffsets (key 2), versions 1 to 11: offsets by time, and the ends of partitions.
//!
//! - -1 latest: the high watermark, or the last stable offset for read_committed (v2 on, KIP-98). With the leader's epoch.
//! - -2 earliest: the log's start.
//! - A timestamp: the first record that is not older, as far as consumers may read; none is offset -1.
//! - -3 (v7 on, KIP-734): the record with the largest timestamp. None in an empty log: offset -1.
//! - -4 (v8 on, KIP-405): the start of what is on local disks, which is everything, so the log's start.
//! - -5 (v9 on, KIP-1005) the end of what is in remote storage, -6 (v11 on, KIP-1023) where its upload stands: offset -1,
//!   as Kafka answers without remote storage.
//! - What the version does not know, and other negative timestamps, are UNSUPPORTED_VERSION.
//! - v4 on: the client's leader epoch is checked (FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, KIP-320), and the epoch of the
//!   record is told.
//! - A partition that is in the request twice is INVALID_REQUEST, once.
//! - A replica (an id other than -1) is told the log's end as the latest.
//!
//! Not done: the timeout (v10 on), which is for remote storage only.

use std::collections::HashSet;

use crate::base::ids::{LeaderEpoch, Offset};
use crate::log::{PartitionLog, ReadError, ReadUpto, TimestampHit};
use crate::server::context::RequestContext;
use crate::server::error_codes::read_error;
use crate::server::handlers::partition_lookup::{LookupError, check_leader_epoch, find};
use crate::wire::errors::ErrorCode;
use crate::wire::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsTopic, ListOffsetsTopicResponse,
};
use crate::wire::messages::{ListOffsetsRequest, ListOffsetsResponse};

/// What a request's negative timestamps ask for, and the first version that may.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: (i64, i16) = (-3, 7);
const EARLIEST_LOCAL: (i64, i16) = (-4, 8);
const LATEST_TIERED: (i64, i16) = (-5, 9);
const EARLIEST_PENDING_UPLOAD: (i64, i16) = (-6, 11);

/// The replica id of a consumer.
const CONSUMER: i32 = -1;

/// Answers for each partition.
pub async fn handle(cx: &RequestContext, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let visible = match (request.replica_id, request.isolation_level) {
        (CONSUMER, 0) => Some(Visible::HighWatermark),
        (CONSUMER, 1) => Some(Visible::LastStable),
        (CONSUMER, _) => None,
        _ => Some(Visible::LogEnd),
    };
    let twice = named_twice(&request.topics);
    let mut topics = Vec::with_capacity(request.topics.len());
    let mut answered_twice = HashSet::new();
    for ListOffsetsTopic { name, partitions } in request.topics {
        let mut results = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let key = (name.clone(), partition.partition_index);
            if twice.contains(&key) {
                if answered_twice.insert(key) {
                    results.push(failed(&partition, ErrorCode::InvalidRequest));
                }
                continue;
            }
            let found = match visible {
                Some(visible) => look_up(cx, &name, &partition, visible).await,
                None => Err(ErrorCode::InvalidRequest),
            };
            results.push(match found {
                Ok(found) => succeeded(&partition, found),
                Err(error) => failed(&partition, error),
            });
        }
        topics.push(ListOffsetsTopicResponse { name, partitions: results });
    }
    ListOffsetsResponse { topics, ..ListOffsetsResponse::default() }
}

/// How far the one who asks may read.
#[derive(Clone, Copy)]
enum Visible {
    HighWatermark,
    LastStable,
    LogEnd,
}

impl Visible {
    fn end(self, log: &PartitionLog) -> Offset {
        match self {
            Visible::HighWatermark => log.high_watermark(),
            Visible::LastStable => log.last_stable(),
            Visible::LogEnd => log.log_end(),
        }
    }

    fn upto(self) -> ReadUpto {
        match self {
            Visible::HighWatermark => ReadUpto::HighWatermark,
            Visible::LastStable => ReadUpto::LastStable,
            Visible::LogEnd => ReadUpto::LogEnd,
        }
    }
}

/// What was found for a partition; -1 stands for nothing in each field.
struct Found {
    timestamp_ms: i64,
    offset: i64,
    leader_epoch: i32,
}

impl Found {
    const NOTHING: Found = Found { timestamp_ms: -1, offset: -1, leader_epoch: -1 };

    fn at(offset: Offset, timestamp_ms: i64, epoch: LeaderEpoch) -> Found {
        Found { timestamp_ms, offset: offset.0, leader_epoch: epoch.0 }
    }
}

fn named_twice(topics: &[ListOffsetsTopic]) -> HashSet<(String, i32)> {
    let mut seen = HashSet::new();
    let all = topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| (topic.name.clone(), partition.partition_index))
    });
    all.filter(|key| !seen.insert(key.clone())).collect()
}

async fn look_up(
    cx: &RequestContext,
    topic: &str,
    partition: &ListOffsetsPartition,
    visible: Visible,
) -> Result<Found, ErrorCode> {
    let image = cx.shard().image();
    let topic = image.topic_by_name(topic).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let log = find(cx.shard(), &image, topic, partition.partition_index).map_err(LookupError::code)?;
    check_leader_epoch(&log, LeaderEpoch(partition.current_leader_epoch))?;
    let since = |(timestamp, first): (i64, i16)| partition.timestamp == timestamp && cx.api_version >= first;
    match partition.timestamp {
        LATEST => Ok(Found::at(visible.end(&log), -1, log.leader_epoch())),
        EARLIEST => Ok(start_of(&log)),
        _ if since(EARLIEST_LOCAL) => Ok(start_of(&log)),
        _ if since(LATEST_TIERED) || since(EARLIEST_PENDING_UPLOAD) => Ok(Found::NOTHING),
        _ if since(MAX_TIMESTAMP) => found(log.max_timestamp(visible.upto()).await),
        timestamp_ms if timestamp_ms >= 0 => found(log.offset_for_timestamp(timestamp_ms, visible.upto()).await),
        _ => Err(ErrorCode::UnsupportedVersion),
    }
}

fn start_of(log: &PartitionLog) -> Found {
    let start = log.log_start();
    // An empty log has no record whose epoch could be told; the next one gets the leader's.
    Found::at(start, -1, log.epoch_at(start).unwrap_or(log.leader_epoch()))
}

fn found(hit: Result<Option<TimestampHit>, ReadError>) -> Result<Found, ErrorCode> {
    match hit {
        Ok(Some(hit)) => Ok(Found::at(hit.offset, hit.timestamp_ms, hit.leader_epoch)),
        Ok(None) => Ok(Found::NOTHING),
        Err(error) => {
            tracing::error!(%error, "a search by time failed");
            Err(read_error(&error))
        }
    }
}

fn succeeded(partition: &ListOffsetsPartition, found: Found) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse {
        partition_index: partition.partition_index,
        error_code: ErrorCode::None.code(),
        timestamp: found.timestamp_ms,
        offset: found.offset,
        leader_epoch: found.leader_epoch,
    }
}

fn failed(partition: &ListOffsetsPartition, error: ErrorCode) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse {
        partition_index: partition.partition_index,
        error_code: error.code(),
        ..ListOffsetsPartitionResponse::default()
    }
}
