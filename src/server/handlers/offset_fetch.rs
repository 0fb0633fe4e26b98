//! OffsetFetch, versions 1 to 10.
//!
//! - What groups committed, for the partitions asked for, or for all (topics null, from v2 on).
//! - Nothing committed, or no such group: offset -1 and no error.
//! - What is told is durable. With `require_stable` (v7, KIP-447) an offset that an open transaction may change is
//!   UNSTABLE_OFFSET_COMMIT.
//! - An offset of an earlier topic with the same name does not count.
//!
//! v2 has an error for the group, v3 throttling, v5 leader epochs (KIP-320), v6 is flexible, v8 asks for many groups
//! (KIP-709), v9 names the member, which matters to groups of the next protocol only (KIP-848), v10 has topic ids.

use std::rc::Rc;

use crate::base::ids::TopicId;
use crate::group::GroupError;
use crate::group::request::{FetchedOffset, Stability};
use crate::metadata::ClusterImage;
use crate::server::context::RequestContext;
use crate::server::handlers::group_errors::code;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics, OffsetFetchResponse,
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};

/// The first version with an error for the whole group.
const GROUP_ERROR: i16 = 2;
/// The first version with many groups.
const MANY_GROUPS: i16 = 8;
/// The first version with topic ids.
const TOPIC_IDS: i16 = 10;

/// Tells what was committed.
pub async fn handle(cx: &RequestContext, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let stability = if request.require_stable { Stability::Required } else { Stability::Any };
    let mut response = OffsetFetchResponse::default();
    if cx.api_version < MANY_GROUPS {
        let group = fetch_group(cx, as_group(request), stability).await;
        response.error_code = group.error_code;
        response.topics = group.topics.into_iter().map(old_topic).collect();
        return response;
    }
    for group in request.groups {
        response.groups.push(fetch_group(cx, group, stability).await);
    }
    response
}

/// A request for one group in the form of many.
fn as_group(request: OffsetFetchRequest) -> OffsetFetchRequestGroup {
    let topics = request.topics.map(|topics| {
        let topics = topics.into_iter().map(|OffsetFetchRequestTopic { name, partition_indexes }| {
            OffsetFetchRequestTopics { name, topic_id: TopicId::ZERO, partition_indexes }
        });
        topics.collect()
    });
    OffsetFetchRequestGroup { group_id: request.group_id, topics, ..Default::default() }
}

fn old_topic(topic: OffsetFetchResponseTopics) -> OffsetFetchResponseTopic {
    let partitions = topic.partitions.into_iter().map(|partition| OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
    });
    OffsetFetchResponseTopic { name: topic.name, partitions: partitions.collect() }
}

async fn fetch_group(
    cx: &RequestContext,
    request: OffsetFetchRequestGroup,
    stability: Stability,
) -> OffsetFetchResponseGroup {
    let group: Rc<str> = request.group_id.as_str().into();
    let (topics, error_code) = match request.topics {
        None => match fetch_all(cx, &group, stability).await {
            Ok(topics) => (topics, ErrorCode::None),
            Err(error) => (Vec::new(), code(error)),
        },
        Some(topics) => match fetch_topics(cx, &group, &topics, stability).await {
            Ok(topics) => (topics, ErrorCode::None),
            // The oldest version has no place for a group's error but at each partition.
            Err(error) if cx.api_version < GROUP_ERROR => (all_failed(topics, code(error)), ErrorCode::None),
            Err(error) => (Vec::new(), code(error)),
        },
    };
    OffsetFetchResponseGroup { group_id: request.group_id, topics, error_code: error_code.code() }
}

async fn fetch_all(
    cx: &RequestContext,
    group: &Rc<str>,
    stability: Stability,
) -> Result<Vec<OffsetFetchResponseTopics>, GroupError> {
    let image = cx.shard().image();
    let mut topics: Vec<OffsetFetchResponseTopics> = Vec::new();
    for (name, committed_for, partition, fetched) in cx.shard().groups.fetch_all_offsets(group, stability).await? {
        let topic_id = image.topic_by_name(&name).map(|topic| topic.id());
        let is_another = topic_id.is_some_and(|id| committed_for != TopicId::ZERO && committed_for != id);
        if is_another || (topic_id.is_none() && cx.api_version >= TOPIC_IDS) {
            continue;
        }
        if topics.last().is_none_or(|topic| topic.name != *name) {
            let topic_id = topic_id.unwrap_or(TopicId::ZERO);
            topics.push(OffsetFetchResponseTopics { name: name.to_string(), topic_id, partitions: Vec::new() });
        }
        topics.last_mut().expect("just pushed").partitions.push(to_partition(partition, fetched));
    }
    Ok(topics)
}

async fn fetch_topics(
    cx: &RequestContext,
    group: &Rc<str>,
    topics: &[OffsetFetchRequestTopics],
    stability: Stability,
) -> Result<Vec<OffsetFetchResponseTopics>, GroupError> {
    let image = cx.shard().image();
    let found: Vec<_> = topics.iter().map(|topic| find_topic(&image, topic, cx.api_version)).collect();
    let mut asked = Vec::new();
    for (topic, found) in topics.iter().zip(&found) {
        if let Some((name, id)) = found {
            asked.extend(topic.partition_indexes.iter().map(|partition| (name.clone(), *id, *partition)));
        }
    }
    let mut fetched = cx.shard().groups.fetch_offsets(group, &asked, stability).await?.into_iter();
    let answered = topics.iter().zip(&found).map(|(topic, found)| {
        let partitions = topic.partition_indexes.iter().map(|partition| match found {
            Some(_) => to_partition(*partition, fetched.next().expect("one for each asked")),
            None => failed(*partition, ErrorCode::UnknownTopicId),
        });
        let partitions = partitions.collect();
        OffsetFetchResponseTopics { name: topic.name.clone(), topic_id: topic.topic_id, partitions }
    });
    Ok(answered.collect())
}

/// Name and id of a topic that was asked for. One that is only named need not exist: its offsets may.
fn find_topic(image: &ClusterImage, topic: &OffsetFetchRequestTopics, version: i16) -> Option<(Rc<str>, TopicId)> {
    if version >= TOPIC_IDS {
        let found = image.topic(&topic.topic_id)?;
        return Some(((&**found.name()).into(), found.id()));
    }
    let id = image.topic_by_name(&topic.name).map_or(TopicId::ZERO, |found| found.id());
    Some((topic.name.as_str().into(), id))
}

fn all_failed(topics: Vec<OffsetFetchRequestTopics>, error: ErrorCode) -> Vec<OffsetFetchResponseTopics> {
    let failed = topics.into_iter().map(|topic| OffsetFetchResponseTopics {
        partitions: topic.partition_indexes.iter().map(|partition| failed(*partition, error)).collect(),
        name: topic.name,
        topic_id: topic.topic_id,
    });
    failed.collect()
}

fn to_partition(partition_index: i32, fetched: FetchedOffset) -> OffsetFetchResponsePartitions {
    match fetched {
        FetchedOffset::Absent => failed(partition_index, ErrorCode::None),
        FetchedOffset::Unstable => failed(partition_index, ErrorCode::UnstableOffsetCommit),
        FetchedOffset::Committed { offset, leader_epoch, metadata } => OffsetFetchResponsePartitions {
            partition_index,
            committed_offset: offset.0,
            committed_leader_epoch: leader_epoch.0,
            metadata: Some(metadata.to_string()),
            error_code: ErrorCode::None.code(),
        },
    }
}

/// No offset, because of the error if it is one.
fn failed(partition_index: i32, error: ErrorCode) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: -1,
        committed_leader_epoch: -1,
        metadata: Some(String::new()),
        error_code: error.code(),
    }
}
