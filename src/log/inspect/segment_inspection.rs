//! One segment: its batches, and whether its index files fit them.

use std::io::{self, Read};

use crate::base::ids::{LeaderEpoch, Offset};
use crate::base::limits::MAX_FRAME_BYTES;
use crate::log::segment::{OffsetIndex, OffsetPosition, TimeIndex, TimestampOffset};
use crate::wire::records::{BATCH_HEADER_BYTES, BatchHeader, BatchView, Compression};

/// Largest batch that is believed, and most bytes that its records may have when they are decompressed.
const MAX_BATCH_BYTES: usize = MAX_FRAME_BYTES * 2;

/// How closely a batch is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Header and CRC.
    Batches,
    /// Every record, decompressed.
    Records,
}

/// How a segment's file ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With its last batch.
    Whole,
    /// With so many bytes of zeros behind it: the padding of a segment that is written to.
    Zeros(u64),
    /// With bytes that are no batch.
    Bad {
        /// Where they begin.
        position: u64,
        /// How many they are.
        bytes: u64,
        /// What is wrong with them.
        what: String,
    },
}

/// What is to be said of an index file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexSeen {
    /// There is none, as with a segment that is written to.
    Missing,
    /// It fits the segment, and has so many entries.
    Entries(usize),
    /// It does not fit.
    Wrong(String),
}

/// A segment that has been looked through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInspection {
    /// The offset in its name.
    pub base: Offset,
    /// Size of its file.
    pub log_bytes: u64,
    /// Good batches.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Offset of the first batch.
    pub first_offset: Option<Offset>,
    /// The offset behind the last batch; the base offset if there is none.
    pub next_offset: Offset,
    /// How often a batch does not begin where the one before ended, as compaction leaves it.
    pub gaps: u64,
    /// Smallest base timestamp and largest timestamp in ms, of batches that have any.
    pub timestamps_ms: Option<(i64, i64)>,
    /// The codecs of its batches, in the order of their first use.
    pub codecs: Vec<Compression>,
    /// Batches of transactions, and the markers that end these.
    pub transactional_batches: u64,
    /// Control batches.
    pub control_batches: u64,
    /// Leader epochs of its batches, and the offset of the first batch of each.
    pub epochs: Vec<(LeaderEpoch, Offset)>,
    /// How the file ends.
    pub end: End,
    /// The `.index` file.
    pub offset_index: IndexSeen,
    /// The `.timeindex` file.
    pub time_index: IndexSeen,
}

/// The files of a segment to look through.
pub struct SegmentInspector<'a> {
    /// The offset in their names.
    pub base: Offset,
    /// The `.log` file.
    pub log: &'a mut dyn Read,
    /// Its size.
    pub log_bytes: u64,
    /// The `.index` file, if there is one.
    pub offset_index: Option<Vec<u8>>,
    /// The `.timeindex` file, if there is one.
    pub time_index: Option<Vec<u8>>,
    /// How closely to look.
    pub depth: Depth,
}

impl SegmentInspector<'_> {
    /// Reads the segment. Calls `each` for every good batch with its position. Error: the file can't be read.
    pub fn inspect(self, mut each: impl FnMut(&BatchHeader, u64)) -> io::Result<SegmentInspection> {
        let mut seen = SegmentInspection {
            base: self.base,
            log_bytes: self.log_bytes,
            batches: 0,
            records: 0,
            first_offset: None,
            next_offset: self.base,
            gaps: 0,
            timestamps_ms: None,
            codecs: Vec::new(),
            transactional_batches: 0,
            control_batches: 0,
            epochs: Vec::new(),
            end: End::Whole,
            offset_index: IndexSeen::Missing,
            time_index: IndexSeen::Missing,
        };
        let mut index = OffsetIndexCheck::new(self.offset_index, self.log_bytes, self.base);
        let mut buffer = Vec::new();
        let mut position = 0;
        loop {
            let batch = match read_batch(self.log, &mut buffer)? {
                Ok(Some(header)) => {
                    check_batch(&header, &buffer, seen.next_offset, self.depth).map(|()| header)
                }
                Ok(None) => break,
                Err(what) => Err(what),
            };
            match batch {
                Ok(header) => {
                    index.batch(&header, position);
                    seen.add(&header);
                    each(&header, position);
                    position += header.size_bytes() as u64;
                }
                Err(what) => {
                    seen.end = end(self.log, &buffer, position, what)?;
                    break;
                }
            }
        }
        seen.offset_index = index.end();
        seen.time_index = time_index(self.time_index, seen.timestamps_ms.map(|(_, max)| max));
        Ok(seen)
    }
}

impl SegmentInspection {
    fn add(&mut self, header: &BatchHeader) {
        self.batches += 1;
        self.records += u64::try_from(header.record_count).unwrap_or(0);
        // The first one may begin behind the base, too: that of a segment that compaction has been through.
        self.gaps += u64::from(header.base_offset != self.next_offset);
        self.first_offset.get_or_insert(header.base_offset);
        self.next_offset = header.next_offset();
        if header.max_timestamp >= 0 {
            let first = match header.delete_horizon_ms() {
                Some(_) => header.max_timestamp,
                None => header.base_timestamp.min(header.max_timestamp),
            };
            self.timestamps_ms = Some(match self.timestamps_ms {
                Some((min, max)) => (min.min(first), max.max(header.max_timestamp)),
                None => (first, header.max_timestamp),
            });
        }
        let codec = header.attributes.compression().unwrap_or(Compression::None);
        if !self.codecs.contains(&codec) {
            self.codecs.push(codec);
        }
        self.transactional_batches += u64::from(header.attributes.is_transactional());
        self.control_batches += u64::from(header.attributes.is_control());
        if self
            .epochs
            .last()
            .is_none_or(|(last, _)| *last != header.partition_leader_epoch)
        {
            self.epochs
                .push((header.partition_leader_epoch, header.base_offset));
        }
    }
}

/// Reads the next batch into `buffer`; `None` at the end of the file. What has been read is in the buffer in any case.
pub(in crate::log) fn read_batch(
    log: &mut dyn Read,
    buffer: &mut Vec<u8>,
) -> io::Result<Result<Option<BatchHeader>, String>> {
    buffer.clear();
    read_up_to(log, buffer, BATCH_HEADER_BYTES)?;
    if buffer.is_empty() {
        return Ok(Ok(None));
    }
    let header = match BatchHeader::parse(buffer) {
        Ok(header) => header,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let size = header.size_bytes();
    if size > MAX_BATCH_BYTES {
        return Ok(Err(format!("a batch of {size} bytes")));
    }
    read_up_to(log, buffer, size)?;
    if buffer.len() < size {
        return Ok(Err(format!(
            "a batch of {size} bytes where {} are left",
            buffer.len()
        )));
    }
    Ok(Ok(Some(header)))
}

/// Fills the buffer up to `len` bytes, or to the end of the file. Memory grows with what is really there.
fn read_up_to(log: &mut dyn Read, buffer: &mut Vec<u8>, len: usize) -> io::Result<()> {
    let missing = (len - buffer.len()) as u64;
    log.take(missing).read_to_end(buffer).map(drop)
}

/// Says what is wrong with a batch where one with `next_offset` or a later one belongs.
pub(in crate::log) fn check_batch(
    header: &BatchHeader,
    bytes: &[u8],
    next_offset: Offset,
    depth: Depth,
) -> Result<(), String> {
    if header.base_offset < next_offset {
        return Err(format!(
            "a batch with offset {} where {next_offset} or more belongs",
            header.base_offset
        ));
    }
    let batch = BatchView::parse(bytes).map_err(|error| error.to_string())?;
    batch.check_crc().map_err(|error| error.to_string())?;
    if depth == Depth::Batches {
        return Ok(());
    }
    let open = batch.open(MAX_BATCH_BYTES).map_err(|error| error.to_string())?;
    let mut last = None;
    for record in open.records() {
        let record = record.map_err(|error| error.to_string())?;
        if last.is_some_and(|last| record.offset <= last) {
            return Err(format!(
                "the record with offset {} is not behind the one before",
                record.offset
            ));
        }
        last = Some(record.offset);
    }
    Ok(())
}

/// How a file ends whose bytes from `position` on are no batch; those read already are in `begun`.
pub(in crate::log) fn end(log: &mut dyn Read, begun: &[u8], position: u64, what: String) -> io::Result<End> {
    let mut bytes = begun.len() as u64;
    let mut zeros = begun.iter().all(|byte| *byte == 0);
    let mut piece = vec![0; 1 << 20];
    loop {
        match log.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => {
                bytes += n as u64;
                zeros &= piece[..n].iter().all(|byte| *byte == 0);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(match zeros {
        true => End::Zeros(bytes),
        false => End::Bad {
            position,
            bytes,
            what,
        },
    })
}

/// Compares an offset index with the batches as they come.
struct OffsetIndexCheck {
    entries: Result<Vec<OffsetPosition>, IndexSeen>,
    base: Offset,
    /// The next entry to be met.
    next: usize,
    wrong: Option<String>,
}

impl OffsetIndexCheck {
    fn new(bytes: Option<Vec<u8>>, log_bytes: u64, base: Offset) -> OffsetIndexCheck {
        let entries = match bytes.map(|bytes| OffsetIndex::parse(&bytes, log_bytes)) {
            None => Err(IndexSeen::Missing),
            Some(None) => Err(IndexSeen::Wrong("it is no index of this segment".to_string())),
            Some(Some(index)) => Ok(index.entries().to_vec()),
        };
        OffsetIndexCheck {
            entries,
            base,
            next: 0,
            wrong: None,
        }
    }

    fn batch(&mut self, header: &BatchHeader, position: u64) {
        let Ok(entries) = &self.entries else {
            return;
        };
        let Some(entry) = entries.get(self.next) else {
            return;
        };
        let at = u64::from(entry.position);
        if at > position {
            return;
        }
        self.next += 1;
        let offset = self.base.plus(entry.relative_offset.into());
        // Older Kafka notes the last offset of all the batches that were appended at once.
        if at != position || offset < header.last_offset() {
            self.wrong.get_or_insert_with(|| {
                format!("its entry for offset {offset} points to byte {at}, where that is not")
            });
        }
    }

    fn end(self) -> IndexSeen {
        match (self.entries, self.wrong) {
            (Err(seen), _) => seen,
            (Ok(_), Some(what)) => IndexSeen::Wrong(what),
            (Ok(entries), None) if self.next < entries.len() => IndexSeen::Wrong(format!(
                "{} of its entries point behind the batches",
                entries.len() - self.next
            )),
            (Ok(entries), None) => IndexSeen::Entries(entries.len()),
        }
    }
}

fn time_index(bytes: Option<Vec<u8>>, max_timestamp_ms: Option<i64>) -> IndexSeen {
    let Some(bytes) = bytes else {
        return IndexSeen::Missing;
    };
    let Some(index) = TimeIndex::parse(&bytes) else {
        return IndexSeen::Wrong("it is no time index".to_string());
    };
    // Kafka reserves room for the index of a segment that is written to, and zeros are an entry as well.
    let nothing = TimestampOffset {
        timestamp_ms: 0,
        relative_offset: 0,
    };
    if max_timestamp_ms.is_none() && index.entries() == [nothing] {
        return IndexSeen::Entries(0);
    }
    match index.entries().last() {
        Some(last) if Some(last.timestamp_ms) > max_timestamp_ms => IndexSeen::Wrong(format!(
            "it knows of timestamp {}, and the batches do not",
            last.timestamp_ms
        )),
        _ => IndexSeen::Entries(index.entries().len()),
    }
}
