//! The local durable metadata log.
//!
//! ```text
//! <data_dir>/metadata/00000000000000000042.snapshot   the image of version 42, as records
//! <data_dir>/metadata/00000000000000000043.log        batches of records of version 43 and on
//! ```
//!
//! [`MetadataLog::append`] returns when the records are on disk. When the log has grown, the image is written as a
//! snapshot and a new log begun; only then the files before go. At a crash the last batch may be there in part: it was
//! never acknowledged and is passed over. Damage anywhere else is refused, with file and position.
//!
//! A write that fails leaves unknown what is on disk, so the log takes no more of them until the server starts again.
//! And a start takes nothing it has read for durable: the last batch may have been read from the page cache, after a sync
//! that failed. So every start writes a snapshot before anything is told to anybody.
//!
//! A snapshot has no records of topics that are no more, and a crash may have come before their files went. So what the log
//! has of deletions the image gets as owed by the data directories ([`Record::DeletionOwed`]), until a start has seen to it.
//!
//! In a cluster the same batches will be agreed on by several servers: another log with the same four operations.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::ids::TopicId;
use crate::config::StaticSettings;
use crate::metadata::cluster_image::ClusterImage;
use crate::metadata::log_frame::{Frame, Versions, decode_frame, encode_frame, find_later_frame};
use crate::metadata::metadata_log_error::{MetadataLogError, is_no_room};
use crate::metadata::record::Record;
use crate::rt::disk::blocking::{self, AppendFile};

#[cfg(test)]
mod tests;

/// Directory of the metadata, in the data directory.
pub const METADATA_DIR: &str = "metadata";

/// Largest file that is read. Far above what the limit on partitions allows; a larger one is not ours.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// Records per batch of a snapshot: a batch is checked as a whole.
const SNAPSHOT_BATCH_RECORDS: usize = 1000;

/// The log, open for appends.
pub struct MetadataLog {
    dir: PathBuf,
    path: PathBuf,
    file: AppendFile,
    /// Length of the file, in bytes.
    file_bytes: u64,
    /// Bytes appended since a snapshot was last tried.
    log_bytes: u64,
    snapshot_after_bytes: u64,
    poisoned: Option<String>,
}

/// What was found in the directory.
pub struct LoadedMetadata {
    /// The log.
    pub log: MetadataLog,
    /// The image its records add up to.
    pub image: ClusterImage,
    /// Bytes of a batch that a crash had left in part. It was never acknowledged and is gone.
    pub torn_bytes: u64,
}

/// A topic that is no more, and what may be left of it on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRemains {
    /// Its id.
    pub id: TopicId,
    /// Its name, which another topic may have by now.
    pub name: Arc<str>,
    /// How many partitions it had.
    pub partitions: i32,
}

impl MetadataLog {
    /// Whether a data directory holds the metadata of a cluster.
    pub fn is_in(data_dir: &Path) -> bool {
        let entries = blocking::read_dir(data_dir.join(METADATA_DIR)).unwrap_or_default();
        // A crash in the first start may leave a file without a record.
        entries.iter().any(|entry| !entry.is_dir && entry.len > 0)
    }

    /// Opens the log in a data directory, making it if it is not there, and reads it.
    pub fn open(data_dir: &Path, fixed: Arc<StaticSettings>) -> Result<LoadedMetadata, MetadataLogError> {
        let dir = data_dir.join(METADATA_DIR);
        io("create the directory", &dir, blocking::create_dir_all(&dir))?;
        io(
            "make durable the directory",
            data_dir,
            blocking::sync_dir(data_dir),
        )?;
        let snapshot_after_bytes = fixed.settings().metadata_log_max_record_bytes_between_snapshots;
        let (image, torn_bytes) = load(&dir, fixed)?;
        if image.version() > 0 {
            write_snapshot(&dir, &image)?;
        }
        let (path, file) = begin_log(&dir, image.version() + 1)?;
        remove_before(&dir, image.version())?;
        let log = MetadataLog {
            dir,
            path,
            file,
            file_bytes: 0,
            log_bytes: 0,
            snapshot_after_bytes,
            poisoned: None,
        };
        Ok(LoadedMetadata {
            log,
            image,
            torn_bytes,
        })
    }

    /// Reads the log in a data directory and changes nothing.
    pub fn look(data_dir: &Path, fixed: Arc<StaticSettings>) -> Result<ClusterImage, MetadataLogError> {
        load(&data_dir.join(METADATA_DIR), fixed).map(|(image, _)| image)
    }

    /// Writes records that lead from one version of the image to another, all of them or none. When this returns they
    /// are durable. After an error it is unknown whether they are, and the log takes no more; but if it
    /// [has found no room](MetadataLogError::is_no_room) they are not, and the call may be made again.
    ///
    /// One call is one batch: were two batches written at once, a crash could tear the first and spare the second,
    /// which looks like damage.
    pub fn append(&mut self, versions: Versions, records: &[Record]) -> Result<(), MetadataLogError> {
        if let Some(message) = &self.poisoned {
            return Err(MetadataLogError::Poisoned {
                message: message.clone(),
            });
        }
        let mut bytes = Vec::new();
        encode_frame(versions, records, &mut bytes);
        let written = match self.file.append(&bytes) {
            Err(error) if is_no_room(&error) => return Err(self.cut_back(error)),
            written => written.and_then(|()| self.file.sync_data()),
        };
        if let Err(error) = written {
            let error = MetadataLogError::Io {
                doing: "write to",
                path: self.path.clone(),
                error,
            };
            self.poisoned = Some(error.to_string());
            return Err(error);
        }
        self.log_bytes += bytes.len() as u64;
        self.file_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Takes back what of a batch was written before there was no more room.
    fn cut_back(&mut self, full: std::io::Error) -> MetadataLogError {
        let cut = self
            .file
            .set_len(self.file_bytes)
            .and_then(|()| self.file.sync_data());
        match cut {
            Ok(()) => MetadataLogError::Io {
                doing: "write to",
                path: self.path.clone(),
                error: full,
            },
            Err(error) => {
                let error = MetadataLogError::Io {
                    doing: "cut",
                    path: self.path.clone(),
                    error,
                };
                self.poisoned = Some(error.to_string());
                error
            }
        }
    }

    /// Whether so much was appended that a snapshot is due.
    pub fn snapshot_is_due(&self) -> bool {
        self.poisoned.is_none() && self.log_bytes >= self.snapshot_after_bytes
    }

    /// Replaces the log by a snapshot of the image, which must hold everything appended. After an error the log is as
    /// good as before where the snapshot could not be written or there was no room, and takes no more where else a new log
    /// could not be begun.
    pub fn take_snapshot(&mut self, image: &ClusterImage) -> Result<(), MetadataLogError> {
        // Whether it succeeds or not, the next try comes after as many bytes again.
        self.log_bytes = 0;
        write_snapshot(&self.dir, image)?;
        match begin_log(&self.dir, image.version() + 1) {
            Ok((path, file)) => {
                self.path = path;
                self.file = file;
                self.file_bytes = 0;
            }
            // What there is of a new log is empty, and the old one goes on.
            Err(error) if error.is_no_room() => return Err(error),
            Err(error) => {
                self.poisoned = Some(error.to_string());
                return Err(error);
            }
        }
        remove_before(&self.dir, image.version())
    }
}

/// The image the files add up to, and the bytes of a torn batch.
fn load(dir: &Path, fixed: Arc<StaticSettings>) -> Result<(ClusterImage, u64), MetadataLogError> {
    let files = list_files(dir)?;
    let mut image = ClusterImage::empty(fixed);
    if let Some(version) = files.snapshots.last() {
        image = read_snapshot(&snapshot_path(dir, *version), *version, image)?;
    }
    let mut torn_bytes = 0;
    for first in &files.logs {
        let path = log_path(dir, *first);
        if *first > image.version() + 1 {
            let message = format!(
                "it begins with version {first}, but {} is what there is before",
                image.version()
            );
            return Err(damaged(&path, 0, &message));
        }
        torn_bytes += read_log(&path, &mut image)?;
    }
    Ok((image, torn_bytes))
}

fn write_snapshot(dir: &Path, image: &ClusterImage) -> Result<(), MetadataLogError> {
    let path = snapshot_path(dir, image.version());
    io(
        "write",
        &path,
        blocking::write_file_atomic(&path, &snapshot_bytes(image)),
    )
}

/// An empty log for the versions from `first` on. A file of its name can only hold a batch torn at a crash.
fn begin_log(dir: &Path, first: u64) -> Result<(PathBuf, AppendFile), MetadataLogError> {
    let path = log_path(dir, first);
    let file = AppendFile::open(&path).and_then(|mut file| {
        file.set_len(0)?;
        file.sync_data()?;
        Ok(file)
    });
    let file = io("create", &path, file)?;
    io("make durable the directory", dir, blocking::sync_dir(dir))?;
    Ok((path, file))
}

/// Removes what a snapshot of this version has replaced.
fn remove_before(dir: &Path, version: u64) -> Result<(), MetadataLogError> {
    let files = list_files(dir)?;
    let snapshots = files.snapshots.iter().filter(|found| **found < version);
    let logs = files.logs.iter().filter(|found| **found <= version);
    let paths = logs
        .map(|found| log_path(dir, *found))
        .chain(snapshots.map(|found| snapshot_path(dir, *found)));
    for path in paths {
        io("remove", &path, blocking::remove_file(&path))?;
    }
    io("make durable the directory", dir, blocking::sync_dir(dir))
}

/// Versions in the names of the files, ascending.
struct Files {
    snapshots: Vec<u64>,
    logs: Vec<u64>,
}

fn list_files(dir: &Path) -> Result<Files, MetadataLogError> {
    let entries = io("list", dir, blocking::read_dir(dir))?;
    let with_ending = |ending: &str| {
        let mut versions: Vec<u64> = entries
            .iter()
            .filter_map(|entry| version_of(&entry.name, ending))
            .collect();
        versions.sort_unstable();
        versions
    };
    Ok(Files {
        snapshots: with_ending(".snapshot"),
        logs: with_ending(".log"),
    })
}

fn version_of(name: &str, ending: &str) -> Option<u64> {
    let digits = name.strip_suffix(ending)?;
    if digits.len() == 20 {
        digits.parse().ok()
    } else {
        None
    }
}

fn snapshot_path(dir: &Path, version: u64) -> PathBuf {
    dir.join(format!("{version:020}.snapshot"))
}

fn log_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.log"))
}

/// All records of the image in batches, and an empty batch as the end mark.
fn snapshot_bytes(image: &ClusterImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let versions = Versions {
        before: image.version(),
        after: image.version(),
    };
    for records in image.to_records().chunks(SNAPSHOT_BATCH_RECORDS) {
        encode_frame(versions, records, &mut bytes);
    }
    encode_frame(versions, &[], &mut bytes);
    bytes
}

fn read_snapshot(
    path: &Path,
    version: u64,
    mut image: ClusterImage,
) -> Result<ClusterImage, MetadataLogError> {
    let bytes = io("read", path, blocking::read(path, MAX_FILE_BYTES))?;
    let mut at = 0;
    loop {
        let damaged = |message: &str| damaged(path, at, message);
        match decode_frame(&bytes[at..]) {
            Frame::Broken(what) => return Err(damaged(what)),
            Frame::Whole { versions, .. } if versions.after != version => {
                let message = format!(
                    "a batch of version {} in a snapshot of version {version}",
                    versions.after
                );
                return Err(damaged(&message));
            }
            Frame::Whole { records, len, .. } if records.count() == 0 => {
                if at + len != bytes.len() {
                    return Err(damaged("the snapshot goes on behind its end"));
                }
                image.set_version(version);
                return Ok(image);
            }
            Frame::Whole { records, len, .. } => {
                for record in records.decode().map_err(|bad| damaged(&bad.0))? {
                    image.apply(&record).map_err(|unfit| damaged(&unfit.message))?;
                }
                at += len;
            }
        }
    }
}

/// Brings the image forward by a log. Returns the bytes of a torn batch at its end.
fn read_log(path: &Path, image: &mut ClusterImage) -> Result<u64, MetadataLogError> {
    let bytes = io("read", path, blocking::read(path, MAX_FILE_BYTES))?;
    let mut at = 0;
    while at < bytes.len() {
        let damaged = |message: &str| damaged(path, at, message);
        match decode_frame(&bytes[at..]) {
            Frame::Broken(what) => {
                // Only the batch written last can be torn: nothing whole may follow.
                if let Some(later) = find_later_frame(&bytes[at..], image.version()) {
                    return Err(damaged(&format!(
                        "{what}, but good records follow at byte {}",
                        at + later
                    )));
                }
                return Ok((bytes.len() - at) as u64);
            }
            // What a snapshot holds already is passed over.
            Frame::Whole { versions, len, .. } if versions.after <= image.version() => at += len,
            Frame::Whole {
                versions,
                records,
                len,
            } => {
                let present = image.version();
                if versions.before != present {
                    let message = format!(
                        "the records continue version {}, but {present} is what there is",
                        versions.before
                    );
                    return Err(damaged(&message));
                }
                for record in records.decode().map_err(|bad| damaged(&bad.0))? {
                    let remains = match &record {
                        Record::TopicDeleted { id } => image.remains(id),
                        _ => None,
                    };
                    image.apply(&record).map_err(|unfit| damaged(&unfit.message))?;
                    if let Some(remains) = remains {
                        image.owe(&remains);
                    }
                }
                image.set_version(versions.after);
                at += len;
            }
        }
    }
    Ok(0)
}

fn damaged(path: &Path, position: usize, message: &str) -> MetadataLogError {
    MetadataLogError::Damaged {
        path: path.to_path_buf(),
        position: position as u64,
        message: message.to_string(),
    }
}

fn io<T>(doing: &'static str, path: &Path, result: std::io::Result<T>) -> Result<T, MetadataLogError> {
    result.map_err(|error| MetadataLogError::Io {
        doing,
        path: path.to_path_buf(),
        error,
    })
}
