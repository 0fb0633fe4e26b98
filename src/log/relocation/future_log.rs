//! The copy of a partition that is to take its place, in `<topic>-<p>.<id>-future` of another data directory.

use crate::base::ids::{DirectoryId, Offset, TopicPartition};
use crate::base::limits::DISK_BLOCK_BYTES;
use crate::log::compaction::{SwapTurn, Throttle};
use crate::log::data_dir::{Checkpoint, CheckpointFiles};
use crate::log::errors::TailNotWritten;
use crate::log::file_names::{
    FUTURE_SUFFIX, LEADER_EPOCH_CHECKPOINT, MOVED_TO, PARTITION_METADATA, STRAY_SUFFIX, SegmentFile,
    doomed_dir,
};
use crate::log::partition::{PartitionLog, SegmentIndex, SyncMode, write_whole};
use crate::log::scan_point::ScanPoint;
use crate::log::segment::{OffsetIndex, TimeIndex};
use crate::log::shard_context::ShardContext;
use crate::log::{FileError, LogStopped, partition_metadata};
use crate::rt::disk::{self, IoBuf, OpenOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use tracing::warn;

/// How much is read and written at a time, in bytes.
const PIECE_BYTES: usize = 1 << 20;
/// The partition is paused for copying the last of it when a round has copied no more than this, in bytes.
const CLOSE_BEHIND_BYTES: u64 = 4 << 20;
/// How often the end is tried, while retention takes segments away.
const ROUNDS_AT_THE_END: usize = 100;
/// Largest small file that is copied.
const MAX_SMALL_FILE_BYTES: u64 = 256 << 20;

/// Why a partition was not moved. It stays where it is.
#[derive(Clone, Debug)]
pub enum MoveError {
    /// It was told to stop, or the partition is gone.
    Over,
    /// The partition or the shard takes no records.
    Stopped(LogStopped),
    /// A file could not be copied.
    File(FileError),
}

impl fmt::Display for MoveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MoveError::Over => f.write_str("it was given up"),
            MoveError::Stopped(e) => e.fmt(f),
            MoveError::File(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for MoveError {}

impl From<FileError> for MoveError {
    fn from(e: FileError) -> MoveError {
        MoveError::File(e)
    }
}

impl From<LogStopped> for MoveError {
    fn from(e: LogStopped) -> MoveError {
        match e {
            LogStopped::PartitionFailed(_) | LogStopped::WalFailed(_) | LogStopped::DirectoryFailed(_) => {
                MoveError::Stopped(e)
            }
            LogStopped::Deleted | LogStopped::Moved | LogStopped::ShuttingDown => MoveError::Over,
        }
    }
}

impl From<TailNotWritten> for MoveError {
    fn from(e: TailNotWritten) -> MoveError {
        match e {
            TailNotWritten::Stopped(e) => e.into(),
            TailNotWritten::NoRoom(e) => MoveError::File((*e).clone()),
        }
    }
}

/// A partition's copy in the making.
pub struct FutureLog {
    pub(super) source: Rc<PartitionLog>,
    pub(super) target: Rc<ShardContext>,
    /// Where it is made.
    pub(super) dir: PathBuf,
    throttle: Throttle,
    /// By the segments' bases.
    copied: BTreeMap<Offset, Copied>,
    /// Up to here it is all there.
    pub(super) end: Offset,
}

/// What was copied of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Copied {
    version: u32,
    bytes: u64,
    /// With its indexes, which do not change any more.
    closed: bool,
}

/// While it lives the partition takes no records and loses none, so that its copy stays as whole as it is. Dropped, the partition goes on.
pub struct Pause(Option<Rc<PartitionLog>>);

impl Pause {
    fn begin(log: &Rc<PartitionLog>) -> Pause {
        log.state.borrow_mut().paused = true;
        Pause(Some(log.clone()))
    }

    /// The partition stays paused: it is not known which of both logs counts, or it is the other.
    pub fn keep(mut self) {
        self.0.take();
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        if let Some(log) = &self.0 {
            log.state.borrow_mut().paused = false;
        }
    }
}

impl FutureLog {
    /// Makes an empty copy, after removing what an attempt before has left.
    pub(super) async fn begin(
        source: Rc<PartitionLog>,
        target: Rc<ShardContext>,
    ) -> Result<FutureLog, MoveError> {
        let data_dir = target.options.data_dir.clone();
        let topic = &source.topic_name;
        let dir = data_dir.path().join(doomed_dir(topic, source.id, FUTURE_SUFFIX));
        let place = target.partition_dir(topic, source.id.partition);
        if disk::read_dir(&place).await.is_ok() {
            // Nobody's, since the metadata does not name it.
            let stray = data_dir.path().join(doomed_dir(topic, source.id, STRAY_SUFFIX));
            warn!(dir = %place.display(), stray = %stray.display(), "a directory where a partition is to go is moved away");
            file(&place, "rename", disk::rename(&place, &stray).await)?;
        }
        remove_dir(&dir).await?;
        file(&dir, "create", disk::create_dir_all(&dir).await)?;
        let owner = partition_metadata::encode(source.id.topic);
        write_whole(&dir.join(PARTITION_METADATA), owner).await?;
        file(data_dir.path(), "sync", disk::sync_dir(data_dir.path()).await)?;
        Ok(FutureLog {
            end: source.log_start(),
            source,
            target,
            dir,
            throttle: Throttle::new(f64::MAX),
            copied: BTreeMap::new(),
        })
    }

    /// The partition.
    pub fn id(&self) -> TopicPartition {
        self.source.id
    }

    /// How many bytes of batches it has.
    pub fn size_bytes(&self) -> u64 {
        self.copied.values().map(|copied| copied.bytes).sum()
    }

    /// Up to where it has all records.
    pub fn end(&self) -> Offset {
        self.end
    }

    /// Copies once what the partition has and the copy has not, as fast as `bytes_per_second` allows. True if that was so little that the
    /// partition can be paused for the rest.
    pub async fn catch_up(
        &mut self,
        bytes_per_second: f64,
        over: &dyn Fn() -> bool,
    ) -> Result<bool, MoveError> {
        self.throttle.set_rate(bytes_per_second);
        {
            let source = &self.source;
            let _permit = source.shard.segment_writes.take(1).await;
            source.write_tail(SyncMode::Later).await?;
        }
        let copied = self.round(over).await?;
        Ok(copied <= CLOSE_BEHIND_BYTES)
    }

    /// Pauses the partition, copies the rest, and makes all of it durable, with what the new directory's checkpoint says of it.
    /// `directory` is the new directory's id.
    pub async fn complete(
        &mut self,
        directory: DirectoryId,
        over: &dyn Fn() -> bool,
    ) -> Result<Pause, MoveError> {
        let source = self.source.clone();
        let pause = Pause::begin(&source);
        // Who has appended is answered.
        source.wait_on_disk(source.log_end()).await?;
        source.write_tail(SyncMode::Now).await?;
        let _turn = source.writer_turn().await;
        let _names_stay = loop {
            source.swap_ended().await;
            if let Some(stopped) = source.stopped() {
                return Err(stopped.into());
            }
            if let Some(turn) = SwapTurn::take(&source) {
                break turn;
            }
        };
        self.throttle.set_rate(f64::MAX);
        for _ in 0..ROUNDS_AT_THE_END {
            self.round(over).await?;
            let (segments, end) = segments_of(&source);
            let same = self
                .copied
                .iter()
                .map(|(base, copied)| (*base, *copied))
                .eq(segments);
            if same && end == source.log_end() {
                self.end = end;
                self.write_rest(directory).await?;
                return Ok(pause);
            }
            // Retention has taken segments away.
        }
        Err(MoveError::Over)
    }

    /// Removes it.
    pub async fn discard(self) {
        let data_dir = &self.target.options.data_dir;
        data_dir.forget(self.source.id);
        if let Err(e) = remove_dir(&self.dir).await {
            warn!(error = %e, "the copy of a partition stays until the next start");
        }
    }

    /// Copies what is in segments and was not copied yet. Gives the bytes.
    async fn round(&mut self, over: &dyn Fn() -> bool) -> Result<u64, MoveError> {
        let (segments, end) = segments_of(&self.source);
        let present: BTreeSet<Offset> = segments.iter().map(|(base, _)| *base).collect();
        let gone: Vec<Offset> = self
            .copied
            .keys()
            .filter(|base| !present.contains(base))
            .copied()
            .collect();
        for base in gone {
            // Deleted by retention, or merged with the one before.
            self.forget_segment(base).await?;
        }
        let mut bytes = 0;
        let mut whole = true;
        for (base, now) in segments {
            let before = self.copied.get(&base).copied();
            if before == Some(now) {
                continue;
            }
            let from = before
                .filter(|before| before.version == now.version)
                .map_or(0, |b| b.bytes);
            let copied = self.copy_segment(base, now, from, over).await;
            if !self.is_as_it_was(base, now.version) {
                // Another file has taken its place, or none: the next round copies that.
                self.forget_segment(base).await?;
                whole = false;
                bytes += now.bytes;
                continue;
            }
            copied?;
            self.copied.insert(base, now);
            bytes += now.bytes - from;
        }
        if whole {
            self.end = end;
        }
        Ok(bytes)
    }

    fn is_as_it_was(&self, base: Offset, version: u32) -> bool {
        let mut state = self.source.state.borrow_mut();
        state
            .segment_mut(base)
            .is_some_and(|segment| segment.version == version)
    }

    async fn forget_segment(&mut self, base: Offset) -> Result<(), FileError> {
        self.copied.remove(&base);
        for kind in SegmentFile::ALL {
            let path = kind.path(&self.dir, base);
            match disk::remove_file(&path).await {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(FileError::new(path, "remove", &e)),
                _ => {}
            }
        }
        Ok(())
    }

    async fn copy_segment(
        &self,
        base: Offset,
        now: Copied,
        from: u64,
        over: &dyn Fn() -> bool,
    ) -> Result<(), MoveError> {
        let from_path = SegmentFile::Log.path(&self.source.dir, base);
        let to_path = SegmentFile::Log.path(&self.dir, base);
        let files = &self.source.shard.files;
        let source = files.get(self.source.id, base, now.version, &from_path).await?;
        let options = OpenOptions {
            write: true,
            create: true,
            truncate: from == 0,
            ..OpenOptions::default()
        };
        let target = file(&to_path, "open", disk::File::open(&to_path, &options).await)?;
        // The block that was not full is copied again.
        let mut position = from - from % DISK_BLOCK_BYTES as u64;
        while position < now.bytes {
            if over() {
                let _ = target.close().await;
                return Err(MoveError::Over);
            }
            let len = (now.bytes - position).min(PIECE_BYTES as u64) as usize;
            let read = file(&from_path, "read", source.read_at(position, len).await)?;
            if read.len() != len {
                let short = std::io::Error::new(ErrorKind::UnexpectedEof, "the file has become shorter");
                return Err(FileError::new(&from_path, "read", &short).into());
            }
            let whole = len.next_multiple_of(DISK_BLOCK_BYTES);
            let mut buffer = IoBuf::with_capacity(whole);
            buffer[..len].copy_from_slice(&read);
            buffer[len..whole].fill(0);
            {
                // The disk is shared with the flushes of its own partitions.
                let _permit = self.target.segment_writes.take(1).await;
                file(&to_path, "write", target.write_at(buffer, whole, position).await)?;
            }
            position += len as u64;
            self.throttle.used(len, over).await;
        }
        file(&to_path, "cut", target.set_len(now.bytes).await)?;
        file(&to_path, "sync", target.datasync().await)?;
        file(&to_path, "close", target.close().await)?;
        let also: &[SegmentFile] = match now.closed {
            true => &[
                SegmentFile::OffsetIndex,
                SegmentFile::TimeIndex,
                SegmentFile::TransactionIndex,
                SegmentFile::ProducerSnapshot,
            ],
            false => &[SegmentFile::TransactionIndex, SegmentFile::ProducerSnapshot],
        };
        for kind in also {
            self.copy_small(*kind, base).await?;
        }
        Ok(())
    }

    async fn copy_small(&self, kind: SegmentFile, base: Offset) -> Result<(), MoveError> {
        let from = kind.path(&self.source.dir, base);
        match disk::read_file(&from, MAX_SMALL_FILE_BYTES).await {
            Ok(bytes) => Ok(write_whole(&kind.path(&self.dir, base), bytes).await?),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            Err(e) => Err(FileError::new(from, "read", &e).into()),
        }
    }

    /// What is not in a segment's file, when all of these are copied; then the checkpoint; last the note beside the old files that
    /// all of them are elsewhere, which counts only if the metadata says the same.
    async fn write_rest(&self, directory: DirectoryId) -> Result<(), MoveError> {
        let source = &self.source;
        let (checkpoint, compacted_below, epochs, producers, indexes) = {
            let state = source.state.borrow();
            let (point, producers) = match ScanPoint::at_end(&state, 0) {
                Some((point, producers)) => (Some(point), producers),
                None => (None, None),
            };
            let indexes = match (&state.segments.back(), state.writer.segment) {
                (Some(last), Some(open)) if last.base == open => match &last.index {
                    SegmentIndex::Building(index) => Some((
                        open,
                        OffsetIndex::encode(index.offsets()),
                        TimeIndex::encode(index.times()),
                    )),
                    SegmentIndex::OnDisk => None,
                },
                _ => None,
            };
            let checkpoint = Checkpoint {
                recovery_point: state.positions.log_end,
                log_start: state.next_log_start.max(state.positions.log_start),
                high_watermark: state.positions.high_watermark,
                scan_point: point.map(Arc::new),
            };
            let epochs = state.epochs.encode();
            (checkpoint, state.compacted_below, epochs, producers, indexes)
        };
        if let Some(producers) = producers {
            let path = SegmentFile::ProducerSnapshot.path(&self.dir, checkpoint.recovery_point);
            write_whole(&path, producers).await?;
        }
        if let Some((base, offsets, times)) = indexes {
            write_whole(&SegmentFile::OffsetIndex.path(&self.dir, base), offsets).await?;
            write_whole(&SegmentFile::TimeIndex.path(&self.dir, base), times).await?;
        }
        write_whole(&self.dir.join(LEADER_EPOCH_CHECKPOINT), epochs).await?;
        file(&self.dir, "sync", disk::sync_dir(&self.dir).await)?;
        let data_dir = &self.target.options.data_dir;
        data_dir.note(source.id, &source.topic_name, checkpoint);
        if compacted_below > Offset::ZERO {
            data_dir.note_compacted(source.id, &source.topic_name, compacted_below);
        }
        data_dir.write_checkpoints(CheckpointFiles::LogStarts).await?;
        let note = source.dir.join(MOVED_TO);
        let noted = disk::write_file_atomic(&note, directory.to_string().into_bytes()).await;
        match noted {
            // A partition without records may have no directory yet.
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            noted => Ok(file(&note, "write", noted)?),
        }
    }
}

/// The segments that have files, and up to where they hold all records.
fn segments_of(log: &PartitionLog) -> (Vec<(Offset, Copied)>, Offset) {
    let state = log.state.borrow();
    let open = state.writer.segment;
    let mut segments = Vec::with_capacity(state.segments.len());
    for segment in &state.segments {
        let (bytes, closed) = match &segment.index {
            _ if Some(segment.base) == open => (state.writer.file_bytes, false),
            SegmentIndex::OnDisk => (segment.bytes, true),
            // Just compacted: its indexes have their names soon.
            SegmentIndex::Building(_) if segment.version > 0 => (segment.bytes, false),
            // In memory alone.
            SegmentIndex::Building(_) => break,
        };
        let copied = Copied {
            version: segment.version,
            bytes,
            closed,
        };
        segments.push((segment.base, copied));
    }
    (segments, state.writer.written.offset)
}

/// Removes a directory with all files in it, one after the other, if it is there.
pub(super) async fn remove_dir(dir: &Path) -> Result<(), FileError> {
    let entries = match disk::read_dir(dir).await {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(FileError::new(dir, "list", &e)),
    };
    for entry in entries.iter().filter(|e| !e.is_dir) {
        let path = dir.join(&entry.name);
        match disk::remove_file(&path).await {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(FileError::new(path, "remove", &e)),
            _ => {}
        }
    }
    match disk::remove_dir_all(dir).await {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(FileError::new(dir, "remove", &e)),
        _ => Ok(()),
    }
}

fn file<T>(path: &Path, operation: &'static str, done: std::io::Result<T>) -> Result<T, FileError> {
    done.map_err(|e| FileError::new(path, operation, &e))
}
