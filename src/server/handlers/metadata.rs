//! Metadata (key 3), versions 0 to 13: nodes, topics, and who leads each partition.
//!
//! - v0: no topics named means all. v1 on: null means all, none named means none, only the nodes are wanted.
//! - A topic that does not exist is created, if `auto.create.topics.enable` is on and the client does not forbid it (v4 on).
//!   The answer waits for that and has the new topic with its leaders, where Kafka answers UNKNOWN_TOPIC_OR_PARTITION and
//!   has the client ask again. A name that can't be created says why at once.
//! - Internal topics are created with their own configs.
//! - v8 on: operations the client may do on topics, and until v10 on the cluster (KIP-430); all of them, without authorizer.
//! - v10 and v11 carry topic ids in the answer; asking by id is v12 on (KIP-516) and INVALID_REQUEST before. As soon as
//!   one topic is named by id, names are ignored, as in Kafka. An unknown id is UNKNOWN_TOPIC_ID with a null name.
//! - v13: an error for the whole answer (KIP-1102). There is none.
//! - A partition that is offline, because its disk failed or it is damaged, has no leader: LEADER_NOT_AVAILABLE, with its replica
//!   among the offline ones and none in sync (KIP-112, KIP-966). So clients ask again until it is back.
//! - A topic named twice is answered once.
//! - Every node is at the address by which the client reached this one, unless another is configured.
//!
//! Not done: REBOOTSTRAP_REQUIRED; there is no situation in which it would help.

use std::collections::{HashMap, HashSet};

use crate::base::ids::TopicId;
use crate::metadata::topic_name::is_valid_topic_name;
use crate::metadata::{
    ClusterImage, Command, InternalTopic, Mode, NewTopic, Outcome, PartitionImage, TopicImage, is_internal,
};
use crate::server::context::{Endpoint, RequestContext};
use crate::server::handlers::change::{for_each, submit_within};
use crate::server::handlers::{authorized_operations, nodes};
use crate::wire::errors::ErrorCode;
use crate::wire::messages::metadata::{
    MetadataRequestTopic, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use crate::wire::messages::{MetadataRequest, MetadataResponse};

/// How long an answer waits for topics to be created, in milliseconds. Clients give up on an answer after 30 s or more.
const CREATE_WITHIN_MS: i32 = 10_000;

/// The first version that can ask by id.
const FIRST_BY_ID: i16 = 12;

/// Answers with what the client asked for.
pub async fn handle(cx: &RequestContext, request: MetadataRequest) -> MetadataResponse {
    let operations = if request.include_topic_authorized_operations {
        authorized_operations::ON_TOPIC
    } else {
        authorized_operations::NOT_ASKED
    };
    let topics = match Wanted::of(request.topics, cx.api_version) {
        Ok(Wanted::All) => {
            let image = cx.shard().image();
            image.topics_by_name().iter().map(|topic| known(&image, topic, operations)).collect()
        }
        Ok(Wanted::Ids(ids)) => {
            let image = cx.shard().image();
            ids.iter().map(|id| by_id(&image, id, operations)).collect()
        }
        Ok(Wanted::Names(names)) => {
            let refused = match request.allow_auto_topic_creation && cx.shard().settings().auto_create_topics_enable {
                true => create_missing(cx, &names).await,
                false => HashMap::new(),
            };
            let image = cx.shard().image();
            names.into_iter().map(|name| by_name(&image, name, &refused, operations)).collect()
        }
        Err(topics) => return MetadataResponse { topics, ..MetadataResponse::default() },
    };
    let image = cx.shard().image();
    let broker = |endpoint: Endpoint| MetadataResponseBroker {
        node_id: endpoint.node.0,
        host: endpoint.host,
        port: i32::from(endpoint.port),
        rack: endpoint.rack,
    };
    MetadataResponse {
        brokers: nodes::endpoints(cx, &image).into_iter().map(broker).collect(),
        cluster_id: Some(image.cluster_id().to_string()),
        controller_id: nodes::controller(&image).0,
        topics,
        cluster_authorized_operations: if request.include_cluster_authorized_operations {
            authorized_operations::ON_CLUSTER
        } else {
            authorized_operations::NOT_ASKED
        },
        ..MetadataResponse::default()
    }
}

/// The topics a request is for, each once.
enum Wanted {
    All,
    Ids(Vec<TopicId>),
    Names(Vec<String>),
}

impl Wanted {
    /// Reads the topics of a request of this version. An error is the answer's topics: nothing else is told then.
    fn of(
        topics: Option<Vec<MetadataRequestTopic>>,
        version: i16,
    ) -> Result<Wanted, Vec<MetadataResponseTopic>> {
        let topics = match topics {
            None => return Ok(Wanted::All),
            Some(topics) if topics.is_empty() && version == 0 => return Ok(Wanted::All),
            Some(topics) => topics,
        };
        let mut seen = HashSet::new();
        let any_id = topics.iter().any(|topic| topic.topic_id != TopicId::ZERO);
        if any_id && version >= FIRST_BY_ID {
            let ids = topics.into_iter().map(|topic| topic.topic_id);
            return Ok(Wanted::Ids(ids.filter(|id| *id != TopicId::ZERO && seen.insert(*id)).collect()));
        }
        if any_id || topics.iter().any(|topic| topic.name.is_none()) {
            return Err(topics.into_iter().map(ill_named).collect());
        }
        let mut seen = HashSet::new();
        let names = topics.into_iter().filter_map(|topic| topic.name);
        Ok(Wanted::Names(names.filter(|name| seen.insert(name.clone())).collect()))
    }
}

fn ill_named(topic: MetadataRequestTopic) -> MetadataResponseTopic {
    MetadataResponseTopic {
        error_code: ErrorCode::InvalidRequest.code(),
        name: Some(topic.name.unwrap_or_default()),
        topic_id: topic.topic_id,
        ..MetadataResponseTopic::default()
    }
}

/// Has the topics created that are not there. Gives the reasons of those that could not be.
async fn create_missing(cx: &RequestContext, names: &[String]) -> HashMap<String, ErrorCode> {
    let image = cx.shard().image();
    let missing = names.iter().filter(|name| image.topic_by_name(name).is_none() && is_valid_topic_name(name));
    let (internal, own): (Vec<&String>, Vec<&String>) = missing.partition(|name| is_internal(name));
    let mut refused = HashMap::new();
    if internal.iter().any(|name| *name == InternalTopic::ConsumerOffsets.name()) {
        let command = Command::EnsureInternalTopic { topic: InternalTopic::ConsumerOffsets };
        if let Err(refusal) = submit_within(cx, command, CREATE_WITHIN_MS).await {
            refused.insert(InternalTopic::ConsumerOffsets.name().to_string(), refusal.code);
        }
    }
    if own.is_empty() {
        return refused;
    }
    let topics: Vec<NewTopic> = own.iter().map(|name| with_defaults(name)).collect();
    let answer = submit_within(cx, Command::CreateTopics { topics, mode: Mode::Apply }, CREATE_WITHIN_MS).await;
    let results = for_each(answer, own.len(), |outcome| match outcome {
        Outcome::TopicsCreated(items) => Some(items),
        _ => None,
    });
    for (name, result) in own.into_iter().zip(results) {
        if let Err(refusal) = result {
            refused.insert(name.clone(), refusal.code);
        }
    }
    refused
}

fn with_defaults(name: &str) -> NewTopic {
    NewTopic {
        name: name.to_string(),
        partitions: -1,
        replication_factor: -1,
        assignments: Vec::new(),
        configs: Vec::new(),
    }
}

fn by_name(
    image: &ClusterImage,
    name: String,
    refused: &HashMap<String, ErrorCode>,
    operations: i32,
) -> MetadataResponseTopic {
    // Somebody else may have created it in the meantime, so what is there comes first.
    if let Some(topic) = image.topic_by_name(&name) {
        return known(image, topic, operations);
    }
    let error = match refused.get(&name) {
        // It was there for a moment, or it will be: the client asks again.
        Some(ErrorCode::TopicAlreadyExists | ErrorCode::RequestTimedOut | ErrorCode::NotController) => {
            ErrorCode::LeaderNotAvailable
        }
        Some(error) => *error,
        None if is_valid_topic_name(&name) => ErrorCode::UnknownTopicOrPartition,
        None => ErrorCode::InvalidTopicException,
    };
    MetadataResponseTopic {
        error_code: error.code(),
        is_internal: is_internal(&name),
        name: Some(name),
        topic_authorized_operations: operations,
        ..MetadataResponseTopic::default()
    }
}

fn by_id(image: &ClusterImage, id: &TopicId, operations: i32) -> MetadataResponseTopic {
    match image.topic(id) {
        Some(topic) => known(image, topic, operations),
        None => MetadataResponseTopic {
            error_code: ErrorCode::UnknownTopicId.code(),
            name: None,
            topic_id: *id,
            ..MetadataResponseTopic::default()
        },
    }
}

fn known(image: &ClusterImage, topic: &TopicImage, operations: i32) -> MetadataResponseTopic {
    MetadataResponseTopic {
        error_code: ErrorCode::None.code(),
        name: Some(topic.name().to_string()),
        topic_id: topic.id(),
        is_internal: topic.is_internal(),
        partitions: image.partitions(topic).map(partition).collect(),
        topic_authorized_operations: operations,
    }
}

fn partition(partition: PartitionImage) -> MetadataResponsePartition {
    if partition.is_offline {
        return MetadataResponsePartition {
            error_code: ErrorCode::LeaderNotAvailable.code(),
            partition_index: partition.partition,
            leader_id: nodes::NO_LEADER,
            leader_epoch: partition.leader_epoch.0,
            replica_nodes: nodes::ids(&partition.replicas),
            isr_nodes: Vec::new(),
            offline_replicas: nodes::ids(&partition.replicas),
        };
    }
    MetadataResponsePartition {
        partition_index: partition.partition,
        leader_id: partition.leader.0,
        leader_epoch: partition.leader_epoch.0,
        replica_nodes: nodes::ids(&partition.replicas),
        isr_nodes: nodes::ids(&partition.isr),
        ..MetadataResponsePartition::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> MetadataRequestTopic {
        MetadataRequestTopic { name: Some(name.to_string()), ..MetadataRequestTopic::default() }
    }

    fn with_id(byte: u8) -> MetadataRequestTopic {
        MetadataRequestTopic { topic_id: TopicId([byte; 16]), name: None }
    }

    #[test]
    fn nothing_named_is_everything_in_version_0_only() {
        assert!(matches!(Wanted::of(Some(Vec::new()), 0), Ok(Wanted::All)));
        assert!(matches!(Wanted::of(Some(Vec::new()), 1), Ok(Wanted::Names(names)) if names.is_empty()));
        assert!(matches!(Wanted::of(None, 1), Ok(Wanted::All)));
    }

    #[test]
    fn ids_come_before_names_and_only_where_they_can_be_asked_for() {
        let topics = vec![named("a"), with_id(7), with_id(7)];
        let Ok(Wanted::Ids(ids)) = Wanted::of(Some(topics.clone()), 12) else {
            panic!("asked by id");
        };
        assert_eq!(ids, [TopicId([7; 16])]);
        let Err(refused) = Wanted::of(Some(topics), 11) else {
            panic!("version 11 can't ask by id");
        };
        assert!(refused.iter().all(|topic| topic.error_code == ErrorCode::InvalidRequest.code()));
        assert!(Wanted::of(Some(vec![with_id(0)]), 12).is_err(), "neither a name nor an id");
    }

    #[test]
    fn a_topic_named_twice_is_answered_once() {
        let Ok(Wanted::Names(names)) = Wanted::of(Some(vec![named("b"), named("a"), named("b")]), 9) else {
            panic!("asked by name");
        };
        assert_eq!(names, ["b", "a"]);
    }
}
