//! DescribeTopicPartitions (key 75), version 0 (KIP-966): topics in pieces, for clusters with very many partitions.
//!
//! - No topics named means all. Topics come by name, each once.
//! - At most `response_partition_limit` partitions come at once: no more than `max.request.partition.size.limit`, no fewer than one. When
//!   there are more, `next_cursor` says where to go on.
//! - A cursor names the topic and partition to start from. It must be one of the topics asked for, and its partition not below
//!   zero, else everything is INVALID_REQUEST. A topic deleted since does not matter: the next one comes first.
//! - Topics that do not exist are UNKNOWN_TOPIC_OR_PARTITION (INVALID_TOPIC_EXCEPTION if they can't) and are never created.
//! - A partition that is offline has no leader and is LEADER_NOT_AVAILABLE, with its replica among the offline ones, as in Metadata.
//! - Every partition has one replica. It is in sync, and there are no eligible leader replicas; of one that is offline it is that, the only
//!   and the last one.

use crate::metadata::topic_name::is_valid_topic_name;
use crate::metadata::{ClusterImage, PartitionImage, TopicImage, is_internal};
use crate::server::context::RequestContext;
use crate::server::handlers::{authorized_operations, nodes};
use crate::wire::errors::ErrorCode;
use crate::wire::messages::describe_topic_partitions::{
    DescribeTopicPartitionsRequestCursor, DescribeTopicPartitionsResponseCursor, DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic, TopicRequest,
};
use crate::wire::messages::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};

/// Answers with the topics from the cursor on.
pub async fn handle(
    cx: &RequestContext,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let DescribeTopicPartitionsRequest { topics, response_partition_limit, cursor } = request;
    let is_right = |cursor: &DescribeTopicPartitionsRequestCursor| {
        let named = topics.is_empty() || topics.iter().any(|topic| topic.name == cursor.topic_name);
        named && cursor.partition_index >= 0
    };
    if !cursor.as_ref().is_none_or(is_right) {
        return refused(topics);
    }
    let image = cx.shard().image();
    let names = match topics.is_empty() {
        true => image.topics().map(|topic| topic.name().to_string()).collect(),
        false => topics.into_iter().map(|topic| topic.name).collect(),
    };
    let limit = response_partition_limit.clamp(1, cx.shard().settings().max_request_partition_size_limit);
    describe(&image, names, limit, cursor)
}

fn refused(topics: Vec<TopicRequest>) -> DescribeTopicPartitionsResponse {
    let refuse = |topic: TopicRequest| DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::InvalidRequest.code(),
        name: Some(topic.name),
        ..DescribeTopicPartitionsResponseTopic::default()
    };
    DescribeTopicPartitionsResponse {
        topics: topics.into_iter().map(refuse).collect(),
        ..DescribeTopicPartitionsResponse::default()
    }
}

fn describe(
    image: &ClusterImage,
    mut names: Vec<String>,
    limit: i32,
    cursor: Option<DescribeTopicPartitionsRequestCursor>,
) -> DescribeTopicPartitionsResponse {
    names.sort_unstable();
    names.dedup();
    let mut response = DescribeTopicPartitionsResponse::default();
    let mut left = limit;
    for name in names {
        let first = match &cursor {
            Some(cursor) if name < cursor.topic_name => continue,
            Some(cursor) if name == cursor.topic_name => cursor.partition_index,
            _ => 0,
        };
        let Some(topic) = image.topic_by_name(&name) else {
            response.topics.push(unknown(name));
            continue;
        };
        if left == 0 {
            response.next_cursor = Some(cursor_at(&name, first));
            break;
        }
        let end = topic.partition_count().min(first.saturating_add(left));
        let partitions = (first..end).filter_map(|index| image.partition(topic, index));
        response.topics.push(known(topic, partitions.map(partition).collect()));
        left -= (end - first).max(0);
        if end < topic.partition_count() {
            response.next_cursor = Some(cursor_at(&name, end));
            break;
        }
    }
    response
}

fn cursor_at(name: &str, partition_index: i32) -> DescribeTopicPartitionsResponseCursor {
    DescribeTopicPartitionsResponseCursor { topic_name: name.to_string(), partition_index }
}

fn unknown(name: String) -> DescribeTopicPartitionsResponseTopic {
    let error = match is_valid_topic_name(&name) {
        true => ErrorCode::UnknownTopicOrPartition,
        false => ErrorCode::InvalidTopicException,
    };
    DescribeTopicPartitionsResponseTopic {
        error_code: error.code(),
        is_internal: is_internal(&name),
        name: Some(name),
        topic_authorized_operations: authorized_operations::ON_TOPIC,
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

fn known(
    topic: &TopicImage,
    partitions: Vec<DescribeTopicPartitionsResponsePartition>,
) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::None.code(),
        name: Some(topic.name().to_string()),
        topic_id: topic.id(),
        is_internal: topic.is_internal(),
        partitions,
        topic_authorized_operations: authorized_operations::ON_TOPIC,
    }
}

fn partition(partition: PartitionImage) -> DescribeTopicPartitionsResponsePartition {
    if partition.is_offline {
        return DescribeTopicPartitionsResponsePartition {
            error_code: ErrorCode::LeaderNotAvailable.code(),
            partition_index: partition.partition,
            leader_id: nodes::NO_LEADER,
            leader_epoch: partition.leader_epoch.0,
            replica_nodes: nodes::ids(&partition.replicas),
            isr_nodes: Vec::new(),
            eligible_leader_replicas: Some(nodes::ids(&partition.isr)),
            last_known_elr: Some(nodes::ids(&partition.isr)),
            offline_replicas: nodes::ids(&partition.replicas),
        };
    }
    DescribeTopicPartitionsResponsePartition {
        partition_index: partition.partition,
        leader_id: partition.leader.0,
        leader_epoch: partition.leader_epoch.0,
        replica_nodes: nodes::ids(&partition.replicas),
        isr_nodes: nodes::ids(&partition.isr),
        eligible_leader_replicas: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
        ..DescribeTopicPartitionsResponsePartition::default()
    }
}
