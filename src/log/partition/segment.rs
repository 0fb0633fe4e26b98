//! What is known of a segment in memory.

use crate::base::ids::Offset;
use crate::log::segment::IndexBuild;

/// A segment of a partition; the last one is appended to.
#[derive(Debug)]
pub(in crate::log) struct Segment {
    /// Offset its file is named for.
    pub base: Offset,
    /// How often a compacted segment has taken its place. What is kept of a file in memory is kept by this too, so that
    /// nobody takes bytes of the old file for bytes of the new one.
    pub version: u32,
    /// Bytes of its batches, written or still in memory.
    pub bytes: u64,
    /// Its index.
    pub index: SegmentIndex,
    /// The time its age is counted from, in ms: the largest timestamp of its first batch, as in Kafka.
    pub first_timestamp_ms: Option<i64>,
    /// The largest timestamp of its records, in ms, -1 if none has one. `None`: nobody has looked yet.
    pub newest_ms: Option<i64>,
    /// When it was begun, by the wall clock, in ms.
    pub created_ms: i64,
    /// How much earlier than `segment.ms` it is closed, in ms.
    pub jitter_ms: i64,
    /// The producers as they were at its base, until that is written to the disk.
    pub producers_at_base: Option<Vec<u8>>,
}

/// Where a segment's index is.
#[derive(Debug)]
pub(in crate::log) enum SegmentIndex {
    /// In memory: the segment is written to, or about to be closed.
    Building(Box<IndexBuild>),
    /// In its files.
    OnDisk,
}

impl Segment {
    /// An empty segment.
    pub fn new(base: Offset, created_ms: i64, jitter_ms: i64) -> Segment {
        Segment {
            base,
            version: 0,
            bytes: 0,
            index: SegmentIndex::Building(Box::default()),
            first_timestamp_ms: None,
            newest_ms: Some(-1),
            created_ms,
            jitter_ms,
            producers_at_base: None,
        }
    }
}
