//! Writes a partition's tail to its segments: flushes, direct writes, closing a segment and beginning the next.
//!
//! The order of writes and syncs here is what recovery relies on; `FORMAT.md` says why each is safe to stop after.

use super::partition_log::PartitionState;
use super::{PartitionLog, SegmentIndex, TailMark};
use crate::base::ids::Offset;
use crate::base::limits::DISK_BLOCK_BYTES;
use crate::log::data_dir::Checkpoint;
use crate::log::errors::TailNotWritten;
use crate::log::file_names::{LEADER_EPOCH_CHECKPOINT, PARTITION_METADATA, SegmentFile};
use crate::log::segment::{OffsetIndex, SharedFile, TimeIndex};
use crate::log::{FileError, LogStopped, partition_metadata};
use crate::rt::disk::{self, IoBuf};
use crate::rt::{self};
use bytes::Bytes;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use tracing::{error, warn};

/// How much of a tail is taken at once, in bytes; more is written in several steps.
const STEP_BYTES: usize = 4 << 20;
/// Largest single write, in bytes.
const WRITE_BYTES: usize = 1 << 20;

/// What a write of the tail is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::log) enum SyncMode {
    /// To get it out of memory: the write-ahead log still has it.
    Later,
    /// To let go of the write-ahead log.
    Now,
    /// Instead of the write-ahead log: what is queued becomes durable by it.
    Direct,
}

enum Step {
    Write {
        segment: Offset,
        batches: Vec<Bytes>,
        until: TailMark,
    },
    Close(Offset),
    Open(Offset),
}

impl PartitionLog {
    /// Writes all of the tail that is not in its segment yet, and syncs it if asked to. An error stops the log, because what
    /// is on disk is not known then; but not want of room: the steps that were done count, and the others can be done later.
    pub(in crate::log) async fn write_tail(self: &Rc<Self>, mode: SyncMode) -> Result<(), TailNotWritten> {
        let _turn = self.writer_turn().await;
        if let Some(stopped) = self.state.borrow().stopped.clone() {
            return Err(TailNotWritten::Stopped(stopped));
        }
        if self.shard.room.holds_back() && !self.state.borrow().may_use_reserve && self.has_unwritten() {
            let full = std::io::ErrorKind::StorageFull.into();
            return Err(self.no_room(FileError::new(&self.dir, "write", &full)));
        }
        self.with_reserve(async || self.write_steps(mode).await).await
    }

    /// Does something that may find no room: then the reserve is given back, and it is tried once more.
    async fn with_reserve(
        self: &Rc<Self>,
        write: impl AsyncFn() -> Result<(), FileError>,
    ) -> Result<(), TailNotWritten> {
        let mut written = write().await;
        if let Err(e) = &written
            && e.is_no_room()
            && self.shard.room.hit(e).await
        {
            written = write().await;
        }
        written.map_err(|e| match e.is_no_room() {
            true => self.no_room(e),
            false => TailNotWritten::Stopped(self.stop_failed(e)),
        })
    }

    fn no_room(self: &Rc<Self>, e: FileError) -> TailNotWritten {
        self.shard.flush_later(self);
        TailNotWritten::NoRoom(Arc::new(e))
    }

    fn has_unwritten(&self) -> bool {
        let state = self.state.borrow();
        state.writer.written.stream < state.tail.end().stream
    }

    pub(in crate::log) fn stop_failed(&self, e: FileError) -> LogStopped {
        let reason = LogStopped::PartitionFailed(Arc::new(e));
        if self.stop(reason.clone()) {
            // What is to be said of a directory that is offline was said once.
            if self.shard.options.data_dir.failure().is_none() {
                error!(partition = ?self, error = %reason, "a partition takes no more records until the server is started again");
            }
            self.shard.suspect();
        }
        reason
    }

    /// Writes and closes all segments before the one that begins at `base`, and makes that one's file, empty as it may be.
    /// An error stops the log.
    pub(in crate::log) async fn open_segment_at(self: &Rc<Self>, base: Offset) -> Result<(), TailNotWritten> {
        let _turn = self.writer_turn().await;
        if let Some(stopped) = self.state.borrow().stopped.clone() {
            return Err(TailNotWritten::Stopped(stopped));
        }
        // Not held back on a full disk: it is for records to be deleted.
        self.with_reserve(async || {
            self.write_steps(SyncMode::Later).await?;
            loop {
                let open = self.state.borrow().writer.segment;
                match open {
                    Some(open) if open >= base => return Ok(()),
                    Some(open) => self.close_segment(open).await?,
                    None => self.open_segment(base).await?,
                }
            }
        })
        .await
    }

    /// Waits until no segments are given other names.
    pub(in crate::log) async fn swap_ended(&self) {
        loop {
            let ended = self.shard.segment_written.wait();
            if !self.state.borrow().swapping {
                return;
            }
            ended.await;
        }
    }

    /// Waits until nobody else writes to the segments.
    pub(in crate::log) async fn writer_turn(self: &Rc<Self>) -> WriterTurn {
        loop {
            let written = self.shard.segment_written.wait();
            let busy = std::mem::replace(&mut self.state.borrow_mut().writer.busy, true);
            if !busy {
                return WriterTurn(self.clone());
            }
            written.await;
        }
    }

    async fn write_steps(&self, mode: SyncMode) -> Result<(), FileError> {
        let step_bytes = self.shard.options.scan_files_step_bytes;
        let (target, scan_candidate) = {
            let state = self.state.borrow();
            let synced = mode != SyncMode::Later;
            let candidate = synced.then(|| state.scan_candidate(step_bytes)).flatten();
            (state.tail.end(), candidate)
        };
        self.write_until(target, mode).await?;
        if mode == SyncMode::Direct {
            // Not before: if there is no room it is the write-ahead log's turn again, which takes it from memory.
            self.state.borrow_mut().submitted = target;
            self.made_durable(target);
        }
        if let Some(candidate) = scan_candidate {
            self.take_scan_point(candidate).await;
        }
        Ok(())
    }

    async fn write_until(&self, target: TailMark, mode: SyncMode) -> Result<(), FileError> {
        self.make_directory_durable().await?;
        loop {
            let step = self.state.borrow().next_step(target);
            match step {
                None => break,
                Some(Step::Open(base)) => self.open_segment(base).await?,
                Some(Step::Close(base)) => self.close_segment(base).await?,
                Some(Step::Write {
                    segment,
                    batches,
                    until,
                }) => {
                    self.write_batches(segment, &batches, until).await?;
                }
            }
        }
        match mode {
            SyncMode::Later => Ok(()),
            SyncMode::Now | SyncMode::Direct => self.sync_segment().await,
        }
    }

    /// The directory and its `partition.metadata` are made durable before the first record is in it. Until then the
    /// write-ahead log has everything, by the topic's id.
    async fn make_directory_durable(&self) -> Result<(), FileError> {
        if self.state.borrow().writer.directory_durable {
            return Ok(());
        }
        let mut files = vec![(PARTITION_METADATA, partition_metadata::encode(self.id.topic))];
        {
            // The epochs are needed before the first sync. Beside the other file they cost nothing.
            let mut state = self.state.borrow_mut();
            if std::mem::take(&mut state.epochs_dirty) {
                files.push((LEADER_EPOCH_CHECKPOINT, state.epochs.encode()));
            }
        }
        let has_epochs = files.len() > 1;
        let created = disk::create_dir_with_files(&self.dir, files).await;
        let mut state = self.state.borrow_mut();
        state.epochs_dirty |= has_epochs && created.is_err();
        created.map_err(|e| FileError::new(&self.dir, "create", &e))?;
        state.writer.directory_durable = true;
        Ok(())
    }

    /// Makes the file of a new segment, after the producers' state at its base is durable. The caller has closed the one before.
    async fn open_segment(&self, base: Offset) -> Result<(), FileError> {
        let producers = {
            let mut state = self.state.borrow_mut();
            state.segment_mut(base).and_then(|s| s.producers_at_base.clone())
        };
        if let Some(producers) = producers {
            write_whole(&SegmentFile::ProducerSnapshot.path(&self.dir, base), producers).await?;
        }
        let path = SegmentFile::Log.path(&self.dir, base);
        let file = self.shard.files.create(self.id, base, 0, &path).await?;
        let room = {
            let config = self.config.borrow();
            config.preallocate.then_some(config.segment_bytes)
        };
        if let Some(bytes) = room
            && let Err(e) = file.preallocate(bytes).await
        {
            // Without it the file grows as others do.
            warn!(path = %path.display(), error = %e, "a segment's room can't be reserved");
        }
        // With the log's very first segment no other is lost, so its name is synced with its records, which is once less.
        let is_first = base == Offset::ZERO;
        if !is_first {
            self.sync_names().await?;
        }
        let mut state = self.state.borrow_mut();
        if let Some(segment) = state.segment_mut(base) {
            segment.producers_at_base = None;
        }
        state.writer.name_unsynced = is_first;
        state.writer.at_rest = false;
        state.writer.segment = Some(base);
        state.writer.file_bytes = 0;
        state.writer.indexed_bytes = 0;
        state.writer.last_block = Some(Vec::new());
        drop(state);
        if !is_first {
            // A recovery that does not know of the new segment reads the old one.
            self.shard.checkpoint_soon();
        }
        Ok(())
    }

    /// Gives a full segment its exact length, syncs it, then writes its indexes. The next segment's file is made only
    /// after this: where there is a later segment, the earlier ones are whole.
    pub(in crate::log) async fn close_segment(&self, base: Offset) -> Result<(), FileError> {
        let path = SegmentFile::Log.path(&self.dir, base);
        let file = self.shard.files.get(self.id, base, 0, &path).await?;
        let bytes = {
            let writer = &mut self.state.borrow_mut().writer;
            // Compaction may replace a closed segment: no scan point may lead into it.
            writer.scan_point = None;
            writer.at_rest = false;
            writer.file_bytes
        };
        file.set_len(bytes)
            .await
            .map_err(|e| FileError::new(&path, "cut", &e))?;
        self.sync_segment().await?;
        self.write_indexes(base).await?;
        let mut state = self.state.borrow_mut();
        state.writer.segment = None;
        state.writer.last_block = Some(Vec::new());
        if let Some(segment) = state.segment_mut(base) {
            assert_eq!(
                segment.bytes, bytes,
                "a segment is closed when all of it is written"
            );
            segment.index = SegmentIndex::OnDisk;
        }
        Ok(())
    }

    /// Writes the index files of a segment from what is in memory.
    async fn write_indexes(&self, base: Offset) -> Result<(), FileError> {
        for (kind, bytes) in self.last_indexes(base).into_iter().flatten() {
            write_whole(&kind.path(&self.dir, base), bytes).await?;
        }
        Ok(())
    }

    /// The index files of a segment, if they are made of what is in memory: complete, so that nothing can be added.
    pub(in crate::log) fn last_indexes(&self, base: Offset) -> Option<[(SegmentFile, Vec<u8>); 2]> {
        let mut state = self.state.borrow_mut();
        match state.segment_mut(base).map(|s| &mut s.index) {
            Some(SegmentIndex::Building(index)) => {
                index.close();
                Some([
                    (SegmentFile::OffsetIndex, OffsetIndex::encode(index.offsets())),
                    (SegmentFile::TimeIndex, TimeIndex::encode(index.times())),
                ])
            }
            _ => None,
        }
    }

    /// Whether its files are as an orderly shutdown leaves them.
    pub(in crate::log) fn is_at_rest(&self) -> bool {
        let state = self.state.borrow();
        let is_written = state.writer.written.stream == state.tail.end().stream;
        // One that never had a record has no files.
        let is_new = state.positions.log_end == Offset::ZERO && !state.writer.directory_durable;
        (state.writer.at_rest || is_new) && is_written && !state.epochs_dirty && state.stopped.is_none()
    }

    /// Appends whole batches to the segment's file: from the last block that is not full, in aligned writes.
    async fn write_batches(&self, base: Offset, batches: &[Bytes], until: TailMark) -> Result<(), FileError> {
        let path = SegmentFile::Log.path(&self.dir, base);
        let file = self.shard.files.get(self.id, base, 0, &path).await?;
        let last_block = self.last_block(&file, &path).await?;
        let file_bytes = self.state.borrow().writer.file_bytes;
        let start = file_bytes - last_block.len() as u64;
        self.state.borrow_mut().writer.at_rest = false;
        let (pieces, new_last_block) = pieces(&last_block, batches);
        let writes: Vec<_> = pieces
            .into_iter()
            .scan(start, |position, (piece, len)| {
                let at = *position;
                *position += len as u64;
                Some((piece, len, at))
            })
            .map(|(piece, len, at)| {
                let file = file.clone();
                rt::spawn(async move { file.write_at(piece, len, at).await.map(drop) })
            })
            .collect();
        let mut failed = None;
        for write in writes {
            // All are awaited, so that none is under way when the log has stopped.
            if let Err(e) = write.await {
                failed.get_or_insert(e);
            }
        }
        if let Some(e) = failed {
            // Some of it may be there. A second try writes the same bytes to the same place, beginning with this block.
            self.state.borrow_mut().writer.last_block = Some(last_block);
            return Err(FileError::new(&path, "write", &e));
        }
        let bytes = batches.iter().map(Bytes::len).sum::<usize>() as u64;
        self.shard.room.written(bytes);
        let mut state = self.state.borrow_mut();
        state.writer.file_bytes += bytes;
        state.writer.last_block = Some(new_last_block);
        state.writer.written = until;
        Ok(())
    }

    /// The bytes in the segment's last block, if that is not full: they are written again with what follows them.
    async fn last_block(&self, file: &SharedFile, path: &Path) -> Result<Vec<u8>, FileError> {
        let file_bytes = {
            let mut state = self.state.borrow_mut();
            if let Some(block) = state.writer.last_block.take() {
                return Ok(block);
            }
            state.writer.file_bytes
        };
        let len = (file_bytes % DISK_BLOCK_BYTES as u64) as usize;
        if len == 0 {
            return Ok(Vec::new());
        }
        let read = file.read_at(file_bytes - len as u64, len).await;
        let read = read.map_err(|e| FileError::new(path, "read", &e))?;
        if read.len() != len {
            let short = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the file has become shorter");
            return Err(FileError::new(path, "read", &short));
        }
        Ok(read.to_vec())
    }

    /// Makes durable what was written to the segments, and notes it for the checkpoint files.
    pub(in crate::log) async fn sync_segment(&self) -> Result<(), FileError> {
        let (segment, written, epochs, name_unsynced) = {
            let mut state = self.state.borrow_mut();
            let dirty = std::mem::take(&mut state.epochs_dirty);
            let epochs = dirty.then(|| state.epochs.encode());
            let writer = &state.writer;
            (writer.segment, writer.written, epochs, writer.name_unsynced)
        };
        if let Some(epochs) = epochs {
            // Recovery takes the epochs below the recovery point from this file.
            let written = write_whole(&self.dir.join(LEADER_EPOCH_CHECKPOINT), epochs).await;
            self.state.borrow_mut().epochs_dirty |= written.is_err();
            written?;
        }
        if let Some(base) = segment {
            let path = SegmentFile::Log.path(&self.dir, base);
            let file = self.shard.files.get(self.id, base, 0, &path).await?;
            file.datasync()
                .await
                .map_err(|e| FileError::new(&path, "sync", &e))?;
            // After the file: the file system has most likely made its name durable with it, so that there is nothing to wait for.
            if name_unsynced {
                self.sync_names().await?;
                self.state.borrow_mut().writer.name_unsynced = false;
            }
        }
        let synced_bytes = {
            let writer = &mut self.state.borrow_mut().writer;
            writer.synced = written.offset;
            let before = std::mem::replace(&mut writer.synced_stream, written.stream);
            written.stream.saturating_sub(before)
        };
        self.note_checkpoint();
        self.shard.synced(synced_bytes);
        Ok(())
    }

    /// Makes durable what has a name in the partition's directory.
    async fn sync_names(&self) -> Result<(), FileError> {
        disk::sync_dir(&self.dir)
            .await
            .map_err(|e| FileError::new(&self.dir, "sync", &e))
    }

    /// Whether something was written to the segments and is not synced.
    pub(in crate::log) fn has_unsynced(&self) -> bool {
        let state = self.state.borrow();
        state.stopped.is_none() && state.writer.synced < state.writer.written.offset
    }

    /// Whether its segments have all of it, synced.
    pub(in crate::log) fn is_in_segments(&self) -> bool {
        let state = self.state.borrow();
        state.writer.synced >= state.positions.log_end
    }

    /// Whether all of it is durable, be it in the write-ahead log.
    pub(in crate::log) fn is_committed(&self) -> bool {
        let state = self.state.borrow();
        state.positions.durable_end >= state.positions.log_end
    }

    /// When a stop closes it: first what can't be left to the log, then what has no segment for its records yet, last what lacks no
    /// more than small files.
    pub(in crate::log) fn closing_rank(&self) -> u8 {
        match self.is_in_segments() {
            _ if !self.may_be_left() => 0,
            false => 1,
            true => 2,
        }
    }

    /// Whether a stop may leave it as it is. What no log has is in memory alone; what was written to a segment and is not synced has
    /// to be written again by the next start, which takes longer than to sync it.
    pub(in crate::log) fn may_be_left(&self) -> bool {
        self.is_committed() && !self.has_unsynced()
    }

    /// Notes this partition's offsets for the next write of the checkpoint files.
    pub(in crate::log) fn note_checkpoint(&self) {
        let checkpoint = {
            let state = self.state.borrow();
            Checkpoint {
                recovery_point: state.writer.synced,
                log_start: state.next_log_start.max(state.positions.log_start),
                high_watermark: state.positions.high_watermark,
                scan_point: state.writer.scan_point.clone(),
            }
        };
        self.shard
            .options
            .data_dir
            .note(self.id, &self.topic_name, checkpoint);
    }
}

impl PartitionState {
    fn next_step(&self, target: TailMark) -> Option<Step> {
        let written = self.writer.written;
        if written.stream >= target.stream {
            return None;
        }
        let mut batches = Vec::new();
        let mut bytes = 0;
        let mut until = written;
        let mut waiting = self.tail.after(written.offset).peekable();
        let segment = waiting.peek().expect("what is not written is in memory").segment;
        match self.writer.segment {
            Some(open) if open == segment => {}
            Some(open) => return Some(Step::Close(open)),
            None => return Some(Step::Open(segment)),
        }
        for batch in waiting {
            if batch.segment != segment
                || batch.stream_end > target.stream
                || (bytes > 0 && bytes + batch.bytes.len() > STEP_BYTES)
            {
                break;
            }
            bytes += batch.bytes.len();
            until = TailMark {
                offset: batch.end,
                stream: batch.stream_end,
            };
            batches.push(batch.bytes.clone());
        }
        Some(Step::Write {
            segment,
            batches,
            until,
        })
    }

    pub(in crate::log) fn segment_mut(&mut self, base: Offset) -> Option<&mut super::Segment> {
        self.segments.iter_mut().rev().find(|s| s.base == base)
    }
}

/// Cuts `last_block` and the batches into aligned buffers, the last one filled up with zeros. Also gives what stands in the
/// last block if that is not full.
fn pieces(last_block: &[u8], batches: &[Bytes]) -> (Vec<(IoBuf, usize)>, Vec<u8>) {
    let total = last_block.len() + batches.iter().map(Bytes::len).sum::<usize>();
    let mut sources = std::iter::once(last_block).chain(batches.iter().map(|b| &b[..]));
    let mut source: &[u8] = sources.next().expect("there is one");
    let mut pieces = Vec::with_capacity(total.div_ceil(WRITE_BYTES));
    let mut new_last = Vec::new();
    let mut left = total;
    while left > 0 {
        let bytes = left.min(WRITE_BYTES);
        let len = bytes.next_multiple_of(DISK_BLOCK_BYTES);
        let mut piece = IoBuf::with_capacity(len);
        let mut at = 0;
        while at < bytes {
            if source.is_empty() {
                source = sources.next().expect("the sources have the total");
                continue;
            }
            let n = source.len().min(bytes - at);
            piece[at..at + n].copy_from_slice(&source[..n]);
            source = &source[n..];
            at += n;
        }
        piece[bytes..len].fill(0);
        left -= bytes;
        if left == 0 {
            let rest = bytes % DISK_BLOCK_BYTES;
            new_last = piece[bytes - rest..bytes].to_vec();
        }
        pieces.push((piece, len));
    }
    (pieces, new_last)
}

/// Replaces a small file, durable.
pub(in crate::log) async fn write_whole(path: &Path, bytes: Vec<u8>) -> Result<(), FileError> {
    disk::write_file_atomic(path, bytes)
        .await
        .map_err(|e| FileError::new(path, "write", &e))
}

/// The right to write to a partition's segments; gives the turn on when dropped.
pub(in crate::log) struct WriterTurn(Rc<PartitionLog>);

impl Drop for WriterTurn {
    fn drop(&mut self) {
        self.0.state.borrow_mut().writer.busy = false;
        self.0.shard.segment_written.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_aligned_and_padded() {
        let batches = [
            Bytes::from(vec![1; 5000]),
            Bytes::from(vec![2; WRITE_BYTES]),
            Bytes::from(vec![3; 10]),
        ];
        let (pieces, last) = pieces(&[9; 100], &batches);
        let whole: Vec<u8> = pieces
            .iter()
            .flat_map(|(piece, len)| piece[..*len].to_vec())
            .collect();
        let total = 100 + 5000 + WRITE_BYTES + 10;
        assert_eq!(pieces.len(), 2);
        assert_eq!(whole.len(), total.next_multiple_of(4096));
        assert_eq!(whole[..100], [9; 100]);
        assert_eq!(whole[100..5100], [1; 5000]);
        assert_eq!(whole[total - 10..total], [3; 10]);
        assert!(whole[total..].iter().all(|b| *b == 0));
        assert_eq!(last, whole[total - total % 4096..total]);
    }
}
