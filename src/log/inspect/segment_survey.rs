//! One segment, looked through beyond what is damaged in it: which bytes are whole batches, and which are none.
//!
//! A batch says its own length, which its checksum does not cover. So where one is damaged, the next is believed if it stands where the
//! lengths say, or where an entry of the segment's index points to, and is whole, with an offset that can follow. Never is it searched
//! for byte by byte: a record may hold bytes that look like a batch.

use std::io;

use crate::base::ids::Offset;
use crate::base::limits::MAX_FRAME_BYTES;
use crate::log::inspect::Depth;
use crate::log::inspect::segment_inspection::check_batch;
use crate::log::segment::{OffsetIndex, TimeIndex};
use crate::wire::records::{BATCH_HEADER_BYTES, BatchHeader};

/// Largest batch that is believed.
const MAX_BATCH_BYTES: u64 = MAX_FRAME_BYTES as u64 * 2;
/// How much is read at a time; a larger batch is read whole.
const READ_BYTES: u64 = 1 << 20;

/// Bytes of a segment that are no batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPlace {
    /// The first byte.
    pub position: u64,
    /// How many they are.
    pub bytes: u64,
    /// What is wrong with them.
    pub what: String,
    /// The offset that was expected there.
    pub from: Offset,
    /// Where the records go on behind them in the same segment, if they do.
    pub to: Option<Offset>,
}

/// What a segment holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentSurvey {
    /// The offset in its name.
    pub base: Offset,
    /// Size of its file.
    pub log_bytes: u64,
    /// Its whole batches.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Of these, so many stand behind the first bad place.
    pub records_behind: u64,
    /// Behind the last whole batch; the base if there is none.
    pub next_offset: Offset,
    /// Where batches do not follow each other though nothing between them is damaged: from, to.
    pub gaps: Vec<(Offset, Offset)>,
    /// Bytes that are no batch, ascending.
    pub bad: Vec<BadPlace>,
    /// Zeros at the end.
    pub zeros: u64,
    /// Whether there are batches of transactions.
    pub transactional: bool,
}

/// Looks through a segment of `log_bytes`. `read` gives so many bytes from a position on, fewer only at the end of the file.
pub fn survey_segment(
    base: Offset,
    log_bytes: u64,
    index: Option<&[u8]>,
    read: &mut dyn FnMut(u64, usize) -> io::Result<Vec<u8>>,
) -> io::Result<SegmentSurvey> {
    let index = index.and_then(|bytes| OffsetIndex::parse(bytes, log_bytes));
    let mut walk = Walk {
        read,
        log_bytes,
        buffer: Vec::new(),
        buffer_at: 0,
    };
    let mut seen = SegmentSurvey {
        base,
        log_bytes,
        batches: 0,
        records: 0,
        records_behind: 0,
        next_offset: base,
        gaps: Vec::new(),
        bad: Vec::new(),
        zeros: 0,
        transactional: false,
    };
    let mut position = 0;
    while position < log_bytes {
        let what = match walk.batch(position, seen.next_offset)? {
            Ok(header) => {
                seen.add(&header);
                position += header.size_bytes() as u64;
                continue;
            }
            Err(what) => what,
        };
        if walk.is_zeros(position)? {
            seen.zeros = log_bytes - position;
            break;
        }
        let resume = walk.resume(position, base, seen.next_offset, index.as_ref())?;
        seen.bad.push(BadPlace {
            position,
            bytes: resume.map_or(log_bytes, |(at, _)| at) - position,
            what,
            from: seen.next_offset,
            to: resume.map(|(_, offset)| offset),
        });
        let Some((at, offset)) = resume else { break };
        position = at;
        seen.next_offset = offset;
    }
    Ok(seen)
}

/// What is wrong with the index files of a closed segment, if anything is: they can be made anew from it.
pub fn index_trouble(offsets: Option<&[u8]>, times: Option<&[u8]>, log_bytes: u64) -> Option<&'static str> {
    let Some(offsets) = offsets else {
        return Some("its .index is not there");
    };
    let Some(times) = times else {
        return Some("its .timeindex is not there");
    };
    if OffsetIndex::parse(offsets, log_bytes).is_none() {
        return Some("its .index can't be read");
    }
    TimeIndex::parse(times)
        .is_none()
        .then_some("its .timeindex can't be read")
}

impl SegmentSurvey {
    fn add(&mut self, header: &BatchHeader) {
        let records = u64::try_from(header.record_count).unwrap_or(0);
        self.batches += 1;
        self.records += records;
        if !self.bad.is_empty() {
            self.records_behind += records;
        }
        if header.base_offset > self.next_offset {
            self.gaps.push((self.next_offset, header.base_offset));
        }
        self.next_offset = header.next_offset();
        self.transactional |= header.attributes.is_transactional();
    }
}

struct Walk<'a> {
    read: &'a mut dyn FnMut(u64, usize) -> io::Result<Vec<u8>>,
    log_bytes: u64,
    buffer: Vec<u8>,
    buffer_at: u64,
}

impl Walk<'_> {
    /// The bytes from `position` on, `len` of them or up to the end.
    fn bytes(&mut self, position: u64, len: u64) -> io::Result<&[u8]> {
        let len = len.min(self.log_bytes.saturating_sub(position));
        let holds = position >= self.buffer_at
            && position + len <= self.buffer_at + self.buffer.len() as u64
            && !self.buffer.is_empty();
        if !holds {
            let wanted = len.max(READ_BYTES).min(self.log_bytes - position);
            self.buffer = (self.read)(position, wanted as usize)?;
            self.buffer_at = position;
        }
        let from = (position - self.buffer_at) as usize;
        let to = (from + len as usize).min(self.buffer.len());
        Ok(&self.buffer[from..to])
    }

    fn header(&mut self, position: u64) -> io::Result<Result<BatchHeader, String>> {
        let left = self.log_bytes - position;
        let bytes = self.bytes(position, BATCH_HEADER_BYTES as u64)?;
        let header = match BatchHeader::parse(bytes) {
            Ok(header) => header,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let size = header.size_bytes() as u64;
        Ok(match size > left || size > MAX_BATCH_BYTES {
            true => Err(format!("a batch of {size} bytes where {left} are left")),
            false => Ok(header),
        })
    }

    /// The batch at `position`, where one with `next_offset` or a later one belongs, or what is wrong with it.
    fn batch(&mut self, position: u64, next_offset: Offset) -> io::Result<Result<BatchHeader, String>> {
        let header = match self.header(position)? {
            Ok(header) => header,
            Err(what) => return Ok(Err(what)),
        };
        let bytes = self.bytes(position, header.size_bytes() as u64)?;
        Ok(check_batch(&header, bytes, next_offset, Depth::Batches).map(|()| header))
    }

    /// Where the next whole batch behind a damaged one stands, and its offset.
    fn resume(
        &mut self,
        position: u64,
        base: Offset,
        next_offset: Offset,
        index: Option<&OffsetIndex>,
    ) -> io::Result<Option<(u64, Offset)>> {
        let mut at = position;
        while at < self.log_bytes {
            let Ok(header) = self.header(at)? else { break };
            if header.base_offset < next_offset {
                break;
            }
            at += header.size_bytes() as u64;
            if at < self.log_bytes
                && let Ok(next) = self.batch(at, next_offset)?
            {
                return Ok(Some((at, next.base_offset)));
            }
        }
        for entry in index.map_or(&[][..], OffsetIndex::entries) {
            let at = u64::from(entry.position);
            if at > position
                && at < self.log_bytes
                && let Ok(next) = self.batch(at, next_offset)?
                && next.last_offset() <= base.plus(entry.relative_offset.into())
            {
                return Ok(Some((at, next.base_offset)));
            }
        }
        Ok(None)
    }

    fn is_zeros(&mut self, position: u64) -> io::Result<bool> {
        let mut at = position;
        while at < self.log_bytes {
            let bytes = self.bytes(at, READ_BYTES)?;
            if bytes.is_empty() || bytes.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            at += bytes.len() as u64;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::LeaderEpoch;
    use crate::log::segment::OffsetPosition;
    use crate::wire::records::{BatchBuilder, Compression, patch_base_offset_and_epoch};

    fn batch(offset: i64) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.append(1000 + offset, Some(b"k"), Some(&[7; 100]), &[]);
        let mut bytes = builder.build().expect("a batch").to_vec();
        patch_base_offset_and_epoch(&mut bytes, Offset(offset), LeaderEpoch(3));
        bytes
    }

    fn survey(log: &[u8], index: Option<&[u8]>) -> SegmentSurvey {
        let mut read = |position: u64, len: usize| {
            let from = position as usize;
            Ok(log[from..(from + len).min(log.len())].to_vec())
        };
        survey_segment(Offset(0), log.len() as u64, index, &mut read).expect("memory can be read")
    }

    fn six() -> (Vec<u8>, u64) {
        let log: Vec<u8> = (0..6).flat_map(batch).collect();
        let size = log.len() as u64 / 6;
        (log, size)
    }

    #[test]
    fn a_damaged_batch_is_passed_by_its_length() {
        let (mut log, size) = six();
        let whole = survey(&log, None);
        assert_eq!(
            (whole.batches, whole.next_offset, whole.bad.len()),
            (6, Offset(6), 0)
        );
        log[size as usize * 2 + 80] ^= 4;
        log[size as usize * 3 + 80] ^= 4;
        log.resize(log.len() + 50, 0);
        let seen = survey(&log, None);
        assert_eq!(
            (seen.batches, seen.records_behind, seen.next_offset, seen.zeros),
            (4, 2, Offset(6), 50)
        );
        let [bad] = &seen.bad[..] else {
            panic!("one place: {:?}", seen.bad);
        };
        assert_eq!(
            (bad.position, bad.bytes, bad.from, bad.to),
            (2 * size, 2 * size, Offset(2), Some(Offset(4)))
        );
    }

    #[test]
    fn where_a_length_is_damaged_the_index_helps_and_else_the_rest_is_bad() {
        let (mut log, size) = six();
        log[size as usize * 2 + 9] ^= 0x10;
        let without = survey(&log, None);
        assert_eq!(
            (without.next_offset, without.bad[0].bytes, without.bad[0].to),
            (Offset(2), 4 * size, None)
        );
        let index = OffsetIndex::encode(&[OffsetPosition {
            relative_offset: 4,
            position: 4 * size as u32,
        }]);
        let with = survey(&log, Some(&index));
        assert_eq!(
            (with.next_offset, with.bad[0].bytes, with.bad[0].to),
            (Offset(6), 2 * size, Some(Offset(4)))
        );
    }

    #[test]
    fn a_batch_in_a_record_is_not_believed() {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.append(1, None, Some(&batch(5)), &[]);
        let mut log = builder.build().expect("a batch").to_vec();
        log[9] ^= 0x10;
        let seen = survey(&log, None);
        assert_eq!((seen.batches, seen.bad[0].to), (0, None));
    }
}
