//! The lock by which Apache Kafka keeps a log directory for itself.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;

/// The file Kafka locks while it runs.
const LOCK_FILE: &str = ".lock";

/// What is to be done with the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It is only read, and so is the lock's file.
    Read,
    /// It is changed.
    Change,
}

/// Takes the lock, which lasts as long as the file is open: Kafka can't start meanwhile. `None` if the directory has no such file, as a
/// copy of one need not. Java's locks are those of `fcntl`.
pub fn lock_kafka_dir(dir: &Path, purpose: Purpose) -> anyhow::Result<Option<File>> {
    let path = dir.join(LOCK_FILE);
    let change = purpose == Purpose::Change;
    let file = match OpenOptions::new().read(true).write(change).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("could not open {}", path.display())),
    };
    let operation = match purpose {
        Purpose::Read => FlockOperation::NonBlockingLockShared,
        Purpose::Change => FlockOperation::NonBlockingLockExclusive,
    };
    match fcntl_lock(&file, operation) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::AGAIN | Errno::ACCESS) => bail!(
            "an Apache Kafka broker runs on {}: stop it first, in order, with SIGTERM",
            dir.display()
        ),
        Err(error) => Err(error).with_context(|| format!("could not lock {}", path.display())),
    }
}
