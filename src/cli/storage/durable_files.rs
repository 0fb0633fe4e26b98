//! Small steps on the disk that are durable when they return, or say what failed.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::Context;

/// Writes a new file, synced; its name is durable when its directory is.
pub fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let written =
        File::create(path).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.with_context(|| format!("could not write {}", path.display()))
}

/// Puts a file in the place of another one, or where none was, at one moment.
pub fn replace_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    crate::rt::disk::blocking::write_file_atomic(path, bytes)
        .with_context(|| format!("could not write {}", path.display()))
}

/// What a small file holds, `None` if it is not there.
pub fn read_if_there(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("could not read {}", path.display())),
    }
}

/// Removes a directory with all that is in it; fine if it is not there.
pub fn remove_dir_if_there(dir: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("could not remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

/// Renames; durable when the directory is synced.
pub fn rename(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::rename(from, to).with_context(|| format!("could not rename {} to {}", from.display(), to.display()))
}

/// Makes the names in a directory durable.
pub fn sync_dir(dir: &Path) -> anyhow::Result<()> {
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.with_context(|| format!("could not sync {}", dir.display()))
}
