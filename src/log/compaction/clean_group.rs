//! Copies what stays of a group of segments into one new segment.

use super::cleaned_segment::{CleanedSegment, MADE};
use super::compact::{Over, Trouble};
use super::filter::{Fate, Kept, Rules};
use super::group::OldSegment;
use super::segment_reader::SegmentReader;
use super::throttle::Throttle;
use super::transactions::{Standing, Transactions};
use crate::base::limits::MAX_FRAME_BYTES;
use crate::log::AbortedTransaction;
use crate::log::partition::PartitionLog;
use crate::rt::{self, disk};
use crate::wire::records::{
    BatchError, BatchView, ControlMarker, MarkerKind, OpenBatch, Opening, Retaining, empty_batch,
};
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
    ///
    /// Groups come in order: `transactions` walks through all of them.
    pub async fn clean(
        &self,
        group: &[OldSegment],
        transactions: &mut Transactions,
    ) -> Result<Option<CleanedSegment>, Trouble> {
        let (base, version) = (group[0].base, group[0].version + 1);
        let cleaned = self.copy(group, version, transactions).await;
        if !matches!(cleaned, Ok(Some(_))) {
            discard(self.log, base, version).await;
        }
        cleaned
    }

    async fn copy(
        &self,
        group: &[OldSegment],
        version: u32,
        transactions: &mut Transactions,
    ) -> Result<Option<CleanedSegment>, Trouble> {
        let mut cleaned = CleanedSegment::create(self.log, group[0].base, version).await?;
        // The file takes the place of the old one even if nothing is to be said any more.
        cleaned.tells_aborted = group.iter().any(|segment| segment.tells_aborted);
        let interval_bytes = self.log.config().index_interval_bytes;
        let mut changed = group.len() > 1;
        for segment in group {
            let mut reader = SegmentReader::open(self.log, *segment, self.throttle).await?;
            while let Some(bytes) = reader.next(self.over).await? {
                if (self.over)() {
                    return Err(Trouble::Over);
                }
                let batch = BatchView::parse(&bytes).map_err(|e| reader.bad_batch(&e))?;
                let filtered = self.filter(batch, transactions, &mut cleaned.aborted);
                let left = filtered.await.map_err(|e| reader.bad_batch(&e))?;
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

    /// What stays of a batch. The aborted transaction that ends with it, if one does and its marker stays, is added to `ended`.
    async fn filter(
        &self,
        batch: BatchView<'_>,
        transactions: &mut Transactions,
        ended: &mut Vec<AbortedTransaction>,
    ) -> Result<Left, BatchError> {
        let header = *batch.header();
        if !header.attributes.is_control() && transactions.records(&header) == Standing::Aborted {
            // What is in it need not be known.
            return Ok(match self.rules.fate(&header, &Kept::default()) {
                Fate::Stays => Left::All,
                Fate::GetsEmpty => Left::Some(empty_batch(&batch)),
                Fate::Goes | Fate::Shrinks(_) => Left::Nothing,
            });
        }
        let open = open_batch(batch).await?;
        let (standing, aborted) = match header.attributes.is_control() {
            true => transactions.control(&header, marker_kind(&open)?),
            false => (Standing::Counts, None),
        };
        let mut kept = Kept::default();
        for (index, record) in open.records().enumerate() {
            self.rules.judge(&header, standing, &record?, &mut kept);
            if index % RECORDS_PER_STEP == RECORDS_PER_STEP - 1 {
                rt::yield_if_needed().await;
            }
        }
        rt::yield_if_needed().await;
        ended.extend(aborted.filter(|_| kept.flags.contains(&true)));
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

/// The marker in a control batch, if its first record is one.
fn marker_kind(open: &OpenBatch<'_>) -> Result<Option<MarkerKind>, BatchError> {
    let first = open.records().next().transpose()?;
    let marker = first.and_then(|record| ControlMarker::from_record(&record));
    Ok(marker.map(|marker| marker.kind))
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
    for kind in MADE {
        let _ = disk::remove_file(kind.cleaned_path(&log.dir, base)).await;
    }
}
