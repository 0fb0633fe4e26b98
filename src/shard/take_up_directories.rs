//! What the metadata says of the data directories, told to them.

use crate::base::ids::{DirectoryId, TopicPartition};
use crate::log::DataDirs;
use crate::metadata::{ClusterImage, TopicRemains};

/// Sees that the directories are those of this server, clears away what is left of topics that were deleted, also of those
/// that were while a directory was not there, and looks for partitions
/// that are not where they belong. Before any shard is started. Blocks.
pub fn take_up_directories(
    data_dirs: &DataDirs,
    image: &ClusterImage,
    deleted: &[TopicRemains],
) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let claimed = data_dirs.claim(image.cluster_id(), image.server().server_id);
    claimed.map_err(|error| text(&error))?;
    let remains = |directory: DirectoryId| {
        let owed = image.deletions_owed(directory);
        let all = deleted.iter().chain(owed);
        all.map(|topic| (topic.id, &*topic.name, topic.partitions))
    };
    data_dirs.clear_away(remains).map_err(|error| text(&error))?;
    let partitions = image.topics().flat_map(|topic| {
        (0..topic.partition_count()).map(|partition| {
            let id = TopicPartition {
                topic: topic.id(),
                partition,
            };
            (id, &**topic.name(), topic.directory(partition))
        })
    });
    data_dirs.settle(partitions).map_err(|error| text(&error))
}
