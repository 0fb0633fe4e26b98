//! Moves the place from which recovery begins to read, as a segment is synced.

use super::partition_log::PartitionState;
use super::{PartitionLog, SegmentIndex, write_whole};
use crate::base::ids::Offset;
use crate::log::FileError;
use crate::log::file_names::SegmentFile;
use crate::log::scan_point::{ProducersAt, ScanPoint};
use crate::log::segment::{OffsetIndex, TimeIndex};
use crate::rt::disk;
use std::sync::Arc;
use tracing::warn;

/// The end of the log as it was at one moment, to be a scan point when all before it is synced.
pub(in crate::log) struct ScanCandidate {
    point: ScanPoint,
    producers: Option<Vec<u8>>,
    indexes: Option<[(SegmentFile, Vec<u8>); 2]>,
}

impl PartitionState {
    /// The log's end as it is now. Files are written every `step_bytes`.
    pub(in crate::log) fn scan_candidate(&self, step_bytes: u64) -> Option<ScanCandidate> {
        let written = self.writer.scan_point.as_ref().map_or(0, |point| point.position);
        let (point, producers) = ScanPoint::at_end(self, written + step_bytes)?;
        let indexes = match &self.segments.back()?.index {
            SegmentIndex::Building(index) if point.position >= self.writer.indexed_bytes + step_bytes => {
                Some([
                    (SegmentFile::OffsetIndex, OffsetIndex::encode(index.offsets())),
                    (SegmentFile::TimeIndex, TimeIndex::encode(index.times())),
                ])
            }
            _ => None,
        };
        Some(ScanCandidate {
            point,
            producers,
            indexes,
        })
    }
}

impl PartitionLog {
    /// All before the candidate is synced: recovery may begin there. In its writer's turn. What goes wrong here makes a
    /// recovery slower, no more.
    pub(in crate::log) async fn take_scan_point(&self, candidate: ScanCandidate) {
        let ScanCandidate {
            point,
            producers,
            indexes,
        } = candidate;
        let (base, position) = (point.base, point.position);
        if self.state.borrow().writer.segment != Some(base) {
            return;
        }
        let written = async {
            if let Some(producers) = producers {
                let path = SegmentFile::ProducerSnapshot.path(&self.dir, point.offset);
                write_whole(&path, producers).await?;
            }
            self.put_scan_point(point).await?;
            for (kind, bytes) in indexes.into_iter().flatten() {
                // Before the attempt: one that fails is not made again at once.
                self.state.borrow_mut().writer.indexed_bytes = position;
                write_whole(&kind.path(&self.dir, base), bytes).await?;
            }
            Ok::<_, FileError>(())
        };
        if let Err(e) = written.await {
            warn!(partition = ?self, error = %e, "a restart will take longer");
        }
    }

    /// Notes what recovery has found, all of it synced, so that a second one does not read it again.
    pub(in crate::log) fn note_recovered(&self) {
        self.begin_scan_at_end();
        self.note_checkpoint();
    }

    /// The next recovery begins to read where the log ends now: all of it is synced, with its epochs.
    pub(in crate::log) fn begin_scan_at_end(&self) {
        let state = &mut *self.state.borrow_mut();
        let end = state.writer.segment == state.segments.back().map(|s| s.base);
        // What needs a file waits for the next sync.
        if let Some((point, None)) = ScanPoint::at_end(state, u64::MAX).filter(|_| end) {
            state.writer.scan_point = Some(Arc::new(point));
        }
    }

    /// Notes a scan point whose files are there, and removes the snapshot that none refers to any more.
    async fn put_scan_point(&self, point: ScanPoint) -> Result<(), FileError> {
        let stale = {
            let writer = &mut self.state.borrow_mut().writer;
            let before = writer.scan_point.replace(Arc::new(point));
            match before {
                // The checkpoint on disk may still refer to this one: that before it goes.
                Some(before) if before.producers == ProducersAt::File => {
                    writer.old_snapshot.replace(before.offset)
                }
                _ => None,
            }
        };
        self.note_checkpoint();
        match stale {
            Some(offset) => self.remove_snapshot(offset).await,
            None => Ok(()),
        }
    }

    async fn remove_snapshot(&self, offset: Offset) -> Result<(), FileError> {
        let path = SegmentFile::ProducerSnapshot.path(&self.dir, offset);
        match disk::remove_file(&path).await {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(FileError::new(&path, "remove", &e)),
            _ => Ok(()),
        }
    }
}
