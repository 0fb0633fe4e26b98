//! DescribeQuorum (key 55), versions 0 to 2 (KIP-595): who keeps the cluster's metadata, and how far everybody has it.
//!
//! - The metadata log is a quorum of one. Its voter goes by the node that Metadata names as the controller, and leads it.
//! - Offsets are versions of the metadata, which rise by one with each change; the leader epoch is how often the server was started.
//! - Everything is as this shard knows it: it may lag behind a change that has not been answered yet.
//! - There are no observers: shards are handed the metadata, they do not follow its log.
//! - What is asked for must be partition 0 of `__cluster_metadata` and nothing else, else each partition is
//!   UNKNOWN_TOPIC_OR_PARTITION.
//! - v1 (KIP-836) adds the times of the last fetch: for the leader, now. v2 (KIP-853) adds directory ids, zero as in Kafka's
//!   quorums of fixed voters, and where the voters are reached.

use crate::metadata::ClusterImage;
use crate::rt;
use crate::server::context::RequestContext;
use crate::server::handlers::nodes;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::describe_quorum::{
    DescribeQuorumRequestTopicData, DescribeQuorumResponsePartitionData, DescribeQuorumResponseTopicData, Listener, Node,
    ReplicaState,
};
use crate::wire::messages::{DescribeQuorumRequest, DescribeQuorumResponse};

/// Kafka's name for the metadata log.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// Answers with the quorum of one.
pub async fn handle(cx: &RequestContext, request: DescribeQuorumRequest) -> DescribeQuorumResponse {
    if !asks_for_metadata(&request.topics) {
        return DescribeQuorumResponse {
            topics: request.topics.into_iter().map(unknown).collect(),
            ..DescribeQuorumResponse::default()
        };
    }
    let image = cx.shard().image();
    let leader = nodes::controller(&image);
    let endpoint = cx.endpoint(leader.shard());
    DescribeQuorumResponse {
        topics: vec![DescribeQuorumResponseTopicData {
            topic_name: METADATA_TOPIC.to_string(),
            partitions: vec![quorum(&image)],
        }],
        nodes: vec![Node {
            node_id: leader.0,
            listeners: vec![Listener {
                name: "PLAINTEXT".to_string(),
                host: endpoint.host,
                port: endpoint.port,
            }],
        }],
        ..DescribeQuorumResponse::default()
    }
}

fn asks_for_metadata(topics: &[DescribeQuorumRequestTopicData]) -> bool {
    match topics {
        [topic] => topic.topic_name == METADATA_TOPIC && matches!(&topic.partitions[..], [one] if one.partition_index == 0),
        _ => false,
    }
}

fn quorum(image: &ClusterImage) -> DescribeQuorumResponsePartitionData {
    let leader = nodes::controller(image);
    let now_ms = rt::wall_ms();
    // The first version is 1, so the version is as well the offset behind the last change.
    let end = i64::try_from(image.version()).expect("no cluster sees so many changes");
    DescribeQuorumResponsePartitionData {
        partition_index: 0,
        leader_id: leader.0,
        leader_epoch: i32::try_from(image.server().epoch).unwrap_or(i32::MAX),
        high_watermark: end,
        current_voters: vec![ReplicaState {
            replica_id: leader.0,
            log_end_offset: end,
            last_fetch_timestamp: now_ms,
            last_caught_up_timestamp: now_ms,
            ..ReplicaState::default()
        }],
        ..DescribeQuorumResponsePartitionData::default()
    }
}

fn unknown(topic: DescribeQuorumRequestTopicData) -> DescribeQuorumResponseTopicData {
    let code = ErrorCode::UnknownTopicOrPartition;
    let partition = |partition_index| DescribeQuorumResponsePartitionData {
        partition_index,
        error_code: code.code(),
        error_message: Some("Only partition 0 of __cluster_metadata has a quorum.".to_string()),
        ..DescribeQuorumResponsePartitionData::default()
    };
    DescribeQuorumResponseTopicData {
        topic_name: topic.topic_name,
        partitions: topic.partitions.into_iter().map(|one| partition(one.partition_index)).collect(),
    }
}
