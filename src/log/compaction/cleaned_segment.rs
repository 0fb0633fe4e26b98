//! Writes a new segment beside the old ones, with its indexes: nobody reads it yet.

use crate::base::ids::Offset;
use crate::base::limits::DISK_BLOCK_BYTES;
use crate::log::file_names::SegmentFile;
use crate::log::partition::{PartitionLog, write_whole};
use crate::log::segment::{IndexBuild, OffsetIndex, SharedFile, TimeIndex};
use crate::log::{AbortedTransaction, FileError};
use crate::rt::disk::IoBuf;
use crate::wire::records::BatchHeader;
use std::path::PathBuf;

/// Largest single write, in bytes.
const WRITE_BYTES: usize = 1 << 20;

/// The files of a segment that are made, the one that decides last. The first is not made where no transaction was aborted.
pub(super) const MADE: [SegmentFile; 4] = [
    SegmentFile::TransactionIndex,
    SegmentFile::OffsetIndex,
    SegmentFile::TimeIndex,
    SegmentFile::Log,
];

/// A segment in the making, in a file that ends in `.cleaned`.
pub(super) struct CleanedSegment {
    pub base: Offset,
    pub version: u32,
    pub file: SharedFile,
    pub bytes: u64,
    pub index: IndexBuild,
    pub first_timestamp_ms: Option<i64>,
    pub newest_ms: i64,
    /// The transactions that were aborted by a marker in it.
    pub aborted: Vec<AbortedTransaction>,
    /// Whether it gets an index of them.
    pub tells_aborted: bool,
    path: PathBuf,
    buffer: Option<IoBuf>,
    filled: usize,
    written: u64,
}

impl CleanedSegment {
    /// Makes the file. It takes the place of the segment with `base`, so its version is one more.
    pub async fn create(log: &PartitionLog, base: Offset, version: u32) -> Result<CleanedSegment, FileError> {
        let path = SegmentFile::Log.cleaned_path(&log.dir, base);
        let file = log.shard.files.create(log.id, base, version, &path).await?;
        Ok(CleanedSegment {
            base,
            version,
            file,
            bytes: 0,
            index: IndexBuild::default(),
            first_timestamp_ms: None,
            newest_ms: -1,
            aborted: Vec::new(),
            tells_aborted: false,
            path,
            buffer: None,
            filled: 0,
            written: 0,
        })
    }

    /// Adds a batch. Gives how many bytes were written to the disk.
    pub async fn push(&mut self, interval_bytes: u64, batch: &[u8]) -> Result<usize, FileError> {
        let header = BatchHeader::parse(batch).expect("it was checked, or made here");
        let position = u32::try_from(self.bytes)
            .map_err(|_| self.failed("write", &std::io::Error::other("a segment has at most 4 GiB")))?;
        let relative = (header.last_offset().0 - self.base.0) as u32;
        // Of a batch without records nobody finds the largest timestamp.
        let timestamp_ms = match header.record_count {
            0 => -1,
            _ => header.max_timestamp,
        };
        self.index.add(
            interval_bytes,
            position,
            batch.len() as u64,
            relative,
            timestamp_ms,
        );
        self.first_timestamp_ms.get_or_insert(header.max_timestamp);
        self.newest_ms = self.newest_ms.max(timestamp_ms);
        self.bytes += batch.len() as u64;
        let (mut rest, mut written) = (batch, 0);
        while !rest.is_empty() {
            let filled = self.filled;
            let buffer = self
                .buffer
                .get_or_insert_with(|| IoBuf::with_capacity(WRITE_BYTES));
            let n = rest.len().min(WRITE_BYTES - filled);
            buffer[filled..filled + n].copy_from_slice(&rest[..n]);
            rest = &rest[n..];
            self.filled += n;
            if self.filled == WRITE_BYTES {
                written += self.write_out().await?;
            }
        }
        Ok(written)
    }

    async fn write_out(&mut self) -> Result<usize, FileError> {
        let Some(mut buffer) = self.buffer.take().filter(|_| self.filled > 0) else {
            return Ok(0);
        };
        let filled = std::mem::take(&mut self.filled);
        let len = filled.next_multiple_of(DISK_BLOCK_BYTES);
        buffer[filled..len].fill(0);
        let wrote = self.file.write_at(buffer, len, self.written).await;
        self.buffer = Some(wrote.map_err(|e| self.failed("write", &e))?);
        self.written += filled as u64;
        Ok(len)
    }

    /// Writes what is left, gives the file its exact length, writes the indexes, and makes all of it durable but the names.
    pub async fn finish(&mut self, log: &PartitionLog) -> Result<usize, FileError> {
        let written = self.write_out().await?;
        self.buffer = None;
        self.file
            .set_len(self.bytes)
            .await
            .map_err(|e| self.failed("cut", &e))?;
        self.file.datasync().await.map_err(|e| self.failed("sync", &e))?;
        self.index.close();
        let offsets = OffsetIndex::encode(self.index.offsets());
        let times = TimeIndex::encode(self.index.times());
        write_whole(
            &SegmentFile::OffsetIndex.cleaned_path(&log.dir, self.base),
            offsets,
        )
        .await?;
        write_whole(&SegmentFile::TimeIndex.cleaned_path(&log.dir, self.base), times).await?;
        if self.tells_aborted || !self.aborted.is_empty() {
            self.tells_aborted = true;
            let path = SegmentFile::TransactionIndex.cleaned_path(&log.dir, self.base);
            write_whole(&path, AbortedTransaction::encode_all(&self.aborted)).await?;
        }
        Ok(written)
    }

    /// The files that take a place, the one that decides last.
    pub fn made(&self) -> &'static [SegmentFile] {
        match self.tells_aborted {
            true => &MADE,
            false => &MADE[1..],
        }
    }

    fn failed(&self, operation: &'static str, error: &std::io::Error) -> FileError {
        FileError::new(&self.path, operation, error)
    }
}
