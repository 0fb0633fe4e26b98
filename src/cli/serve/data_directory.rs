//! The data directory: there, writable, on the right kind of file system, and ours alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use anyhow::anyhow;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::direct_io::{file_system_name, probe_direct_io};
use crate::log::file_names::RESERVE;

/// The file that is locked while a server uses the directory. It holds the server's process id.
const LOCK_FILE: &str = ".lock";

/// A data directory that no other server can use while this value lives.
#[derive(Debug)]
pub struct DataDirectory {
    /// The lock goes with the file, also when the process is killed.
    _lock: File,
}

/// A directory can't be taken.
#[derive(Debug)]
pub enum TakeError {
    /// Its disk does not answer, or takes no writes any more: another directory may do without it.
    Disk(anyhow::Error),
    /// Anything else: whoever starts the server has to change something.
    Refused(anyhow::Error),
}

impl TakeError {
    fn of(doing: &str, path: &Path, error: io::Error) -> TakeError {
        let failed = error.raw_os_error().map(Errno::from_raw_os_error);
        let disk = matches!(
            failed,
            Some(Errno::IO | Errno::ROFS | Errno::NODEV | Errno::NXIO | Errno::STALE | Errno::NOTCONN)
        );
        let error = explain(doing, path, error);
        if disk {
            TakeError::Disk(error)
        } else {
            TakeError::Refused(error)
        }
    }
}

impl DataDirectory {
    /// Makes the directory if it is not there, takes it, and sees whether it will do.
    pub fn take(path: &Path) -> Result<DataDirectory, TakeError> {
        if let Err(error) = fs::create_dir_all(path) {
            return Err(TakeError::of("create", path, error));
        }
        if !path.is_dir() {
            return Err(TakeError::Refused(anyhow!(
                "the data directory {} is no directory; choose another one with --data-dir",
                path.display()
            )));
        }
        let lock = lock(path)?;
        let is_full = |probed: &io::Result<()>| matches!(probed, Err(error) if error.kind() == io::ErrorKind::StorageFull);
        let mut probed = probe_direct_io(path);
        if is_full(&probed) {
            // That is what it is for; the server makes it again when there is room.
            let _ = fs::remove_file(path.join(RESERVE));
            probed = probe_direct_io(path);
        }
        if let Err(error) = probed
            // What is full was used before, or the start goes no further than to its first file.
            && error.kind() != io::ErrorKind::StorageFull
        {
            return Err(TakeError::Refused(anyhow!(
                "the file system of the data directory {} ({}) does not take direct I/O, which Corelane needs: {error}. \
                 Choose a directory on ext4, xfs or btrfs with --data-dir",
                path.display(),
                file_system_name(path)
            )));
        }
        Ok(DataDirectory { _lock: lock })
    }
}

/// Keeps servers away from a directory that is only looked at: nothing in it is changed. `None`: it has no file to lock, as a copy of
/// one need not.
pub fn hold(dir: &Path) -> anyhow::Result<Option<File>> {
    let path = dir.join(LOCK_FILE);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(explain("read", dir, error)),
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Err(in_use(dir, &mut file)),
        Err(error) => Err(anyhow!(
            "could not lock {}: {}",
            path.display(),
            io::Error::from(error)
        )),
    }
}

fn in_use(dir: &Path, lock: &mut File) -> anyhow::Error {
    let mut owner = String::new();
    let _ = lock.read_to_string(&mut owner);
    let owner = owner.trim();
    let process = if owner.is_empty() {
        String::new()
    } else {
        format!(" (process {owner})")
    };
    anyhow!(
        "the data directory {} is in use by another Corelane server{process}. Stop that one, or choose another \
         directory with --data-dir",
        dir.display()
    )
}

fn lock(dir: &Path) -> Result<File, TakeError> {
    let path = dir.join(LOCK_FILE);
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) => return Err(TakeError::of("write to", dir, error)),
    };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Err(TakeError::Refused(in_use(dir, &mut file))),
        Err(error) => {
            return Err(TakeError::Refused(anyhow!(
                "could not lock {}: {}",
                path.display(),
                io::Error::from(error)
            )));
        }
    }
    let written = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    match written {
        // The number is for people; the lock holds without it.
        Err(error) if error.kind() != io::ErrorKind::StorageFull => {
            Err(TakeError::of("write to", dir, error))
        }
        _ => Ok(file),
    }
}

/// Says what to do, where that is known.
fn explain(doing: &str, path: &Path, error: io::Error) -> anyhow::Error {
    let advice = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            let user = rustix::process::geteuid().as_raw();
            format!(
                ": this user (uid {user}) has no permission. Give it the directory, or choose another one with --data-dir"
            )
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            ": the file system is read-only. Choose another directory with --data-dir".to_string()
        }
        io::ErrorKind::StorageFull => ": the file system is full".to_string(),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            ": something on the way there is no directory. Choose another one with --data-dir".to_string()
        }
        _ => format!(": {error}. Choose another one with --data-dir"),
    };
    anyhow!("could not {doing} the data directory {}{advice}", path.display())
}
