//! AlterReplicaLogDirs (key 34), versions 1 and 2 (KIP-113): moves partitions between the directories of a node.
//!
//! - The answer says that a move was begun; DescribeLogDirs shows how far it is, and when it has ended. Partitions are moved one
//!   after the other, while they are in use, no faster than `replica.alter.log.dirs.io.max.bytes.per.second`.
//! - A partition that is in the directory stays there: no error, and a move of it to another one is given up. A move to one directory
//!   takes the place of one to another.
//! - A directory the server does not have: LOG_DIR_NOT_FOUND; one that is offline: KAFKA_STORAGE_ERROR.
//! - A partition this node does not lead: REPLICA_NOT_AVAILABLE; one that is offline: KAFKA_STORAGE_ERROR. The directory is looked at
//!   first, as in Apache Kafka.
//! - One that is not there: UNKNOWN_TOPIC_OR_PARTITION; and if it is created before the server stops, and this node leads it, it is made
//!   in that directory, should that work then. A topic's name that can't be: INVALID_TOPIC_EXCEPTION.
//! - Directories are named by the absolute paths that DescribeLogDirs gives.

use crate::base::ids::DirectoryId;
use crate::base::limits::MAX_PARTITIONS;
use crate::log::Directory;
use crate::metadata::topic_name::is_valid_topic_name;
use crate::metadata::{ClusterImage, Command, WantedDirectory};
use crate::server::context::RequestContext;
use crate::server::handlers::describe_log_dirs::log_dir_name;
use crate::server::handlers::partition_lookup::{LookupError, find};
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
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition_index in topic.partitions {
                let code = match directory {
                    Ok(id) => relocate(cx.shard(), &image, &topic.name, partition_index, id).await,
                    Err(code) => code,
                };
                partitions.push(AlterReplicaLogDirPartitionResult {
                    partition_index,
                    error_code: code.code(),
                });
            }
            results.push(AlterReplicaLogDirTopicResult {
                partitions,
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

async fn relocate(
    shard: &Shard,
    image: &ClusterImage,
    topic: &str,
    partition: i32,
    directory: DirectoryId,
) -> ErrorCode {
    let Some(found) = image.topic_by_name(topic) else {
        return want(shard, topic, partition, directory).await;
    };
    match find(shard, image, found, partition) {
        Ok(log) => {
            shard.relocate(log.id(), directory);
            ErrorCode::None
        }
        Err(LookupError::NoSuchPartition) => want(shard, topic, partition, directory).await,
        Err(LookupError::Elsewhere(..)) => ErrorCode::ReplicaNotAvailable,
        Err(LookupError::Offline) => ErrorCode::KafkaStorageError,
    }
}

/// Remembers where a partition is to be made, should it be.
async fn want(shard: &Shard, topic: &str, partition: i32, directory: DirectoryId) -> ErrorCode {
    if !is_valid_topic_name(topic) {
        return ErrorCode::InvalidTopicException;
    }
    if (0..MAX_PARTITIONS as i32).contains(&partition) {
        let wanted = WantedDirectory {
            node: shard.node_id,
            topic: topic.to_string(),
            partition,
            directory,
        };
        // If it can't be remembered the server is about to stop, which forgets it anyway.
        let _ = shard.control.submit(Command::WantDirectory { wanted }).await;
    }
    ErrorCode::UnknownTopicOrPartition
}
