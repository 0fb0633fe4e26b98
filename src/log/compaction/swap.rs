//! Puts a new segment in the place of old ones: on the disk in an order in which a crash leaves the old ones or the new one,
//! and in memory at one moment in between. `FORMAT.md` has the order; `recovery/unfinished_swap.rs` ends what a crash leaves.

use super::clean_group::discard;
use super::cleaned_segment::{CleanedSegment, MADE};
use super::compact::Trouble;
use super::group::OldSegment;
use crate::base::ids::Offset;
use crate::log::file_names::{DELETED_SUFFIX, SegmentFile};
use crate::log::partition::{PartitionLog, Segment, SegmentIndex};
use crate::log::{FileError, LogError};
use crate::rt::{self, disk};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// Swaps a finished segment in. After an error before the point of no return the old segments stay; after one behind it the
/// partition takes no more records, reads go on, and the next start ends the swap.
pub(super) async fn swap_in(
    log: &Rc<PartitionLog>,
    group: &[OldSegment],
    cleaned: CleanedSegment,
) -> Result<(), Trouble> {
    let (base, version, made) = (cleaned.base, cleaned.version, cleaned.made());
    // While it is held the partition's directory keeps its name.
    let Some(_turn) = SwapTurn::take(log) else {
        discard(log, base, version).await;
        return Err(Trouble::Over);
    };
    if let Err(e) = decide(log, base, made).await {
        take_back(log, base, version).await?;
        return Err(e.into());
    }
    if !take_place(log, group, cleaned) {
        // Retention has taken some of the group away.
        take_back(log, base, version).await?;
        return Err(Trouble::Over);
    }
    let renamed = rename_all(log, group, made).await;
    renamed.map_err(|e| {
        log.stop_failed(e.clone());
        LogError::File(e)
    })?;
    let mut state = log.state.borrow_mut();
    if let Some(segment) = state.segment_mut(base) {
        segment.index = SegmentIndex::OnDisk;
    }
    drop(state);
    log.shard.files.unpin(log.id, base, version);
    Ok(())
}

/// The point of no return: when the name of the log file is durable, recovery goes on from here.
async fn decide(log: &PartitionLog, base: Offset, made: &[SegmentFile]) -> Result<(), FileError> {
    for kind in made {
        rename(
            &kind.cleaned_path(&log.dir, base),
            &kind.swap_path(&log.dir, base),
        )
        .await?;
    }
    sync_dir(&log.dir).await
}

/// Undoes `decide`, whole or half done. If that fails, nobody knows which segments a crash would leave.
async fn take_back(log: &Rc<PartitionLog>, base: Offset, version: u32) -> Result<(), LogError> {
    log.shard.files.forget(log.id, base, version);
    let undone = async {
        for kind in MADE.into_iter().rev() {
            for path in [kind.swap_path(&log.dir, base), kind.cleaned_path(&log.dir, base)] {
                match disk::remove_file(&path).await {
                    Err(e) if e.kind() != ErrorKind::NotFound => {
                        return Err(FileError::new(path, "remove", &e));
                    }
                    _ => {}
                }
            }
        }
        sync_dir(&log.dir).await
    };
    undone.await.map_err(|e| {
        log.stop_failed(e.clone());
        LogError::File(e)
    })
}

/// From here on the new segment is the one that is read. False if the old ones are not all there.
fn take_place(log: &Rc<PartitionLog>, group: &[OldSegment], cleaned: CleanedSegment) -> bool {
    let freed = {
        let mut guard = log.state.borrow_mut();
        let state = &mut *guard;
        let first = state.segments.partition_point(|s| s.base < cleaned.base);
        let last = first + group.len();
        let same = |(new, old): (&Segment, &OldSegment)| (new.base, new.version) == (old.base, old.version);
        if last >= state.segments.len() || !state.segments.range(first..last).zip(group).all(same) {
            return false;
        }
        let created_ms = state.segments[last - 1].created_ms;
        let segment = Segment {
            bytes: cleaned.bytes,
            // From memory until the files have their names.
            index: SegmentIndex::Building(Box::new(cleaned.index)),
            first_timestamp_ms: cleaned.first_timestamp_ms,
            newest_ms: Some(cleaned.newest_ms),
            version: cleaned.version,
            ..Segment::new(cleaned.base, created_ms, 0)
        };
        state.segments.drain(first..last);
        state.segments.insert(first, segment);
        // Readers of what was compacted shall see that it was.
        let end = state.segments[first + 1].base;
        let old = state
            .aborted
            .partition_point(|one| one.last_offset < cleaned.base)
            ..state.aborted.partition_point(|one| one.last_offset < end);
        state.aborted.splice(old, cleaned.aborted);
        let written = state.writer.written.offset;
        let until = end
            .min(written)
            .min(state.submitted.offset)
            .min(state.durable.offset);
        state.tail.evict_before(until)
    };
    log.shard.forget_tail(freed);
    log.shard
        .files
        .pin(log.id, cleaned.base, cleaned.version, cleaned.file);
    for old in group {
        log.shard.files.forget(log.id, old.base, old.version);
        log.shard.read_cache.forget_segment(log.id, old.base, old.version);
    }
    true
}

/// Gives all files the names they stay with.
async fn rename_all(log: &PartitionLog, group: &[OldSegment], made: &[SegmentFile]) -> Result<(), FileError> {
    let base = group[0].base;
    let mut doomed: Vec<PathBuf> = Vec::new();
    for old in &group[1..] {
        for kind in SegmentFile::ALL {
            let path = log.dir.join(kind.name(old.base));
            let deleted = log.dir.join(kind.name(old.base) + DELETED_SUFFIX);
            match disk::rename(&path, &deleted).await {
                Ok(()) => doomed.push(deleted),
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(FileError::new(path, "rename", &e)),
            }
        }
    }
    let (log_file, indexes) = made.split_last().expect("the log file is made");
    for kind in indexes {
        rename(&kind.swap_path(&log.dir, base), &kind.path(&log.dir, base)).await?;
    }
    sync_dir(&log.dir).await?;
    rename(
        &log_file.swap_path(&log.dir, base),
        &log_file.path(&log.dir, base),
    )
    .await?;
    sync_dir(&log.dir).await?;
    let delay = Duration::from_millis(log.config().file_delete_delay_ms.unsigned_abs());
    for path in doomed {
        log.shard.chores.add_file(rt::now().plus(delay), path);
    }
    Ok(())
}

async fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    disk::rename(from, to)
        .await
        .map_err(|e| FileError::new(from, "rename", &e))
}

async fn sync_dir(dir: &Path) -> Result<(), FileError> {
    disk::sync_dir(dir)
        .await
        .map_err(|e| FileError::new(dir, "sync", &e))
}

/// Held while files get other names: whoever deletes the partition waits for its end.
pub(in crate::log) struct SwapTurn(Rc<PartitionLog>);

impl SwapTurn {
    /// `None` if the partition takes no records any more.
    pub fn take(log: &Rc<PartitionLog>) -> Option<SwapTurn> {
        // Whoever copies the partition's files has one.
        if log.stopped().is_some() || log.state.borrow().swapping {
            return None;
        }
        log.state.borrow_mut().swapping = true;
        Some(SwapTurn(log.clone()))
    }
}

impl Drop for SwapTurn {
    fn drop(&mut self) {
        self.0.state.borrow_mut().swapping = false;
        self.0.shard.segment_written.notify_all();
    }
}
