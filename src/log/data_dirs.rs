//! All data directories of a server: whose they are, which are there, which have failed.
//!
//! Each directory is whole in itself: it has the write-ahead logs of its partitions, their checkpoints and their segments, and
//! `meta.properties` with its id. Which partition is in which is not its business: the metadata says it, by that id, and
//! the first directory here is the one that holds the metadata.

use super::file_names::{
    DELETE_SUFFIX, FUTURE_SUFFIX, META_PROPERTIES, MOVED_TO, PARTITION_METADATA, STRAY_SUFFIX, doomed_dir,
    partition_dir,
};
use super::meta_properties::MetaProperties;
use super::{DataDir, FileError, LogError, Purpose, partition_metadata};
use crate::base::ids::{DirectoryId, TopicId, TopicPartition};
use crate::rt::{self, disk::blocking};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tracing::{error, warn};

/// Largest small file that is read.
const MAX_SMALL_FILE_BYTES: u64 = 64 << 10;

/// One data directory, there or not.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// `None`: it could not be read.
    id: Option<DirectoryId>,
    owner: Option<MetaProperties>,
    opened: Option<Arc<DataDir>>,
    /// Why it could not be opened. One that was opened knows by itself whether it works.
    unopened: Option<FileError>,
}

impl Directory {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its id as the metadata has it; `None` if it could not be read.
    pub fn id(&self) -> Option<DirectoryId> {
        self.id
    }

    /// What was opened, unless it has failed.
    pub fn online(&self) -> Option<&Arc<DataDir>> {
        self.opened.as_ref().filter(|opened| opened.failure().is_none())
    }

    /// Why it is offline, if so.
    pub fn failure(&self) -> Option<&FileError> {
        match &self.opened {
            Some(opened) => opened.failure(),
            None => self.unopened.as_ref(),
        }
    }

    /// Takes one that was opened offline. The first reason counts and is logged.
    pub fn fail(&self, error: FileError) {
        if let Some(opened) = &self.opened {
            opened.fail(error);
        }
    }

    fn stays_unopened(&mut self, error: FileError) {
        error!(directory = %self.path.display(), %error, "a data directory is offline, and so are its partitions");
        self.unopened = Some(error);
    }
}

/// The directories of a process; shared by its shards.
#[derive(Debug)]
pub struct DataDirs {
    /// The one with the metadata first.
    all: Vec<Directory>,
    unsettled: OnceLock<Unsettled>,
}

/// What was found at the start that is not as the metadata says.
#[derive(Debug, Default)]
struct Unsettled {
    /// Partitions whose files are in another directory, and where they are.
    misplaced: BTreeMap<TopicPartition, PathBuf>,
    /// Moves to be begun again.
    moves: Vec<(TopicPartition, DirectoryId)>,
}

/// A directory and the names of those in it.
struct Found<'a> {
    directory: &'a Directory,
    names: BTreeSet<String>,
}

/// The directories can't be used together, or not at all.
#[derive(Clone, Debug)]
pub enum DataDirsError {
    /// The directory with the metadata failed.
    Home(LogError),
    /// A `meta.properties` says nothing that can be understood.
    Malformed(PathBuf),
    /// A directory belongs to another cluster or server.
    Foreign {
        path: PathBuf,
        is: MetaProperties,
        cluster_id: String,
        server_id: i32,
    },
    /// A directory was in use, and the metadata of its cluster is nowhere.
    NoMetadata { path: PathBuf, is: MetaProperties },
    /// Two directories have one id: one is a copy of the other.
    Copies(PathBuf, PathBuf),
}

impl fmt::Display for DataDirsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataDirsError::Home(error) => error.fmt(f),
            DataDirsError::Malformed(path) => write!(
                f,
                "{} names no cluster, node and directory: put back what it was, or choose another data directory",
                path.display()
            ),
            DataDirsError::Foreign {
                path,
                is,
                cluster_id,
                server_id,
            } => write!(
                f,
                "the data directory {} belongs to server {} of cluster {}, not to server {server_id} of cluster {cluster_id}, \
                 whose metadata is in another directory",
                path.display(),
                is.server_id,
                is.cluster_id
            ),
            DataDirsError::NoMetadata { path, is } => write!(
                f,
                "the data directory {} belongs to server {} of cluster {}, and the metadata of that is in none of the data \
                 directories given: add the directory that has it",
                path.display(),
                is.server_id,
                is.cluster_id
            ),
            DataDirsError::Copies(one, other) => write!(
                f,
                "the data directories {} and {} have the same directory.id in meta.properties: one is a copy of the other",
                one.display(),
                other.display()
            ),
        }
    }
}

impl std::error::Error for DataDirsError {}

impl DataDirs {
    /// Opens all directories, the one that has the metadata, or will have it, first. `founded` says whether it is there already.
    /// Any other that can't be opened is offline. Blocks: for the thread that starts the shards.
    pub fn open(paths: &[PathBuf], founded: bool) -> Result<Arc<DataDirs>, DataDirsError> {
        Self::open_for(paths, founded, Purpose::Serve)
    }

    /// The same, for a purpose: if they are only looked at, nothing is changed.
    pub fn open_for(
        paths: &[PathBuf],
        founded: bool,
        purpose: Purpose,
    ) -> Result<Arc<DataDirs>, DataDirsError> {
        let mut all: Vec<Directory> = Vec::with_capacity(paths.len());
        for (nth, path) in paths.iter().enumerate() {
            let (owner, failure) = match read_owner(path) {
                Ok(owner) => (owner, None),
                Err(Unreadable::Malformed(path)) => return Err(DataDirsError::Malformed(path)),
                Err(Unreadable::File(error)) if nth == 0 => return Err(DataDirsError::Home(error.into())),
                Err(Unreadable::File(error)) => (None, Some(error)),
            };
            let id = match (&owner, nth) {
                _ if failure.is_some() => None,
                (_, 0) => Some(DirectoryId::HOME),
                (Some(owner), _) => Some(owner.directory_id),
                (None, _) => Some(new_id()),
            };
            let mut directory = Directory {
                path: path.clone(),
                id,
                owner,
                opened: None,
                unopened: None,
            };
            if let Some(failure) = failure {
                directory.stays_unopened(failure);
            }
            all.push(directory);
        }
        check_together(&all, founded)?;
        for (nth, directory) in all.iter_mut().enumerate() {
            if directory.unopened.is_some() {
                continue;
            }
            match DataDir::open_for(&directory.path, purpose) {
                Ok(data_dir) => directory.opened = Some(data_dir),
                Err(LogError::File(error)) if nth > 0 => directory.stays_unopened(error),
                Err(error) => return Err(DataDirsError::Home(error)),
            }
        }
        Ok(Arc::new(DataDirs {
            all,
            unsettled: OnceLock::new(),
        }))
    }

    /// A single directory, of whoever it is.
    pub fn one(data_dir: Arc<DataDir>) -> Arc<DataDirs> {
        let home = Directory {
            path: data_dir.path().to_path_buf(),
            id: Some(DirectoryId::HOME),
            owner: None,
            opened: Some(data_dir),
            unopened: None,
        };
        Arc::new(DataDirs {
            all: vec![home],
            unsettled: OnceLock::new(),
        })
    }

    /// All of them, the one with the metadata first.
    pub fn all(&self) -> &[Directory] {
        &self.all
    }

    /// The one with the metadata.
    pub fn home(&self) -> &Directory {
        &self.all[0]
    }

    /// A directory by its id.
    pub fn by_id(&self, id: DirectoryId) -> Option<&Directory> {
        self.all.iter().find(|directory| directory.id == Some(id))
    }

    /// The ids of those that are online, the one with the metadata first.
    pub fn online_ids(&self) -> Vec<DirectoryId> {
        let online = self.all.iter().filter(|directory| directory.online().is_some());
        online.filter_map(Directory::id).collect()
    }

    /// Sees that all directories are those of this server, now that its metadata is known, and notes it in those that are
    /// new. Blocks.
    pub fn claim(&self, cluster_id: &str, server_id: i32) -> Result<(), DataDirsError> {
        for (nth, directory) in self.all.iter().enumerate() {
            let Some(data_dir) = directory.online() else {
                continue;
            };
            if let Some(owner) = &directory.owner {
                if (&*owner.cluster_id, owner.server_id) != (cluster_id, server_id) {
                    return Err(DataDirsError::Foreign {
                        path: directory.path.clone(),
                        is: owner.clone(),
                        cluster_id: cluster_id.to_string(),
                        server_id,
                    });
                }
                continue;
            }
            let owner = MetaProperties {
                cluster_id: cluster_id.to_string(),
                server_id,
                directory_id: match directory.id {
                    Some(id) if id != DirectoryId::HOME => id,
                    _ => new_id(),
                },
            };
            let path = data_dir.path().join(META_PROPERTIES);
            if let Err(error) = blocking::write_file_atomic(&path, &owner.encode()) {
                let error = FileError::new(&path, "write", &error);
                if nth == 0 {
                    return Err(DataDirsError::Home(error.into()));
                }
                directory.fail(error);
            }
        }
        Ok(())
    }

    /// See [`DataDir::clear_away`]: of each directory the topics that `deleted` gives. Gives the directories that have nothing of
    /// them any more. Blocks.
    pub fn clear_away<'a, T: Iterator<Item = (TopicId, &'a str, i32)>>(
        &self,
        deleted: impl Fn(DirectoryId) -> T,
    ) -> Result<Vec<DirectoryId>, LogError> {
        let mut cleared = Vec::new();
        for (nth, directory) in self.all.iter().enumerate() {
            if let (Some(data_dir), Some(id)) = (directory.online(), directory.id) {
                match data_dir.clear_away(deleted(id)) {
                    Err(LogError::File(error)) if nth > 0 => directory.fail(error),
                    all => cleared.extend(all?.then_some(id)),
                }
            }
        }
        Ok(cleared)
    }

    /// Looks for partitions in other directories than the metadata says, before anybody takes them up, and ends what a crash has left of
    /// moves. Per partition its id, its topic's name and its directory.
    ///
    /// The metadata decides: a copy in the directory it names was whole when it named it, and takes its place; files that were copied
    /// there go; a copy elsewhere is of a move to be begun again. Otherwise one that is in both is moved away, as stray, where it
    /// should not be; one that is only where it should not be is not begun anew elsewhere. Blocks.
    pub fn settle<'a>(
        &self,
        partitions: impl Iterator<Item = (TopicPartition, &'a str, DirectoryId)>,
    ) -> Result<(), LogError> {
        let has_futures = |directory: &Directory| directory.online().is_some_and(|d| d.has_futures());
        if self.all.len() < 2 && !self.all.iter().any(has_futures) {
            return Ok(());
        }
        let mut found = Vec::new();
        for directory in &self.all {
            let Some(data_dir) = directory.online() else {
                continue;
            };
            match blocking::read_dir(data_dir.path()) {
                Ok(entries) => {
                    let names: BTreeSet<String> =
                        entries.into_iter().filter(|e| e.is_dir).map(|e| e.name).collect();
                    found.push(Found { directory, names });
                }
                Err(error) => directory.fail(FileError::new(data_dir.path(), "list", &error)),
            }
        }
        let mut unsettled = Unsettled::default();
        for (id, topic, assigned) in partitions {
            settle_one(&mut found, &mut unsettled, id, topic, assigned);
        }
        for Found { directory, names } in found {
            let Some(data_dir) = directory.online() else {
                continue;
            };
            // Of partitions that are no more.
            for name in names.iter().filter(|name| name.ends_with(FUTURE_SUFFIX)) {
                data_dir.doom(data_dir.path().join(name));
            }
        }
        let _ = self.unsettled.set(unsettled);
        Ok(())
    }

    /// Where a partition's files are, if that is not where the metadata says.
    pub fn misplaced(&self, id: TopicPartition) -> Option<&PathBuf> {
        self.unsettled.get()?.misplaced.get(&id)
    }

    /// Moves that a crash or a stop has ended before they were done: the partition, and where it was to go.
    pub fn unfinished_moves(&self) -> &[(TopicPartition, DirectoryId)] {
        self.unsettled.get().map_or(&[], |unsettled| &unsettled.moves)
    }

    /// See [`DataDir::make_room_for_metadata`], of the directory that has it. Blocks.
    pub fn make_room_for_metadata(&self) -> bool {
        let home = self.home().online();
        home.is_some_and(|data_dir| data_dir.make_room_for_metadata())
    }

    /// See [`DataDir::remove_recovered_wals`]. Blocks.
    pub fn remove_recovered_wals(&self) -> Result<(), LogError> {
        self.each(DataDir::remove_recovered_wals)
    }

    /// See [`DataDir::mark_clean_shutdown`]. Blocks.
    pub fn mark_clean_shutdown(&self) -> Result<(), LogError> {
        self.each(DataDir::mark_clean_shutdown)
    }

    /// Does something with each that is online; one that fails in it is offline, unless it is the one with the metadata.
    fn each(&self, mut act: impl FnMut(&DataDir) -> Result<(), LogError>) -> Result<(), LogError> {
        for (nth, directory) in self.all.iter().enumerate() {
            let Some(data_dir) = directory.online() else {
                continue;
            };
            match act(data_dir) {
                Err(LogError::File(error)) if nth > 0 => directory.fail(error),
                done => done?,
            }
        }
        Ok(())
    }
}

enum Unreadable {
    Malformed(PathBuf),
    File(FileError),
}

fn read_owner(dir: &Path) -> Result<Option<MetaProperties>, Unreadable> {
    let path = dir.join(META_PROPERTIES);
    let bytes = match blocking::create_dir_all(dir).and_then(|()| blocking::read(&path, MAX_SMALL_FILE_BYTES))
    {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Unreadable::File(FileError::new(&path, "read", &e))),
    };
    match MetaProperties::parse(&bytes) {
        Ok(owner) => Ok(Some(owner)),
        Err(_) => Err(Unreadable::Malformed(path)),
    }
}

/// What can be said before the metadata is read: nothing is changed in a directory of others.
fn check_together(all: &[Directory], founded: bool) -> Result<(), DataDirsError> {
    let owned: Vec<(&Directory, &MetaProperties)> = all
        .iter()
        .filter_map(|directory| Some((directory, directory.owner.as_ref()?)))
        .collect();
    if let Some((directory, owner)) = owned.first()
        && !founded
    {
        return Err(DataDirsError::NoMetadata {
            path: directory.path.clone(),
            is: (*owner).clone(),
        });
    }
    for (nth, (directory, owner)) in owned.iter().enumerate() {
        let (_, first_owner) = owned[0];
        if (&owner.cluster_id, owner.server_id) != (&first_owner.cluster_id, first_owner.server_id) {
            return Err(DataDirsError::Foreign {
                path: directory.path.clone(),
                is: (*owner).clone(),
                cluster_id: first_owner.cluster_id.clone(),
                server_id: first_owner.server_id,
            });
        }
        let before = owned[..nth]
            .iter()
            .find(|(_, other)| other.directory_id == owner.directory_id);
        if let Some((other, _)) = before {
            return Err(DataDirsError::Copies(other.path.clone(), directory.path.clone()));
        }
    }
    Ok(())
}

fn new_id() -> DirectoryId {
    let mut bytes = [0; 16];
    rt::random_bytes(&mut bytes);
    DirectoryId(TopicId::from_random(bytes).0)
}

fn settle_one(
    found: &mut [Found<'_>],
    unsettled: &mut Unsettled,
    id: TopicPartition,
    topic: &str,
    assigned: DirectoryId,
) {
    let name = partition_dir(topic, id.partition);
    let future = doomed_dir(topic, id, FUTURE_SUFFIX);
    let mut in_place = false;
    for Found { directory, names } in found.iter_mut() {
        if directory.id != Some(assigned) {
            if names.remove(&future) {
                unsettled.moves.extend(directory.id.map(|to| (id, to)));
            }
            continue;
        }
        in_place = names.contains(&name) && is_of(&directory.path.join(&name), id.topic);
        if !in_place && names.remove(&future) {
            let path = directory.path.join(&future);
            let renamed = blocking::rename(&path, directory.path.join(&name))
                .and_then(|()| blocking::sync_dir(&directory.path));
            match renamed {
                Ok(()) => in_place = true,
                Err(error) => directory.fail(FileError::new(&path, "rename", &error)),
            }
        }
    }
    for Found { directory, names } in found.iter() {
        let path = directory.path.join(&name);
        if directory.id == Some(assigned) || !names.contains(&name) || !is_of(&path, id.topic) {
            continue;
        }
        if !in_place {
            unsettled.misplaced.insert(id, path);
            continue;
        }
        let note = blocking::read(path.join(MOVED_TO), MAX_SMALL_FILE_BYTES).unwrap_or_default();
        let was_copied = note == assigned.to_string().as_bytes();
        let suffix = if was_copied { DELETE_SUFFIX } else { STRAY_SUFFIX };
        let away = directory.path.join(doomed_dir(topic, id, suffix));
        if !was_copied {
            warn!(dir = %path.display(), stray = %away.display(), "a partition is in two data directories: the files in the one that the metadata does not name are moved away");
        }
        let moved = blocking::rename(&path, &away).and_then(|()| blocking::sync_dir(&directory.path));
        match (moved, directory.online()) {
            (Ok(()), Some(data_dir)) if was_copied => data_dir.doom(away),
            (Ok(()), _) => {}
            (Err(error), _) => directory.fail(FileError::new(&path, "rename", &error)),
        }
    }
}

/// Whether a partition directory is of this topic.
fn is_of(dir: &Path, topic: TopicId) -> bool {
    let bytes = blocking::read(dir.join(PARTITION_METADATA), MAX_SMALL_FILE_BYTES);
    bytes
        .ok()
        .and_then(|bytes| partition_metadata::parse(&bytes).ok())
        == Some(topic)
}
