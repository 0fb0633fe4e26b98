//! Copies a partition segment by segment, as far as its batches are good.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};

use crate::base::ids::{LeaderEpoch, Offset, ProducerId};
use crate::log::aborted_transactions::AbortedTransaction;
use crate::log::epoch_cache::EpochCache;
use crate::log::inspect::segment_inspection::{check_batch, end, read_batch};
use crate::log::inspect::{Depth, End};
use crate::log::producer::{ProducerTable, decode_snapshot, encode_snapshot};
use crate::log::segment::{IndexBuild, OffsetIndex, TimeIndex};
use crate::wire::records::{BatchHeader, BatchView, ControlMarker, MarkerKind, patch_base_offset_and_epoch};

/// Bytes between two entries of an index: Kafka's default.
const INDEX_INTERVAL_BYTES: u64 = 4096;
/// Where a message's or batch's format is said, in all formats.
const MAGIC_AT: usize = 16;

/// What becomes of the leader epochs in the batches. They are not part of what a batch's checksum covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epochs {
    /// They stay.
    Keep,
    /// All become this one.
    All(LeaderEpoch),
}

/// Why a copy could not be made.
#[derive(Debug)]
pub enum CopyError {
    /// The segment can't be read.
    Read(io::Error),
    /// The copy can't be written.
    Write(io::Error),
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CopyError::Read(error) => write!(f, "it can't be read: {error}"),
            CopyError::Write(error) => write!(f, "its copy can't be written: {error}"),
        }
    }
}

impl std::error::Error for CopyError {}

/// A segment that has been copied up to its last good batch.
#[derive(Debug)]
pub struct CopiedSegment {
    /// Bytes of the copy.
    pub bytes: u64,
    /// Records in it.
    pub records: u64,
    /// Behind its last batch; its base if there is none.
    pub next_offset: Offset,
    /// What stood behind the last good batch.
    pub end: End,
    /// Whether that looks like messages of a format before Kafka 0.11, and which: 0 or 1.
    pub old_format: Option<u8>,
    /// Its `.index`.
    pub offset_index: Vec<u8>,
    /// Its `.timeindex`.
    pub time_index: Vec<u8>,
    /// The transactions whose abort markers are in it.
    pub aborted: Vec<AbortedTransaction>,
}

/// A partition that is being copied, and what its batches have told so far.
#[derive(Debug)]
pub struct PartitionCopier {
    epochs_become: Epochs,
    next_offset: Offset,
    epochs: EpochCache,
    producers: ProducerTable,
    /// Producers with an open transaction, and where it began.
    open: BTreeMap<ProducerId, Offset>,
    newest_producer: Option<ProducerId>,
}

impl PartitionCopier {
    /// Nothing has been copied yet.
    pub fn new(epochs_become: Epochs) -> PartitionCopier {
        PartitionCopier {
            epochs_become,
            next_offset: Offset::ZERO,
            epochs: EpochCache::default(),
            producers: ProducerTable::default(),
            open: BTreeMap::new(),
            newest_producer: None,
        }
    }

    /// Copies a segment that begins at `base`, behind all that were copied before.
    pub fn segment(
        &mut self,
        base: Offset,
        log: &mut dyn Read,
        out: &mut dyn Write,
    ) -> Result<CopiedSegment, CopyError> {
        self.next_offset = self.next_offset.max(base);
        let mut copied = CopiedSegment {
            bytes: 0,
            records: 0,
            next_offset: base,
            end: End::Whole,
            old_format: None,
            offset_index: Vec::new(),
            time_index: Vec::new(),
            aborted: Vec::new(),
        };
        let mut index = IndexBuild::default();
        let mut buffer = Vec::new();
        loop {
            let batch = match read_batch(log, &mut buffer).map_err(CopyError::Read)? {
                Ok(None) => break,
                Ok(Some(header)) => {
                    let checked = check_batch(&header, &buffer, self.next_offset, Depth::Batches);
                    checked
                        .and_then(|()| self.check_place(base, &header))
                        .map(|()| header)
                }
                Err(what) => Err(what),
            };
            let header = match batch {
                Ok(header) => header,
                Err(what) => {
                    copied.old_format = buffer
                        .get(MAGIC_AT)
                        .copied()
                        .filter(|magic| *magic < 2 && buffer.iter().any(|byte| *byte != 0));
                    copied.end = end(log, &buffer, copied.bytes, what).map_err(CopyError::Read)?;
                    break;
                }
            };
            if let Epochs::All(epoch) = self.epochs_become {
                patch_base_offset_and_epoch(&mut buffer, header.base_offset, epoch);
            }
            out.write_all(&buffer).map_err(CopyError::Write)?;
            let relative = (header.last_offset().0 - base.0) as u32;
            index.add(
                INDEX_INTERVAL_BYTES,
                copied.bytes as u32,
                header.size_bytes() as u64,
                relative,
                header.max_timestamp,
            );
            copied.bytes += header.size_bytes() as u64;
            copied.records += u64::try_from(header.record_count).unwrap_or(0);
            copied.aborted.extend(self.add(&header, &buffer));
        }
        copied.next_offset = self.next_offset;
        index.close();
        copied.offset_index = OffsetIndex::encode(index.offsets());
        copied.time_index = TimeIndex::encode(index.times());
        Ok(copied)
    }

    /// Whether an index of the segment has room for the batch's offset.
    fn check_place(&self, base: Offset, header: &BatchHeader) -> Result<(), String> {
        match i32::try_from(header.last_offset().0 - base.0) {
            Ok(_) => Ok(()),
            Err(_) => Err(format!(
                "the batch with offset {} does not belong into a segment that begins at {base}",
                header.base_offset
            )),
        }
    }

    /// Notes a batch. Gives the transaction it aborts, if any.
    fn add(&mut self, header: &BatchHeader, bytes: &[u8]) -> Option<AbortedTransaction> {
        self.next_offset = header.next_offset();
        let epoch = match self.epochs_become {
            Epochs::Keep => header.partition_leader_epoch,
            Epochs::All(epoch) => epoch,
        };
        if epoch.0 >= 0 {
            self.epochs.assign(epoch, header.base_offset);
        }
        if !header.has_producer() {
            return None;
        }
        self.newest_producer = self.newest_producer.max(Some(header.producer_id));
        self.producers.record(header, header.base_offset);
        if !header.attributes.is_transactional() {
            return None;
        }
        if !header.attributes.is_control() {
            self.open.entry(header.producer_id).or_insert(header.base_offset);
            return None;
        }
        let records = BatchView::parse(bytes).and_then(|batch| batch.records()).ok()?;
        let marker = ControlMarker::from_record(&records.flatten().next()?)?;
        let first_offset = self.open.remove(&header.producer_id)?;
        let last_offset = header.last_offset();
        (marker.kind == MarkerKind::Abort).then(|| AbortedTransaction {
            producer_id: header.producer_id,
            first_offset,
            last_offset,
            last_stable: self.open.values().min().copied().unwrap_or(last_offset.plus(1)),
        })
    }

    /// Behind the last batch that was copied.
    pub fn next_offset(&self) -> Offset {
        self.next_offset
    }

    /// The leader epochs of the batches, and where they begin.
    pub fn epochs(&self) -> &EpochCache {
        &self.epochs
    }

    /// The largest id of a producer that has written any of it.
    pub fn newest_producer(&self) -> Option<ProducerId> {
        self.newest_producer
    }

    /// Producers with a transaction that has not ended, and where it began. `at_end` is the producer snapshot for the end of the log, if
    /// there is a usable one: where compaction has been, it knows better.
    pub fn open_transactions(&self, at_end: Option<&[u8]>) -> Vec<(ProducerId, Offset)> {
        let mut open: Vec<(ProducerId, Offset)> = match at_end.map(decode_snapshot) {
            Some(Ok(producers)) => producers
                .iter()
                .filter_map(|(id, state)| state.current_txn_first_offset.map(|first| (id, first)))
                .collect(),
            _ => self.open.iter().map(|(id, first)| (*id, *first)).collect(),
        };
        open.sort_unstable();
        open
    }

    /// The producer snapshot for the end of the log. `at_end` is the one that came with it, if it is usable: it says which producers
    /// are still remembered. It knows the last batch of each alone; the batches say more.
    pub fn snapshot(&self, at_end: Option<&[u8]>) -> Vec<u8> {
        let Some(Ok(remembered)) = at_end.map(decode_snapshot) else {
            return encode_snapshot(&self.producers);
        };
        let mut table = ProducerTable::default();
        for (id, state) in remembered.iter() {
            let seen = self.producers.iter().find(|(seen, _)| *seen == id);
            let mut best = *state;
            if let Some((_, seen)) = seen
                && seen.epoch == state.epoch
                && seen.last_sequence() == state.last_sequence()
                && state.batches().len() < seen.batches().len()
            {
                best = *seen;
                best.coordinator_epoch = state.coordinator_epoch;
                best.current_txn_first_offset = state.current_txn_first_offset;
                best.last_timestamp_ms = state.last_timestamp_ms;
            }
            table.insert(id, best);
        }
        encode_snapshot(&table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::ProducerEpoch;
    use crate::wire::records::{BatchBuilder, Compression, batches};

    fn batch(offset: i64, producer: i64, sequence: i32) -> Vec<u8> {
        let mut builder =
            BatchBuilder::new(Compression::None).producer(ProducerId(producer), ProducerEpoch(0), sequence);
        builder.append(1000 + offset, Some(b"k"), Some(&[7; 3000]), &[]);
        let mut bytes = builder.build().expect("a batch").to_vec();
        patch_base_offset_and_epoch(&mut bytes, Offset(offset), LeaderEpoch(3));
        bytes
    }

    #[test]
    fn good_batches_are_copied_and_what_follows_is_named() {
        let mut log = Vec::new();
        for offset in [0, 1, 5, 6] {
            log.extend_from_slice(&batch(offset, 9, offset as i32));
        }
        let good = log.len();
        let mut copier = PartitionCopier::new(Epochs::Keep);
        let mut copy = Vec::new();
        let segment = copier
            .segment(Offset(0), &mut &log[..], &mut copy)
            .expect("copied");
        assert!(copy == log && segment.end == End::Whole);
        assert_eq!((segment.records, segment.next_offset), (4, Offset(7)));
        assert!(!segment.offset_index.is_empty() && !segment.time_index.is_empty());
        assert_eq!(copier.epochs().entries(), [(LeaderEpoch(3), Offset(0))]);
        assert_eq!(copier.newest_producer(), Some(ProducerId(9)));
        assert_eq!(copier.open_transactions(None), []);

        log[good - 1] ^= 1;
        let mut copy = Vec::new();
        let hurt = PartitionCopier::new(Epochs::Keep)
            .segment(Offset(0), &mut &log[..], &mut copy)
            .expect("copied");
        assert!(matches!(&hurt.end, End::Bad { position, .. } if *position == copy.len() as u64));
        assert_eq!((hurt.records, hurt.next_offset), (3, Offset(6)));

        // A message of the format before.
        let mut old = [0; 40];
        old[11] = 28;
        old[16] = 1;
        let old = PartitionCopier::new(Epochs::Keep)
            .segment(Offset(0), &mut &old[..], &mut io::sink())
            .expect("looked at");
        assert_eq!((old.old_format, old.bytes), (Some(1), 0));
    }

    #[test]
    fn epochs_can_all_become_one_and_batches_stay_whole() {
        let log = [batch(0, 9, 0), batch(1, 9, 1)].concat();
        let mut copier = PartitionCopier::new(Epochs::All(LeaderEpoch(0)));
        let mut copy = Vec::new();
        copier
            .segment(Offset(0), &mut &log[..], &mut copy)
            .expect("copied");
        for batch in batches(&copy) {
            let batch = batch.expect("whole");
            assert_eq!(batch.header().partition_leader_epoch, LeaderEpoch(0));
            batch.check_crc().expect("not covered");
        }
        assert_eq!(copier.epochs().entries(), [(LeaderEpoch(0), Offset(0))]);
    }

    #[test]
    fn a_snapshot_says_who_is_remembered_and_the_batches_say_what() {
        let log = [batch(0, 9, 0), batch(1, 8, 0), batch(2, 9, 1)].concat();
        let mut copier = PartitionCopier::new(Epochs::Keep);
        copier
            .segment(Offset(0), &mut &log[..], &mut io::sink())
            .expect("copied");
        let all = decode_snapshot(&copier.snapshot(None)).expect("ours");
        assert_eq!(all.iter().len(), 2);
        // One that forgot producer 8, and knows one batch of 9.
        let mut known = ProducerTable::default();
        let (_, mut nine) = all
            .iter()
            .find(|(id, _)| id.0 == 9)
            .map(|(id, s)| (id, *s))
            .expect("there");
        let last = nine.batches()[1];
        nine = crate::log::ProducerState::new(nine.epoch);
        nine.push(last);
        known.insert(ProducerId(9), nine);
        let merged = decode_snapshot(&copier.snapshot(Some(&encode_snapshot(&known)))).expect("ours");
        assert_eq!(merged.iter().len(), 1);
        assert_eq!(merged.get(ProducerId(9)).expect("there").batches().len(), 2);
    }
}
