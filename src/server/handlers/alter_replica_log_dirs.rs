//! AlterReplicaLogDirs (key 34), versions 1 and 2 (KIP-113): moves partitions between the directories of a node.
//!
//! - The answer says that a move was begun; DescribeLogDirs shows how far it is, and when it has ended. Partitions are moved one
//!   after the other, while they are in use, no faster than `replica.alter.log.dirs.io.max.bytes.per.second`.
//! - A partition that is in the directory stays there: no error, and a move of it to another one is given up. A move to one directory
//!   takes the place of one to another.
//! - A directory the server does not have: LOG_DIR_NOT_FOUND; one that is offline: KAFKA_STORAGE_ERROR.
//! - A partition this node does not lead: NOT_LEADER_OR_FOLLOWER; one that is not there: UNKNOWN_TOPIC_OR_PARTITION; one
//!   that is offline: KAFKA_STORAGE_ERROR. The directory is looked at first, as in Apache Kafka. It is not remembered for
//!   partitions that come later.
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

/// Begins the moves.
pub async fn handle(cx: &RequestContext, request: AlterReplicaLogDirsRequest) -> AlterReplicaLogDirsResponse {
    let image = cx.shard().image();
    let mut results: Vec<AlterReplicaLogDirTopicResult> = Vec::new();
    for dir in request.dirs {
        let mut all = cx.shard().data_dirs().all().iter();
        let directory = all.find(|directory| log_dir_name(directory.path()) == dir.path);
        let directory = match directory {
            Some(directory) => working_id(cx.shard(), directory).ok_or(ErrorCode::KafkaStorageError),
            None => Err(ErrorCode::LogDirNotFound),
        };
        for topic in dir.topics {
            let partitions = topic.partitions.iter().map(|&partition_index| {
                let code = match directory {
                    Ok(id) => relocate(cx.shard(), &image, &topic.name, partition_index, id),
                    Err(code) => code,
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

fn working_id(shard: &Shard, directory: &Directory) -> Option<DirectoryId> {
    directory.id().filter(|id| shard.can_write_to(*id))
}

fn relocate(
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
        Ok(log) => {
            shard.relocate(log.id(), directory);
            ErrorCode::None
        }
        Err(error) => error.code(),
    }
}
