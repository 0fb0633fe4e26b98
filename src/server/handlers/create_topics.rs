//! CreateTopics (key 19), versions 2 to 7: creates topics, each for itself.
//!
//! - The answer comes when the shards that lead the partitions can serve them: whoever produces right after it gets no error.
//! - -1 partitions or replicas mean the broker's defaults (v4 on, KIP-464; older clients can't say otherwise either).
//! - A name that is in the request twice is INVALID_REQUEST, once, and not created.
//! - Replicas may be assigned by hand: partitions from 0 without gaps, known nodes, and -1 for both numbers.
//! - `validate_only` checks everything and creates nothing.
//! - v1 on: an error message. v5 on (KIP-525): what was made, with all configs. v7 on: the topic's id.
//! - The timeout bounds the wait, not the change: REQUEST_TIMED_OUT may be followed by the topic.
//!
//! Not done: quotas for topic creation (KIP-599, v6 on) and policies.

use std::collections::HashSet;

use crate::base::ids::NodeId;
use crate::metadata::{ClusterImage, Command, CreatedTopic, Mode, NewTopic, Outcome, ReplicaAssignment};
use crate::server::context::RequestContext;
use crate::server::handlers::change::{Refusal, for_each, submit_within};
use crate::wire::errors::ErrorCode;
use crate::wire::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfigs, CreatableTopicResult,
};
use crate::wire::messages::{CreateTopicsRequest, CreateTopicsResponse};

/// Has the topics created and says what came of each.
pub async fn handle(cx: &RequestContext, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let CreateTopicsRequest { topics, timeout_ms, validate_only } = request;
    let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
    let mode = if validate_only { Mode::ValidateOnly } else { Mode::Apply };
    let command = Command::CreateTopics { topics: topics.into_iter().map(new_topic).collect(), mode };
    let answer = submit_within(cx, command, timeout_ms).await;
    let results = for_each(answer, names.len(), |outcome| match outcome {
        Outcome::TopicsCreated(items) => Some(items),
        _ => None,
    });
    let image = cx.shard().image();
    let mut answered = HashSet::new();
    let topics = names
        .iter()
        .zip(results)
        .filter(|(name, _)| answered.insert(name.as_str()))
        .map(|(name, result)| match result {
            Ok(created) => succeeded(cx, &image, name.clone(), created),
            Err(refusal) => refused(name.clone(), refusal),
        })
        .collect();
    CreateTopicsResponse { topics, ..CreateTopicsResponse::default() }
}

fn new_topic(topic: CreatableTopic) -> NewTopic {
    let assignment = |of: CreatableReplicaAssignment| ReplicaAssignment {
        partition: of.partition_index,
        replicas: of.broker_ids.into_iter().map(NodeId).collect(),
    };
    NewTopic {
        name: topic.name,
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: topic.assignments.into_iter().map(assignment).collect(),
        configs: topic.configs.into_iter().map(|config| (config.name, config.value)).collect(),
    }
}

fn succeeded(
    cx: &RequestContext,
    image: &ClusterImage,
    name: String,
    created: CreatedTopic,
) -> CreatableTopicResult {
    let mut configs: Vec<CreatableTopicConfigs> = image
        .layers(cx.shard().node_id)
        .describe_topic(&created.overrides)
        .into_iter()
        .map(|setting| CreatableTopicConfigs {
            name: setting.name.to_string(),
            value: setting.value,
            read_only: setting.read_only,
            config_source: setting.source.code(),
            is_sensitive: setting.sensitive,
        })
        .collect();
    configs.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    CreatableTopicResult {
        name,
        topic_id: created.id,
        error_code: ErrorCode::None.code(),
        error_message: None,
        num_partitions: created.partitions,
        replication_factor: created.replication_factor,
        configs: Some(configs),
        topic_config_error_code: ErrorCode::None.code(),
    }
}

fn refused(name: String, refusal: Refusal) -> CreatableTopicResult {
    CreatableTopicResult {
        name,
        error_code: refusal.code.code(),
        error_message: refusal.message,
        configs: Some(Vec::new()),
        ..CreatableTopicResult::default()
    }
}
