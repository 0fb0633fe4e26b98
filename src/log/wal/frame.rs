//! Hot path: commit. A frame of the write-ahead log: what one write makes durable. The layout is in `FORMAT.md`.
//!
//! ```text
//! header | directory | payload | zeros | directory again | header again
//! ```
//!
//! The whole is a multiple of 4096 bytes. Header and directory stand at both ends, so that damage in one place leaves
//! known which partitions are hit. The payload has no checksum of its own: every batch carries a CRC-32C, and what that does
//! not cover (offset, length, epoch, and the CRC itself) is bound by the directory. So each byte is summed once.

use crate::base::ids::{Offset, TopicId, TopicPartition};
use crate::base::limits::DISK_BLOCK_BYTES;
use crate::wire::records::batches;

/// Size of a frame's header.
pub const FRAME_HEADER_BYTES: usize = 80;
/// Size of an entry in a frame's directory.
pub const DIRECTORY_ENTRY_BYTES: usize = 40;
/// Largest frame that is read. The committer stays below it.
pub const MAX_FRAME_BYTES: usize = 4 << 20;

const MAGIC: [u8; 4] = *b"CLWF";
const VERSION: u16 = 1;
const CRC_AT: usize = FRAME_HEADER_BYTES - 4;
/// What a batch has before the bytes its own CRC covers: offset, length, epoch, magic and the CRC.
const BATCH_OUTSIDE_CRC_BYTES: usize = 21;

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The server start that wrote it, partly random, so that no record can pretend to be a frame.
    pub run: u64,
    /// The shard that wrote it.
    pub shard: u16,
    /// How many files of the ring had been begun before this frame's, in this run.
    pub file_use: u64,
    /// Number of the frame in its run and shard, from 0 without gaps.
    pub frame: u64,
    /// All frames below this were durable when this one was written.
    pub durable_below: u64,
    /// All frames below this were no longer needed: their records were synced in segments, and that was noted.
    pub retired_below: u64,
    /// Size of the whole frame.
    pub frame_bytes: u32,
    /// Entries in the directory.
    pub entries: u32,
    /// Bytes of the batches.
    pub payload_bytes: u32,
    /// CRC-32C of the directory.
    pub directory_crc: u32,
}

/// A run of whole batches of one partition, in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// The partition.
    pub partition: TopicPartition,
    /// Offset of the first record.
    pub base_offset: Offset,
    /// Bytes in the payload.
    pub bytes: u32,
    /// How many offsets they take.
    pub offsets: u32,
    /// CRC-32C over the first 21 bytes of each batch, see [`prefix_check`].
    pub check: u32,
}

impl FrameHeader {
    /// Renders the header.
    pub fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut out = [0; FRAME_HEADER_BYTES];
        out[0..4].copy_from_slice(&MAGIC);
        out[4..6].copy_from_slice(&VERSION.to_be_bytes());
        out[6..8].copy_from_slice(&self.shard.to_be_bytes());
        out[8..16].copy_from_slice(&self.run.to_be_bytes());
        out[16..24].copy_from_slice(&self.file_use.to_be_bytes());
        out[24..32].copy_from_slice(&self.frame.to_be_bytes());
        out[32..40].copy_from_slice(&self.durable_below.to_be_bytes());
        out[40..48].copy_from_slice(&self.retired_below.to_be_bytes());
        out[48..52].copy_from_slice(&self.frame_bytes.to_be_bytes());
        out[52..56].copy_from_slice(&self.entries.to_be_bytes());
        out[56..60].copy_from_slice(&self.payload_bytes.to_be_bytes());
        out[60..64].copy_from_slice(&self.directory_crc.to_be_bytes());
        let crc = crc32c::crc32c(&out[..CRC_AT]);
        out[CRC_AT..].copy_from_slice(&crc.to_be_bytes());
        out
    }

    /// Reads a header. `None` unless its checksum and its sizes hold together.
    pub fn parse(bytes: &[u8]) -> Option<FrameHeader> {
        let bytes = bytes.first_chunk::<FRAME_HEADER_BYTES>()?;
        if bytes[..4] != MAGIC || u16::from_be_bytes([bytes[4], bytes[5]]) != VERSION {
            return None;
        }
        let u32_at = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        let u64_at = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        if crc32c::crc32c(&bytes[..CRC_AT]) != u32_at(CRC_AT) {
            return None;
        }
        let header = FrameHeader {
            shard: u16::from_be_bytes([bytes[6], bytes[7]]),
            run: u64_at(8),
            file_use: u64_at(16),
            frame: u64_at(24),
            durable_below: u64_at(32),
            retired_below: u64_at(40),
            frame_bytes: u32_at(48),
            entries: u32_at(52),
            payload_bytes: u32_at(56),
            directory_crc: u32_at(60),
        };
        let needed = frame_bytes(header.entries as usize, header.payload_bytes as usize);
        let fits = needed == Some(header.frame_bytes as usize) && header.durable_below <= header.frame;
        fits.then_some(header)
    }

    /// Bytes of the directory.
    pub fn directory_bytes(&self) -> usize {
        self.entries as usize * DIRECTORY_ENTRY_BYTES
    }
}

/// Size of a frame, `None` above [`MAX_FRAME_BYTES`].
pub fn frame_bytes(entries: usize, payload_bytes: usize) -> Option<usize> {
    let ends = entries
        .checked_mul(DIRECTORY_ENTRY_BYTES)?
        .checked_add(FRAME_HEADER_BYTES)?
        .checked_mul(2)?;
    let bytes = ends
        .checked_add(payload_bytes)?
        .checked_next_multiple_of(DISK_BLOCK_BYTES)?;
    (bytes <= MAX_FRAME_BYTES).then_some(bytes)
}

/// Writes a frame into `out`, which has its exact size. `payload` gives the bytes of the entries in their order.
/// Sets the header's counts and checksums.
pub fn encode_frame<'a>(
    out: &mut [u8],
    mut header: FrameHeader,
    entries: &[DirectoryEntry],
    payload: impl Iterator<Item = &'a [u8]>,
) {
    let directory_bytes = entries.len() * DIRECTORY_ENTRY_BYTES;
    let mut at = FRAME_HEADER_BYTES;
    for entry in entries {
        let mut put = |field: &[u8]| {
            out[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        };
        put(&entry.partition.topic.0);
        put(&entry.partition.partition.to_be_bytes());
        put(&entry.base_offset.0.to_be_bytes());
        put(&entry.bytes.to_be_bytes());
        put(&entry.offsets.to_be_bytes());
        put(&entry.check.to_be_bytes());
    }
    let directory = FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + directory_bytes;
    header.directory_crc = crc32c::crc32c(&out[directory.clone()]);
    header.entries = entries.len() as u32;
    for bytes in payload {
        out[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    }
    header.payload_bytes = (at - directory.end) as u32;
    header.frame_bytes = out.len() as u32;
    assert_eq!(frame_bytes(entries.len(), at - directory.end), Some(out.len()));
    let tail = out.len() - FRAME_HEADER_BYTES;
    out[at..tail - directory_bytes].fill(0);
    out.copy_within(directory, tail - directory_bytes);
    let header = header.encode();
    out[..FRAME_HEADER_BYTES].copy_from_slice(&header);
    out[tail..].copy_from_slice(&header);
}

/// Reads a directory. `None` unless it has the size and checksum its header says.
pub fn parse_directory(header: &FrameHeader, bytes: &[u8]) -> Option<Vec<DirectoryEntry>> {
    let bytes = bytes.get(..header.directory_bytes())?;
    if crc32c::crc32c(bytes) != header.directory_crc {
        return None;
    }
    let mut total = 0u64;
    let mut entries = Vec::with_capacity(header.entries as usize);
    for entry in bytes.as_chunks::<DIRECTORY_ENTRY_BYTES>().0 {
        let u32_at = |at: usize| u32::from_be_bytes(entry[at..at + 4].try_into().expect("4 bytes"));
        let entry = DirectoryEntry {
            partition: TopicPartition {
                topic: TopicId(entry[..16].try_into().expect("16 bytes")),
                partition: u32_at(16) as i32,
            },
            base_offset: Offset(i64::from_be_bytes(entry[20..28].try_into().expect("8 bytes"))),
            bytes: u32_at(28),
            offsets: u32_at(32),
            check: u32_at(36),
        };
        total += u64::from(entry.bytes);
        entries.push(entry);
    }
    (total == u64::from(header.payload_bytes)).then_some(entries)
}

/// Goes on with the check over batches of an entry: `bytes` is a whole batch, `check` that of the batches before it (0).
pub fn prefix_check(check: u32, batch: &[u8]) -> u32 {
    crc32c::crc32c_append(check, &batch[..BATCH_OUTSIDE_CRC_BYTES])
}

impl DirectoryEntry {
    /// Whether `bytes` are the batches this entry was written with, all of them undamaged.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        let (mut check, mut next) = (0, self.base_offset);
        for batch in batches(bytes) {
            let Ok(batch) = batch else { return false };
            if batch.check_crc().is_err() || batch.header().base_offset != next {
                return false;
            }
            check = prefix_check(check, batch.bytes());
            next = batch.header().next_offset();
        }
        bytes.len() == self.bytes as usize && next == self.end_offset() && check == self.check
    }

    /// Offset behind the last record.
    pub fn end_offset(&self) -> Offset {
        Offset(self.base_offset.0.saturating_add(i64::from(self.offsets)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::LeaderEpoch;
    use crate::wire::records::{BatchBuilder, Compression, patch_base_offset_and_epoch};

    fn batch(base: i64, value: &[u8]) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.append(1, None, Some(value), &[]);
        let mut bytes = builder.build().unwrap().to_vec();
        patch_base_offset_and_epoch(&mut bytes, Offset(base), LeaderEpoch(3));
        bytes
    }

    fn frame() -> (FrameHeader, Vec<DirectoryEntry>, Vec<Vec<u8>>, Vec<u8>) {
        let runs = vec![
            [batch(5, b"five"), batch(6, b"six")].concat(),
            batch(70, &[7; 5000]),
        ];
        let entries: Vec<_> = runs
            .iter()
            .zip([5, 70])
            .enumerate()
            .map(|(i, (run, base))| DirectoryEntry {
                partition: TopicPartition {
                    topic: TopicId([i as u8 + 1; 16]),
                    partition: i as i32,
                },
                base_offset: Offset(base),
                bytes: run.len() as u32,
                offsets: batches(run).count() as u32,
                check: batches(run).fold(0, |check, b| prefix_check(check, b.unwrap().bytes())),
            })
            .collect();
        let header = FrameHeader {
            run: 77,
            shard: 1,
            file_use: 2,
            frame: 9,
            durable_below: 8,
            retired_below: 3,
            frame_bytes: 0,
            entries: 0,
            payload_bytes: 0,
            directory_crc: 0,
        };
        let payload: usize = runs.iter().map(Vec::len).sum();
        let mut out = vec![0xaa; frame_bytes(entries.len(), payload).unwrap()];
        encode_frame(&mut out, header, &entries, runs.iter().map(|r| r.as_slice()));
        (header, entries, runs, out)
    }

    #[test]
    fn goes_both_ways_from_both_ends() {
        let (written, entries, runs, bytes) = frame();
        assert_eq!(bytes.len(), 8192);
        let header = FrameHeader::parse(&bytes).unwrap();
        assert_eq!((header.run, header.frame, header.durable_below), (77, 9, 8));
        assert_eq!(header.frame_bytes as usize, bytes.len());
        assert_eq!(written.retired_below, header.retired_below);
        assert_eq!(
            parse_directory(&header, &bytes[FRAME_HEADER_BYTES..]).unwrap(),
            entries
        );
        let tail = bytes.len() - FRAME_HEADER_BYTES;
        assert_eq!(FrameHeader::parse(&bytes[tail..]), Some(header));
        assert_eq!(
            parse_directory(&header, &bytes[tail - header.directory_bytes()..]).unwrap(),
            entries
        );
        let mut at = FRAME_HEADER_BYTES + header.directory_bytes();
        for (entry, run) in entries.iter().zip(runs) {
            assert!(entry.matches(&bytes[at..at + run.len()]));
            at += run.len();
        }
    }

    #[test]
    fn every_flipped_bit_of_an_entry_is_seen() {
        let (_, entries, runs, _) = frame();
        for (entry, run) in entries.iter().zip(runs) {
            for i in (0..run.len()).step_by(if run.len() > 1000 { 37 } else { 1 }) {
                let mut bad = run.clone();
                bad[i] ^= 4;
                assert!(!entry.matches(&bad), "byte {i}");
            }
            assert!(!entry.matches(&run[..run.len() - 1]));
        }
    }

    #[test]
    fn a_damaged_header_is_none() {
        let (_, _, _, bytes) = frame();
        for i in 0..FRAME_HEADER_BYTES {
            let mut bad = bytes.clone();
            bad[i] ^= 1;
            assert_eq!(FrameHeader::parse(&bad), None, "byte {i}");
        }
        assert_eq!(FrameHeader::parse(&[0; 4096]), None);
        assert_eq!(FrameHeader::parse(&[]), None);
        assert_eq!(frame_bytes(usize::MAX, 1), None);
        assert_eq!(frame_bytes(1, MAX_FRAME_BYTES), None);
    }
}
