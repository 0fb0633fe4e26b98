//! The same files, synchronously, for the control thread. In the simulation: the same simulated disk.
//!
//! Never call these on a shard.

use super::{DirEntry, Space};
use crate::rt::backend;
use std::io;
use std::path::Path;

/// A file that grows at its end.
#[derive(Debug)]
pub struct AppendFile(backend::disk::blocking::AppendFile);

impl AppendFile {
    /// Opens a file, making it if it is not there. The name is durable after [`sync_dir`].
    pub fn open(path: impl AsRef<Path>) -> io::Result<AppendFile> {
        backend::disk::blocking::AppendFile::open(path.as_ref()).map(AppendFile)
    }

    /// Writes at the end. After an error any part of it may be there.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.append(bytes)
    }

    /// Makes durable what was appended, and the length. After an error it is unknown what is durable.
    pub fn sync_data(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    /// Cuts the file (a torn end, for example); durable after [`AppendFile::sync_data`].
    pub fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    /// The length in bytes.
    pub fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    /// Whether the length is 0.
    pub fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }
}

/// A whole file. Longer than `max_len` bytes is an error, `FileTooLarge`.
pub fn read(path: impl AsRef<Path>, max_len: u64) -> io::Result<Vec<u8>> {
    backend::disk::blocking::read(path.as_ref(), max_len)
}

/// See [`super::write_file_atomic`].
pub fn write_file_atomic(path: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
    backend::disk::blocking::write_file_atomic(path.as_ref(), bytes)
}

/// See [`super::space`].
pub fn space(path: impl AsRef<Path>) -> io::Result<Space> {
    backend::disk::blocking::space(path.as_ref())
}

/// See [`super::read_dir`].
pub fn read_dir(path: impl AsRef<Path>) -> io::Result<Vec<DirEntry>> {
    backend::disk::blocking::read_dir(path.as_ref())
}

/// See [`super::create_dir_all`].
pub fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    backend::disk::blocking::create_dir_all(path.as_ref())
}

/// See [`super::rename`].
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    backend::disk::blocking::rename(from.as_ref(), to.as_ref())
}

/// See [`super::remove_file`].
pub fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    backend::disk::blocking::remove_file(path.as_ref())
}

/// See [`super::remove_dir_all`].
pub fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    backend::disk::blocking::remove_dir_all(path.as_ref())
}

/// See [`super::sync_dir`].
pub fn sync_dir(path: impl AsRef<Path>) -> io::Result<()> {
    backend::disk::blocking::sync_dir(path.as_ref())
}
