//! A batch of records as the log and the snapshot hold it: all of it is there, or none.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `CLM1` |
//! | 4 | CRC-32C of everything behind it |
//! | 4 | length of the records in bytes |
//! | 8 | version of the image before these records |
//! | 8 | version of the image with them |
//! | 4 | number of records |
//! | | the records |
//!
//! All numbers are little-endian.

use crate::metadata::record::Record;
use crate::metadata::record_codec::{BadRecord, decode_record, encode_record};

const MAGIC: [u8; 4] = *b"CLM1";
const HEADER_BYTES: usize = 32;
const CRC_FROM: usize = 8;

/// Records at the front of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A whole one.
    Whole {
        /// Versions of the image before and with its records.
        versions: Versions,
        /// The records, not decoded yet.
        records: FrameRecords<'a>,
        /// Bytes of the frame.
        len: usize,
    },
    /// No whole frame: the bytes are cut, or damaged.
    Broken(&'static str),
}

/// What a batch does to the image's version. Several changes may be in one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The version it continues.
    pub before: u64,
    /// The version it leads to.
    pub after: u64,
}

/// The records of a whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRecords<'a> {
    count: u32,
    bytes: &'a [u8],
}

impl FrameRecords<'_> {
    /// Decodes all of them. An error is not damage, which the checksum would have shown.
    pub fn decode(self) -> Result<Vec<Record>, BadRecord> {
        let mut rest = self.bytes;
        let records = (0..self.count)
            .map(|_| decode_record(&mut rest))
            .collect::<Result<_, _>>()?;
        if !rest.is_empty() {
            return Err(BadRecord(format!(
                "{} bytes behind the last record of a batch",
                rest.len()
            )));
        }
        Ok(records)
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.count
    }
}

/// Appends a frame.
pub fn encode_frame(versions: Versions, records: &[Record], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend(MAGIC);
    out.extend([0; 8]);
    out.extend(versions.before.to_le_bytes());
    out.extend(versions.after.to_le_bytes());
    out.extend(
        u32::try_from(records.len())
            .expect("limited by the command")
            .to_le_bytes(),
    );
    records.iter().for_each(|record| encode_record(record, out));
    let len = u32::try_from(out.len() - start - HEADER_BYTES).expect("limited by the command");
    out[start + 8..start + 12].copy_from_slice(&len.to_le_bytes());
    let crc = crc32c::crc32c(&out[start + CRC_FROM..]);
    out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
}

/// The frame at the front of `bytes`.
pub fn decode_frame(bytes: &[u8]) -> Frame<'_> {
    let Some((header, rest)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Frame::Broken("the header is cut");
    };
    let u32_at = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
    if header[..4] != MAGIC {
        return Frame::Broken("there is no batch where one should begin");
    }
    let Some(records) = rest.get(..u32_at(8) as usize) else {
        return Frame::Broken("the records are cut");
    };
    let len = HEADER_BYTES + records.len();
    if crc32c::crc32c(&bytes[CRC_FROM..len]) != u32_at(4) {
        return Frame::Broken("the checksum is wrong");
    }
    let u64_at = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("eight bytes"));
    let versions = Versions {
        before: u64_at(12),
        after: u64_at(20),
    };
    Frame::Whole {
        versions,
        records: FrameRecords {
            count: u32_at(28),
            bytes: records,
        },
        len,
    }
}

/// Whether a whole frame of a version above `version` begins anywhere in `bytes`. Then what is broken before it
/// was no torn end: it was damaged after it had been written.
pub fn find_later_frame(bytes: &[u8], version: u64) -> Option<usize> {
    let begins = bytes
        .windows(MAGIC.len())
        .enumerate()
        .filter(|(_, window)| *window == MAGIC);
    begins.map(|(at, _)| at).find(
        |at| matches!(decode_frame(&bytes[*at..]), Frame::Whole { versions, .. } if versions.after > version),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(version: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let versions = Versions {
            before: version - 1,
            after: version,
        };
        encode_frame(
            versions,
            &[Record::ProducerIdsAllocated { next_producer_id: 5 }],
            &mut bytes,
        );
        bytes
    }

    #[test]
    fn a_frame_is_whole_or_broken() {
        let bytes = frame(3);
        let Frame::Whole { records, len, .. } = decode_frame(&bytes) else {
            panic!("whole")
        };
        assert_eq!(
            (len, records.decode().map(|records| records.len())),
            (bytes.len(), Ok(1))
        );
        for cut in 0..bytes.len() {
            assert!(
                matches!(decode_frame(&bytes[..cut]), Frame::Broken(_)),
                "cut to {cut}"
            );
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert!(
                matches!(decode_frame(&changed), Frame::Broken(_)),
                "changed at {at}"
            );
        }
    }

    #[test]
    fn later_frames_are_found_wherever_they_begin() {
        let mut bytes = vec![b'C'; 13];
        bytes.extend(frame(8));
        assert_eq!(find_later_frame(&bytes, 7), Some(13));
        assert_eq!(find_later_frame(&bytes, 8), None);
        assert_eq!(find_later_frame(&bytes[..bytes.len() - 1], 7), None);
    }
}
