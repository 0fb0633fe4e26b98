//! Copies what stays of a group of segments into one new segment.

use super::cleaned_segment::CleanedSegment;
use super::compact::{Over, Trouble};
use super::filter::{Fate, Kept, Rules};
use super::group::OldSegment;
use super::segment_reader::SegmentReader;
use super::throttle::Throttle;
use crate::base::limits::MAX_FRAME_BYTES;
use crate::log::file_names::SegmentFile;
use crate::log::partition::PartitionLog;
use crate::rt::{self, disk};
use crate::wire::records::{BatchError, BatchView};
use std::rc::Rc;

/// Largest size the records of a compressed batch may have, in bytes: the same as when it was appended.
pub(super) const MAX_DECOMPRESSED_BYTES: usize = MAX_FRAME_BYTES;
/// After so many records of a batch others may run.
pub(super) const RECORDS_PER_STEP: usize = 256;

/// What one pass works with.
pub(super) struct Cleaning<'a> {
    pub log: &'a Rc<PartitionLog>,
    pub rules: Rules<'a>,
    pub throttle: &'a Throttle,
    pub over: &'a Over<'a>,
}

impl Cleaning<'_> {
    /// The new segment, durable but for its names. `None` if there is but one old one, of which everything stays as it is;
    /// then nothing is left on the disk, nor after an error.
    pub async fn clean(&self, group: &[OldSegment]) -> Result<Option<CleanedSegment>, Trouble> {
        let (base, version) = (group[0].base, group[0].version + 1);
        let cleaned = self.copy(group, version).await;
        if !matches!(cleaned, Ok(Some(_))) {
            discard(self.log, base, version).await;
        }
        cleaned
    }

    async fn copy(&self, group: &[OldSegment], version: u32) -> Result<Option<CleanedSegment>, Trouble> {
        let mut cleaned = CleanedSegment::create(self.log, group[0].base, version).await?;
        let interval_bytes = self.log.config().index_interval_bytes;
        let mut changed = group.len() > 1;
        for segment in group {
            let mut reader = SegmentReader::open(self.log, *segment, self.throttle).await?;
            while let Some(bytes) = reader.next(self.over).await? {
                if (self.over)() {
                    return Err(Trouble::Over);
                }
                let batch = BatchView::parse(&bytes).map_err(|e| reader.bad_batch(&e))?;
                let fate = self.judge(&batch).await.map_err(|e| reader.bad_batch(&e))?;
                changed |= fate != Fate::Stays;
                let stays = match &fate {
                    Fate::Stays => &bytes[..],
                    Fate::Becomes(made) => made,
                    Fate::Goes => continue,
                };
                let written = cleaned.push(interval_bytes, stays).await?;
                self.throttle.used(written, self.over).await;
            }
        }
        if !changed {
            return Ok(None);
        }
        let written = cleaned.finish(self.log).await?;
        self.throttle.used(written, self.over).await;
        Ok(Some(cleaned))
    }

    async fn judge(&self, batch: &BatchView<'_>) -> Result<Fate, BatchError> {
        let header = batch.header();
        if self.rules.copies(header) {
            return Ok(Fate::Stays);
        }
        let open = batch.open(MAX_DECOMPRESSED_BYTES)?;
        let mut kept = Kept::default();
        for (index, record) in open.records().enumerate() {
            let record = record?;
            self.rules.judge(header, &record, &mut kept);
            if index % RECORDS_PER_STEP == RECORDS_PER_STEP - 1 {
                rt::yield_if_needed().await;
            }
        }
        rt::yield_if_needed().await;
        self.rules.fate(batch, &open, &kept)
    }
}

/// Removes the files of a segment that does not take anybody's place. What can't be removed, the next start removes.
pub(super) async fn discard(log: &PartitionLog, base: crate::base::ids::Offset, version: u32) {
    log.shard.files.forget(log.id, base, version);
    for kind in [SegmentFile::Log, SegmentFile::OffsetIndex, SegmentFile::TimeIndex] {
        let _ = disk::remove_file(kind.cleaned_path(&log.dir, base)).await;
    }
}
