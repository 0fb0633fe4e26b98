//! AlterPartitionReassignments (key 45), versions 0 and 1 (KIP-455): moves partitions to other nodes.
//!
//! - A partition has one replica, on the shard that owns it, for as long as there is one server. So the only assignment that can
//!   be is the one that is: asking for it succeeds, as in Kafka, and has nothing to do.
//! - No nodes, unknown nodes, a node twice, more than one node, another node than the owner: INVALID_REPLICA_ASSIGNMENT.
//! - v1: another number of replicas where the client forbids that is INVALID_REPLICATION_FACTOR.
//! - Null cancels a move: NO_REASSIGNMENT_IN_PROGRESS, since none ever is.
//! - Topics and partitions that do not exist are UNKNOWN_TOPIC_OR_PARTITION. Each partition fails for itself.
//!
//! Not done: moving a partition from one shard of a server to another.

use crate::base::ids::NodeId;
use crate::metadata::{ClusterImage, check_replicas};
use crate::server::context::RequestContext;
use crate::server::handlers::change::Refusal;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::alter_partition_reassignments::{
    ReassignablePartition, ReassignablePartitionResponse, ReassignableTopic, ReassignableTopicResponse,
};
use crate::wire::messages::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse};

/// Says of each partition whether it is where it shall be.
pub async fn handle(
    cx: &RequestContext,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let image = cx.shard().image();
    let allow = request.allow_replication_factor_change;
    let topic = |ReassignableTopic { name, partitions }| {
        let partitions = partitions.into_iter().map(|one| response(&one, check(&image, &name, &one, allow))).collect();
        ReassignableTopicResponse { name, partitions }
    };
    AlterPartitionReassignmentsResponse {
        allow_replication_factor_change: allow,
        responses: request.topics.into_iter().map(topic).collect(),
        ..AlterPartitionReassignmentsResponse::default()
    }
}

/// Why a partition can't be where it shall be; nothing if it is there.
fn check(
    image: &ClusterImage,
    topic: &str,
    wanted: &ReassignablePartition,
    allow_replication_factor_change: bool,
) -> Result<(), Refusal> {
    let unknown = |what: String| Refusal::new(ErrorCode::UnknownTopicOrPartition, what);
    let index = wanted.partition_index;
    let found = image.topic_by_name(topic).ok_or_else(|| unknown(format!("There is no topic {topic}.")))?;
    let partition =
        image.partition(found, index).ok_or_else(|| unknown(format!("There is no partition {topic}-{index}.")))?;
    let Some(replicas) = &wanted.replicas else {
        return Err(Refusal::new(ErrorCode::NoReassignmentInProgress, format!("{topic}-{index} is not being moved.")));
    };
    let replicas: Vec<NodeId> = replicas.iter().copied().map(NodeId).collect();
    if !allow_replication_factor_change && !replicas.is_empty() && replicas.len() != partition.replicas.len() {
        let message = format!(
            "{topic}-{index} has {} replica(s) and shall have {}, and the request forbids to change their number.",
            partition.replicas.len(),
            replicas.len()
        );
        return Err(Refusal::new(ErrorCode::InvalidReplicationFactor, message));
    }
    let leader = check_replicas(image, &replicas)?;
    if leader != partition.leader {
        let message = format!(
            "{topic}-{index} is with node {}, and stays there: partitions do not move between the shards of a server.",
            partition.leader
        );
        return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message));
    }
    Ok(())
}

fn response(wanted: &ReassignablePartition, result: Result<(), Refusal>) -> ReassignablePartitionResponse {
    let (code, error_message) = match result {
        Ok(()) => (ErrorCode::None, None),
        Err(refusal) => (refusal.code, refusal.message),
    };
    ReassignablePartitionResponse { partition_index: wanted.partition_index, error_code: code.code(), error_message }
}
