//! Whether recovery can begin at a scan point, and what of the segment's index is on the disk before it.

use super::partition_recovery::MAX_SMALL_FILE_BYTES;
use crate::base::ids::Offset;
use crate::log::data_dir::Checkpoint;
use crate::log::epoch_cache::EpochCache;
use crate::log::file_names::SegmentFile;
use crate::log::producer::{ProducerTable, decode_snapshot};
use crate::log::scan_point::{ProducersAt, ScanPoint};
use crate::log::segment::{IndexBuild, OffsetIndex, TimeIndex};
use crate::rt::disk::{self, DirEntry};
use std::path::Path;
use std::sync::Arc;
use tracing::warn;

/// Where recovery begins to read.
pub(super) struct Begin {
    pub point: Arc<ScanPoint>,
    pub producers: ProducerTable,
}

/// The checkpoint's scan point, if everything it refers to is there. If not, more is read, and that decides.
pub(super) async fn usable_scan_point(
    dir: &Path,
    checkpoint: &Checkpoint,
    logs: &[(Offset, u64)],
    snapshots: &[Offset],
    epochs: &EpochCache,
) -> Option<Begin> {
    let point = checkpoint.scan_point.clone()?;
    let at = logs.binary_search_by_key(&point.base, |(base, _)| *base).ok()?;
    let ends_before_next = logs.get(at + 1).is_none_or(|(next, _)| point.offset <= *next);
    // The epochs of what is not read are in their file, which is written before the sync.
    let fits = point.position <= logs[at].1
        && point.base < point.offset
        && point.offset <= checkpoint.recovery_point
        && ends_before_next
        && epochs.latest().is_some();
    if !fits {
        return None;
    }
    let producers = match &point.producers {
        ProducersAt::Inline(bytes) if bytes.is_empty() => ProducerTable::default(),
        ProducersAt::Inline(bytes) => decode_snapshot(bytes).ok()?,
        ProducersAt::File => {
            snapshots.binary_search(&point.offset).ok()?;
            let path = SegmentFile::ProducerSnapshot.path(dir, point.offset);
            let bytes = disk::read_file(&path, MAX_SMALL_FILE_BYTES).await.ok()?;
            decode_snapshot(&bytes)
                .inspect_err(|e| {
                    warn!(path = %path.display(), what = e.what, "a producer snapshot is damaged: more of the log is read");
                })
                .ok()?
        }
    };
    Some(Begin { point, producers })
}

/// What the index files of a segment say of the bytes before a scan point. Without them reads begin further ahead.
pub(super) async fn read_index(dir: &Path, entries: &[DirEntry], point: &ScanPoint) -> IndexBuild {
    let name = SegmentFile::OffsetIndex.name(point.base);
    let is_empty = !entries.iter().any(|e| e.name == name && e.len > 0);
    let (offsets, times) = if is_empty {
        (Vec::new(), Vec::new())
    } else {
        let read = |kind: SegmentFile| {
            let path = kind.path(dir, point.base);
            async move {
                let bytes = disk::read_file(&path, MAX_SMALL_FILE_BYTES).await;
                bytes.unwrap_or_default()
            }
        };
        let offsets = OffsetIndex::parse(&read(SegmentFile::OffsetIndex).await, u64::MAX).unwrap_or_default();
        let times = TimeIndex::parse(&read(SegmentFile::TimeIndex).await).unwrap_or_default();
        (offsets.entries().to_vec(), times.entries().to_vec())
    };
    let before = |relative: u32| point.base.plus(i64::from(relative)) < point.offset;
    let offsets = offsets
        .into_iter()
        .take_while(|e| u64::from(e.position) < point.position && before(e.relative_offset))
        .collect();
    let known_ms = |ms: i64| point.max_timestamp.is_some_and(|max| ms <= max.timestamp_ms);
    let times = times
        .into_iter()
        .take_while(|e| before(e.relative_offset) && known_ms(e.timestamp_ms))
        .collect();
    IndexBuild::resume(offsets, times, point.max_timestamp, point.position)
}
