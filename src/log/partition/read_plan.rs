//! Hot path: fetch. What a fetch gets: planned at once, from memory where it is, executed without a borrow of the log.

use super::PartitionLog;
use super::read_disk::DiskRead;
use crate::base::ids::Offset;
use crate::log::ReadError;
use crate::rt::disk::ReadBuf;
use crate::wire::records::{BATCH_HEADER_BYTES, BatchHeader};
use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;
use std::ops::Deref;
use std::rc::Rc;

/// Neighbours below this are copied together: a thousand tiny slices cost more in the send than their copy.
const JOIN_BELOW_BYTES: usize = 4 << 10;
/// Most bytes copied together.
const JOINED_BYTES: usize = 256 << 10;

/// Whether the first batch comes even if it is larger than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinOneBatch {
    /// It does, so that a consumer gets on.
    Yes,
    /// The limit counts.
    No,
}

/// How far a read goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadUpto {
    /// What consumers may see.
    HighWatermark,
    /// What consumers may see that read committed records only.
    LastStable,
    /// Everything, for replicas and for this server's own use.
    LogEnd,
}

/// A read, ready to be executed. Owned: the log may change meanwhile.
#[derive(Debug)]
pub struct ReadPlan(Source);

#[derive(Debug)]
enum Source {
    Memory(Records),
    Disk(DiskRead),
}

/// Whole batches, in order.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// The bytes; a batch may lie across two slices.
    pub slices: SmallVec<[RecordSlice; 1]>,
    /// How many bytes there are.
    pub len: usize,
}

/// Bytes of batches, shared without a copy.
#[derive(Clone, Debug)]
pub enum RecordSlice {
    /// From the tail.
    Memory(Bytes),
    /// From a segment.
    Disk(ReadBuf),
}

impl Deref for RecordSlice {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            RecordSlice::Memory(bytes) => bytes,
            RecordSlice::Disk(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for RecordSlice {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Records {
    /// All bytes in one piece, for whoever has to look inside.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len);
        for slice in &self.slices {
            all.extend_from_slice(slice);
        }
        all
    }

    /// Behind the last of the batches, `None` if there is none.
    pub fn next_offset(&self) -> Option<Offset> {
        let (mut next, mut at) = (None, 0);
        while at < self.len {
            let header = BatchHeader::parse(&self.bytes_at::<BATCH_HEADER_BYTES>(at)?).ok()?;
            next = Some(header.next_offset());
            at += header.size_bytes();
        }
        next
    }

    /// Some bytes, which may lie across slices.
    fn bytes_at<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        let (mut skip, mut filled) = (at, 0);
        for slice in &self.slices {
            if skip >= slice.len() {
                skip -= slice.len();
                continue;
            }
            let take = (slice.len() - skip).min(N - filled);
            bytes[filled..filled + take].copy_from_slice(&slice[skip..skip + take]);
            filled += take;
            skip = 0;
            if filled == N {
                return Some(bytes);
            }
        }
        None
    }
}

impl PartitionLog {
    /// Plans a read of whole batches, beginning with the one that holds `from`, up to `max_bytes`.
    ///
    /// Nothing to read is no error as long as `from` is not behind the log's end. Error: `OffsetOutOfRange`.
    pub fn read_plan(
        self: &Rc<Self>,
        from: Offset,
        max_bytes: usize,
        min_one_batch: MinOneBatch,
        upto: ReadUpto,
    ) -> Result<ReadPlan, ReadError> {
        let (limit, nothing) = {
            let state = self.state.borrow();
            let p = &state.positions;
            let limit = match upto {
                ReadUpto::HighWatermark => p.high_watermark,
                ReadUpto::LastStable => p.last_stable,
                ReadUpto::LogEnd => p.log_end,
            };
            if from < p.log_start || from > p.log_end {
                return Err(ReadError::OffsetOutOfRange {
                    log_start: p.log_start,
                    end: limit,
                });
            }
            (limit, from >= limit)
        };
        if nothing {
            return Ok(ReadPlan(Source::Memory(Records::default())));
        }
        if let Some(records) = self.read_tail(from, limit, max_bytes, min_one_batch) {
            return Ok(ReadPlan(Source::Memory(records)));
        }
        Ok(ReadPlan(Source::Disk(DiskRead::plan(
            self,
            from,
            limit,
            max_bytes,
            min_one_batch,
        ))))
    }
}

impl PartitionLog {
    /// Whole batches from memory, beginning with the one that holds `from`, up to `limit`. `None` if they are not in memory.
    pub(super) fn read_tail(
        &self,
        from: Offset,
        limit: Offset,
        max_bytes: usize,
        min_one_batch: MinOneBatch,
    ) -> Option<Records> {
        let state = self.state.borrow();
        if from < state.tail.first_offset() {
            return None;
        }
        let batches = state.tail.after(from).take_while(|b| b.end <= limit);
        Some(take_bytes(batches.map(|b| &b.bytes), max_bytes, min_one_batch))
    }
}

impl ReadPlan {
    /// How many bytes it will bring: exactly if they are in memory, at most if they are on disk.
    pub fn expected_bytes(&self) -> usize {
        match &self.0 {
            Source::Memory(records) => records.len,
            Source::Disk(read) => read.expected_bytes(),
        }
    }

    /// Whether everything is in memory, so that `execute` does not suspend.
    pub fn is_in_memory(&self) -> bool {
        matches!(self.0, Source::Memory(_))
    }

    /// The records, if all of them are in memory; else the plan again.
    pub fn in_memory(self) -> Result<Records, ReadPlan> {
        match self.0 {
            Source::Memory(records) => Ok(records),
            disk => Err(ReadPlan(disk)),
        }
    }

    /// Reads. Errors: `File`, `Damaged`, and `OffsetOutOfRange` if the segment was deleted meanwhile.
    pub async fn execute(self) -> Result<Records, ReadError> {
        match self.0 {
            Source::Memory(records) => Ok(records),
            Source::Disk(read) => read.execute().await,
        }
    }
}

/// Takes whole batches up to the limit, small neighbours copied together.
fn take_bytes<'a>(
    batches: impl Iterator<Item = &'a Bytes>,
    max_bytes: usize,
    min_one_batch: MinOneBatch,
) -> Records {
    let mut records = Records::default();
    let mut small = Small::None;
    for batch in batches {
        let first = records.len == 0 && min_one_batch == MinOneBatch::Yes;
        if records.len + batch.len() > max_bytes && !first {
            break;
        }
        records.len += batch.len();
        if batch.len() >= JOIN_BELOW_BYTES || small.len() + batch.len() > JOINED_BYTES {
            small.end(&mut records.slices);
        }
        if batch.len() >= JOIN_BELOW_BYTES {
            records.slices.push(RecordSlice::Memory(batch.clone()));
        } else {
            small.add(batch);
        }
    }
    small.end(&mut records.slices);
    records
}

/// Small batches that follow each other. Often it is one.
enum Small<'a> {
    None,
    One(&'a Bytes),
    Many(Vec<&'a Bytes>, usize),
}

impl<'a> Small<'a> {
    fn len(&self) -> usize {
        match self {
            Small::None => 0,
            Small::One(one) => one.len(),
            Small::Many(_, bytes) => *bytes,
        }
    }

    fn add(&mut self, batch: &'a Bytes) {
        match self {
            Small::None => *self = Small::One(batch),
            Small::One(one) => *self = Small::Many(vec![one, batch], one.len() + batch.len()),
            Small::Many(all, bytes) => {
                all.push(batch);
                *bytes += batch.len();
            }
        }
    }

    /// Copies them together.
    fn end(&mut self, slices: &mut SmallVec<[RecordSlice; 1]>) {
        match std::mem::replace(self, Small::None) {
            Small::None => {}
            Small::One(one) => slices.push(RecordSlice::Memory(one.clone())),
            Small::Many(all, bytes) => {
                let mut whole = BytesMut::with_capacity(bytes);
                all.iter().for_each(|part| whole.extend_from_slice(part));
                slices.push(RecordSlice::Memory(whole.freeze()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_neighbours_are_joined_and_the_limit_kept() {
        let sizes = [100, 200, 5000, 10, 4096, 300, 300];
        let batches: Vec<_> = sizes
            .iter()
            .enumerate()
            .map(|(i, n)| Bytes::from(vec![i as u8; *n]))
            .collect();
        let whole: Vec<u8> = batches.concat();
        let records = take_bytes(batches.iter(), usize::MAX, MinOneBatch::No);
        assert_eq!(
            records.slices.iter().map(|s| s.len()).collect::<Vec<_>>(),
            [300, 5000, 10, 4096, 600]
        );
        assert_eq!((records.to_vec(), records.len), (whole.clone(), whole.len()));

        for max in [0, 99, 100, 300, 5299, 5300, 20_000] {
            let total = |min_one| take_bytes(batches.iter(), max, min_one).len;
            let expected = sizes
                .iter()
                .scan(0, |sum, n| Some((*sum += n, *sum).1))
                .filter(|s| *s <= max)
                .last();
            assert_eq!(total(MinOneBatch::No), expected.unwrap_or(0));
            assert_eq!(total(MinOneBatch::Yes), expected.unwrap_or(100));
        }
        assert_eq!(take_bytes([].into_iter(), 10, MinOneBatch::Yes).len, 0);
    }

    #[test]
    fn joined_copies_are_bounded() {
        let batches: Vec<_> = (0..1000).map(|_| Bytes::from(vec![1; 4000])).collect();
        let records = take_bytes(batches.iter(), usize::MAX, MinOneBatch::No);
        assert!(records.slices.iter().all(|s| s.len() <= JOINED_BYTES));
        assert_eq!(records.len, 4_000_000);
    }
}
