//! ElectLeaders (key 43), versions 0 to 2 (KIP-183, KIP-460): has partitions elect their leader anew.
//!
//! - A partition has one replica, which leads it: there is never anything to elect, whether the preferred leader (v0, and type 0) or
//!   one that is not in sync (type 1) is asked for. Each partition is ELECTION_NOT_NEEDED, which clients take for success.
//! - Topics and partitions that do not exist are UNKNOWN_TOPIC_OR_PARTITION.
//! - Null means all partitions. Those that need no election are left out then, as in Kafka, and so each topic's list is empty.
//! - v1 on: another type is INVALID_REQUEST, for the whole request.

use crate::metadata::ClusterImage;
use crate::server::context::RequestContext;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::elect_leaders::{PartitionResult, ReplicaElectionResult, TopicPartitions};
use crate::wire::messages::{ElectLeadersRequest, ElectLeadersResponse};

const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

/// Says of each partition that it needs no election.
pub async fn handle(cx: &RequestContext, request: ElectLeadersRequest) -> ElectLeadersResponse {
    if !matches!(request.election_type, PREFERRED | UNCLEAN) {
        return ElectLeadersResponse {
            error_code: ErrorCode::InvalidRequest.code(),
            ..ElectLeadersResponse::default()
        };
    }
    let image = cx.shard().image();
    let replica_election_results = match request.topic_partitions {
        Some(topics) => topics.into_iter().map(|topic| results(&image, topic)).collect(),
        None => image.topics_by_name().iter().map(|topic| no_results(topic.name())).collect(),
    };
    ElectLeadersResponse { replica_election_results, ..ElectLeadersResponse::default() }
}

fn results(image: &ClusterImage, asked: TopicPartitions) -> ReplicaElectionResult {
    let TopicPartitions { topic, partitions } = asked;
    let found = image.topic_by_name(&topic);
    let result = |partition_id: i32| {
        let known = found.is_some_and(|topic| image.partition(topic, partition_id).is_some());
        let (code, message) = match known {
            true => (ErrorCode::ElectionNotNeeded, format!("{topic}-{partition_id} has the only leader it can have.")),
            false => (ErrorCode::UnknownTopicOrPartition, format!("There is no partition {topic}-{partition_id}.")),
        };
        PartitionResult { partition_id, error_code: code.code(), error_message: Some(message) }
    };
    let partition_result = partitions.into_iter().map(result).collect();
    ReplicaElectionResult { topic, partition_result }
}

fn no_results(topic: &str) -> ReplicaElectionResult {
    ReplicaElectionResult { topic: topic.to_string(), partition_result: Vec::new() }
}
