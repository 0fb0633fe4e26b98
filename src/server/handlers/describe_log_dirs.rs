//! DescribeLogDirs (key 35), versions 1 to 5 (KIP-113, KIP-827): the directories this node keeps its partitions in.
//!
//! - Every shard is a node and answers for the partitions it leads. The shards of a server share its directories, so their
//!   space (KIP-827) shows once per node.
//! - A partition's size is that of all its batches, also those that are still in the write-ahead log or, with `durability =
//!   "relaxed"`, in memory.
//! - A partition that is on its way to another directory shows there, too, with `is_future_key` and how many offsets the copy is behind.
//! - No directory is ever cordoned (KIP-1066).
//! - Partitions that are offline are left out, as in Apache Kafka. A directory that is offline, or whose file system does not
//!   answer, or in which this node's write-ahead log has failed: KAFKA_STORAGE_ERROR.
//! - Topics and partitions that are asked for and not here are left out.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::log::Directory;
use crate::rt;
use crate::rt::disk::Space;
use crate::server::context::RequestContext;
use crate::server::handlers::partition_lookup::find;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::describe_log_dirs::{
    DescribableLogDirTopic, DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use crate::wire::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};

/// Answers with the directories and what is in them.
pub async fn handle(cx: &RequestContext, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let wanted = request.topics.map(by_name);
    let directories = cx.shard().data_dirs().all();
    let mut spaces = Vec::with_capacity(directories.len());
    for directory in directories {
        spaces.push(space(cx, directory).await);
    }
    // All at one moment: a partition that is moved is shown in one place.
    let described = directories
        .iter()
        .zip(spaces)
        .map(|(directory, space)| describe(cx, directory, space, wanted.as_ref()));
    DescribeLogDirsResponse {
        results: described.collect(),
        ..DescribeLogDirsResponse::default()
    }
}

/// The room on a directory's disk, unless it is offline or does not answer.
async fn space(cx: &RequestContext, directory: &Directory) -> Option<Space> {
    directory.id().filter(|id| cx.shard().can_write_to(*id))?;
    let path = directory.path();
    let space = rt::disk::space(path).await;
    space
        .inspect_err(|error| {
            tracing::error!(path = %path.display(), %error, "the data directory can't be looked at");
        })
        .ok()
}

fn describe(
    cx: &RequestContext,
    directory: &Directory,
    space: Option<Space>,
    wanted: Option<&Wanted>,
) -> DescribeLogDirsResult {
    let mut result = DescribeLogDirsResult {
        log_dir: log_dir_name(directory.path()),
        ..DescribeLogDirsResult::default()
    };
    match space {
        Some(space) => {
            result.total_bytes = signed(space.total_bytes);
            result.usable_bytes = signed(space.usable_bytes);
            result.topics = topics(cx, directory, wanted);
        }
        None => result.error_code = ErrorCode::KafkaStorageError.code(),
    }
    result
}

/// A directory as clients name it: by its absolute path.
pub(super) fn log_dir_name(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.to_string_lossy().into_owned()
}

/// Partitions by the names of their topics.
type Wanted = HashMap<String, HashSet<i32>>;

fn by_name(topics: Vec<DescribableLogDirTopic>) -> Wanted {
    let mut wanted = Wanted::new();
    for topic in topics {
        wanted.entry(topic.topic).or_default().extend(topic.partitions);
    }
    wanted
}

fn topics(cx: &RequestContext, directory: &Directory, wanted: Option<&Wanted>) -> Vec<DescribeLogDirsTopic> {
    let image = cx.shard().image();
    let mut found = Vec::new();
    for topic in image.topics_by_name() {
        let wanted_partitions = match wanted {
            None => None,
            Some(wanted) => match wanted.get(&**topic.name()) {
                Some(partitions) => Some(partitions),
                None => continue,
            },
        };
        let partitions: Vec<_> = (0..topic.partition_count())
            .filter(|index| wanted_partitions.is_none_or(|wanted| wanted.contains(index)))
            .filter_map(|index| {
                let log = find(cx.shard(), &image, &topic, index).ok()?;
                // Not by the metadata, which is ahead of it at the end of a move.
                if log.data_dir() == directory.path() {
                    return Some(DescribeLogDirsPartition {
                        partition_index: index,
                        partition_size: signed(log.size_bytes()),
                        offset_lag: 0,
                        is_future_key: false,
                    });
                }
                let relocation = cx.shard().relocations.of(log.id());
                let relocation = relocation.filter(|relocation| Some(relocation.to) == directory.id())?;
                Some(DescribeLogDirsPartition {
                    partition_index: index,
                    partition_size: signed(relocation.bytes),
                    offset_lag: (log.log_end().0 - relocation.end.0).max(0),
                    is_future_key: true,
                })
            })
            .collect();
        if !partitions.is_empty() {
            found.push(DescribeLogDirsTopic {
                name: topic.name().to_string(),
                partitions,
            });
        }
    }
    found
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
