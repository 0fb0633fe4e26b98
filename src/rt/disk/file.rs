//! A file read and written directly. Hot path.

use super::{BLOCK_BYTES, IoBuf, ReadBuf};
use crate::rt::backend;
use std::io;
use std::path::Path;

/// How to open a file. At least one of `read` and `write`; `create`, `create_new` and `truncate` need `write`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
    /// Make it if it is not there. The name is durable only after [`super::sync_dir`].
    pub create: bool,
    /// Make it, and fail if it is there.
    pub create_new: bool,
    /// Empty it.
    pub truncate: bool,
    /// A write is durable, with the length it may have changed, when its future is ready (O_DSYNC).
    pub dsync: bool,
}

/// An open file. Any number of reads and writes may be in flight; see the module for their order.
#[derive(Debug)]
pub struct File(backend::disk::File);

impl File {
    /// Opens a file.
    pub async fn open(path: impl AsRef<Path>, options: &OpenOptions) -> io::Result<File> {
        backend::disk::File::open(path.as_ref(), options).await.map(File)
    }

    /// Reads `len` bytes from `position`, both without need of alignment; fewer at the end of the file, none behind it.
    pub async fn read_at(&self, position: u64, len: usize) -> io::Result<ReadBuf> {
        if len == 0 {
            return Ok(ReadBuf::new(backend::disk::ReadBuf::default(), 0, 0));
        }
        let block = BLOCK_BYTES as u64;
        let aligned = position - position % block;
        let skip = (position - aligned) as usize;
        let whole = (skip + len).next_multiple_of(BLOCK_BYTES);
        let buffer = self.0.read_aligned(aligned, whole).await?;
        let start = skip.min(buffer.len());
        let end = (skip + len).min(buffer.len());
        Ok(ReadBuf::new(buffer, start, end))
    }

    /// Writes the first `len` bytes of `buffer` at `position` and gives a buffer of the same capacity back, whose
    /// content is not specified. `len` and `position` must be multiples of [`BLOCK_BYTES`] and `len` within the
    /// buffer, else `InvalidInput`.
    ///
    /// After an error any sectors of it may have been written. A dropped future does not stop the write.
    pub async fn write_at(&self, buffer: IoBuf, len: usize, position: u64) -> io::Result<IoBuf> {
        if len == 0
            || len > buffer.capacity()
            || !len.is_multiple_of(BLOCK_BYTES)
            || !position.is_multiple_of(BLOCK_BYTES as u64)
        {
            let text = format!("a write of {len} bytes of {} at {position}", buffer.capacity());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        self.0.write_at(buffer.0, len, position).await.map(IoBuf)
    }

    /// Makes durable every write that was ready before this call, and the file's length.
    ///
    /// After an error it is unknown which of them are durable, and a later success says nothing about them.
    pub async fn datasync(&self) -> io::Result<()> {
        self.0.datasync().await
    }

    /// Cuts the file or extends it with zeros; durable after [`File::datasync`]. Not together with writes in flight.
    pub async fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len).await
    }

    /// Reserves room on disk for the first `len` bytes. The file's length stays.
    pub async fn preallocate(&self, len: u64) -> io::Result<()> {
        self.0.preallocate(len).await
    }

    /// The file's length in bytes. Does not suspend.
    pub fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    /// Whether the file's length is 0.
    pub fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// Closes the file and waits for it. A file that is dropped instead is closed some time later.
    pub async fn close(self) -> io::Result<()> {
        self.0.close().await
    }
}
