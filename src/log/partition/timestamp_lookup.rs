//! Finds records by time, for ListOffsets.

use super::{MinOneBatch, PartitionLog, ReadUpto, SegmentIndex};
use crate::base::ids::{LeaderEpoch, Offset};
use crate::log::file_names::SegmentFile;
use crate::log::segment::{TimeIndex, TimestampOffset};
use crate::log::{Damage, ReadError};
use crate::rt;
use crate::wire::records::{BatchError, BatchHeader, BatchView, TimestampType, batches};
use std::rc::Rc;

const MAX_INDEX_BYTES: u64 = 64 << 20;
/// How much is read at a time while looking for a record.
const STEP_BYTES: usize = 1 << 20;
/// Largest size the records of a compressed batch may have, in bytes.
const MAX_DECOMPRESSED_BYTES: usize = crate::base::limits::MAX_FRAME_BYTES;

/// A record found by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampHit {
    /// Its timestamp, in ms.
    pub timestamp_ms: i64,
    /// Its offset.
    pub offset: Offset,
    /// The leader epoch of its batch.
    pub leader_epoch: LeaderEpoch,
}

/// What is looked for in the batches of a segment.
#[derive(Clone, Copy)]
enum Wanted {
    AtLeast(i64),
    Exactly(i64),
}

/// How the largest timestamp of a segment is told in which the log begins.
#[derive(Clone, Copy)]
enum FirstSegment {
    /// By its index, which counts the records before the log's start as well.
    ByIndex,
    /// By its records.
    ByRecords,
}

impl Wanted {
    fn timestamp_ms(self) -> i64 {
        match self {
            Wanted::AtLeast(t) | Wanted::Exactly(t) => t,
        }
    }

    fn is(self, timestamp_ms: i64) -> bool {
        match self {
            Wanted::AtLeast(t) => timestamp_ms >= t,
            Wanted::Exactly(t) => timestamp_ms == t,
        }
    }
}

impl PartitionLog {
    /// The first record, by offset, whose timestamp is `timestamp_ms` or later. `None` if there is none up to `upto`.
    pub async fn offset_for_timestamp(
        self: &Rc<Self>,
        timestamp_ms: i64,
        upto: ReadUpto,
    ) -> Result<Option<TimestampHit>, ReadError> {
        let bases: Vec<Offset> = self.state.borrow().segments.iter().map(|s| s.base).collect();
        for base in bases {
            let index = self.time_index(base).await;
            if index
                .largest
                .is_some_and(|largest| largest.timestamp_ms < timestamp_ms)
            {
                continue;
            }
            let begin = Offset(base.0 + i64::from(index.lookup(timestamp_ms)));
            let found = self
                .scan(begin, base, Wanted::AtLeast(timestamp_ms), upto)
                .await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The first record with the largest timestamp, up to `upto`. `None` if there is no record.
    pub async fn max_timestamp(self: &Rc<Self>, upto: ReadUpto) -> Result<Option<TimestampHit>, ReadError> {
        let found = self.max_timestamp_by(FirstSegment::ByIndex, upto).await?;
        match found {
            // The record that the first segment's index names lies before the log's start.
            None if self.log_start() < self.log_end() => {
                self.max_timestamp_by(FirstSegment::ByRecords, upto).await
            }
            found => Ok(found),
        }
    }

    async fn max_timestamp_by(
        self: &Rc<Self>,
        first: FirstSegment,
        upto: ReadUpto,
    ) -> Result<Option<TimestampHit>, ReadError> {
        let bases: Vec<Offset> = self.state.borrow().segments.iter().map(|s| s.base).collect();
        let mut largest: Option<(TimestampOffset, Offset)> = None;
        for base in bases {
            let of_segment = match first {
                FirstSegment::ByRecords if base < self.log_start() => {
                    self.largest_from_start(base, upto).await?
                }
                _ => self.time_index(base).await.largest,
            };
            if let Some(entry) = of_segment
                && largest.is_none_or(|(l, _)| entry.timestamp_ms > l.timestamp_ms)
            {
                largest = Some((entry, base));
            }
        }
        let Some((entry, base)) = largest else {
            return Ok(None);
        };
        // The entry names a record of the first batch with it.
        let begin = base.plus(i64::from(entry.relative_offset));
        self.scan(begin, base, Wanted::Exactly(entry.timestamp_ms), upto)
            .await
    }

    /// The largest timestamp among the records of a segment that do not lie before the log's start. Batches' headers say it,
    /// but for the one that the start lies in.
    async fn largest_from_start(
        self: &Rc<Self>,
        segment: Offset,
        upto: ReadUpto,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        let end = self.segment_end(segment);
        let mut largest: Option<TimestampOffset> = None;
        let mut from = self.log_start();
        while from < end {
            from = from.max(self.log_start());
            let bytes = self
                .read_plan(from, STEP_BYTES, MinOneBatch::Yes, upto)?
                .execute()
                .await?
                .to_vec();
            if bytes.is_empty() {
                break;
            }
            for batch in batches(&bytes) {
                let batch = batch.map_err(|e| self.unreadable(from, segment, &e.to_string()))?;
                let header = batch.header();
                if header.base_offset >= end {
                    // A read from memory does not stop at a segment's end.
                    return Ok(largest);
                }
                from = header.next_offset();
                let timestamp_ms = match self.begins_in(header) {
                    true => self.largest_of_rest(&batch, segment)?,
                    false => header.max_timestamp,
                };
                let counts = timestamp_ms >= 0 && !header.attributes.is_control();
                if counts && largest.is_none_or(|l| timestamp_ms > l.timestamp_ms) {
                    largest = Some(TimestampOffset {
                        timestamp_ms,
                        relative_offset: (header.last_offset().0 - segment.0) as u32,
                    });
                }
            }
            rt::yield_if_needed().await;
        }
        Ok(largest)
    }

    /// Whether records of the batch lie before the log's start, and others not.
    fn begins_in(&self, header: &BatchHeader) -> bool {
        (header.base_offset.plus(1)..header.next_offset()).contains(&self.log_start())
    }

    /// The largest timestamp of a batch's records that do not lie before the log's start, -1 for none.
    fn largest_of_rest(&self, batch: &BatchView<'_>, segment: Offset) -> Result<i64, ReadError> {
        let header = batch.header();
        let unreadable = |e: BatchError| self.unreadable(header.base_offset, segment, &e.to_string());
        if header.attributes.timestamp_type() == TimestampType::LogAppendTime {
            return Ok(header.max_timestamp);
        }
        let log_start = self.log_start();
        let mut largest_ms = -1;
        for record in batch.open(MAX_DECOMPRESSED_BYTES).map_err(unreadable)?.records() {
            let record = record.map_err(unreadable)?;
            if record.offset >= log_start {
                largest_ms = largest_ms.max(record.timestamp_ms);
            }
        }
        Ok(largest_ms)
    }

    /// Where the next segment begins, or the log ends.
    fn segment_end(&self, segment: Offset) -> Offset {
        let state = self.state.borrow();
        let later = state.segments.iter().find(|s| s.base > segment);
        later.map_or(state.positions.log_end, |s| s.base)
    }

    /// Reads batches from `begin` to the end of the segment, and looks into those that may have what is wanted.
    async fn scan(
        self: &Rc<Self>,
        begin: Offset,
        segment: Offset,
        wanted: Wanted,
        upto: ReadUpto,
    ) -> Result<Option<TimestampHit>, ReadError> {
        let end = self.segment_end(segment);
        let mut from = begin.max(self.log_start());
        while from < end {
            // It may move meanwhile.
            from = from.max(self.log_start());
            let plan = self.read_plan(from, STEP_BYTES, MinOneBatch::Yes, upto)?;
            let bytes = plan.execute().await?.to_vec();
            if bytes.is_empty() {
                return Ok(None);
            }
            for batch in batches(&bytes) {
                let batch = batch.map_err(|e| self.unreadable(from, segment, &e.to_string()))?;
                if let Some(hit) = self.look_into(&batch, from, segment, wanted)? {
                    return Ok(Some(hit));
                }
                from = batch.header().next_offset();
            }
            rt::yield_if_needed().await;
        }
        Ok(None)
    }

    fn look_into(
        &self,
        batch: &BatchView<'_>,
        from: Offset,
        segment: Offset,
        wanted: Wanted,
    ) -> Result<Option<TimestampHit>, ReadError> {
        let header = batch.header();
        if header.attributes.is_control() || header.max_timestamp < wanted.timestamp_ms() {
            return Ok(None);
        }
        let log_start = self.log_start();
        let open = batch
            .open(MAX_DECOMPRESSED_BYTES)
            .map_err(|e| self.unreadable(from, segment, &e.to_string()))?;
        for record in open.records() {
            let record = record.map_err(|e| self.unreadable(from, segment, &e.to_string()))?;
            let timestamp_ms = match header.attributes.timestamp_type() {
                TimestampType::CreateTime => record.timestamp_ms,
                TimestampType::LogAppendTime => header.max_timestamp,
            };
            if wanted.is(timestamp_ms) && record.offset >= log_start {
                return Ok(Some(TimestampHit {
                    timestamp_ms,
                    offset: record.offset,
                    leader_epoch: header.partition_leader_epoch,
                }));
            }
        }
        Ok(None)
    }

    async fn time_index(&self, base: Offset) -> SegmentTimes {
        {
            let state = self.state.borrow();
            if let Some(segment) = state.segments.iter().find(|s| s.base == base)
                && let SegmentIndex::Building(index) = &segment.index
            {
                let entries = TimeIndex::of(index.times().to_vec());
                return SegmentTimes {
                    largest: index.max_timestamp(),
                    index: entries,
                };
            }
        }
        let path = SegmentFile::TimeIndex.path(&self.dir, base);
        let bytes = rt::disk::read_file(&path, MAX_INDEX_BYTES)
            .await
            .unwrap_or_default();
        // Without a usable index the segment is looked through: slow, not wrong.
        let index = TimeIndex::parse(&bytes).unwrap_or_default();
        SegmentTimes {
            largest: index.last(),
            index,
        }
    }

    fn unreadable(&self, offset: Offset, segment: Offset, what: &str) -> ReadError {
        ReadError::Damaged(Damage {
            path: SegmentFile::Log.path(&self.dir, segment),
            position: 0,
            offset: Some(offset),
            what: what.to_string(),
        })
    }
}

/// A segment's time index, from memory or from its file.
struct SegmentTimes {
    largest: Option<TimestampOffset>,
    index: TimeIndex,
}

impl SegmentTimes {
    fn lookup(&self, timestamp_ms: i64) -> u32 {
        self.index.lookup(timestamp_ms)
    }
}
