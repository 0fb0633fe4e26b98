//! Takes up one partition from its directory: which segments it has, how far they can be trusted, its producers and epochs.

use super::scan_begin::{Begin, read_index, usable_scan_point};
use super::segment_scan::{Continuity, scan_segment};
use super::unfinished_swap::finish_swaps;
use crate::base::ids::Offset;
use crate::base::limits::DISK_BLOCK_BYTES;
use crate::log::data_dir::Checkpoint;
use crate::log::disk_room::is_no_room;
use crate::log::epoch_cache::EpochCache;
use crate::log::file_names::{
    CLEANED_SUFFIX, DELETED_SUFFIX, LEADER_EPOCH_CHECKPOINT, PARTITION_METADATA, STRAY_SUFFIX, SegmentFile,
    doomed_dir,
};
use crate::log::partition::{
    PartitionLog, PartitionParts, Positions, Segment, SegmentIndex, Tail, WriterState,
};
use crate::log::producer::{ProducerTable, decode_snapshot};
use crate::log::segment::IndexBuild;
use crate::log::shard_context::ShardContext;
use crate::log::{
    AbortedTransaction, Damage, FileError, PartitionOffline, PartitionSpec, partition_metadata,
};
use crate::rt::{self, disk, disk::DirEntry};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tracing::warn;

/// Largest small file (snapshot, epochs) that is read.
pub(super) const MAX_SMALL_FILE_BYTES: u64 = 256 << 20;
/// How much is written again at a time, in bytes.
const REWRITE_BYTES: u64 = 1 << 20;

/// A partition whose segments were taken up; the write-ahead logs come next.
#[derive(Debug)]
pub(in crate::log) struct Recovering {
    pub log: Rc<PartitionLog>,
    /// Where the log's start is to be.
    pub log_start: Offset,
    /// What was found behind the last good batch.
    pub cut: Option<Damage>,
    /// Whether bytes stand there that must be cut off before anything is written.
    pub excess: bool,
}

/// Reads a partition's directory. A partition that has none begins empty.
pub(in crate::log) async fn recover_segments(
    shard: &Rc<ShardContext>,
    spec: &PartitionSpec,
) -> Result<Recovering, PartitionOffline> {
    let dir = shard.partition_dir(&spec.topic_name, spec.partition);
    let data_dir = &shard.options.data_dir;
    let entries = own_entries(shard, spec, &dir).await?;
    let checkpoint = data_dir
        .checkpoint(spec.id(), &spec.topic_name)
        .unwrap_or_default();
    let directory_durable = entries.iter().any(|e| e.name == PARTITION_METADATA);
    let is_looked_at = data_dir.is_looked_at();
    let (entries, swapped) = finish_swaps(&dir, entries, is_looked_at).await?;
    if !is_looked_at {
        remove_leftovers(&dir, &entries).await?;
    }

    let mut logs: Vec<(Offset, u64)> = Vec::new();
    let mut snapshots: Vec<Offset> = Vec::new();
    for entry in &entries {
        match SegmentFile::parse(&entry.name) {
            Some((SegmentFile::Log, base)) => logs.push((base, entry.len)),
            Some((SegmentFile::ProducerSnapshot, base)) => snapshots.push(base),
            _ => {}
        }
    }
    logs.sort_unstable();
    snapshots.sort_unstable();
    let old = take_old_segments(&mut logs, checkpoint.log_start);
    if !is_looked_at {
        remove_old_segments(&dir, &entries, old).await?;
    }
    let epochs = read_epochs(&dir).await?;
    let begin = usable_scan_point(&dir, &checkpoint, &logs, &snapshots, &epochs).await;
    let mut scan = Scan {
        spec,
        dir: &dir,
        is_looked_at,
        swapped,
        entries: &entries,
        checkpoint: &checkpoint,
        begin,
        indexed_bytes: 0,
        nothing_behind: false,
        epochs,
        epochs_dirty: false,
        producers: ProducerTable::default(),
        producers_from: Offset::ZERO,
        segments: VecDeque::new(),
        end: (0, logs.first().map_or(Offset::ZERO, |(base, _)| *base)),
        cut: None,
        excess: false,
    };
    scan.load_producers(&snapshots, logs.first().map(|(base, _)| *base))
        .await;
    scan.read_segments(&logs).await?;
    if scan.end.1 < checkpoint.recovery_point {
        // These were synced, and that was noted: they are damaged or gone, not torn off.
        return Err(PartitionOffline::Damaged(scan.cut.unwrap_or_else(|| {
            Damage {
                path: logs
                    .last()
                    .map_or(dir.clone(), |(base, _)| SegmentFile::Log.path(&dir, *base)),
                position: scan.end.0,
                offset: Some(scan.end.1),
                what: format!(
                    "records up to offset {} were synced and are missing",
                    checkpoint.recovery_point
                ),
            }
        })));
    }
    let epochs_dirty = scan.epochs_dirty;
    let Scan {
        epochs,
        producers,
        mut segments,
        end: (file_bytes, end),
        cut,
        excess,
        begin,
        indexed_bytes,
        nothing_behind,
        ..
    } = scan;
    let last = segments.back().map(|s| s.base);
    let scan_point = begin
        .map(|begin| begin.point)
        .filter(|point| Some(point.base) == last);
    let snapshot = SegmentFile::ProducerSnapshot.name(end);
    let at_rest =
        nothing_behind && data_dir.was_clean() && entries.iter().any(|e| e.name == snapshot && e.len > 0);
    let writer = WriterState {
        busy: false,
        directory_durable,
        name_unsynced: false,
        segment: last,
        file_bytes,
        last_block: None,
        written: Tail::new(end).end(),
        synced: end,
        synced_stream: 0,
        scan_point,
        old_snapshot: None,
        indexed_bytes,
        at_rest,
    };
    let first = logs.first().map_or(Offset::ZERO, |(base, _)| *base);
    if segments.is_empty() {
        segments.push_back(Segment::new(Offset::ZERO, rt::wall_ms(), 0));
    }
    let log_start = checkpoint.log_start.max(first);
    let aborted = read_aborted(&dir, &entries, log_start, end).await?;
    let mut epochs = epochs;
    epochs.truncate_from(end);
    epochs.truncate_to(log_start.min(end));
    let positions = Positions::recovered(log_start.min(end), end);
    let parts = PartitionParts {
        positions,
        epochs,
        producers,
        aborted,
        segments,
        writer,
    };
    let log = PartitionLog::new(spec, shard.clone(), parts);
    log.state.borrow_mut().epochs_dirty = epochs_dirty;
    Ok(Recovering {
        log,
        log_start,
        cut,
        excess,
    })
}

/// The files of the partition's directory. One that belongs to another topic of the same name is moved out of the way.
async fn own_entries(
    shard: &ShardContext,
    spec: &PartitionSpec,
    dir: &Path,
) -> Result<Vec<DirEntry>, PartitionOffline> {
    let entries = match disk::read_dir(dir).await {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(FileError::new(dir, "list", &e).into()),
    };
    if !entries.iter().any(|e| e.name == PARTITION_METADATA) {
        return Ok(entries);
    }
    let path = dir.join(PARTITION_METADATA);
    let bytes = disk::read_file(&path, MAX_SMALL_FILE_BYTES).await;
    let bytes = bytes.map_err(|e| FileError::new(&path, "read", &e))?;
    let Ok(owner) = partition_metadata::parse(&bytes) else {
        return Err(damaged(&path, 0, None, "it names no topic id"));
    };
    if owner == spec.topic_id {
        return Ok(entries);
    }
    let data_dir = &shard.options.data_dir;
    let mut id = spec.id();
    id.topic = owner;
    let stray = data_dir
        .path()
        .join(doomed_dir(&spec.topic_name, id, STRAY_SUFFIX));
    if data_dir.is_looked_at() {
        return Ok(Vec::new());
    }
    warn!(dir = %dir.display(), stray = %stray.display(), %owner, "a directory of another topic with this name is moved away");
    disk::rename(dir, &stray)
        .await
        .map_err(|e| FileError::new(dir, "rename", &e))?;
    disk::sync_dir(data_dir.path())
        .await
        .map_err(|e| FileError::new(data_dir.path(), "sync", &e))?;
    Ok(Vec::new())
}

/// Removes what an interrupted write of a whole file left.
async fn remove_leftovers(dir: &Path, entries: &[DirEntry]) -> Result<(), PartitionOffline> {
    for entry in entries {
        if [".tmp", DELETED_SUFFIX, CLEANED_SUFFIX]
            .iter()
            .any(|suffix| entry.name.ends_with(suffix))
        {
            let path = dir.join(&entry.name);
            disk::remove_file(&path)
                .await
                .map_err(|e| FileError::new(&path, "remove", &e))?;
        }
    }
    Ok(())
}

/// Takes segments away that lie before the log's start: their removal was decided, and is finished here. What is left of them
/// need not be whole. The last segment stays, since it says where the log ends. Gives the first that counts, if some go.
fn take_old_segments(logs: &mut Vec<(Offset, u64)>, log_start: Offset) -> Option<Offset> {
    let old = logs.windows(2).take_while(|two| two[1].0 <= log_start).count();
    logs.drain(..old);
    logs.first().filter(|_| old > 0).map(|(first, _)| *first)
}

/// Removes the files of segments before the first that counts, if there are any.
async fn remove_old_segments(
    dir: &Path,
    entries: &[DirEntry],
    first: Option<Offset>,
) -> Result<(), PartitionOffline> {
    let Some(first) = first else {
        return Ok(());
    };
    for entry in entries {
        if SegmentFile::parse(&entry.name).is_some_and(|(_, base)| base < first) {
            let path = dir.join(&entry.name);
            disk::remove_file(&path)
                .await
                .map_err(|e| FileError::new(&path, "remove", &e))?;
        }
    }
    Ok(())
}

async fn read_epochs(dir: &Path) -> Result<EpochCache, PartitionOffline> {
    let path = dir.join(LEADER_EPOCH_CHECKPOINT);
    match disk::read_file(&path, MAX_SMALL_FILE_BYTES).await {
        Ok(bytes) => EpochCache::parse(&bytes).map_err(|_| {
            damaged(
                &path,
                0,
                None,
                "it is no list of leader epochs with rising offsets",
            )
        }),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(EpochCache::default()),
        Err(e) => Err(FileError::new(&path, "read", &e).into()),
    }
}

/// Reads the indexes of aborted transactions. They come with imported segments, and nothing else can tell readers what is aborted.
async fn read_aborted(
    dir: &Path,
    entries: &[DirEntry],
    log_start: Offset,
    log_end: Offset,
) -> Result<Vec<AbortedTransaction>, PartitionOffline> {
    let mut aborted = Vec::new();
    let mut bases: Vec<Offset> = entries
        .iter()
        .filter(|e| e.len > 0)
        .filter_map(|e| match SegmentFile::parse(&e.name) {
            Some((SegmentFile::TransactionIndex, base)) => Some(base),
            _ => None,
        })
        .collect();
    bases.sort_unstable();
    for base in bases {
        let path = SegmentFile::TransactionIndex.path(dir, base);
        let bytes = disk::read_file(&path, MAX_SMALL_FILE_BYTES)
            .await
            .map_err(|e| FileError::new(&path, "read", &e))?;
        let Some(entries) = AbortedTransaction::parse_all(&bytes) else {
            return Err(damaged(&path, 0, None, "it is no list of aborted transactions"));
        };
        let counts = |one: &AbortedTransaction| (log_start..log_end).contains(&one.last_offset);
        aborted.extend(entries.into_iter().filter(counts));
    }
    // An index that a compaction failed to remove says again what others say.
    aborted.sort_unstable_by_key(|one| one.last_offset);
    aborted.dedup();
    Ok(aborted)
}

struct Scan<'a> {
    spec: &'a PartitionSpec,
    dir: &'a Path,
    /// Nothing is changed.
    is_looked_at: bool,
    /// Segments whose file would have another name by now.
    swapped: Vec<Offset>,
    entries: &'a [DirEntry],
    checkpoint: &'a Checkpoint,
    /// Where reading begins, if not at a segment's beginning.
    begin: Option<Begin>,
    /// Up to this byte the last segment's index was on the disk.
    indexed_bytes: u64,
    /// Whether the last segment ends where reading was to begin.
    nothing_behind: bool,
    epochs: EpochCache,
    epochs_dirty: bool,
    producers: ProducerTable,
    /// The producers are known up to here.
    producers_from: Offset,
    segments: VecDeque<Segment>,
    /// Where the good batches end: byte in the last segment, offset.
    end: (u64, Offset),
    cut: Option<Damage>,
    excess: bool,
}

impl Scan<'_> {
    /// Loads the newest snapshot that is usable and not past what was synced. That at the first segment's base is always: it was
    /// durable before the segment was made.
    async fn load_producers(&mut self, snapshots: &[Offset], first: Option<Offset>) {
        self.producers_from = first.unwrap_or(Offset::ZERO);
        for base in snapshots
            .iter()
            .rev()
            .filter(|base| **base <= self.checkpoint.recovery_point || Some(**base) == first)
        {
            if let Some(begin) = &self.begin
                && begin.point.offset >= *base
            {
                break;
            }
            let path = SegmentFile::ProducerSnapshot.path(self.dir, *base);
            let Ok(bytes) = disk::read_file(&path, MAX_SMALL_FILE_BYTES).await else {
                continue;
            };
            match decode_snapshot(&bytes) {
                Ok(producers) => {
                    self.producers = producers;
                    self.producers_from = *base;
                    return;
                }
                Err(e) => {
                    warn!(path = %path.display(), what = e.what, "a producer snapshot is damaged: an older one is used, or the log")
                }
            }
        }
        if let Some(begin) = &mut self.begin {
            self.producers = std::mem::take(&mut begin.producers);
            self.producers_from = begin.point.offset;
        }
    }

    async fn read_segments(&mut self, logs: &[(Offset, u64)]) -> Result<(), PartitionOffline> {
        for (i, &(base, file_bytes)) in logs.iter().enumerate() {
            let next_base = logs.get(i + 1).map(|(base, _)| *base);
            let synced = next_base
                .is_some_and(|next| next <= self.checkpoint.recovery_point && next <= self.producers_from);
            let path = match self.swapped.contains(&base) {
                true => SegmentFile::Log.swap_path(self.dir, base),
                false => SegmentFile::Log.path(self.dir, base),
            };
            if file_bytes > u64::from(u32::MAX) {
                return Err(damaged(&path, file_bytes, None, "a segment has at most 4 GiB"));
            }
            if synced {
                // Closed, synced and noted: nothing of it is read, however much there is.
                let mut segment = Segment::new(base, rt::wall_ms(), 0);
                segment.bytes = file_bytes;
                segment.newest_ms = None;
                segment.index = SegmentIndex::OnDisk;
                self.segments.push_back(segment);
                self.end = (file_bytes, next_base.expect("it is closed"));
                continue;
            }
            self.read_segment(base, file_bytes, &path, next_base).await?;
        }
        Ok(())
    }

    async fn read_segment(
        &mut self,
        base: Offset,
        file_bytes: u64,
        path: &PathBuf,
        next_base: Option<Offset>,
    ) -> Result<(), PartitionOffline> {
        let begin = self.begin.as_ref().map(|begin| begin.point.clone());
        let begin = begin.filter(|point| point.base == base);
        let mut segment = Segment::new(base, rt::wall_ms(), 0);
        let mut index = IndexBuild::default();
        if let Some(point) = &begin {
            segment.first_timestamp_ms = point.first_timestamp_ms;
            segment.newest_ms = Some(point.newest_ms);
            index = read_index(self.dir, self.entries, point).await;
            self.indexed_bytes = index.indexed_bytes();
            if next_base.is_none() && point.position == file_bytes {
                // All of it is synced, and nothing stands behind it: the file need not even be opened.
                self.nothing_behind = true;
                segment.bytes = file_bytes;
                segment.index = SegmentIndex::Building(Box::new(index));
                self.segments.push_back(segment);
                self.end = (file_bytes, point.offset);
                return Ok(());
            }
        }
        let start = begin
            .as_ref()
            .map_or((0, base), |point| (point.position, point.offset));
        let options = disk::OpenOptions {
            read: true,
            write: !self.is_looked_at,
            ..disk::OpenOptions::default()
        };
        let file = disk::File::open(path, &options)
            .await
            .map_err(|e| FileError::new(path, "open", &e))?;
        let synced_below = self.checkpoint.recovery_point;
        // Compaction and imports leave gaps, below the recovery point.
        let continuity = if base < synced_below {
            Continuity::Gaps
        } else {
            Continuity::Strict
        };
        let mut unsynced_from = None;
        let interval = self.spec.config.index_interval_bytes;
        let (epochs, epochs_dirty) = (&mut self.epochs, &mut self.epochs_dirty);
        let (producers, producers_from) = (&mut self.producers, self.producers_from);
        let scanned = scan_segment(&file, path, file_bytes, start, continuity, |header, position| {
            let relative = (header.last_offset().0 - base.0).clamp(0, i64::from(i32::MAX)) as u32;
            let bytes = header.size_bytes() as u64;
            index.add(interval, position as u32, bytes, relative, header.max_timestamp);
            segment.first_timestamp_ms.get_or_insert(header.max_timestamp);
            segment.newest_ms = segment.newest_ms.max(Some(header.max_timestamp));
            if header.base_offset >= synced_below {
                unsynced_from.get_or_insert(position);
            }
            *epochs_dirty |= epochs.assign(header.partition_leader_epoch, header.base_offset);
            if header.base_offset >= producers_from {
                producers.record(header, header.base_offset);
            }
        })
        .await?;
        let rewritten = scanned.next_offset > synced_below;
        let changes = !self.is_looked_at;
        if rewritten && changes {
            let unsynced = unsynced_from.unwrap_or(scanned.position)..scanned.position;
            rewrite(&file, path, unsynced).await?;
        }
        // A file without a record is older than no recovery point: what the write-ahead log has for it must not be written to
        // a file whose name goes with the next crash.
        if (rewritten || scanned.position == 0) && changes {
            disk::sync_dir(self.dir)
                .await
                .map_err(|e| FileError::new(self.dir, "sync", &e))?;
        }
        let is_whole = next_base.is_some() && scanned.bad.is_none();
        if is_whole && changes && (rewritten || scanned.position < file_bytes) {
            // Zeros up to the block's end: from the lines above, or from a recovery that did not get to here.
            cut(&file, path, scanned.position).await?;
        }
        file.close()
            .await
            .map_err(|e| FileError::new(path, "close", &e))?;
        if let Some(next) = next_base {
            let whole = scanned.bad.is_none() && scanned.next_offset <= next;
            if !whole || (base >= synced_below && scanned.next_offset != next) {
                let what = scanned
                    .bad
                    .unwrap_or_else(|| format!("the segment should reach offset {next}"));
                return Err(damaged(path, scanned.position, Some(scanned.next_offset), &what));
            }
            segment.index = SegmentIndex::OnDisk;
            if begin.is_none() && changes {
                // Else they are whole on the disk: they were before the next segment was made.
                self.rewrite_indexes(base, index).await?;
            }
            self.end = (scanned.position, next);
        } else {
            // Zeros behind the last batch do no harm: they are written over.
            self.excess = scanned.bad.is_some();
            self.cut = scanned.bad.map(|what| Damage {
                path: path.clone(),
                position: scanned.position,
                offset: Some(scanned.next_offset),
                what,
            });
            segment.index = SegmentIndex::Building(Box::new(index));
            self.end = (scanned.position, scanned.next_offset);
        }
        segment.bytes = scanned.position;
        self.segments.push_back(segment);
        Ok(())
    }

    /// Writes the indexes of a closed segment anew, since all of it was read: those on disk may not be whole.
    async fn rewrite_indexes(&self, base: Offset, mut index: IndexBuild) -> Result<(), PartitionOffline> {
        use crate::log::segment::{OffsetIndex, TimeIndex};
        index.close();
        for (kind, bytes) in [
            (SegmentFile::OffsetIndex, OffsetIndex::encode(index.offsets())),
            (SegmentFile::TimeIndex, TimeIndex::encode(index.times())),
        ] {
            let path = kind.path(self.dir, base);
            match disk::write_file_atomic(&path, bytes).await {
                // An index that is behind makes reads slower, not wrong: what it says is checked against the segment.
                Err(e) if is_no_room(&e) => {
                    warn!(path = %path.display(), error = %e, "an index is not written anew")
                }
                written => written.map_err(|e| FileError::new(&path, "write", &e))?,
            }
        }
        Ok(())
    }
}

/// Writes again, and syncs, what is not known to be synced: it is about to be called durable.
///
/// A sync alone would not do. After one that failed the bytes may be readable and yet never reach the disk, whatever
/// later syncs say; only another write brings them there. The bytes stay the same, so it is safe to stop halfway.
async fn rewrite(file: &disk::File, path: &Path, bytes: std::ops::Range<u64>) -> Result<(), FileError> {
    let mut position = bytes.start - bytes.start % DISK_BLOCK_BYTES as u64;
    while position < bytes.end {
        let len = (bytes.end - position).min(REWRITE_BYTES) as usize;
        let whole = len.next_multiple_of(DISK_BLOCK_BYTES);
        let read = file
            .read_at(position, whole)
            .await
            .map_err(|e| FileError::new(path, "read", &e))?;
        let mut buffer = disk::IoBuf::with_capacity(whole);
        buffer[..read.len()].copy_from_slice(&read);
        buffer[read.len()..whole].fill(0);
        file.write_at(buffer, whole, position)
            .await
            .map_err(|e| FileError::new(path, "write", &e))?;
        position += whole as u64;
    }
    file.datasync()
        .await
        .map_err(|e| FileError::new(path, "sync", &e))
}

async fn cut(file: &disk::File, path: &Path, bytes: u64) -> Result<(), FileError> {
    file.set_len(bytes)
        .await
        .map_err(|e| FileError::new(path, "cut", &e))?;
    file.datasync()
        .await
        .map_err(|e| FileError::new(path, "sync", &e))
}

pub(super) fn damaged(path: &Path, position: u64, offset: Option<Offset>, what: &str) -> PartitionOffline {
    PartitionOffline::Damaged(damage(path, position, offset, what))
}

pub(super) fn damage(path: &Path, position: u64, offset: Option<Offset>, what: &str) -> Damage {
    Damage {
        path: path.to_path_buf(),
        position,
        offset,
        what: what.to_string(),
    }
}
