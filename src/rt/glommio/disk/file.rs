//! Open files. Hot path.

use super::IoBuf;
use super::path_gate::Opening;
use super::prime::prime_parent_of;
use crate::rt::disk::OpenOptions;
use ::glommio::io::DmaFile;
use rustix::fs::fstat;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

/// Refcounted within the executor.
pub(in crate::rt) type ReadBuf = ::glommio::io::ReadResult;

/// Each write is durable when it is done. Not rustix's `OFlags::DSYNC`, which is O_SYNC: that makes the file's times durable as
/// well, with a commit of the file system's journal whenever they change, and forbids the one write with FUA that
/// an overwrite takes on disks that have it.
const O_DSYNC: i32 = 0o10000;

/// An open file.
#[derive(Debug)]
pub(in crate::rt) struct File(DmaFile);

impl File {
    pub(in crate::rt) async fn open(path: &Path, options: &OpenOptions) -> io::Result<File> {
        prime_parent_of(path).await?;
        let mut open = ::glommio::io::OpenOptions::new();
        open.read(options.read)
            .write(options.write)
            .create(options.create)
            .create_new(options.create_new)
            .truncate(options.truncate);
        if options.dsync {
            open.custom_flags(O_DSYNC);
        }
        let _opening = Opening::enter().await;
        open.dma_open(path).await.map(File).map_err(io::Error::from)
    }

    /// The face asks for whole blocks only: glommio's read of anything else counts the bytes before the start as read,
    /// and so gives bytes behind the file's end.
    pub(in crate::rt) async fn read_aligned(&self, position: u64, len: usize) -> io::Result<ReadBuf> {
        self.0
            .read_at_aligned(position, len)
            .await
            .map_err(io::Error::from)
    }

    pub(in crate::rt) async fn write_at(
        &self,
        mut buffer: IoBuf,
        len: usize,
        position: u64,
    ) -> io::Result<IoBuf> {
        let capacity = buffer.len();
        if len < capacity {
            buffer.cut(len);
        }
        let written = self
            .0
            .write_rc_at(buffer.share(), position)
            .await
            .map_err(io::Error::from)?;
        if written != len {
            // A direct write falls short only where the disk is full or broken; the next one would say which.
            let text = format!("{written} of {len} bytes written");
            return Err(io::Error::new(io::ErrorKind::StorageFull, text));
        }
        if len < capacity {
            // From the executor's own memory, so most likely the very same block.
            drop(buffer);
            return Ok(IoBuf::with_capacity(capacity));
        }
        Ok(buffer)
    }

    pub(in crate::rt) async fn datasync(&self) -> io::Result<()> {
        self.0.fdatasync().await.map_err(io::Error::from)
    }

    pub(in crate::rt) async fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.truncate(len).await.map_err(io::Error::from)
    }

    pub(in crate::rt) async fn preallocate(&self, len: u64) -> io::Result<()> {
        const KEEP_SIZE: bool = true;
        self.0.pre_allocate(len, KEEP_SIZE).await.map_err(io::Error::from)
    }

    /// By the descriptor: glommio asks by name, which may be gone or another file's by now.
    pub(in crate::rt) fn len(&self) -> io::Result<u64> {
        // SAFETY: the file owns the descriptor and outlives the borrow.
        let fd = unsafe { BorrowedFd::borrow_raw(self.0.as_raw_fd()) };
        Ok(u64::try_from(fstat(fd)?.st_size).expect("no file has a negative length"))
    }

    pub(in crate::rt) async fn close(self) -> io::Result<()> {
        self.0.close().await.map_err(io::Error::from)
    }
}
