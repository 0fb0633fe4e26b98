//! Names: the blocking functions, as jobs.
//!
//! glommio has some of these, but it syncs a directory with fdatasync, which on ext4 may leave out a new name, and its
//! own open panics when a name goes away under it (see `path_gate.rs`).

use super::super::blocking_job;
use super::blocking;
use super::path_gate::Removing;
use crate::rt::disk::{DirEntry, Space};
use std::io;
use std::path::Path;

pub(in crate::rt) async fn create_dir_all(path: &Path) -> io::Result<()> {
    let path = path.to_owned();
    blocking_job::run(move || blocking::create_dir_all(&path)).await
}

pub(in crate::rt) async fn read_dir(path: &Path) -> io::Result<Vec<DirEntry>> {
    let path = path.to_owned();
    blocking_job::run(move || blocking::read_dir(&path)).await
}

pub(in crate::rt) async fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (from.to_owned(), to.to_owned());
    removing(move || blocking::rename(&from, &to)).await
}

pub(in crate::rt) async fn remove_file(path: &Path) -> io::Result<()> {
    let path = path.to_owned();
    removing(move || blocking::remove_file(&path)).await
}

pub(in crate::rt) async fn remove_dir_all(path: &Path) -> io::Result<()> {
    let path = path.to_owned();
    removing(move || blocking::remove_dir_all(&path)).await
}

pub(in crate::rt) async fn sync_dir(path: &Path) -> io::Result<()> {
    let path = path.to_owned();
    blocking_job::run(move || blocking::sync_dir(&path)).await
}

pub(in crate::rt) async fn space(path: &Path) -> io::Result<Space> {
    let path = path.to_owned();
    blocking_job::run(move || blocking::space(&path)).await
}

pub(in crate::rt) async fn read_file(path: &Path, max_len: u64) -> io::Result<Vec<u8>> {
    let path = path.to_owned();
    blocking_job::run(move || blocking::read(&path, max_len)).await
}

// The only names these take away end in `.tmp`, and nobody else opens those: no gate.

pub(in crate::rt) async fn write_file_atomic(path: &Path, bytes: Vec<u8>) -> io::Result<()> {
    let path = path.to_owned();
    blocking_job::run(move || blocking::write_file_atomic(&path, &bytes)).await
}

pub(in crate::rt) async fn write_file_unsynced(path: &Path, bytes: Vec<u8>) -> io::Result<()> {
    let path = path.to_owned();
    blocking_job::run(move || blocking::write_file_unsynced(&path, &bytes)).await
}

pub(in crate::rt) async fn create_dir_with_files(
    dir: &Path,
    files: Vec<(&'static str, Vec<u8>)>,
) -> io::Result<()> {
    let dir = dir.to_owned();
    blocking_job::run(move || blocking::create_dir_with_files(&dir, &files)).await
}

async fn removing(job: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    let guard = Removing::enter().await;
    blocking_job::run_holding(guard, job).await
}
