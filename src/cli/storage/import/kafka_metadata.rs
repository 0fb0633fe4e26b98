//! The cluster metadata of Apache Kafka's controllers (KRaft), as far as it is about topics: the newest snapshot in
//! `__cluster_metadata-0`, and the log behind it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};

use crate::base::ids::{Offset, TopicId};
use crate::log::SegmentFile;
use crate::wire::codec::{DecodeError, Message, Reader};
use crate::wire::messages::stored::{
    ConfigRecord, MetadataRecordType, PartitionChangeRecord, PartitionRecord, ProducerIdsRecord,
    RemoveTopicRecord, TopicRecord, read_metadata_frame,
};
use crate::wire::records::{BatchError, batches};

/// The directory of the metadata in a log directory.
pub const METADATA_PARTITION: &str = "__cluster_metadata-0";
/// Most bytes a batch of records may have when it is decompressed.
const MAX_BATCH_BYTES: usize = 256 << 20;
/// Numbers of kinds of resources that have configs.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// What a cluster knows of its topics.
#[derive(Debug, Default)]
pub struct KafkaMetadata {
    /// By id.
    pub topics: BTreeMap<TopicId, KafkaTopic>,
    /// Configs of topics, by name.
    pub configs: BTreeMap<String, BTreeMap<String, String>>,
    /// Names of configs that were set for brokers at run time: they are defaults of topics.
    pub broker_configs: BTreeMap<String, String>,
    /// The first producer id nobody has.
    pub next_producer_id: i64,
    /// Records of a metadata transaction that has not ended.
    pending: Option<Vec<(MetadataRecordType, i16, Vec<u8>)>>,
}

/// A topic of the cluster.
#[derive(Debug, Default)]
pub struct KafkaTopic {
    /// Its name.
    pub name: String,
    /// The broker that leads each of its partitions, -1 for none.
    pub leaders: BTreeMap<i32, i32>,
}

impl KafkaMetadata {
    /// Reads the metadata of a directory that holds [`METADATA_PARTITION`]; `None` if it does not.
    pub fn read(log_dir: &Path) -> anyhow::Result<Option<KafkaMetadata>> {
        let dir = log_dir.join(METADATA_PARTITION);
        if !dir.is_dir() {
            return Ok(None);
        }
        let files = Files::list(&dir).with_context(|| format!("could not list {}", dir.display()))?;
        let mut metadata = KafkaMetadata::default();
        let mut next = Offset::ZERO;
        if let Some((offset, path)) = files.snapshots.last() {
            metadata.add_file(path, Offset::ZERO, Tail::Whole)?;
            next = *offset;
        }
        if let Some((base, path)) = files.logs.first()
            && *base > next
        {
            bail!(
                "{} begins behind offset {next}: what is before is missing",
                path.display()
            );
        }
        for (at, (_, path)) in files.logs.iter().enumerate() {
            // Kafka cuts off what is not whole at the end of the last one.
            let tail = if at + 1 == files.logs.len() {
                Tail::MayBeTorn
            } else {
                Tail::Whole
            };
            metadata.add_file(path, next, tail)?;
        }
        Ok(Some(metadata))
    }

    fn add_file(&mut self, path: &Path, from: Offset, tail: Tail) -> anyhow::Result<()> {
        let bytes = fs::read(path).with_context(|| format!("could not read {}", path.display()))?;
        let mut all = batches(&bytes);
        loop {
            let position = all.position();
            let batch = match all.next() {
                None => return Ok(()),
                Some(Ok(batch)) => batch,
                Some(Err(_)) if tail == Tail::MayBeTorn => return Ok(()),
                Some(Err(bad)) => return Err(damaged(path, position, &bad)),
            };
            match batch.check_crc() {
                Ok(()) => {}
                Err(_) if tail == Tail::MayBeTorn => return Ok(()),
                Err(bad) => return Err(damaged(path, position, &bad)),
            }
            if batch.header().attributes.is_control() {
                continue;
            }
            let open = batch
                .open(MAX_BATCH_BYTES)
                .map_err(|bad| damaged(path, position, &bad))?;
            for record in open.records() {
                let record = record.map_err(|bad| damaged(path, position, &bad))?;
                if record.offset < from {
                    continue;
                }
                let Some(value) = record.value else { continue };
                let said = |bad: DecodeError| {
                    anyhow!(
                        "{}: the record with offset {} can't be read: {bad}",
                        path.display(),
                        record.offset
                    )
                };
                let mut reader = Reader::of_slice(value);
                let (kind, version) = read_metadata_frame(&mut reader).map_err(said)?;
                self.take(kind, version, &value[reader.position()..])
                    .map_err(said)?;
            }
        }
    }

    /// Takes a record, or keeps it until its transaction ends.
    fn take(&mut self, kind: MetadataRecordType, version: i16, record: &[u8]) -> Result<(), DecodeError> {
        match kind {
            MetadataRecordType::BeginTransaction => self.pending = Some(Vec::new()),
            MetadataRecordType::AbortTransaction => self.pending = None,
            MetadataRecordType::EndTransaction => {
                for (kind, version, record) in self.pending.take().unwrap_or_default() {
                    self.apply(kind, version, &record)?;
                }
            }
            _ => match &mut self.pending {
                Some(pending) => pending.push((kind, version, record.to_vec())),
                None => self.apply(kind, version, record)?,
            },
        }
        Ok(())
    }

    fn apply(&mut self, kind: MetadataRecordType, version: i16, record: &[u8]) -> Result<(), DecodeError> {
        let mut reader = Reader::of_slice(record);
        match kind {
            MetadataRecordType::Topic => {
                let topic = TopicRecord::decode(&mut reader, version)?;
                self.topics.entry(topic.topic_id).or_default().name = topic.name;
            }
            MetadataRecordType::Partition => {
                let partition = PartitionRecord::decode(&mut reader, version)?;
                let topic = self.topics.entry(partition.topic_id).or_default();
                topic.leaders.insert(partition.partition_id, partition.leader);
            }
            MetadataRecordType::PartitionChange => {
                let change = PartitionChangeRecord::decode(&mut reader, version)?;
                // -2 says that the leader is who it was.
                if change.leader != -2
                    && let Some(topic) = self.topics.get_mut(&change.topic_id)
                {
                    topic.leaders.insert(change.partition_id, change.leader);
                }
            }
            MetadataRecordType::RemoveTopic => {
                let removed = RemoveTopicRecord::decode(&mut reader, version)?;
                if let Some(topic) = self.topics.remove(&removed.topic_id) {
                    self.configs.remove(&topic.name);
                }
            }
            MetadataRecordType::Config => {
                let config = ConfigRecord::decode(&mut reader, version)?;
                let of_resource = match config.resource_type {
                    TOPIC => self.configs.entry(config.resource_name).or_default(),
                    BROKER => &mut self.broker_configs,
                    _ => return Ok(()),
                };
                match config.value {
                    Some(value) => of_resource.insert(config.name, value),
                    None => of_resource.remove(&config.name),
                };
            }
            MetadataRecordType::ProducerIds => {
                let ids = ProducerIdsRecord::decode(&mut reader, version)?;
                self.next_producer_id = self.next_producer_id.max(ids.next_producer_id);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether a file may end in the middle of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    Whole,
    MayBeTorn,
}

fn damaged(path: &Path, position: usize, bad: &BatchError) -> anyhow::Error {
    anyhow!("{} is damaged at byte {position}: {bad}", path.display())
}

/// The files of the metadata, by the offset in their names, ascending.
struct Files {
    /// A snapshot holds what was there before its offset.
    snapshots: Vec<(Offset, PathBuf)>,
    logs: Vec<(Offset, PathBuf)>,
}

impl Files {
    fn list(dir: &Path) -> std::io::Result<Files> {
        let mut files = Files {
            snapshots: Vec::new(),
            logs: Vec::new(),
        };
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if let Some((SegmentFile::Log, base)) = SegmentFile::parse(name) {
                files.logs.push((base, entry.path()));
            } else if let Some(offset) = snapshot_offset(name) {
                files.snapshots.push((offset, entry.path()));
            }
        }
        files.snapshots.sort();
        files.logs.sort();
        Ok(files)
    }
}

/// `<offset, 20 digits>-<epoch, 10 digits>.checkpoint`.
fn snapshot_offset(name: &str) -> Option<Offset> {
    let (offset, epoch) = name.strip_suffix(".checkpoint")?.split_once('-')?;
    let whole = offset.len() == 20 && epoch.len() == 10 && epoch.bytes().all(|byte| byte.is_ascii_digit());
    if whole {
        offset.parse().ok().map(Offset)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record as a controller writes it: frame, type, version, and the body.
    fn take(metadata: &mut KafkaMetadata, bytes: &[u8]) {
        let mut reader = Reader::of_slice(bytes);
        let (kind, version) = read_metadata_frame(&mut reader).expect("a frame");
        let at = reader.position();
        metadata.take(kind, version, &bytes[at..]).expect("a record");
    }

    fn topic(id: u8, name: &str) -> Vec<u8> {
        let mut bytes = vec![1, 2, 0, name.len() as u8 + 1];
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(&[id; 16]);
        bytes.push(0);
        bytes
    }

    fn config(topic: &str, name: &str, value: Option<&str>) -> Vec<u8> {
        let mut bytes = vec![1, 4, 0, 2];
        for text in [Some(topic), Some(name), value] {
            bytes.push(text.map_or(0, |text| text.len() as u8 + 1));
            bytes.extend_from_slice(text.unwrap_or("").as_bytes());
        }
        bytes.push(0);
        bytes
    }

    #[test]
    fn a_topic_that_goes_takes_its_configs_with_it() {
        let mut metadata = KafkaMetadata::default();
        take(&mut metadata, &topic(1, "a"));
        take(&mut metadata, &topic(2, "b"));
        take(&mut metadata, &config("a", "retention.ms", Some("5")));
        take(&mut metadata, &config("b", "retention.ms", Some("6")));
        take(&mut metadata, &config("b", "retention.ms", None));
        // Partition 3 of topic 2, led by 7, then by 8.
        let mut partition = vec![1, 3, 1, 0, 0, 0, 3];
        partition.extend_from_slice(&[2; 16]);
        partition.extend_from_slice(&[
            2, 0, 0, 0, 7, 2, 0, 0, 0, 7, 1, 1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0,
        ]);
        take(&mut metadata, &partition);
        assert_eq!(metadata.topics[&TopicId([2; 16])].leaders[&3], 7);
        let mut change = vec![1, 5, 0, 0, 0, 0, 3];
        change.extend_from_slice(&[2; 16]);
        change.extend_from_slice(&[1, 1, 4, 0, 0, 0, 8]);
        take(&mut metadata, &change);
        assert_eq!(metadata.topics[&TopicId([2; 16])].leaders[&3], 8);

        let mut removed = vec![1, 9, 0];
        removed.extend_from_slice(&[1; 16]);
        removed.push(0);
        take(&mut metadata, &removed);
        assert_eq!(metadata.topics.len(), 1);
        assert!(!metadata.configs.contains_key("a") && metadata.configs["b"].is_empty());
    }

    #[test]
    fn what_a_transaction_of_the_controller_holds_counts_when_it_ends() {
        for (end, topics) in [(24, 2), (25, 1)] {
            let mut metadata = KafkaMetadata::default();
            take(&mut metadata, &topic(1, "a"));
            take(&mut metadata, &[1, 23, 0, 0]);
            take(&mut metadata, &topic(2, "b"));
            assert_eq!(metadata.topics.len(), 1);
            take(&mut metadata, &[1, end, 0, 0]);
            assert_eq!(metadata.topics.len(), topics);
        }
    }

    #[test]
    fn names_of_snapshots() {
        assert_eq!(
            snapshot_offset("00000000000000000042-0000000001.checkpoint"),
            Some(Offset(42))
        );
        for other in [
            "42-1.checkpoint",
            "00000000000000000042-0000000001.checkpoint.part",
            "bootstrap.checkpoint",
        ] {
            assert_eq!(snapshot_offset(other), None, "{other}");
        }
    }
}
