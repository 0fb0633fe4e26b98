//! Copies one partition: into a directory that nobody takes for one, which gets its name when it is whole and synced.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, bail};

use super::kafka_log_dir::KafkaPartition;
use crate::base::ids::{LeaderEpoch, Offset, ProducerId, TopicId, TopicPartition};
use crate::cli::storage::durable_files::{remove_dir_if_there, rename, sync_dir, write_file};
use crate::log::file_names::{
    DELETE_SUFFIX, LEADER_EPOCH_CHECKPOINT, PARTITION_METADATA, STRAY_SUFFIX, SWAP_SUFFIX, doomed_dir,
    partition_dir,
};
use crate::log::inspect::End;
use crate::log::transfer::{CopiedSegment, Epochs, PartitionCopier};
use crate::log::{AbortedTransaction, EpochCache, SegmentFile, partition_metadata};

/// Bytes that are read and written at a time.
const PIECE_BYTES: usize = 1 << 20;

/// What is done about damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDamage {
    /// The partition does not come.
    Refuse,
    /// It ends before it.
    Cut,
}

/// A partition that has been copied, or only looked through.
#[derive(Debug)]
pub struct ImportedPartition {
    /// The first record that counts.
    pub log_start: Offset,
    /// Behind the last one.
    pub log_end: Offset,
    /// Records in its segments.
    pub records: u64,
    /// Bytes of its segments.
    pub bytes: u64,
    /// The newest leader epoch it had.
    pub newest_epoch: Option<LeaderEpoch>,
    /// The largest id of a producer that wrote to it.
    pub newest_producer: Option<ProducerId>,
    /// What is to be said of it.
    pub notes: Vec<String>,
}

/// A partition to import.
pub struct PartitionImport<'a> {
    /// What to copy.
    pub source: &'a KafkaPartition,
    /// The topic.
    pub topic_id: TopicId,
    /// What to do about damage.
    pub on_damage: OnDamage,
    segments: Vec<(Offset, u64)>,
    snapshots: Vec<Offset>,
}

impl PartitionImport<'_> {
    /// Looks which files there are.
    pub fn new(
        source: &KafkaPartition,
        topic_id: TopicId,
        on_damage: OnDamage,
    ) -> anyhow::Result<PartitionImport<'_>> {
        let listing = || format!("could not list {}", source.dir.display());
        let (mut segments, mut snapshots) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&source.dir).with_context(listing)? {
            let entry = entry.with_context(listing)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.ends_with(SWAP_SUFFIX) {
                bail!(
                    "Kafka was stopped while it compacted {}: start it, let it finish, and stop it in order",
                    source.dir.display()
                );
            }
            match SegmentFile::parse(name) {
                Some((SegmentFile::Log, base)) => {
                    segments.push((base, entry.metadata().with_context(listing)?.len()))
                }
                Some((SegmentFile::ProducerSnapshot, offset)) => snapshots.push(offset),
                _ => {}
            }
        }
        segments.sort_unstable();
        snapshots.sort_unstable();
        // What lies before the log's start is on its way out.
        let old = segments
            .windows(2)
            .take_while(|two| two[1].0 <= source.log_start)
            .count();
        segments.drain(..old);
        Ok(PartitionImport {
            source,
            topic_id,
            on_damage,
            segments,
            snapshots,
        })
    }

    /// Bytes there are to copy.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|(_, bytes)| bytes).sum()
    }

    fn id(&self) -> TopicPartition {
        TopicPartition {
            topic: self.topic_id,
            partition: self.source.partition,
        }
    }

    /// Reads and checks everything, and writes nothing.
    pub fn check(&self) -> anyhow::Result<ImportedPartition> {
        self.copy(&mut |_| Ok(Box::new(io::sink())), &mut |_, _| Ok(()))
    }

    /// Brings the partition into a data directory. One that is there and the same, left by an import that did not come to its end, is kept.
    pub fn run(&self, data_dir: &Path) -> anyhow::Result<ImportedPartition> {
        let (topic, partition) = (&self.source.topic, self.source.partition);
        let place = data_dir.join(partition_dir(topic, partition));
        let unfinished = data_dir.join(doomed_dir(topic, self.id(), DELETE_SUFFIX));
        remove_dir_if_there(&unfinished)?;
        if place.exists() {
            if self.owner(&place) != Some(self.topic_id) {
                let stray = data_dir.join(doomed_dir(topic, self.id(), STRAY_SUFFIX));
                rename(&place, &stray)?;
            } else if let Some(imported) = self.compare(&place)? {
                return Ok(imported);
            } else {
                rename(&place, &unfinished)?;
                remove_dir_if_there(&unfinished)?;
            }
            sync_dir(data_dir)?;
        }
        fs::create_dir(&unfinished).with_context(|| format!("could not create {}", unfinished.display()))?;
        let copied = self.copy_to(&unfinished);
        let copied = match copied {
            Ok(copied) => copied,
            Err(error) => {
                // It failed already; what stays is removed by the next server start.
                let _ = fs::remove_dir_all(&unfinished);
                return Err(error);
            }
        };
        sync_dir(&unfinished)?;
        rename(&unfinished, &place)?;
        sync_dir(data_dir)?;
        Ok(copied)
    }

    fn owner(&self, dir: &Path) -> Option<TopicId> {
        let bytes = fs::read(dir.join(PARTITION_METADATA)).ok()?;
        partition_metadata::parse(&bytes).ok()
    }

    fn copy_to(&self, dir: &Path) -> anyhow::Result<ImportedPartition> {
        let mut logs = Vec::new();
        let copied = self.copy(
            &mut |base| {
                let path = SegmentFile::Log.path(dir, base);
                let file = File::create_new(&path)
                    .with_context(|| format!("could not create {}", path.display()))?;
                logs.push((path, file.try_clone()?));
                Ok(Box::new(BufWriter::with_capacity(PIECE_BYTES, file)))
            },
            &mut |name, bytes| write_file(&dir.join(name), bytes),
        )?;
        for (path, file) in logs {
            file.sync_all()
                .with_context(|| format!("could not sync {}", path.display()))?;
        }
        write_file(
            &dir.join(PARTITION_METADATA),
            &partition_metadata::encode(self.topic_id),
        )?;
        Ok(copied)
    }

    /// What a directory holds, if it is what would be copied.
    fn compare(&self, dir: &Path) -> anyhow::Result<Option<ImportedPartition>> {
        let mut there = 0;
        for entry in fs::read_dir(dir).with_context(|| format!("could not list {}", dir.display()))? {
            let name = entry?.file_name();
            let parsed = name.to_str().and_then(SegmentFile::parse);
            there += usize::from(matches!(parsed, Some((SegmentFile::Log, _))));
        }
        let same = std::cell::Cell::new(true);
        let mut expected = 0;
        let copied = self.copy(
            &mut |base| {
                expected += 1;
                let file = File::open(SegmentFile::Log.path(dir, base)).ok();
                same.set(same.get() && file.is_some());
                Ok(Box::new(Comparison {
                    file: file.map(BufReader::new),
                    same: &same,
                }))
            },
            &mut |name, bytes| {
                same.set(same.get() && fs::read(dir.join(name)).is_ok_and(|there| there == bytes));
                Ok(())
            },
        )?;
        Ok((same.get() && expected == there).then_some(copied))
    }

    /// Goes through all segments, and gives what is to be written to whoever writes it.
    fn copy<'w>(
        &self,
        log: &mut dyn FnMut(Offset) -> anyhow::Result<Box<dyn Write + 'w>>,
        file: &mut dyn FnMut(&str, &[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<ImportedPartition> {
        let source = self.source;
        let mut copier = PartitionCopier::new(Epochs::Keep);
        let (mut records, mut bytes) = (0, 0);
        let mut notes = Vec::new();
        let mut cut = None;
        for (at, &(base, _)) in self.segments.iter().enumerate() {
            let path = SegmentFile::Log.path(&source.dir, base);
            let is_last = at + 1 == self.segments.len();
            if base < copier.next_offset() {
                let end = copier.next_offset();
                bail!(
                    "{}: it begins before offset {end}, where the segment before it ends",
                    path.display()
                );
            }
            let from = File::open(&path).with_context(|| format!("could not open {}", path.display()))?;
            let mut from = BufReader::with_capacity(PIECE_BYTES, from);
            let mut to = log(base)?;
            let copied = copier
                .segment(base, &mut from, &mut to)
                .with_context(|| path.display().to_string())?;
            to.flush()
                .with_context(|| format!("the copy of {} can't be written", path.display()))?;
            records += copied.records;
            bytes += copied.bytes;
            file(&SegmentFile::OffsetIndex.name(base), &copied.offset_index)?;
            file(&SegmentFile::TimeIndex.name(base), &copied.time_index)?;
            let aborted = self.aborted(base, &copied);
            if !aborted.is_empty() {
                file(
                    &SegmentFile::TransactionIndex.name(base),
                    &AbortedTransaction::encode_all(&aborted),
                )?;
            }
            if let Some(said) = self.judge_end(&path, is_last, &copied)? {
                cut = Some(said);
                break;
            }
        }
        let log_end = copier.next_offset();
        if let Some(said) = cut {
            notes.push(said);
        } else if log_end < source.recovery_point && self.on_damage == OnDamage::Refuse {
            bail!(
                "{}: records up to offset {} were synced, and it ends at {log_end} (--cut-damaged takes what is there)",
                source.dir.display(),
                source.recovery_point
            );
        }
        let at_end = match self.snapshots.last() {
            Some(last) if *last == log_end => {
                fs::read(SegmentFile::ProducerSnapshot.path(&source.dir, log_end)).ok()
            }
            _ => None,
        };
        if let Some((producer, first)) = copier.open_transactions(at_end.as_deref()).first() {
            bail!(
                "a transaction of producer {producer} that began at offset {first} has not ended, and nobody here can end it: \
                 start Kafka, let it end (or use kafka-transactions.sh abort), and stop Kafka in order"
            );
        }
        let mut newest_epoch = copier.epochs().latest();
        if log_end > Offset::ZERO {
            file(
                &SegmentFile::ProducerSnapshot.name(log_end),
                &copier.snapshot(at_end.as_deref()),
            )?;
        }
        let epochs = match fs::read(source.dir.join(LEADER_EPOCH_CHECKPOINT)) {
            Ok(bytes) => EpochCache::parse(&bytes).ok(),
            Err(_) => None,
        };
        newest_epoch = newest_epoch.max(epochs.as_ref().and_then(EpochCache::latest));
        let mut epochs = epochs.unwrap_or_else(|| copier.epochs().clone());
        epochs.truncate_from(log_end);
        if epochs.latest() < copier.epochs().latest() {
            // The file is older than the batches.
            epochs = copier.epochs().clone();
        }
        file(LEADER_EPOCH_CHECKPOINT, &epochs.encode())?;
        let first = self.segments.first().map_or(Offset::ZERO, |(base, _)| *base);
        Ok(ImportedPartition {
            log_start: source.log_start.max(first).min(log_end),
            log_end,
            records,
            bytes,
            newest_epoch,
            newest_producer: copier.newest_producer(),
            notes,
        })
    }

    /// The aborted transactions of a segment: as Kafka noted them, where it has; else as the batches tell. Compaction may have removed
    /// what they tell from.
    fn aborted(&self, base: Offset, copied: &CopiedSegment) -> Vec<AbortedTransaction> {
        let noted = fs::read(SegmentFile::TransactionIndex.path(&self.source.dir, base)).ok();
        let noted = noted.and_then(|bytes| AbortedTransaction::parse_all(&bytes));
        let fits = |noted: &Vec<AbortedTransaction>| {
            let told = |marker: Offset| noted.iter().any(|entry| entry.last_offset == marker);
            copied.aborted.iter().all(|entry| told(entry.last_offset))
                && noted.iter().all(|entry| entry.last_offset < copied.next_offset)
        };
        noted.filter(fits).unwrap_or_else(|| copied.aborted.clone())
    }

    /// What the end of a segment's file means. What is to be said if the log ends there; an error if it may not.
    fn judge_end(
        &self,
        path: &Path,
        is_last: bool,
        copied: &CopiedSegment,
    ) -> anyhow::Result<Option<String>> {
        if let Some(format) = copied.old_format {
            bail!(
                "{} has messages of format v{format}, from before Kafka 0.11: let Kafka 3 or older rewrite them, or copy the topic \
                 with a client",
                path.display()
            );
        }
        let (bytes, position, what) = match &copied.end {
            End::Whole => return Ok(None),
            // Room that was reserved.
            End::Zeros(_) if is_last => return Ok(None),
            End::Zeros(bytes) => (*bytes, copied.bytes, "zeros"),
            End::Bad {
                position,
                bytes,
                what,
            } => (*bytes, *position, what.as_str()),
        };
        let place = format!(
            "{}: {what} at byte {position}, where offset {} belongs",
            path.display(),
            copied.next_offset
        );
        // Kafka cuts it off at its next start, too: it was never known to be synced.
        let torn = is_last && !self.source.clean && copied.next_offset >= self.source.recovery_point;
        if torn {
            return Ok(Some(format!(
                "Kafka did not end in order; {bytes} bytes of an unfinished write are left out ({place})"
            )));
        }
        match self.on_damage {
            OnDamage::Cut => Ok(Some(format!(
                "CUT at offset {}: {place}; nothing behind it comes",
                copied.next_offset
            ))),
            OnDamage::Refuse => bail!("{place} (--cut-damaged takes what is before it)"),
        }
    }
}

/// Compares what would be written with what is there.
struct Comparison<'a> {
    file: Option<BufReader<File>>,
    same: &'a std::cell::Cell<bool>,
}

impl Write for Comparison<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(file) = &mut self.file {
            let mut there = vec![0; bytes.len()];
            self.same
                .set(self.same.get() && file.read_exact(&mut there).is_ok() && there == bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            let more = file.read(&mut [0])?;
            self.same.set(self.same.get() && more == 0);
        }
        Ok(())
    }
}
