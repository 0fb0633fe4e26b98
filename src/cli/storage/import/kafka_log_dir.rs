//! One log directory of an Apache Kafka broker (an entry of its `log.dirs`).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::base::ids::{Offset, TopicId};
use crate::cli::storage::kafka_lock::{Purpose, lock_kafka_dir};
use crate::log::checkpoint_file::{self, NamedPartition};
use crate::log::file_names::{
    CLEAN_SHUTDOWN, LOG_STARTS, META_PROPERTIES, OWN_CHECKPOINT, PARTITION_METADATA, RECOVERY_POINTS,
};
use crate::log::partition_metadata;

/// A log directory, kept from being used by Kafka while the value lives.
#[derive(Debug)]
pub struct KafkaLogDir {
    /// Where it is.
    pub path: PathBuf,
    /// The broker it is of, by its `meta.properties`.
    pub node_id: Option<i32>,
    /// Whether the broker ended in order.
    pub clean: bool,
    /// Its partitions.
    pub partitions: Vec<KafkaPartition>,
    recovery_points: BTreeMap<NamedPartition, Offset>,
    log_starts: BTreeMap<NamedPartition, Offset>,
    _lock: Option<File>,
}

/// The directory of a partition.
#[derive(Clone, Debug)]
pub struct KafkaPartition {
    /// The topic's name.
    pub topic: String,
    /// Its index.
    pub partition: i32,
    /// Where it is.
    pub dir: PathBuf,
    /// The topic's id, or why that can't be told.
    pub topic_id: Result<TopicId, String>,
    /// All records below it are synced.
    pub recovery_point: Offset,
    /// The first record that counts.
    pub log_start: Offset,
    /// The broker it was found at.
    pub node_id: Option<i32>,
    /// Whether that broker ended in order.
    pub clean: bool,
}

impl KafkaLogDir {
    /// Reads what the directory says of itself, and keeps Kafka from starting on it.
    pub fn open(path: &Path) -> anyhow::Result<KafkaLogDir> {
        let entries = fs::read_dir(path).with_context(|| format!("could not list {}", path.display()))?;
        if path.join(OWN_CHECKPOINT).exists() {
            bail!(
                "{} is the data directory of a Corelane server, not of Apache Kafka",
                path.display()
            );
        }
        let lock = lock_kafka_dir(path, Purpose::Read)?;
        let clean = path.join(CLEAN_SHUTDOWN).exists();
        let mut dir = KafkaLogDir {
            path: path.to_path_buf(),
            node_id: node_id(path)?,
            clean,
            partitions: Vec::new(),
            recovery_points: checkpoint(path, RECOVERY_POINTS)?,
            log_starts: checkpoint(path, LOG_STARTS)?,
            _lock: lock,
        };
        for entry in entries {
            let entry = entry.with_context(|| format!("could not list {}", path.display()))?;
            let name = entry.file_name();
            if let Some((topic, partition)) = name.to_str().and_then(parse_partition_dir)
                && entry.file_type().is_ok_and(|kind| kind.is_dir())
            {
                dir.partitions.push(dir.partition(topic, partition, entry.path()));
            }
        }
        dir.partitions
            .sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        Ok(dir)
    }

    fn partition(&self, topic: &str, partition: i32, dir: PathBuf) -> KafkaPartition {
        let path = dir.join(PARTITION_METADATA);
        let topic_id = match fs::read(&path) {
            Ok(bytes) => {
                partition_metadata::parse(&bytes).map_err(|_| format!("{} names no topic id", path.display()))
            }
            Err(error) => Err(format!("could not read {}: {error}", path.display())),
        };
        let name = (topic.to_string(), partition);
        KafkaPartition {
            topic_id,
            recovery_point: self.recovery_points.get(&name).copied().unwrap_or(Offset::ZERO),
            log_start: self.log_starts.get(&name).copied().unwrap_or(Offset::ZERO),
            topic: name.0,
            partition,
            dir,
            node_id: self.node_id,
            clean: self.clean,
        }
    }
}

/// Topic and partition of a directory's name. Directories of partitions that are being deleted or moved have other names.
pub fn parse_partition_dir(name: &str) -> Option<(&str, i32)> {
    let (topic, partition) = name.rsplit_once('-')?;
    let digits = !partition.is_empty() && partition.bytes().all(|byte| byte.is_ascii_digit());
    (digits && !topic.is_empty()).then_some(())?;
    Some((topic, partition.parse().ok()?))
}

fn node_id(dir: &Path) -> anyhow::Result<Option<i32>> {
    let path = dir.join(META_PROPERTIES);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("could not read {}", path.display())),
    };
    let value = text.lines().find_map(|line| line.trim().strip_prefix("node.id="));
    Ok(value.and_then(|id| id.trim().parse().ok()))
}

fn checkpoint(dir: &Path, name: &str) -> anyhow::Result<BTreeMap<NamedPartition, Offset>> {
    let path = dir.join(name);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error).with_context(|| format!("could not read {}", path.display())),
    };
    match checkpoint_file::parse(&bytes) {
        Ok(entries) => Ok(entries.into_iter().collect()),
        Err(bad) => bail!("{} is damaged in line {}", path.display(), bad.line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_partitions() {
        assert_eq!(parse_partition_dir("a-0"), Some(("a", 0)));
        assert_eq!(parse_partition_dir("a-b.c-17"), Some(("a-b.c", 17)));
        for other in [
            "a",
            "-0",
            "a-",
            "a-x",
            "a-0.0123abcd-delete",
            "a-0.0123-future",
            "a-99999999999",
        ] {
            assert_eq!(parse_partition_dir(other), None, "{other}");
        }
    }
}
