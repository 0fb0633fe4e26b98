//! OffsetDelete, version 0 (KIP-496).
//!
//! - Offsets of topics that members are subscribed to stay: GROUP_SUBSCRIBED_TO_TOPIC. A group that is in use and is not
//!   of consumers keeps all: NON_EMPTY_GROUP.
//! - Deleting what was not committed is no error; topics and partitions that do not exist are.

use crate::group::request;
use crate::server::context::RequestContext;
use crate::server::handlers::group_errors::{code, result_code};
use crate::wire::errors::ErrorCode;
use crate::wire::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};

/// Deletes the offsets.
pub async fn handle(cx: &RequestContext, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let image = cx.shard().image();
    let count_of = |name: &str| image.topic_by_name(name).map_or(0, |topic| topic.partition_count());
    let mut partitions = Vec::new();
    for topic in &request.topics {
        let existing = 0..count_of(&topic.name);
        let indexes = topic.partitions.iter().map(|partition| partition.partition_index);
        partitions
            .extend(indexes.filter(|index| existing.contains(index)).map(|index| (topic.name.as_str().into(), index)));
    }
    let delete = request::OffsetDeleteRequest { group: request.group_id.into(), partitions };
    let mut results = match cx.shard().groups.delete_offsets(delete).await {
        Ok(results) => results.into_iter(),
        Err(error) => return OffsetDeleteResponse { error_code: code(error).code(), ..Default::default() },
    };
    let topics = request.topics.into_iter().map(|topic| {
        let existing = 0..count_of(&topic.name);
        let partitions = topic.partitions.iter().map(|partition| OffsetDeleteResponsePartition {
            partition_index: partition.partition_index,
            error_code: match existing.contains(&partition.partition_index) {
                true => result_code(&results.next().expect("one for each asked")),
                false => ErrorCode::UnknownTopicOrPartition.code(),
            },
        });
        let partitions = partitions.collect();
        OffsetDeleteResponseTopic { name: topic.name, partitions }
    });
    OffsetDeleteResponse { error_code: ErrorCode::None.code(), throttle_time_ms: 0, topics: topics.collect() }
}
