//! Where partitions go that somebody places by hand, and into which data directories new ones.

use std::collections::HashSet;
use std::ops::Range;

use crate::base::ids::{DirectoryId, NodeId, TopicId};
use crate::metadata::cluster_image::ClusterImage;
use crate::metadata::command_error::{CommandError, CommandErrorKind};
use crate::metadata::record::Record;

use super::draft::Draft;

/// The slot of a partition that shall have these replicas.
pub(super) fn chosen_slot(image: &ClusterImage, replicas: &[NodeId]) -> Result<u32, CommandError> {
    check_replicas(image, replicas).map(|leader| u32::from(leader.shard().0))
}

/// Checks that a partition could have these replicas, the leader first, and gives the leader.
pub fn check_replicas(image: &ClusterImage, replicas: &[NodeId]) -> Result<NodeId, CommandError> {
    let refuse = |message: String| {
        Err(CommandError::new(
            CommandErrorKind::InvalidReplicaAssignment,
            message,
        ))
    };
    let Some(leader) = replicas.first() else {
        return refuse("the assignment of a partition names no node".to_string());
    };
    let mut seen = HashSet::new();
    for node in replicas {
        if !image.has_node(*node) {
            return refuse(format!(
                "the assignment names node {node}, but there is no such node"
            ));
        }
        if !seen.insert(node) {
            return refuse(format!("the assignment names node {node} more than once"));
        }
    }
    if let Some(second) = replicas.get(1) {
        return refuse(format!(
            "nodes {leader} and {second} are shards of one server: two replicas of a partition can't share a server"
        ));
    }
    Ok(*leader)
}

/// Checks that there are servers for so many replicas.
pub(super) fn check_replication_factor(factor: i32) -> Result<(), CommandError> {
    // One server is what a cluster has until its data is replicated.
    const SERVERS: i32 = 1;
    if factor > SERVERS {
        return Err(CommandError::new(
            CommandErrorKind::InvalidReplicationFactor,
            format!("a replication factor of {factor} needs {factor} servers, but there is {SERVERS}"),
        ));
    }
    Ok(())
}

/// Places new partitions: each into the working data directory that has the fewest, as Kafka does,
/// unless somebody has said where it is to be. A server with one directory needs no record of it.
pub(super) fn choose_directories(draft: &mut Draft, id: TopicId, partitions: Range<i32>) {
    let to = draft.image.directories_for_new();
    if to == [DirectoryId::HOME] {
        // Who wants one elsewhere has to wait until there is an elsewhere.
        return;
    }
    let topic = draft.image.topic(&id).expect("just created").clone();
    // The new ones count as partitions of the one with the metadata until they are placed.
    let mut counts: Vec<(usize, DirectoryId)> = to
        .into_iter()
        .map(|directory| match draft.image.partitions_in(directory) {
            count if directory == DirectoryId::HOME => (count - partitions.len(), directory),
            count => (count, directory),
        })
        .collect();
    let mut directories = Vec::new();
    for partition in partitions {
        let wanted = draft.image.wanted_directory(&topic, partition);
        let fewest = |counts: &[(usize, DirectoryId)]| (0..counts.len()).min_by_key(|nth| counts[*nth].0);
        let nth = counts
            .iter()
            .position(|(_, directory)| Some(*directory) == wanted);
        let nth = nth.or_else(|| fewest(&counts)).expect("there is one");
        let (count, directory) = &mut counts[nth];
        *count += 1;
        if *directory != DirectoryId::HOME {
            directories.push((partition, *directory));
        }
    }
    if !directories.is_empty() {
        draft.record(Record::PartitionDirectories { id, directories });
    }
}
