//! Hot path: fetch. Reads whole batches of one segment from disk.

use super::{MinOneBatch, PartitionLog, RecordSlice, Records, SegmentIndex};
use crate::base::ids::Offset;
use crate::log::file_names::SegmentFile;
use crate::log::position_hints::BatchPlace;
use crate::log::read_cache::{PIECE_BYTES, PieceKey};
use crate::log::segment::{OffsetIndex, OffsetPosition, SharedFile};
use crate::log::{Damage, FileError, LogStopped, ReadError};
use crate::rt::{self, disk::ReadBuf};
use crate::wire::records::{BATCH_HEADER_BYTES, BatchHeader};
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

/// Largest index file that is read: Kafka's for a segment of 4 GiB with an entry per KiB.
const MAX_INDEX_BYTES: u64 = 64 << 20;
/// Most pieces asked for at the beginning of a read.
const PIECES_AT_ONCE: u64 = 8;
/// Most pieces read before they are asked for. The second of two reads that follow each other reads as much ahead as it is
/// asked for, each further one twice as much as the one before, up to this: the disk works while answers are sent.
const MAX_AHEAD_PIECES: u64 = 16;

/// A read from a segment.
#[derive(Debug)]
pub(super) struct DiskRead {
    partition: Rc<PartitionLog>,
    from: Offset,
    limit: Offset,
    max_bytes: usize,
    min_one_batch: MinOneBatch,
    /// The segments that may hold it: base, bytes in the file, and where to begin if that is known.
    segments: Vec<ReadableSegment>,
    /// How many pieces to read ahead; 0 if no read ended where this one begins.
    ahead_pieces: u64,
}

#[derive(Clone, Copy, Debug)]
struct ReadableSegment {
    base: Offset,
    version: u32,
    /// Where the next segment begins, or the log ends.
    end: Offset,
    bytes: u64,
    begin: Option<Begin>,
}

/// Where a read begins, and what must stand there: a batch's offset is under no checksum.
#[derive(Clone, Copy, Debug)]
struct Begin {
    position: u64,
    /// The batch's offset is not below this.
    at_least: Offset,
    /// The last offset of the batch, if the index says it.
    last: Option<Offset>,
}

impl Begin {
    fn by_index(base: Offset, entry: Option<OffsetPosition>) -> Begin {
        Begin {
            position: entry.map_or(0, |e| u64::from(e.position)),
            at_least: base,
            last: entry.map(|e| base.plus(i64::from(e.relative_offset))),
        }
    }
}

impl DiskRead {
    /// Notes what of the segments can be read now. Later segments only matter if the offset was compacted away.
    pub fn plan(
        partition: &Rc<PartitionLog>,
        from: Offset,
        limit: Offset,
        max_bytes: usize,
        min_one_batch: MinOneBatch,
    ) -> DiskRead {
        let state = partition.state.borrow();
        let hint = partition.shard.hints.get(partition.id, from);
        let first = state
            .segments
            .partition_point(|s| s.base <= from)
            .saturating_sub(1);
        let ends = state
            .segments
            .range(first + 1..)
            .map(|s| s.base)
            .chain([state.positions.log_end]);
        // What compaction has left empty is passed over: a plan without a byte in it would be taken for the log's end.
        let behind = state.segments.range(first + 1..);
        let empty = behind.take_while(|s| state.readable_bytes(s) == 0).count();
        let segments = state
            .segments
            .range(first..)
            .zip(ends)
            .take(2 + empty)
            .map(|(segment, end)| ReadableSegment {
                base: segment.base,
                version: segment.version,
                end,
                bytes: state.readable_bytes(segment),
                begin: match (&segment.index, hint) {
                    (_, Some(hint)) if (hint.segment, hint.version) == (segment.base, segment.version) => {
                        Some(Begin {
                            position: hint.position,
                            at_least: from,
                            last: None,
                        })
                    }
                    (SegmentIndex::Building(index), _) => {
                        Some(Begin::by_index(segment.base, index.lookup(segment.base, from)))
                    }
                    (SegmentIndex::OnDisk, _) => None,
                },
            })
            .collect();
        let ahead_pieces = hint.map_or(0, |hint| hint.ahead_pieces);
        DiskRead {
            partition: partition.clone(),
            from,
            limit,
            max_bytes,
            min_one_batch,
            segments,
            ahead_pieces,
        }
    }

    /// How many bytes it brings at most; a first batch above the limit comes on top.
    pub fn expected_bytes(&self) -> usize {
        let in_segments: u64 = self
            .segments
            .iter()
            .map(|s| s.bytes - s.begin.map_or(0, |b| b.position).min(s.bytes))
            .sum();
        let least = match self.min_one_batch {
            MinOneBatch::Yes => 1,
            MinOneBatch::No => 0,
        };
        (in_segments as usize).min(self.max_bytes.max(least))
    }

    /// Reads. A read never goes over the end of a segment, as Kafka's.
    pub async fn execute(mut self) -> Result<Records, ReadError> {
        let wanted = self.from;
        loop {
            let read = self.read().await;
            if wanted >= self.partition.log_start() && self.is_overtaken() {
                self.plan_anew(self.from);
                continue;
            }
            return match read {
                Ok(Some(records)) => Ok(records),
                Ok(None) => match self.behind() {
                    None => Ok(Records::default()),
                    Some(end) => {
                        match self
                            .partition
                            .read_tail(end, self.limit, self.max_bytes, self.min_one_batch)
                        {
                            Some(records) => Ok(records),
                            None => {
                                self.plan_anew(end);
                                continue;
                            }
                        }
                    }
                },
                Err(ReadError::File(e)) => Err(self.not_read(wanted, e)),
                Err(e) => {
                    if let ReadError::Damaged(damage) = &e {
                        self.partition.shard.damage.note(&self.partition, damage);
                    }
                    Err(e)
                }
            };
        }
    }

    /// Why a file could not be read: it may have gone between plan and read.
    fn not_read(&self, wanted: Offset, error: FileError) -> ReadError {
        match self.partition.stopped() {
            Some(LogStopped::Moved) => ReadError::Moved,
            Some(LogStopped::Deleted) => ReadError::Deleted,
            _ if wanted < self.partition.log_start() => ReadError::OffsetOutOfRange {
                log_start: self.partition.log_start(),
                end: self.limit,
            },
            _ => {
                self.partition.shard.suspect_read();
                ReadError::File(error)
            }
        }
    }

    fn plan_anew(&mut self, from: Offset) {
        *self = DiskRead::plan(
            &self.partition,
            from,
            self.limit,
            self.max_bytes,
            self.min_one_batch,
        );
    }

    /// Whether a segment of the plan was replaced meanwhile, so that its name may have led to the new file.
    fn is_overtaken(&self) -> bool {
        let state = self.partition.state.borrow();
        self.segments.iter().any(|planned| {
            let at = state.segments.partition_point(|s| s.base < planned.base);
            let now = state.segments.get(at).map(|s| (s.base, s.version));
            now != Some((planned.base, planned.version))
        })
    }

    /// Where the planned segments end, if there is more: what was looked for was compacted away up to there.
    fn behind(&self) -> Option<Offset> {
        self.segments
            .last()
            .map(|s| s.end)
            .filter(|end| *end < self.limit)
    }

    /// `None` if all planned segments end before the offset.
    async fn read(&self) -> Result<Option<Records>, ReadError> {
        for segment in self.segments.iter().filter(|s| s.bytes > 0) {
            let read = match self.read_segment(*segment).await {
                // It may be the index that is damaged: the segment itself has the last word.
                Err(ReadError::Damaged(damage))
                    if damage.what != WRONG_CRC && segment.begin.is_none_or(|b| b.last.is_some()) =>
                {
                    let begin = Some(Begin::by_index(segment.base, None));
                    self.read_segment(ReadableSegment { begin, ..*segment }).await
                }
                read => read,
            };
            if let Some(records) = read? {
                return Ok(Some(records));
            }
        }
        Ok(None)
    }

    /// `None` if the segment ends before the offset.
    async fn read_segment(&self, segment: ReadableSegment) -> Result<Option<Records>, ReadError> {
        let partition = &self.partition;
        let path = SegmentFile::Log.path(&partition.dir, segment.base);
        let file = partition
            .shard
            .files
            .get(partition.id, segment.base, segment.version, &path)
            .await?;
        let begin = match segment.begin {
            Some(begin) => begin,
            None => self.look_up(segment).await,
        };
        let mut position = begin.position;
        let mut reader = SegmentReader {
            read: self,
            segment,
            path,
            file,
            pieces: BTreeMap::new(),
        };
        let pieces = PIECES_AT_ONCE.min(self.max_bytes as u64 / PIECE_BYTES + 1);
        reader.begin(position, pieces);
        let mut taken: Option<(u64, u64)> = None;
        let mut next_offset = begin.at_least;
        let mut last = begin.last;
        while position < segment.bytes {
            let header = match reader.batch(position, next_offset, last.take()).await {
                Ok(header) => header,
                // What comes before it is good; the next read begins with it.
                Err(ReadError::Damaged(_)) if taken.is_some() => break,
                Err(e) => return Err(e),
            };
            let size = header.size_bytes() as u64;
            if header.next_offset() > self.from {
                let (begin, end) = taken.unwrap_or((position, position));
                let first = begin == end && self.min_one_batch == MinOneBatch::Yes;
                let fits = (position + size - begin) as usize <= self.max_bytes || first;
                if header.next_offset() > self.limit || !fits {
                    taken = Some((begin, end));
                    break;
                }
                if partition.shard.check_crc_on_read.get()
                    && let Err(e) = reader.check_crc(position, &header).await
                {
                    match taken {
                        Some(_) => break,
                        None => return Err(e),
                    }
                }
                taken = Some((begin, position + size));
            }
            position += size;
            next_offset = header.next_offset();
            rt::yield_if_needed().await;
        }
        let Some((begin, end)) = taken else {
            return Ok(None);
        };
        if end > begin {
            let place = BatchPlace {
                segment: segment.base,
                version: segment.version,
                position: end,
                ahead_pieces: (self.ahead_pieces * 2).clamp(pieces, MAX_AHEAD_PIECES),
            };
            partition.shard.hints.put(partition.id, next_offset, place);
        }
        Ok(Some(reader.records(begin, end).await?))
    }

    /// Asks the segment's index file. Without a usable one the segment is read from its beginning: slow, not wrong.
    async fn look_up(&self, segment: ReadableSegment) -> Begin {
        let path = SegmentFile::OffsetIndex.path(&self.partition.dir, segment.base);
        let bytes = rt::disk::read_file(&path, MAX_INDEX_BYTES)
            .await
            .unwrap_or_default();
        let index = OffsetIndex::parse(&bytes, segment.bytes).unwrap_or_default();
        Begin::by_index(segment.base, index.lookup(segment.base, self.from))
    }
}

struct SegmentReader<'a> {
    read: &'a DiskRead,
    segment: ReadableSegment,
    path: PathBuf,
    file: SharedFile,
    pieces: BTreeMap<u64, ReadBuf>,
}

impl SegmentReader<'_> {
    fn key(&self, piece: u64) -> PieceKey {
        PieceKey {
            partition: self.read.partition.id,
            segment: self.segment.base,
            version: self.segment.version,
            piece,
        }
    }

    /// How much of a piece can be read: the last one of the file is shorter.
    fn readable(&self, piece: u64) -> usize {
        self.segment
            .bytes
            .saturating_sub(piece * PIECE_BYTES)
            .min(PIECE_BYTES) as usize
    }

    /// Begins to read the pieces from `position` on, and those behind them that the next reads will want.
    fn begin(&self, position: u64, pieces: u64) {
        let cache = &self.read.partition.shard.read_cache;
        let first = position / PIECE_BYTES;
        let readable = |piece| Some(self.readable(piece)).filter(|bytes| *bytes > 0);
        for piece in first..first + pieces {
            let Some(bytes) = readable(piece) else { return };
            cache.begin(self.key(piece), bytes, &self.file);
        }
        for piece in first + pieces..first + pieces + self.read.ahead_pieces {
            let Some(bytes) = readable(piece) else { return };
            if !cache.read_ahead(self.key(piece), bytes, &self.file) {
                return;
            }
        }
    }

    async fn piece(&mut self, piece: u64) -> Result<ReadBuf, ReadError> {
        if let Some(bytes) = self.pieces.get(&piece) {
            return Ok(bytes.clone());
        }
        let cache = &self.read.partition.shard.read_cache;
        let bytes = cache
            .get(self.key(piece), self.readable(piece), &self.file, &self.path)
            .await?;
        self.pieces.insert(piece, bytes.clone());
        Ok(bytes)
    }

    /// Calls `f` with the bytes from `begin` to `end`, piece by piece.
    async fn walk(&mut self, begin: u64, end: u64, mut f: impl FnMut(ReadBuf)) -> Result<(), ReadError> {
        let mut position = begin;
        while position < end {
            let piece = position / PIECE_BYTES;
            let start = piece * PIECE_BYTES;
            let bytes = self.piece(piece).await?;
            let until = end.min(start + PIECE_BYTES);
            f(bytes.slice((position - start) as usize..(until - start) as usize));
            position = until;
        }
        Ok(())
    }

    /// The header of the batch at `position`, which fits what is known: it begins there or later, and ends as the index says.
    async fn batch(
        &mut self,
        position: u64,
        at_least: Offset,
        last: Option<Offset>,
    ) -> Result<BatchHeader, ReadError> {
        let header = self.header(position).await?;
        let other = last.is_some_and(|last| header.last_offset() != last);
        if other || header.base_offset < at_least || header.next_offset() > self.segment.end {
            return Err(self.damage(position, "the batch's offset can't be right"));
        }
        if position + header.size_bytes() as u64 > self.segment.bytes {
            return Err(self.damage(position, "the batch goes past the end of the segment"));
        }
        Ok(header)
    }

    async fn header(&mut self, position: u64) -> Result<BatchHeader, ReadError> {
        let end = position + BATCH_HEADER_BYTES as u64;
        if end > self.segment.bytes {
            return Err(self.damage(position, "the segment ends inside a batch"));
        }
        let mut bytes = [0; BATCH_HEADER_BYTES];
        let mut at = 0;
        self.walk(position, end, |part| {
            bytes[at..at + part.len()].copy_from_slice(&part);
            at += part.len();
        })
        .await?;
        BatchHeader::parse(&bytes).map_err(|e| self.damage(position, &e.to_string()))
    }

    async fn check_crc(&mut self, position: u64, header: &BatchHeader) -> Result<(), ReadError> {
        let mut crc = 0;
        let end = position + header.size_bytes() as u64;
        self.walk(position + CRC_BEGINS_AT, end, |part| {
            crc = crc32c::crc32c_append(crc, &part)
        })
        .await?;
        if crc == header.crc {
            Ok(())
        } else {
            Err(self.damage(position, WRONG_CRC))
        }
    }

    async fn records(&mut self, begin: u64, end: u64) -> Result<Records, ReadError> {
        let mut slices = SmallVec::with_capacity(((end - begin) / PIECE_BYTES + 2) as usize);
        self.walk(begin, end, |part| slices.push(RecordSlice::Disk(part)))
            .await?;
        Ok(Records {
            slices,
            len: (end - begin) as usize,
        })
    }

    fn damage(&self, position: u64, what: &str) -> ReadError {
        ReadError::Damaged(Damage {
            path: self.path.clone(),
            position,
            offset: Some(self.read.from),
            what: what.to_string(),
        })
    }
}

/// What is wrong with a batch that stands where it should.
const WRONG_CRC: &str = "the checksum does not match the batch";

/// A batch's CRC covers it from its attributes on.
const CRC_BEGINS_AT: u64 = 21;

impl super::partition_log::PartitionState {
    /// How much of a segment is in its file.
    pub(in crate::log) fn readable_bytes(&self, segment: &super::Segment) -> u64 {
        match self.writer.segment {
            Some(open) if segment.base == open => self.writer.file_bytes,
            Some(open) if segment.base < open => segment.bytes,
            None if segment.base < self.writer.written.offset => segment.bytes,
            _ => 0,
        }
    }
}
