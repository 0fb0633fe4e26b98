//! Reads a closed segment batch by batch, past the read cache: what compaction reads once must not push out what others read.

use super::throttle::Throttle;
use crate::base::ids::Offset;
use crate::log::file_names::SegmentFile;
use crate::log::partition::PartitionLog;
use crate::log::segment::SharedFile;
use crate::log::{Damage, FileError, LogError};
use crate::rt::disk::ReadBuf;
use crate::wire::records::{BATCH_HEADER_BYTES, BatchError, BatchHeader, BatchView};
use std::path::PathBuf;

use super::group::OldSegment;

/// How much is read at a time, in bytes; a larger batch is read whole.
const READ_BYTES: usize = 1 << 20;

/// A walk through a segment.
pub(super) struct SegmentReader<'a> {
    segment: OldSegment,
    path: PathBuf,
    file: SharedFile,
    position: u64,
    next_offset: Offset,
    window: Option<(u64, ReadBuf)>,
    throttle: &'a Throttle,
}

impl<'a> SegmentReader<'a> {
    pub async fn open(
        log: &PartitionLog,
        segment: OldSegment,
        throttle: &'a Throttle,
    ) -> Result<SegmentReader<'a>, LogError> {
        let path = SegmentFile::Log.path(&log.dir, segment.base);
        let files = &log.shard.files;
        let file = files.get(log.id, segment.base, segment.version, &path).await?;
        Ok(SegmentReader {
            segment,
            path,
            file,
            position: 0,
            next_offset: segment.base,
            window: None,
            throttle,
        })
    }

    /// The next batch, checked. `None` at the segment's end.
    pub async fn next(&mut self, over: impl Fn() -> bool) -> Result<Option<ReadBuf>, LogError> {
        let left = self.segment.bytes - self.position;
        if left == 0 {
            return Ok(None);
        }
        let head = self
            .window((BATCH_HEADER_BYTES as u64).min(left) as usize, &over)
            .await?;
        let header = BatchHeader::parse(&head).map_err(|e| self.bad_batch(&e))?;
        let size = header.size_bytes();
        if size as u64 > left {
            return Err(self.damaged("the batch goes past the end of the segment"));
        }
        if header.base_offset < self.next_offset || header.next_offset() > self.segment.end {
            return Err(self.damaged("the batch's offset can't be right"));
        }
        let bytes = self.window(size, &over).await?;
        let checked = BatchView::parse(&bytes).and_then(|batch| batch.check_crc());
        checked.map_err(|e| self.bad_batch(&e))?;
        self.position += size as u64;
        self.next_offset = header.next_offset();
        Ok(Some(bytes))
    }

    /// The batch just read is not what it should be.
    pub fn bad_batch(&self, error: &BatchError) -> LogError {
        self.damaged(&error.to_string())
    }

    async fn window(&mut self, len: usize, over: impl Fn() -> bool) -> Result<ReadBuf, FileError> {
        if let Some((start, bytes)) = &self.window {
            let skip = (self.position - start) as usize;
            if skip + len <= bytes.len() {
                return Ok(bytes.slice(skip..skip + len));
            }
        }
        let most = self.segment.bytes - self.position;
        let wanted = len.max(READ_BYTES.min(most as usize));
        let read = self.file.read_at(self.position, wanted).await;
        let bytes = read.map_err(|e| FileError::new(&self.path, "read", &e))?;
        if bytes.len() < len {
            let short = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the file has become shorter");
            return Err(FileError::new(&self.path, "read", &short));
        }
        self.throttle.used(bytes.len(), over).await;
        let window = bytes.slice(..len);
        self.window = Some((self.position, bytes));
        Ok(window)
    }

    fn damaged(&self, what: &str) -> LogError {
        LogError::Damaged(Damage {
            path: self.path.clone(),
            position: self.position,
            offset: Some(self.next_offset),
            what: what.to_string(),
        })
    }
}
