//! Hot path: produce. The index entries of the segment that is being written, kept in memory until it is closed.

use super::{OffsetPosition, TimestampOffset, offset_index};
use crate::base::ids::Offset;

/// How many entries are kept before every second one is dropped. At this number a 1 GiB segment has an entry per
/// 64 KiB or 128 KiB, less than one read from disk; the bound is what matters: 400 KB for an active segment of any size.
const MAX_ENTRIES: usize = 16 * 1024;

/// Grows with the segment: an entry for a batch each `interval` bytes, as Kafka.
#[derive(Clone, Debug, Default)]
pub struct IndexBuild {
    offsets: Vec<OffsetPosition>,
    times: Vec<TimestampOffset>,
    max_timestamp: Option<TimestampOffset>,
    interval_bytes: u64,
    bytes_since_entry: u64,
}

impl IndexBuild {
    /// What is known of a segment's first `bytes`, from its files: all entries lead there. A batch that is noted next stands
    /// behind them.
    pub fn resume(
        offsets: Vec<OffsetPosition>,
        times: Vec<TimestampOffset>,
        max_timestamp: Option<TimestampOffset>,
        bytes: u64,
    ) -> IndexBuild {
        let indexed = offsets.last().map_or(0, |entry| u64::from(entry.position));
        IndexBuild {
            offsets,
            times,
            max_timestamp,
            interval_bytes: 0,
            bytes_since_entry: bytes - indexed,
        }
    }

    /// Behind which byte it has no entry.
    pub fn indexed_bytes(&self) -> u64 {
        self.offsets.last().map_or(0, |entry| u64::from(entry.position))
    }

    /// Notes a batch at `position` of the segment.
    pub fn add(
        &mut self,
        interval_bytes: u64,
        position: u32,
        batch_bytes: u64,
        last_relative_offset: u32,
        max_timestamp_ms: i64,
    ) {
        if self
            .max_timestamp
            .is_none_or(|max| max_timestamp_ms > max.timestamp_ms)
        {
            self.max_timestamp = Some(TimestampOffset {
                timestamp_ms: max_timestamp_ms,
                relative_offset: last_relative_offset,
            });
        }
        if self.bytes_since_entry > interval_bytes.max(self.interval_bytes) {
            if self.offsets.len() >= MAX_ENTRIES {
                self.thin(interval_bytes);
            }
            self.offsets.push(OffsetPosition {
                relative_offset: last_relative_offset,
                position,
            });
            self.push_time();
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry += batch_bytes;
    }

    /// Drops every second entry and doubles the distance of those to come.
    fn thin(&mut self, interval_bytes: u64) {
        self.interval_bytes = self.interval_bytes.max(interval_bytes).max(1) * 2;
        let mut keep = false;
        self.offsets.retain(|_| {
            keep = !keep;
            keep
        });
        self.times.retain(|_| {
            keep = !keep;
            keep
        });
    }

    fn push_time(&mut self) {
        let Some(max) = self.max_timestamp else { return };
        if self
            .times
            .last()
            .is_none_or(|last| max.timestamp_ms > last.timestamp_ms)
        {
            self.times.push(max);
        }
    }

    /// Adds the time entry every closed segment ends with: its largest timestamp.
    pub fn close(&mut self) {
        self.push_time();
    }

    /// The largest timestamp, and the offset of (the last record of the batch with) it.
    pub fn max_timestamp(&self) -> Option<TimestampOffset> {
        self.max_timestamp
    }

    /// Where to begin reading for `target`. `None`: at the beginning.
    pub fn lookup(&self, base: Offset, target: Offset) -> Option<OffsetPosition> {
        offset_index::lookup(&self.offsets, base, target)
    }

    /// Size the larger of the index files would have, in bytes.
    pub fn file_bytes(&self) -> usize {
        (self.offsets.len() * 8).max(self.times.len() * 12)
    }

    /// The entries of the offset index.
    pub fn offsets(&self) -> &[OffsetPosition] {
        &self.offsets
    }

    /// The entries of the time index.
    pub fn times(&self) -> &[TimestampOffset] {
        &self.times
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::segment::{OffsetIndex, TimeIndex};

    #[test]
    fn entries_are_an_interval_apart_and_bounded() {
        let mut build = IndexBuild::default();
        let batches = 4 * MAX_ENTRIES as u32;
        for i in 0..batches {
            build.add(100, i * 101, 101, i, 1_000 + i64::from(i));
            assert!(build.offsets.len() <= MAX_ENTRIES);
        }
        build.close();
        assert_eq!(build.max_timestamp().unwrap().relative_offset, batches - 1);
        assert_eq!(build.times().last(), build.max_timestamp().as_ref());
        // What it would write can be read, and finds batches at or before the target.
        let log_bytes = u64::from(batches) * 101;
        let index = OffsetIndex::parse(&OffsetIndex::encode(build.offsets()), log_bytes).unwrap();
        assert!(TimeIndex::parse(&TimeIndex::encode(build.times())).is_some());
        for target in [0, 1, 77, batches / 2, batches - 1] {
            let entry = index.lookup(Offset(0), Offset(i64::from(target)));
            assert_eq!(entry, build.lookup(Offset(0), Offset(i64::from(target))));
            let position = entry.map_or(0, |e| e.position);
            assert!(position <= target * 101 && position.is_multiple_of(101));
        }
    }

    #[test]
    fn a_timestamp_that_falls_leaves_no_entry() {
        let mut build = IndexBuild::default();
        for (i, time) in [50, 40, 60, 60, 10].into_iter().enumerate() {
            build.add(0, i as u32 * 10, 10, i as u32, time);
        }
        build.close();
        let times: Vec<_> = build
            .times()
            .iter()
            .map(|t| (t.timestamp_ms, t.relative_offset))
            .collect();
        assert_eq!(times, [(50, 0), (60, 2)]);
    }
}
