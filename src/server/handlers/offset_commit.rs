//! OffsetCommit, versions 2 to 10.
//!
//! - From a member of the current generation, or from a simple consumer (no member, generation -1) while the group is
//!   empty; a group that does not exist is made by a simple consumer's commit.
//! - The answer comes when the offsets are durable.
//! - Topics and partitions that do not exist, and metadata above `offset.metadata.max.bytes`, are refused each for
//!   itself.
//!
//! v2 to v4 can ask for a retention time, v3 has throttling, v6 leader epochs (KIP-320), v7 static members (KIP-345), v8
//! is flexible, v9 tells that a group does not exist (KIP-848; before: ILLEGAL_GENERATION), v10 has topic ids.
//!
//! Not done: members of the next group protocol (KIP-848).

use std::rc::Rc;

use crate::base::ids::{LeaderEpoch, Offset, TopicId};
use crate::group::GroupError;
use crate::group::request::{CommitPartition, CommitRequest};
use crate::metadata::{ClusterImage, TopicImage};
use crate::server::context::RequestContext;
use crate::server::handlers::group_errors;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic};

/// The first version with topic ids.
const TOPIC_IDS: i16 = 10;
/// The first version that tells that a group does not exist.
const GROUP_ID_NOT_FOUND: i16 = 9;

/// Commits the offsets.
pub async fn handle(cx: &RequestContext, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let image = cx.shard().image();
    let mut commits = Vec::new();
    // What is wrong with a partition, or which commit it is.
    let mut places: Vec<Vec<Result<usize, ErrorCode>>> = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let found = find_topic(&image, topic, cx.api_version);
        places.push(place_partitions(topic, found, &mut commits));
    }
    let commit = CommitRequest {
        group: request.group_id.into(),
        member_id: request.member_id.into(),
        instance_id: request.group_instance_id.map(Rc::from),
        generation: request.generation_id_or_member_epoch,
        retention_ms: (request.retention_time_ms != -1).then_some(request.retention_time_ms),
        partitions: commits,
    };
    let results = if commit.partitions.is_empty() {
        Ok(Vec::new())
    } else {
        cx.shard().groups.commit_offsets(commit).await
    };
    let code_of = |place: &Result<usize, ErrorCode>| match (place, &results) {
        (Err(error), _) => *error,
        (Ok(_), Err(error)) => code(*error, cx.api_version),
        (Ok(index), Ok(results)) => match results[*index] {
            Ok(()) => ErrorCode::None,
            Err(error) => code(error, cx.api_version),
        },
    };
    let topics = request.topics.into_iter().zip(&places).map(|(topic, places)| {
        let partitions = topic.partitions.iter().zip(places).map(|(partition, place)| OffsetCommitResponsePartition {
            partition_index: partition.partition_index,
            error_code: code_of(place).code(),
        });
        let partitions = partitions.collect();
        OffsetCommitResponseTopic { name: topic.name, topic_id: topic.topic_id, partitions }
    });
    OffsetCommitResponse { throttle_time_ms: 0, topics: topics.collect() }
}

fn find_topic<'a>(
    image: &'a ClusterImage,
    topic: &OffsetCommitRequestTopic,
    version: i16,
) -> Result<&'a TopicImage, ErrorCode> {
    if version >= TOPIC_IDS {
        let found = image.topic(&topic.topic_id).filter(|_| topic.topic_id != TopicId::ZERO);
        return found.map(|topic| &**topic).ok_or(ErrorCode::UnknownTopicId);
    }
    image.topic_by_name(&topic.name).map(|topic| &**topic).ok_or(ErrorCode::UnknownTopicOrPartition)
}

/// Adds what can be committed to `commits`; says for each partition where it is there, or what is wrong with it.
fn place_partitions(
    topic: &OffsetCommitRequestTopic,
    found: Result<&TopicImage, ErrorCode>,
    commits: &mut Vec<CommitPartition>,
) -> Vec<Result<usize, ErrorCode>> {
    let name: Option<Rc<str>> = found.ok().map(|found| (&**found.name()).into());
    let place = |partition: &OffsetCommitRequestPartition| {
        let found = found?;
        if !(0..found.partition_count()).contains(&partition.partition_index) {
            return Err(ErrorCode::UnknownTopicOrPartition);
        }
        commits.push(CommitPartition {
            topic: name.clone().expect("the topic was found"),
            topic_id: found.id(),
            partition: partition.partition_index,
            offset: Offset(partition.committed_offset),
            leader_epoch: LeaderEpoch(partition.committed_leader_epoch),
            metadata: partition.committed_metadata.as_deref().unwrap_or_default().into(),
        });
        Ok(commits.len() - 1)
    };
    topic.partitions.iter().map(place).collect()
}

fn code(error: GroupError, version: i16) -> ErrorCode {
    match error {
        GroupError::GroupIdNotFound if version < GROUP_ID_NOT_FOUND => ErrorCode::IllegalGeneration,
        GroupError::RecordTooLarge => ErrorCode::InvalidCommitOffsetSize,
        error => group_errors::code(error),
    }
}
