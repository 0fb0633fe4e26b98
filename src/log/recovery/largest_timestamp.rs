//! Looks through a closed segment for its largest timestamp, when its time index can't tell.

use super::partition_recovery::damage;
use super::segment_scan::{Continuity, scan_segment};
use crate::base::ids::Offset;
use crate::log::{Damage, FileError};
use crate::rt::disk::File;
use std::path::Path;

/// The largest timestamp in the first `bytes` of a segment's file, -1 if no record has one. The inner error: a batch is
/// damaged, so that nobody knows.
pub(in crate::log) async fn largest_timestamp(
    file: &File,
    path: &Path,
    bytes: u64,
    base: Offset,
) -> Result<Result<i64, Damage>, FileError> {
    let mut largest_ms = -1;
    let each =
        |header: &crate::wire::records::BatchHeader, _| largest_ms = header.max_timestamp.max(largest_ms);
    let end = scan_segment(file, path, bytes, (0, base), Continuity::Gaps, each).await?;
    Ok(match end.bad {
        None => Ok(largest_ms),
        Some(what) => Err(damage(path, end.position, Some(end.next_offset), &what)),
    })
}
