//! Walks a segment file batch by batch and says where what can be trusted ends.

use crate::base::ids::Offset;
use crate::log::FileError;
use crate::rt::{self, disk::File};
use crate::wire::records::{BATCH_HEADER_BYTES, BatchHeader, BatchView};
use std::path::Path;

/// How much is read at a time; a larger batch is read whole.
const READ_BYTES: usize = 1 << 20;
/// Largest batch that is believed: the largest segment Kafka can have is 2 GiB, the largest request 100 MiB.
const MAX_BATCH_BYTES: usize = crate::base::limits::MAX_FRAME_BYTES * 2;

/// Where a scan ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ScanEnd {
    /// The byte behind the last good batch.
    pub position: u64,
    /// The offset behind it.
    pub next_offset: Offset,
    /// Why it ended there, if not because the file did (or only zeros were left).
    pub bad: Option<String>,
}

/// How strictly offsets must follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Continuity {
    /// Each batch begins where the one before ended.
    Strict,
    /// There may be gaps, as compaction leaves them.
    Gaps,
}

/// Scans `file` from `position`, where the batch with `next_offset` is expected, up to `file_bytes`. Calls `each` for every
/// good batch with its position.
pub(super) async fn scan_segment(
    file: &File,
    path: &Path,
    file_bytes: u64,
    start: (u64, Offset),
    continuity: Continuity,
    mut each: impl FnMut(&BatchHeader, u64),
) -> Result<ScanEnd, FileError> {
    let (mut position, mut next_offset) = start;
    let mut buffer: Option<(u64, rt::disk::ReadBuf)> = None;
    loop {
        let left = (file_bytes - position) as usize;
        let ended = |bad: Option<String>| {
            Ok(ScanEnd {
                position,
                next_offset,
                bad,
            })
        };
        if left == 0 {
            return ended(None);
        }
        let wanted = left.min(BATCH_HEADER_BYTES);
        let header_bytes = window(file, path, &mut buffer, position, wanted).await?;
        let header = match BatchHeader::parse(&header_bytes) {
            Ok(header) => header,
            Err(e) => {
                let zeros = only_zeros(file, path, position, file_bytes).await?;
                return ended((!zeros).then(|| e.to_string()));
            }
        };
        let size = header.size_bytes();
        if size > left || size > MAX_BATCH_BYTES {
            return ended(Some(format!("a batch of {size} bytes where {left} are left")));
        }
        let fits = match continuity {
            Continuity::Strict => header.base_offset == next_offset,
            Continuity::Gaps => header.base_offset >= next_offset,
        };
        if !fits {
            return ended(Some(format!(
                "a batch with offset {} instead",
                header.base_offset
            )));
        }
        let bytes = window(file, path, &mut buffer, position, size).await?;
        if let Err(e) = BatchView::parse(&bytes).and_then(|batch| batch.check_crc()) {
            return ended(Some(e.to_string()));
        }
        each(&header, position);
        position += size as u64;
        next_offset = header.next_offset();
        rt::yield_if_needed().await;
    }
}

/// The bytes from `position`, `len` of them, from the buffer or read anew with what follows.
async fn window(
    file: &File,
    path: &Path,
    buffer: &mut Option<(u64, rt::disk::ReadBuf)>,
    position: u64,
    len: usize,
) -> Result<rt::disk::ReadBuf, FileError> {
    if let Some((start, bytes)) = buffer {
        let skip = (position - *start) as usize;
        if skip + len <= bytes.len() {
            return Ok(bytes.slice(skip..skip + len));
        }
    }
    let bytes = file
        .read_at(position, len.max(READ_BYTES))
        .await
        .map_err(|e| FileError::new(path, "read", &e))?;
    if bytes.len() < len {
        let short = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the file has become shorter");
        return Err(FileError::new(path, "read", &short));
    }
    let window = bytes.slice(..len);
    *buffer = Some((position, bytes));
    Ok(window)
}

/// Whether the file holds nothing but zeros from `position` on: the padding of the last block, or room reserved.
async fn only_zeros(file: &File, path: &Path, position: u64, file_bytes: u64) -> Result<bool, FileError> {
    let mut at = position;
    while at < file_bytes {
        let len = (file_bytes - at).min(READ_BYTES as u64) as usize;
        let bytes = file
            .read_at(at, len)
            .await
            .map_err(|e| FileError::new(path, "read", &e))?;
        if bytes.is_empty() || bytes.iter().any(|b| *b != 0) {
            return Ok(false);
        }
        at += bytes.len() as u64;
    }
    Ok(true)
}
