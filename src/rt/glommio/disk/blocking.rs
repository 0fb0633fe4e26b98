//! Files through std, for the control thread and for the executors' helper threads.

use crate::rt::disk::{DirEntry, Space};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// A file that grows at its end.
#[derive(Debug)]
pub(in crate::rt) struct AppendFile(File);

impl AppendFile {
    pub(in crate::rt) fn open(path: &Path) -> io::Result<AppendFile> {
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .map(AppendFile)
    }

    pub(in crate::rt) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    pub(in crate::rt) fn sync_data(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    pub(in crate::rt) fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    pub(in crate::rt) fn len(&self) -> io::Result<u64> {
        self.0.metadata().map(|metadata| metadata.len())
    }
}

pub(in crate::rt) fn read(path: &Path, max_len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(max_len.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_len {
        let text = format!("{} has more than {max_len} bytes", path.display());
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

pub(in crate::rt) fn write_file_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path);
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    drop(file);
    fs::rename(&temporary, path)?;
    sync_dir(parent(path))
}

/// One after the other they would each have the file system commit its journal, twice.
pub(in crate::rt) fn create_dir_with_files(dir: &Path, files: &[(&'static str, Vec<u8>)]) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let mut written = Vec::with_capacity(files.len());
    for (name, bytes) in files {
        let path = dir.join(name);
        let mut file = File::create(temporary(&path))?;
        file.write_all(bytes)?;
        written.push((path, file));
    }
    for (_, file) in &written {
        file.sync_data()?;
    }
    for (path, _) in &written {
        fs::rename(temporary(path), path)?;
    }
    sync_dir(dir)?;
    sync_dir(parent(dir))
}

pub(in crate::rt) fn write_file_unsynced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path);
    fs::write(&temporary, bytes)?;
    fs::rename(&temporary, path)
}

fn temporary(path: &Path) -> PathBuf {
    let mut temporary = OsString::from(path);
    temporary.push(".tmp");
    PathBuf::from(temporary)
}

pub(in crate::rt) fn read_dir(path: &Path) -> io::Result<Vec<DirEntry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // Removed since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let is_dir = metadata.is_dir();
        entries.push(DirEntry {
            name,
            is_dir,
            len: if is_dir { 0 } else { metadata.len() },
        });
    }
    entries.sort_unstable();
    Ok(entries)
}

pub(in crate::rt) fn create_dir_all(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

pub(in crate::rt) fn space(path: &Path) -> io::Result<Space> {
    let found = rustix::fs::statvfs(path)?;
    Ok(Space {
        total_bytes: found.f_blocks.saturating_mul(found.f_frsize),
        usable_bytes: found.f_bavail.saturating_mul(found.f_frsize),
    })
}

pub(in crate::rt) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

pub(in crate::rt) fn remove_file(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

pub(in crate::rt) fn remove_dir_all(path: &Path) -> io::Result<()> {
    fs::remove_dir_all(path)
}

pub(in crate::rt) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
