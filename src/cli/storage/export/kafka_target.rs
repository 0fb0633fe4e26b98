//! A directory to which partitions are exported: a log directory of a stopped Kafka broker, or an empty one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::base::ids::{Offset, TopicId, TopicPartition};
use crate::cli::storage::durable_files::{read_if_there, rename, replace_file, sync_dir};
use crate::cli::storage::kafka_lock::{Purpose, lock_kafka_dir};
use crate::log::checkpoint_file::{self, NamedPartition};
use crate::log::file_names::{
    COMPACTED, DELETE_SUFFIX, HIGH_WATERMARKS, LOG_STARTS, META_PROPERTIES, OWN_CHECKPOINT,
    PARTITION_METADATA, RECOVERY_POINTS, doomed_dir, partition_dir,
};
use crate::log::{SegmentFile, partition_metadata};
use crate::rt;

/// The directory, kept from being used by Kafka while the value lives.
#[derive(Debug)]
pub struct KafkaTarget {
    path: PathBuf,
    /// Whether it is a broker's, by its `meta.properties`.
    is_brokers: bool,
    _lock: Option<File>,
}

/// Whether a partition that has records there is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnRecords {
    /// No.
    Refuse,
    /// Yes; they are lost.
    Replace,
}

impl KafkaTarget {
    /// Takes the directory, making it if it is not there.
    pub fn open(path: &Path) -> anyhow::Result<KafkaTarget> {
        fs::create_dir_all(path).with_context(|| format!("could not create {}", path.display()))?;
        if path.join(OWN_CHECKPOINT).exists() {
            bail!(
                "{} is the data directory of a Corelane server, not of Apache Kafka",
                path.display()
            );
        }
        Ok(KafkaTarget {
            path: path.to_path_buf(),
            is_brokers: path.join(META_PROPERTIES).exists(),
            _lock: lock_kafka_dir(path, Purpose::Change)?,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a Kafka broker's.
    pub fn is_brokers(&self) -> bool {
        self.is_brokers
    }

    /// The id of a topic by the partitions that are there, which must be those that are exported. `None` if there is none.
    pub fn topic_id(
        &self,
        topic: &str,
        partitions: i32,
        on_records: OnRecords,
    ) -> anyhow::Result<Option<TopicId>> {
        let mut found: BTreeMap<i32, TopicId> = BTreeMap::new();
        // One more than belong there shows that the topic has more of them.
        for partition in 0..=partitions {
            let dir = self.path.join(partition_dir(topic, partition));
            let Some(bytes) = read_if_there(&dir.join(PARTITION_METADATA))? else {
                continue;
            };
            let Ok(id) = partition_metadata::parse(&bytes) else {
                bail!("{} names no topic id", dir.join(PARTITION_METADATA).display());
            };
            if on_records == OnRecords::Refuse && has_records(&dir)? {
                bail!("{} has records already; --replace deletes them", dir.display());
            }
            found.insert(partition, id);
        }
        let Some(id) = found.values().next().copied() else {
            return Ok(None);
        };
        if found.values().any(|other| *other != id) {
            bail!(
                "the partitions of {topic} in {} have different topic ids",
                self.path.display()
            );
        }
        if !found.keys().copied().eq(0..partitions) {
            bail!(
                "{} has partitions {:?} of {topic}, and 0 to {} are exported: the topic needs as many partitions in Kafka, all of them here",
                self.path.display(),
                found.keys().collect::<Vec<_>>(),
                partitions - 1
            );
        }
        Ok(Some(id))
    }

    /// The name of a directory that is being made or goes away: Kafka removes such at its next start.
    pub fn unfinished(&self, topic: &str, id: TopicPartition) -> PathBuf {
        self.path.join(doomed_dir(topic, id, DELETE_SUFFIX))
    }

    /// Gives a finished directory its name; one that has it is on its way out.
    pub fn put_in_place(&self, topic: &str, id: TopicPartition, finished: &Path) -> anyhow::Result<()> {
        let place = self.path.join(partition_dir(topic, id.partition));
        if place.exists() {
            let mut unique = [0; 16];
            rt::random_bytes(&mut unique);
            let old = TopicPartition {
                topic: TopicId(unique),
                ..id
            };
            let old = self.unfinished(topic, old);
            rename(&place, &old)?;
            rename(finished, &place)?;
            sync_dir(&self.path)?;
            return fs::remove_dir_all(&old).with_context(|| format!("could not remove {}", old.display()));
        }
        rename(finished, &place)?;
        sync_dir(&self.path)
    }

    /// Notes where the logs begin. Before the directories have their names: what was deleted must not come back.
    pub fn note_log_starts(&self, partitions: &[(NamedPartition, Offset)]) -> anyhow::Result<()> {
        self.merge(LOG_STARTS, partitions)
    }

    /// Notes that all of the partitions is synced and counts, and that nothing is known of their compaction.
    pub fn note_ends(&self, partitions: &[(NamedPartition, Offset)]) -> anyhow::Result<()> {
        self.merge(RECOVERY_POINTS, partitions)?;
        self.merge(HIGH_WATERMARKS, partitions)?;
        if self.path.join(COMPACTED).exists() {
            let from_start: Vec<_> = partitions
                .iter()
                .map(|(name, _)| (name.clone(), Offset::ZERO))
                .collect();
            self.merge(COMPACTED, &from_start)?;
        }
        Ok(())
    }

    /// Puts entries into one of Kafka's checkpoint files; those of other partitions stay.
    fn merge(&self, name: &str, entries: &[(NamedPartition, Offset)]) -> anyhow::Result<()> {
        let path = self.path.join(name);
        let there = match read_if_there(&path)?.map(|bytes| checkpoint_file::parse(&bytes)) {
            Some(Ok(there)) => there,
            Some(Err(bad)) => bail!("{} is damaged in line {}", path.display(), bad.line),
            None => Vec::new(),
        };
        let mut all: BTreeMap<NamedPartition, Offset> = there.into_iter().collect();
        all.extend(entries.iter().cloned());
        let lines = all
            .iter()
            .map(|((topic, partition), offset)| (topic.as_str(), *partition, *offset));
        replace_file(&path, &checkpoint_file::encode(lines))
    }
}

fn has_records(dir: &Path) -> anyhow::Result<bool> {
    let listing = || format!("could not list {}", dir.display());
    for entry in fs::read_dir(dir).with_context(listing)? {
        let entry = entry.with_context(listing)?;
        let name = entry.file_name();
        if let Some((SegmentFile::Log, base)) = name.to_str().and_then(SegmentFile::parse)
            && (base > Offset::ZERO || entry.metadata().with_context(listing)?.len() > 0)
        {
            return Ok(true);
        }
    }
    Ok(false)
}
