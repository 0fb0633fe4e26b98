//! CreatePartitions (key 37), versions 0 to 3: makes topics wider, each for itself.
//!
//! - `count` is the number of partitions the topic shall have; it only goes up (INVALID_PARTITIONS).
//! - Replicas of the new partitions may be assigned by hand, one list for each (INVALID_REPLICA_ASSIGNMENT).
//! - A topic that is in the request twice is INVALID_REQUEST, once, and left as it is.
//! - The answer comes when the shards that lead the new partitions can serve them.
//! - `validate_only` checks everything and does nothing.
//!
//! Not done: quotas (KIP-599, v3 on).

use std::collections::HashSet;

use crate::base::ids::NodeId;
use crate::metadata::{Command, Mode, NewPartitions, Outcome};
use crate::server::context::RequestContext;
use crate::server::handlers::change::{Refusal, for_each, submit_within};
use crate::wire::errors::ErrorCode;
use crate::wire::messages::create_partitions::{
    CreatePartitionsAssignment, CreatePartitionsTopic, CreatePartitionsTopicResult,
};
use crate::wire::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

/// Has the partitions created and says what came of each topic.
pub async fn handle(cx: &RequestContext, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let CreatePartitionsRequest { topics, timeout_ms, validate_only } = request;
    let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
    let mode = if validate_only { Mode::ValidateOnly } else { Mode::Apply };
    let command = Command::CreatePartitions { topics: topics.into_iter().map(new_partitions).collect(), mode };
    let answer = submit_within(cx, command, timeout_ms).await;
    let results = for_each(answer, names.len(), |outcome| match outcome {
        Outcome::PartitionsCreated(items) => Some(items),
        _ => None,
    });
    let mut answered = HashSet::new();
    let results = names.iter().zip(results).filter(|(name, _)| answered.insert(name.as_str())).map(result).collect();
    CreatePartitionsResponse { results, ..CreatePartitionsResponse::default() }
}

fn new_partitions(topic: CreatePartitionsTopic) -> NewPartitions {
    let replicas = |of: CreatePartitionsAssignment| of.broker_ids.into_iter().map(NodeId).collect();
    NewPartitions {
        topic: topic.name,
        total: topic.count,
        assignments: topic.assignments.map(|all| all.into_iter().map(replicas).collect()),
    }
}

fn result((name, result): (&String, Result<(), Refusal>)) -> CreatePartitionsTopicResult {
    let (error_code, error_message) = match result {
        Ok(()) => (ErrorCode::None.code(), None),
        Err(refusal) => (refusal.code.code(), refusal.message),
    };
    CreatePartitionsTopicResult { name: name.clone(), error_code, error_message }
}
