//! One partition's files, looked through to their ends.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::directory_look::Verdict;
use crate::base::ids::{Offset, TopicPartition};
use crate::cli::storage::durable_files::read_if_there;
use crate::log::file_names::{
    LEADER_EPOCH_CHECKPOINT, PARTITION_METADATA, SWAP_SUFFIX, SegmentFile, partition_dir,
};
use crate::log::inspect::{PartitionInspection, SegmentSurvey, index_trouble, survey_segment};
use crate::log::{AbortedTransaction, Checkpoint, DataDir, EpochCache, WalSpan, partition_metadata};

/// What is there of a partition.
#[derive(Debug)]
pub struct PartitionLook {
    /// Which one.
    pub id: TopicPartition,
    /// Its topic's name.
    pub topic: Arc<str>,
    /// Its directory.
    pub dir: PathBuf,
    /// What the next start would make of it.
    pub verdict: Verdict,
    /// What the checkpoint says.
    pub known: Checkpoint,
    /// What write-ahead logs have for it.
    pub wal: Vec<WalSpan>,
    /// Its segments from the log's start on, ascending.
    pub segments: Vec<SegmentSurvey>,
    /// The largest offset that the name of a file or the checkpoint speaks of: so far records had been given offsets.
    pub heard_of: Offset,
    /// Closed segments whose index files are not there or no indexes.
    pub index_trouble: Vec<(Offset, &'static str)>,
    /// Small files that can't be read and without which the partition stays offline, but which the batches can tell again.
    pub to_rebuild: Vec<(PathBuf, &'static str)>,
    /// What is wrong and no obstacle: the server helps itself.
    pub notes: Vec<String>,
    /// What this command can do nothing about.
    pub beyond: Vec<String>,
}

impl PartitionLook {
    /// Looks through the partition's files.
    pub fn of(
        id: TopicPartition,
        topic: Arc<str>,
        verdict: Verdict,
        known: Checkpoint,
        data_dir: &DataDir,
    ) -> anyhow::Result<PartitionLook> {
        let dir = data_dir.path().join(partition_dir(&topic, id.partition));
        let mut look = PartitionLook {
            id,
            topic,
            verdict,
            wal: data_dir.wal_spans(id),
            segments: Vec::new(),
            heard_of: known.recovery_point.max(known.high_watermark),
            known,
            index_trouble: Vec::new(),
            to_rebuild: Vec::new(),
            notes: Vec::new(),
            beyond: Vec::new(),
            dir,
        };
        if look.dir.is_dir() && look.is_ours()? {
            look.files()?;
        }
        Ok(look)
    }

    /// Whether the directory is this partition's. One of another topic of the same name is moved away by the next start.
    fn is_ours(&mut self) -> anyhow::Result<bool> {
        let path = self.dir.join(PARTITION_METADATA);
        let Some(bytes) = read_if_there(&path)? else {
            return Ok(true);
        };
        let Ok(owner) = partition_metadata::parse(&bytes) else {
            self.beyond.push(format!(
                "{} names no topic id, so that nobody knows whether these are records of the present topic. If they are, write it anew, \
                 with two lines: 'version: 0' and 'topic_id: {}'",
                path.display(),
                self.id.topic
            ));
            return Ok(true);
        };
        Ok(owner == self.id.topic)
    }

    fn files(&mut self) -> anyhow::Result<()> {
        let mut logs = Vec::new();
        let mut others = Vec::new();
        let listing = || format!("could not list {}", self.dir.display());
        for entry in fs::read_dir(&self.dir).with_context(listing)? {
            let name = entry.with_context(listing)?.file_name();
            let Some(name) = name.to_str() else { continue };
            match SegmentFile::parse(name) {
                Some((SegmentFile::Log, base)) => logs.push(base),
                Some((kind, base)) => others.push((kind, base)),
                None if name.ends_with(SWAP_SUFFIX) && name.contains(".log") => self.beyond.push(format!(
                    "{name}: a compaction was under way; the next start ends it. Let the server start and stop once, then repair"
                )),
                None => {}
            }
        }
        logs.sort_unstable();
        others.sort_unstable_by_key(|(_, base)| *base);
        let old = logs
            .windows(2)
            .take_while(|two| two[1] <= self.known.log_start)
            .count();
        logs.drain(..old);
        self.heard_of = self.heard_of.max(logs.last().copied().unwrap_or_default());
        for (at, base) in logs.iter().enumerate() {
            self.segment(*base, at + 1 == logs.len())?;
        }
        let first = logs.first().copied().unwrap_or_default();
        for (kind, base) in others {
            if base < first {
                continue;
            }
            match kind {
                SegmentFile::TransactionIndex => self.aborted(base)?,
                SegmentFile::ProducerSnapshot => self.snapshot(base)?,
                _ => {}
            }
        }
        let path = self.dir.join(LEADER_EPOCH_CHECKPOINT);
        if let Some(bytes) = read_if_there(&path)?
            && EpochCache::parse(&bytes).is_err()
        {
            self.to_rebuild
                .push((path, "it is no list of leader epochs with rising offsets"));
        }
        Ok(())
    }

    fn segment(&mut self, base: Offset, is_last: bool) -> anyhow::Result<()> {
        let path = SegmentFile::Log.path(&self.dir, base);
        let offsets = read_if_there(&SegmentFile::OffsetIndex.path(&self.dir, base))?;
        let times = read_if_there(&SegmentFile::TimeIndex.path(&self.dir, base))?;
        match survey(&path, base, offsets.as_deref()) {
            Ok(seen) => {
                if !is_last
                    && let Some(what) = index_trouble(offsets.as_deref(), times.as_deref(), seen.log_bytes)
                {
                    self.index_trouble.push((base, what));
                }
                self.heard_of = self.heard_of.max(seen.next_offset);
                self.segments.push(seen);
            }
            Err(error) => self.beyond.push(format!(
                "{} can't be read: {error}. Cutting does not help a disk that does not answer: copy what can be read to another one first",
                path.display()
            )),
        }
        Ok(())
    }

    fn aborted(&mut self, base: Offset) -> anyhow::Result<()> {
        let path = SegmentFile::TransactionIndex.path(&self.dir, base);
        let bytes = read_if_there(&path)?.unwrap_or_default();
        if AbortedTransaction::parse_all(&bytes).is_none() {
            self.to_rebuild
                .push((path, "it is no list of aborted transactions"));
        }
        Ok(())
    }

    fn snapshot(&mut self, offset: Offset) -> anyhow::Result<()> {
        self.heard_of = self.heard_of.max(offset);
        let path = SegmentFile::ProducerSnapshot.path(&self.dir, offset);
        let mut judge = PartitionInspection::default();
        judge.snapshot(offset, &read_if_there(&path)?.unwrap_or_default());
        self.notes.append(&mut judge.notes);
        Ok(())
    }
}

fn survey(path: &Path, base: Offset, index: Option<&[u8]>) -> io::Result<SegmentSurvey> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut read = |position: u64, len: usize| {
        let mut buffer = vec![0; len];
        let mut filled = 0;
        while filled < len {
            match file.read_at(&mut buffer[filled..], position + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        buffer.truncate(filled);
        Ok(buffer)
    };
    survey_segment(base, bytes, index, &mut read)
}
