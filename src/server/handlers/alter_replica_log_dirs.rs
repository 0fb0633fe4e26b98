//! AlterReplicaLogDirs (key 34), versions 1 and 2 (KIP-113): moves partitions between the directories of a node.
//!
//! - A partition that is in the directory is where it is to be: no error, nothing to do. Any other directory:
//!   LOG_DIR_NOT_FOUND.
//! - A partition this node does not lead: NOT_LEADER_OR_FOLLOWER; one that is not there: UNKNOWN_TOPIC_OR_PARTITION; one
//!   that is offline: KAFKA_STORAGE_ERROR. The directory is looked at first, as in Apache Kafka.
//! - Directories are named by the absolute paths that DescribeLogDirs gives.

use crate::base::ids::DirectoryId;
use crate::log::Directory;
use crate::metadata::ClusterImage;
use crate::server::context::RequestContext;
use crate::server::handlers::describe_log_dirs::log_dir_name;
use crate::server::handlers::partition_lookup::find;
use crate::shard::Shard;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::alter_replica_log_dirs::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use crate::wire::messages::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};

/// Says of each partition whether it is where it is to be.
pub async fn handle(cx: &RequestContext, request: AlterReplicaLogDirsRequest) -> AlterReplicaLogDirsResponse {
    let image = cx.shard().image();
    let mut results: Vec<AlterReplicaLogDirTopicResult> = Vec::new();
    for dir in request.dirs {
        let mut all = cx.shard().data_dirs().all().iter();
        let directory = all.find(|directory| log_dir_name(directory.path()) == dir.path);
        let directory = directory.and_then(Directory::id);
        for topic in dir.topics {
            let partitions = topic.partitions.iter().map(|&partition_index| {
                let code = match directory {
                    Some(id) => found(cx.shard(), &image, &topic.name, partition_index, id),
                    None => ErrorCode::LogDirNotFound,
                };
                AlterReplicaLogDirPartitionResult {
                    partition_index,
                    error_code: code.code(),
                }
            });
            results.push(AlterReplicaLogDirTopicResult {
                partitions: partitions.collect(),
                topic_name: topic.name,
            });
        }
    }
    // A topic has one entry, whatever directories its partitions were to go to.
    results.sort_by(|a, b| a.topic_name.cmp(&b.topic_name));
    results.dedup_by(|later, earlier| {
        let same = later.topic_name == earlier.topic_name;
        if same {
            earlier.partitions.append(&mut later.partitions);
        }
        same
    });
    AlterReplicaLogDirsResponse {
        throttle_time_ms: 0,
        results,
    }
}

fn found(
    shard: &Shard,
    image: &ClusterImage,
    topic: &str,
    partition: i32,
    directory: DirectoryId,
) -> ErrorCode {
    let Some(topic) = image.topic_by_name(topic) else {
        return ErrorCode::UnknownTopicOrPartition;
    };
    match find(shard, image, topic, partition) {
        Ok(_) if topic.directory(partition) == directory => ErrorCode::None,
        Ok(_) => ErrorCode::LogDirNotFound,
        Err(error) => error.code(),
    }
}
