//! ElectLeaders (key 43), versions 0 to 2 (KIP-183, KIP-460): has partitions elect their leader anew.
//!
//! - A partition has one replica, which leads it: there is never anything to elect, whether the preferred leader (v0, and type 0) or
//!   one that is not in sync (type 1) is asked for. Each partition is ELECTION_NOT_NEEDED, which clients take for success.
//! - One that is offline can't be led by anybody: PREFERRED_LEADER_NOT_AVAILABLE (v0, type 0) or ELIGIBLE_LEADERS_NOT_AVAILABLE (type 1).
//! - Topics and partitions that do not exist are UNKNOWN_TOPIC_OR_PARTITION.
//! - Null means all partitions. Those that need no election are left out then, as in Kafka, and so each topic's list is empty.
//! - v1 on: another type is INVALID_REQUEST, for the whole request.

use crate::metadata::{ClusterImage, TopicImage};
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
    let unavailable = match request.election_type {
        UNCLEAN => ErrorCode::EligibleLeadersNotAvailable,
        _ => ErrorCode::PreferredLeaderNotAvailable,
    };
    let replica_election_results = match request.topic_partitions {
        Some(topics) => topics.into_iter().map(|topic| results(&image, topic, unavailable)).collect(),
        None => image.topics_by_name().iter().map(|topic| needed(&image, topic, unavailable)).collect(),
    };
    ElectLeadersResponse { replica_election_results, ..ElectLeadersResponse::default() }
}

fn results(image: &ClusterImage, asked: TopicPartitions, unavailable: ErrorCode) -> ReplicaElectionResult {
    let TopicPartitions { topic, partitions } = asked;
    let found = image.topic_by_name(&topic);
    let result = |partition_id: i32| {
        let (code, message) = match found.and_then(|topic| image.partition(topic, partition_id)) {
            Some(partition) if partition.is_offline => (unavailable, nobody(&topic, partition_id)),
            Some(_) => (ErrorCode::ElectionNotNeeded, format!("{topic}-{partition_id} has the only leader it can have.")),
            None => (ErrorCode::UnknownTopicOrPartition, format!("There is no partition {topic}-{partition_id}.")),
        };
        PartitionResult { partition_id, error_code: code.code(), error_message: Some(message) }
    };
    let partition_result = partitions.into_iter().map(result).collect();
    ReplicaElectionResult { topic, partition_result }
}

/// Of all partitions of a topic those for which the answer is not that no election is needed.
fn needed(image: &ClusterImage, topic: &TopicImage, unavailable: ErrorCode) -> ReplicaElectionResult {
    let name = topic.name().to_string();
    let offline = (0..topic.partition_count()).filter(|partition| image.is_offline(topic, *partition));
    let result = |partition_id: i32| PartitionResult {
        partition_id,
        error_code: unavailable.code(),
        error_message: Some(nobody(&name, partition_id)),
    };
    ReplicaElectionResult { partition_result: offline.map(result).collect(), topic: name }
}

fn nobody(topic: &str, partition: i32) -> String {
    format!("{topic}-{partition} is offline on the only node that has it.")
}
