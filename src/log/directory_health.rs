//! Whether a data directory works. An error on one file may be that file's alone: then its partition, or its shard's
//! write-ahead log, stops and nothing else does. So after any error the directory itself is tried, with a file of its own.

use super::FileError;
use super::disk_room::is_no_room;
use super::file_names::PROBE;
use crate::rt::{self, disk};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tracing::error;

/// It has failed when so many tries in a row have: a disk that fails now and then is not given up for one more error.
const TRIES: usize = 3;
/// Time between them.
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// One per data directory, shared by the shards.
#[derive(Debug)]
pub(super) struct DirectoryHealth {
    dir: PathBuf,
    failure: OnceLock<FileError>,
    looking: AtomicBool,
}

impl DirectoryHealth {
    /// Of a directory that works.
    pub fn new(dir: &Path) -> DirectoryHealth {
        DirectoryHealth {
            dir: dir.to_path_buf(),
            failure: OnceLock::new(),
            looking: AtomicBool::new(false),
        }
    }

    /// Why it is offline, if so.
    pub fn failure(&self) -> Option<&FileError> {
        self.failure.get()
    }

    /// Takes it offline, until the server is started again. The first reason counts and is logged.
    pub fn fail(&self, error: FileError) {
        if self.failure.set(error.clone()).is_ok() {
            error!(directory = %self.dir.display(), %error, "a data directory is offline, and so are its partitions");
        }
    }

    /// Something in it could not be read or written: sees whether anything can. One shard looks at a time.
    pub async fn look(&self) {
        if self.failure.get().is_some() || self.looking.swap(true, Ordering::Relaxed) {
            return;
        }
        let _looking = Looking(&self.looking);
        let mut last = None;
        for nth in 0..TRIES {
            if nth > 0 {
                rt::sleep(BETWEEN_TRIES).await;
            }
            match self.try_file().await {
                Ok(()) => return,
                Err(error) => last = Some(error),
            }
        }
        if let Some(error) = last {
            self.fail(error);
        }
    }

    /// Makes a small file durable. Want of room says nothing of the disk's health.
    async fn try_file(&self) -> Result<(), FileError> {
        let path = self.dir.join(PROBE);
        match disk::write_file_atomic(&path, b"it works".to_vec()).await {
            Ok(()) => {}
            Err(error) if is_no_room(&error) => return Ok(()),
            Err(error) => return Err(FileError::new(&path, "write", &error)),
        }
        // One that stays is written over by the next try.
        let _ = disk::remove_file(&path).await;
        Ok(())
    }
}

/// Ends the look also when it is dropped.
struct Looking<'a>(&'a AtomicBool);

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
