//! Ends what a crash has left of a compaction: a new segment whose place was decided takes it. Kafka leaves the same names.

use super::partition_recovery::damaged;
use super::segment_scan::{Continuity, scan_segment};
use crate::base::ids::Offset;
use crate::log::file_names::{CLEANED_SUFFIX, SWAP_SUFFIX, SegmentFile};
use crate::log::{FileError, PartitionOffline};
use crate::rt::disk::{self, DirEntry};
use std::path::Path;

/// Brings segments that end in `.swap` to their place, and removes what has no such segment. Gives the directory's files
/// as they are then.
///
/// A log file of that name is whole and synced. It stands for the segment with its base and those that begin before its
/// last record: one behind that is complete by itself, if there is one.
///
/// Where the directory is only looked at, gives the files as they would be, and the segments whose file still has its name.
pub(super) async fn finish_swaps(
    dir: &Path,
    entries: Vec<DirEntry>,
    is_looked_at: bool,
) -> Result<(Vec<DirEntry>, Vec<Offset>), PartitionOffline> {
    let swaps: Vec<(SegmentFile, Offset)> = entries
        .iter()
        .filter_map(|e| e.name.strip_suffix(SWAP_SUFFIX))
        .filter_map(SegmentFile::parse)
        .collect();
    if swaps.is_empty() {
        return Ok((entries, Vec::new()));
    }
    if is_looked_at {
        return look_past_swaps(dir, entries, &swaps).await;
    }
    for &(kind, base) in &swaps {
        if kind == SegmentFile::Log {
            finish_swap(dir, &entries, base).await?;
        }
    }
    for &(kind, base) in &swaps {
        if !swaps.contains(&(SegmentFile::Log, base)) {
            remove(&kind.swap_path(dir, base)).await?;
        }
    }
    let entries = disk::read_dir(dir)
        .await
        .map_err(|e| FileError::new(dir, "list", &e))?;
    Ok((entries, Vec::new()))
}

async fn look_past_swaps(
    dir: &Path,
    mut entries: Vec<DirEntry>,
    swaps: &[(SegmentFile, Offset)],
) -> Result<(Vec<DirEntry>, Vec<Offset>), PartitionOffline> {
    let logs = swaps.iter().filter(|(kind, _)| *kind == SegmentFile::Log);
    let swapped: Vec<Offset> = logs.map(|(_, base)| *base).collect();
    for &base in &swapped {
        let end = swap_end(dir, base).await?;
        entries.retain(|entry| {
            SegmentFile::parse(&entry.name).is_none_or(|(kind, old)| {
                !(base < old && old < end) && (kind, old) != (SegmentFile::Log, base)
            })
        });
        let swap = SegmentFile::Log.name(base) + SWAP_SUFFIX;
        let made = entries.iter_mut().find(|entry| entry.name == swap);
        made.expect("it was listed").name = SegmentFile::Log.name(base);
    }
    Ok((entries, swapped))
}

async fn finish_swap(dir: &Path, entries: &[DirEntry], base: Offset) -> Result<(), PartitionOffline> {
    let has = |name: &str| entries.iter().any(|e| e.name == name);
    let end = swap_end(dir, base).await?;
    for entry in entries {
        if let Some((kind, old)) = SegmentFile::parse(&entry.name)
            && old > base
            && old < end
        {
            remove(&kind.path(dir, old)).await?;
        }
    }
    for kind in [
        SegmentFile::OffsetIndex,
        SegmentFile::TimeIndex,
        SegmentFile::TransactionIndex,
    ] {
        let made = [SWAP_SUFFIX, CLEANED_SUFFIX].map(|suffix| kind.name(base) + suffix);
        if let Some(made) = made.iter().find(|name| has(name)) {
            rename(&dir.join(made), &kind.path(dir, base)).await?;
        }
    }
    sync(dir).await?;
    rename(
        &SegmentFile::Log.swap_path(dir, base),
        &SegmentFile::Log.path(dir, base),
    )
    .await?;
    sync(dir).await
}

/// Behind the last record of a segment that is to take its place.
async fn swap_end(dir: &Path, base: Offset) -> Result<Offset, PartitionOffline> {
    let path = SegmentFile::Log.swap_path(dir, base);
    let options = disk::OpenOptions {
        read: true,
        ..disk::OpenOptions::default()
    };
    let file = disk::File::open(&path, &options)
        .await
        .map_err(|e| FileError::new(&path, "open", &e))?;
    let bytes = file.len().map_err(|e| FileError::new(&path, "look at", &e))?;
    let end = scan_segment(&file, &path, bytes, (0, base), Continuity::Gaps, |_, _| {}).await?;
    // Nothing was written through it.
    let _ = file.close().await;
    match end.bad {
        None if end.position == bytes => Ok(end.next_offset),
        None => Err(damaged(
            &path,
            end.position,
            Some(end.next_offset),
            "zeros at its end",
        )),
        Some(what) => Err(damaged(&path, end.position, Some(end.next_offset), &what)),
    }
}

async fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    disk::rename(from, to)
        .await
        .map_err(|e| FileError::new(from, "rename", &e))
}

async fn remove(path: &Path) -> Result<(), FileError> {
    disk::remove_file(path)
        .await
        .map_err(|e| FileError::new(path, "remove", &e))
}

async fn sync(dir: &Path) -> Result<(), PartitionOffline> {
    Ok(disk::sync_dir(dir)
        .await
        .map_err(|e| FileError::new(dir, "sync", &e))?)
}
