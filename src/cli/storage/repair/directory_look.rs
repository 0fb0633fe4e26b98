//! What the next start would make of the partitions in a data directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::partition_look::PartitionLook;
use crate::base::ids::{Offset, TopicPartition};
use crate::log::file_names::partition_dir;
use crate::log::{Checkpoint, Damage, DataDir, DataDirs, Directory, PartitionOffline, Purpose};
use crate::metadata::ClusterImage;
use crate::rt;
use crate::shard::look_at_partitions;

/// Which partitions are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Their data directory.
    pub data_dir: PathBuf,
    /// The name of the directory of one of them, or all.
    pub partition: Option<String>,
}

/// Partitions of one data directory, looked at.
#[derive(Debug)]
pub struct DirectoryLook {
    /// Those that are meant, by name.
    pub partitions: Vec<PartitionLook>,
    /// Places in write-ahead logs where acknowledged records were, of nobody knows which partitions.
    pub wal_damage: Vec<Damage>,
    /// Whether the checkpoint file can't be read.
    pub checkpoint_is_damaged: bool,
}

/// From where to where the log of a partition goes at the next start, or why it is offline.
pub type Verdict = Result<(Offset, Offset), PartitionOffline>;

/// What the next start would make of all partitions of a server. `paths` are its data directories, that with the metadata first.
pub fn verdicts(
    paths: &[PathBuf],
    image: &ClusterImage,
) -> anyhow::Result<(Arc<DataDirs>, BTreeMap<TopicPartition, Verdict>)> {
    rt::probe()?;
    let data_dirs = DataDirs::open_for(paths, true, Purpose::Look)?;
    let (dirs, image) = (data_dirs.clone(), image.clone());
    let verdicts = rt::run_on_shard(move || async move { look_at_partitions(dirs, &image).await })??;
    Ok((data_dirs, verdicts.into_iter().collect()))
}

/// Looks at the partitions that are meant. Nothing is changed.
pub fn look(paths: &[PathBuf], image: &ClusterImage, target: &Target) -> anyhow::Result<DirectoryLook> {
    // Recovery notes in memory what it finds, so this comes first.
    let before = DataDirs::open_for(paths, true, Purpose::Look)?;
    let before = online(&before, &target.data_dir)?;
    let (data_dirs, mut verdicts) = verdicts(paths, image)?;
    let data_dir = online(&data_dirs, &target.data_dir)?;
    let home = data_dirs.home().path();
    let mut partitions = Vec::new();
    for topic in image.topics() {
        for partition in 0..topic.partition_count() {
            let assigned = data_dirs.by_id(topic.directory(partition));
            let is_here = assigned.map_or(home, |directory| directory.path()) == target.data_dir;
            let name = partition_dir(topic.name(), partition);
            if !is_here || target.partition.as_ref().is_some_and(|one| *one != name) {
                continue;
            }
            let id = TopicPartition {
                topic: topic.id(),
                partition,
            };
            let verdict = verdicts.remove(&id).expect("all were looked at");
            let known: Checkpoint = before.checkpoint(id, topic.name()).unwrap_or_default();
            partitions.push(PartitionLook::of(
                id,
                topic.name().clone(),
                verdict,
                known,
                data_dir,
            )?);
        }
    }
    partitions.sort_by(|a, b| (&a.topic, a.id.partition).cmp(&(&b.topic, b.id.partition)));
    Ok(DirectoryLook {
        partitions,
        wal_damage: data_dir.wal_damage(),
        checkpoint_is_damaged: data_dir.checkpoint_is_damaged(),
    })
}

/// Whether a directory is at a path without symbolic links.
pub fn is_at(directory: &Directory, path: &Path) -> bool {
    directory.path() == path || directory.path().canonicalize().is_ok_and(|real| real == path)
}

/// The directory at a path, among those that are there.
pub fn online<'a>(data_dirs: &'a DataDirs, path: &Path) -> anyhow::Result<&'a Arc<DataDir>> {
    let directory = data_dirs.all().iter().find(|one| is_at(one, path));
    let online = directory.and_then(|directory| directory.online());
    online.with_context(|| format!("the data directory {} can't be read", path.display()))
}
