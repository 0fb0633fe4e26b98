//! The oldest segments of a partition: whether they have lived long enough, and how they go.

use super::read_disk::DiskRead;
use super::{MinOneBatch, PartitionLog, Segment, SegmentIndex};
use crate::base::ids::Offset;
use crate::log::file_names::{DELETED_SUFFIX, SegmentFile};
use crate::log::recovery::largest_timestamp;
use crate::log::retention::{LogBounds, Retention, SegmentAge, decide};
use crate::log::segment::TimeIndex;
use crate::log::{FileError, LogError, LogStopped};
use crate::rt::{self, disk};
use crate::wire::records::BatchHeader;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

/// Largest time index that is read, in bytes: Kafka's for a segment of 4 GiB with an entry per KiB.
const MAX_INDEX_BYTES: u64 = 64 << 20;

impl PartitionLog {
    /// Where the log is to begin by its retention, if that is further than now. If all of it is to go, a new segment has
    /// been begun when this is ready.
    pub(in crate::log) async fn retained_from(
        self: &Rc<Self>,
        now_ms: i64,
    ) -> Result<Option<Offset>, LogError> {
        loop {
            let (decision, base) = self.decide_retention(now_ms);
            match (decision, base) {
                (Retention::LookUp(_), Some(base)) => {
                    let newest_ms = self.look_up_newest(base).await?;
                    if let Some(segment) = self.state.borrow_mut().segment_mut(base) {
                        segment.newest_ms = Some(newest_ms);
                    }
                }
                (Retention::BeginAt(start), _) => {
                    if self.state.borrow_mut().roll_at(start, &self.config(), now_ms) {
                        self.open_segment_at(start).await?;
                    }
                    return Ok(Some(start));
                }
                _ => return Ok(None),
            }
        }
    }

    fn decide_retention(&self, now_ms: i64) -> (Retention, Option<Offset>) {
        let state = self.state.borrow();
        let log_end = state.positions.log_end;
        let ends = state.segments.iter().skip(1).map(|s| s.base).chain([log_end]);
        let ages: Vec<_> = state
            .segments
            .iter()
            .zip(ends)
            .map(|(segment, end)| SegmentAge {
                end,
                bytes: segment.bytes,
                newest_ms: segment.age_from_ms(),
            })
            .collect();
        let bounds = LogBounds {
            log_start: state.positions.log_start,
            deletable_below: state.positions.high_watermark.min(state.positions.durable_end),
        };
        let decision = decide(&ages, bounds, &self.config.borrow(), now_ms);
        let base = match decision {
            Retention::LookUp(index) => Some(state.segments[index].base),
            _ => None,
        };
        (decision, base)
    }

    /// The largest timestamp in a closed segment. The end of its time index says it, but is under no checksum: it counts if
    /// the batch it names says the same. Else all of the segment is looked at.
    pub(in crate::log) async fn look_up_newest(self: &Rc<Self>, base: Offset) -> Result<i64, LogError> {
        let path = SegmentFile::TimeIndex.path(&self.dir, base);
        let bytes = disk::read_file(&path, MAX_INDEX_BYTES).await.unwrap_or_default();
        if let Some(last) = TimeIndex::parse(&bytes).and_then(|index| index.last()) {
            let at = base.plus(i64::from(last.relative_offset));
            let read = DiskRead::plan(self, at, at.plus(1).max(self.log_end()), 1, MinOneBatch::Yes);
            let named = read
                .execute()
                .await
                .map(|records| records.to_vec())
                .unwrap_or_default();
            let named = BatchHeader::parse(&named);
            if named.is_ok_and(|h| h.max_timestamp == last.timestamp_ms && h.last_offset() >= at) {
                return Ok(last.timestamp_ms);
            }
        }
        let (bytes, version) = {
            let state = self.state.borrow();
            let segment = state.segments.iter().find(|s| s.base == base);
            segment.map_or((0, 0), |s| (s.bytes, s.version))
        };
        let path = SegmentFile::Log.path(&self.dir, base);
        let file = self.shard.files.get(self.id, base, version, &path).await?;
        largest_timestamp(&file, &path, bytes, base)
            .await?
            .map_err(LogError::Damaged)
    }

    /// Takes the segments away that lie before the log's start, which is durable: their files get names that nobody reads
    /// at once, and leave the disk after `file.delete.delay.ms`. Who reads them goes on.
    ///
    /// The segment that follows has its file already: without any file a log would begin at 0 again.
    pub(in crate::log) async fn remove_old_segments(self: &Rc<Self>) -> Result<(), FileError> {
        let (removed, first) = {
            let mut state = self.state.borrow_mut();
            let mut removed = Vec::new();
            while state.first_is_old() {
                removed.extend(state.segments.pop_front().map(|s| (s.base, s.version)));
            }
            let first = state.segments[0].base;
            state.aborted.retain(|one| one.last_offset >= first);
            (removed, first)
        };
        if removed.is_empty() || matches!(self.stopped(), Some(LogStopped::Deleted | LogStopped::Moved)) {
            return Ok(());
        }
        for (base, version) in removed {
            self.shard.files.forget(self.id, base, version);
        }
        let entries = disk::read_dir(&self.dir)
            .await
            .map_err(|e| FileError::new(&self.dir, "list", &e))?;
        let delay = Duration::from_millis(self.config.borrow().file_delete_delay_ms.unsigned_abs());
        for entry in entries {
            // What an earlier attempt has left goes as well.
            if SegmentFile::parse(&entry.name).is_none_or(|(_, base)| base >= first) {
                continue;
            }
            let path = self.dir.join(&entry.name);
            let doomed = self.dir.join(entry.name + DELETED_SUFFIX);
            match disk::rename(&path, &doomed).await {
                Ok(()) => self.shard.chores.add_file(rt::now().plus(delay), doomed),
                // The partition was deleted meanwhile.
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(FileError::new(&path, "rename", &e)),
            }
        }
        Ok(())
    }
}

impl super::partition_log::PartitionState {
    /// Whether the first segment is closed, all of it lies before the log's start, and the next one has its file.
    fn first_is_old(&self) -> bool {
        let (Some(first), Some(next)) = (self.segments.front(), self.segments.get(1)) else {
            return false;
        };
        let next_has_file =
            matches!(next.index, SegmentIndex::OnDisk) || self.writer.segment == Some(next.base);
        matches!(first.index, SegmentIndex::OnDisk) && next.base <= self.positions.log_start && next_has_file
    }
}

impl Segment {
    /// What the segment's age is counted from. A segment whose records have no timestamps is as old as this server knows it.
    fn age_from_ms(&self) -> Option<i64> {
        self.newest_ms.map(|newest_ms| match newest_ms {
            0.. => newest_ms,
            _ => self.created_ms,
        })
    }
}
