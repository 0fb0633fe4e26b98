//! Names: operations on directories and on small whole files. Not for the hot path: each is a job on one of a few helper threads.
//!
//! Dropping such a future does not stop the operation.

use crate::rt::backend;
use std::io;
use std::path::Path;

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// Its name. A name that is not UTF-8 is not ours and is left out of listings.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// A file's length in bytes; 0 for a directory.
    pub len: u64,
}

/// Makes a directory and those above it; fine if they are there. Durable after [`sync_dir`] of each parent.
pub async fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    backend::disk::create_dir_all(path.as_ref()).await
}

/// The names in a directory, sorted.
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<Vec<DirEntry>> {
    backend::disk::read_dir(path.as_ref()).await
}

/// Gives a file or directory another name; replaces a file of that name atomically. Durable after [`sync_dir`] of both
/// directories.
pub async fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    backend::disk::rename(from.as_ref(), to.as_ref()).await
}

/// Removes a file's name; whoever has it open goes on. Until [`sync_dir`] it may come back with a crash.
pub async fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    backend::disk::remove_file(path.as_ref()).await
}

/// Removes a directory with all that is in it. May come back with a crash, in part, as with [`remove_file`].
pub async fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    backend::disk::remove_dir_all(path.as_ref()).await
}

/// Makes durable every change of the directory's names that was ready before this call.
pub async fn sync_dir(path: impl AsRef<Path>) -> io::Result<()> {
    backend::disk::sync_dir(path.as_ref()).await
}

/// How large the file system of a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All of it, in bytes.
    pub total_bytes: u64,
    /// What this process may still use, in bytes.
    pub usable_bytes: u64,
}

/// The space of the file system that a path is on.
pub async fn space(path: impl AsRef<Path>) -> io::Result<Space> {
    backend::disk::space(path.as_ref()).await
}

/// A whole small file. Longer than `max_len` bytes is an error, `FileTooLarge`.
pub async fn read_file(path: impl AsRef<Path>, max_len: u64) -> io::Result<Vec<u8>> {
    backend::disk::read_file(path.as_ref(), max_len).await
}

/// Replaces a file, or makes it: after a crash at any moment there is the old content or the new one. When this is
/// ready the new one is durable. Uses a neighbour with `.tmp` added to the name.
pub async fn write_file_atomic(path: impl AsRef<Path>, bytes: Vec<u8>) -> io::Result<()> {
    backend::disk::write_file_atomic(path.as_ref(), bytes).await
}

/// Makes a directory that may be there, with small files in it that replace those of their names: when this is ready all of it is durable, the
/// directory's own name too. After a crash before, each file is there as with [`write_file_atomic`], or it is not. Several files
/// cost hardly more than one: their data is synced together, and so are their names.
pub async fn create_dir_with_files(
    dir: impl AsRef<Path>,
    files: Vec<(&'static str, Vec<u8>)>,
) -> io::Result<()> {
    backend::disk::create_dir_with_files(dir.as_ref(), files).await
}

/// Replaces a small file, or makes it, without waiting for the disk: after a crash there may be the old content, the new one,
/// or neither, in part. For what is checked by who reads it, and can be made again.
pub async fn write_file_unsynced(path: impl AsRef<Path>, bytes: Vec<u8>) -> io::Result<()> {
    backend::disk::write_file_unsynced(path.as_ref(), bytes).await
}

/// Prepares the executor for the device `dir` is on. The first [`super::File::open`] does it by itself; called at start,
/// errors (no permission, a file system without direct I/O) speak there.
pub async fn prime(dir: impl AsRef<Path>) -> io::Result<()> {
    backend::disk::prime(dir.as_ref()).await
}
