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
use crate::wire::records::{BatchError, BatchView, OpenBatch, Opening, Retaining, empty_batch};
use std::rc::Rc;

/// Largest size the records of a compressed batch may have, in bytes: the same as when it was appended.
const MAX_DECOMPRESSED_BYTES: usize = MAX_FRAME_BYTES;
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
                let left = self.filter(batch).await.map_err(|e| reader.bad_batch(&e))?;
                changed |= !matches!(left, Left::All);
                let left = match &left {
                    Left::All => &bytes[..],
                    Left::Some(made) => made,
                    Left::Nothing => &[],
                };
                if left.is_empty() {
                    continue;
                }
                let written = cleaned.push(interval_bytes, left).await?;
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

    async fn filter(&self, batch: BatchView<'_>) -> Result<Left, BatchError> {
        let header = *batch.header();
        if self.rules.copies(&header) {
            return Ok(Left::All);
        }
        let open = open_batch(batch).await?;
        let mut kept = Kept::default();
        for (index, record) in open.records().enumerate() {
            self.rules.judge(&header, &record?, &mut kept);
            if index % RECORDS_PER_STEP == RECORDS_PER_STEP - 1 {
                rt::yield_if_needed().await;
            }
        }
        rt::yield_if_needed().await;
        match self.rules.fate(&header, &kept) {
            Fate::Stays => Ok(Left::All),
            Fate::Goes => Ok(Left::Nothing),
            Fate::GetsEmpty => Ok(Left::Some(empty_batch(&batch))),
            Fate::Shrinks(delete_horizon_ms) => {
                let mut retaining = Retaining::begin(batch, &open, &kept.flags, delete_horizon_ms)?;
                loop {
                    let made = retaining.step()?;
                    rt::yield_if_needed().await;
                    if let Some(made) = made {
                        return Ok(Left::Some(made));
                    }
                }
            }
        }
    }
}

/// What is left of a batch.
enum Left {
    All,
    Some(Vec<u8>),
    Nothing,
}

/// Makes the records of a batch readable, in small steps if they are compressed.
pub(super) async fn open_batch(batch: BatchView<'_>) -> Result<OpenBatch<'_>, BatchError> {
    if batch.compression().is_none() {
        return batch.open(MAX_DECOMPRESSED_BYTES);
    }
    let mut opening = Opening::begin(batch, MAX_DECOMPRESSED_BYTES)?;
    while opening.step()? {
        rt::yield_if_needed().await;
    }
    opening.finish()
}

/// Removes the files of a segment that does not take anybody's place. What can't be removed, the next start removes.
pub(super) async fn discard(log: &PartitionLog, base: crate::base::ids::Offset, version: u32) {
    log.shard.files.forget(log.id, base, version);
    for kind in [SegmentFile::Log, SegmentFile::OffsetIndex, SegmentFile::TimeIndex] {
        let _ = disk::remove_file(kind.cleaned_path(&log.dir, base)).await;
    }
}
