//! The segment files that are open, bounded: the least recently used one is closed for another.

use crate::base::ids::{Offset, TopicPartition};
use crate::log::FileError;
use crate::rt::{self, disk::File, disk::OpenOptions};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::Path;
use std::rc::Rc;

/// The open segment files of a shard.
#[derive(Debug)]
pub struct OpenFiles {
    limit: usize,
    clock: Cell<u64>,
    files: RefCell<Cached>,
    /// Files whose names lead elsewhere for a moment.
    pinned: RefCell<BTreeMap<FileKey, SharedFile>>,
}

/// The files that stay open, by segment, and the segments by when they were used last.
#[derive(Debug, Default)]
struct Cached {
    by_segment: BTreeMap<FileKey, (u64, SharedFile)>,
    by_use: BTreeMap<u64, FileKey>,
}

impl Cached {
    /// A file that is open, used now.
    fn get(&mut self, key: &FileKey, now: u64) -> Option<SharedFile> {
        let (used, file) = self.by_segment.get_mut(key)?;
        self.by_use.remove(used);
        self.by_use.insert(now, *key);
        *used = now;
        Some(file.clone())
    }

    fn insert(&mut self, key: FileKey, now: u64, file: SharedFile) {
        self.by_segment.insert(key, (now, file));
        self.by_use.insert(now, key);
    }

    fn remove(&mut self, key: &FileKey) -> Option<SharedFile> {
        let (used, file) = self.by_segment.remove(key)?;
        self.by_use.remove(&used);
        Some(file)
    }

    /// Takes out the file that was used longest ago, if there are more than `limit`.
    fn remove_oldest_above(&mut self, limit: usize) -> Option<SharedFile> {
        if self.by_segment.len() <= limit {
            return None;
        }
        let (_, key) = self.by_use.pop_first()?;
        self.by_segment.remove(&key).map(|(_, file)| file)
    }
}

/// A segment, by its base and how often another has taken its place.
type FileKey = (TopicPartition, Offset, u32);

/// An open file in use by any number of readers and one writer. Closed when the last of them lets go.
#[derive(Clone, Debug)]
pub struct SharedFile(Rc<Closing>);

#[derive(Debug)]
struct Closing(Option<File>);

impl Deref for SharedFile {
    type Target = File;

    fn deref(&self) -> &File {
        self.0.0.as_ref().expect("a file is there until it is dropped")
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        // The runtime closes a dropped file some time later; nothing waits for it.
        drop(self.0.take());
    }
}

impl OpenFiles {
    /// Keeps up to `limit` files open, besides those in use.
    pub fn new(limit: usize) -> OpenFiles {
        OpenFiles {
            limit: limit.max(1),
            clock: Cell::new(0),
            files: RefCell::default(),
            pinned: RefCell::default(),
        }
    }

    /// The segment's file, opened if it is not, for reading and writing.
    pub async fn get(
        &self,
        partition: TopicPartition,
        base: Offset,
        version: u32,
        path: &Path,
    ) -> Result<SharedFile, FileError> {
        let options = OpenOptions {
            read: true,
            write: true,
            ..OpenOptions::default()
        };
        self.open((partition, base, version), path, options).await
    }

    /// Makes the segment's file, empty if it is there. Its name is durable after the directory is synced.
    pub async fn create(
        &self,
        partition: TopicPartition,
        base: Offset,
        version: u32,
        path: &Path,
    ) -> Result<SharedFile, FileError> {
        self.forget(partition, base, version);
        let options = OpenOptions {
            read: true,
            write: true,
            create: true,
            truncate: true,
            ..OpenOptions::default()
        };
        self.open((partition, base, version), path, options).await
    }

    async fn open(&self, key: FileKey, path: &Path, options: OpenOptions) -> Result<SharedFile, FileError> {
        let now = self.clock.get() + 1;
        self.clock.set(now);
        if let Some(file) = self.files.borrow_mut().get(&key, now) {
            return Ok(file);
        }
        if let Some(file) = self.pinned.borrow().get(&key) {
            return Ok(file.clone());
        }
        let file = File::open(path, &options)
            .await
            .map_err(|e| FileError::new(path, "open", &e))?;
        let mut files = self.files.borrow_mut();
        // Somebody else may have opened it meanwhile: one handle is enough.
        if let Some(other) = files.get(&key, now) {
            return Ok(other);
        }
        let file = SharedFile(Rc::new(Closing(Some(file))));
        files.insert(key, now, file.clone());
        while let Some(oldest) = files.remove_oldest_above(self.limit) {
            close(oldest);
        }
        Ok(file)
    }

    /// Closes the file of a segment that is gone.
    pub fn forget(&self, partition: TopicPartition, base: Offset, version: u32) {
        let file = self.files.borrow_mut().remove(&(partition, base, version));
        if let Some(file) = file {
            close(file);
        }
    }

    /// Keeps an open file, because its path leads to another one until `unpin`.
    pub fn pin(&self, partition: TopicPartition, base: Offset, version: u32, file: SharedFile) {
        self.pinned.borrow_mut().insert((partition, base, version), file);
    }

    /// The file's path leads to it now.
    pub fn unpin(&self, partition: TopicPartition, base: Offset, version: u32) {
        let file = self.pinned.borrow_mut().remove(&(partition, base, version));
        file.into_iter().for_each(close);
    }

    /// Closes all files of a partition.
    pub fn forget_partition(&self, partition: TopicPartition) {
        let mut files = self.files.borrow_mut();
        let keys: Vec<_> = files
            .by_segment
            .range((partition, Offset(i64::MIN), 0)..=(partition, Offset(i64::MAX), u32::MAX))
            .map(|(k, _)| *k)
            .collect();
        for key in keys {
            files.remove(&key).into_iter().for_each(close);
        }
    }

    /// Closes all files and waits for those nobody uses.
    pub async fn close_all(&self) {
        let files = std::mem::take(&mut *self.files.borrow_mut());
        for (_, file) in files.by_segment.into_values() {
            close_now(file).await;
        }
    }
}

/// Closes a file as soon as its users are done, without waiting.
fn close(file: SharedFile) {
    rt::spawn(close_now(file));
}

async fn close_now(file: SharedFile) {
    if let Ok(mut closing) = Rc::try_unwrap(file.0)
        && let Some(file) = closing.0.take()
    {
        // Nothing unsynced hangs on a handle: an error here loses nothing.
        let _ = file.close().await;
    }
}
