//! A data directory as the shards of a process share it: its checkpoints, and the write-ahead logs found in it.

use super::checkpoint_file::{self, NamedPartition};
use super::directory_health::DirectoryHealth;
use super::disk_room::{DiskRoom, is_no_room};
use super::file_names::{
    CLEAN_SHUTDOWN, COMPACTED, DELETE_SUFFIX, FUTURE_SUFFIX, HIGH_WATERMARKS, LOG_STARTS, OBSOLETE_SUFFIX,
    OWN_CHECKPOINT, PARTITION_METADATA, RECOVERY_POINTS, WAL_DIR, WalFileId, doomed_dir, partition_dir,
};
use super::recovery_checkpoint::{RecoveryCheckpoint, RetiredWals};
use super::salvage::{Purpose, SalvageBook};
use super::scan_point::ScanPoint;
use super::{FileError, LogError, partition_metadata};
use crate::base::ids::{Offset, TopicId, TopicPartition};
use crate::rt::{self, disk::DirEntry};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing::warn;

/// Largest checkpoint file that is read: a million partitions with long names.
const MAX_CHECKPOINT_BYTES: u64 = 256 << 20;

/// What the checkpoint files say of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// All records below it are synced in segments.
    pub recovery_point: Offset,
    /// The first record that counts.
    pub log_start: Offset,
    /// The high watermark.
    pub high_watermark: Offset,
    /// Where recovery can begin to read, if that is not the beginning of a segment.
    pub(super) scan_point: Option<Arc<ScanPoint>>,
}

impl Checkpoint {
    /// Of a partition at rest: all of it is synced and counts, from its start to its end.
    pub fn at_rest(log_start: Offset, log_end: Offset) -> Checkpoint {
        Checkpoint {
            recovery_point: log_end,
            log_start,
            high_watermark: log_end,
            scan_point: None,
        }
    }

    /// With a recovery point that is not below the floor of a partition that is being salvaged: if that ends early, the next start
    /// misses what is to be passed over, and the partition stays offline until it is done.
    fn above(&self, floor: Option<Offset>) -> Checkpoint {
        match floor {
            Some(floor) if self.recovery_point < floor => Checkpoint {
                recovery_point: floor,
                high_watermark: self.high_watermark.max(floor),
                log_start: self.log_start,
                scan_point: None,
            },
            _ => self.clone(),
        }
    }
}

/// Which checkpoint files to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointFiles {
    /// Our own, which recovery relies on.
    Own,
    /// Our own, and Kafka's file of log starts, which takes its place should it be damaged: what was deleted stays deleted.
    LogStarts,
    /// Kafka's as well, for whoever takes the directory over.
    All,
}

/// One directory with partitions. Opened once per process, then shared by its shards.
///
/// There is one set of checkpoint files per directory, so the shards share the table behind them. The lock is held for
/// a look-up or an insert, by flushes and checkpoints, never on the way of a record.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    purpose: Purpose,
    run: u64,
    recovered_wals: Vec<WalFileId>,
    keep_wals: AtomicBool,
    /// How many shards have partitions whose records from those had no room in segments.
    late_shards: AtomicUsize,
    /// Whether they are still to be removed, while the shards serve.
    removal_due: AtomicBool,
    /// Whether something is in write-ahead logs alone, and they stay.
    unclean: AtomicBool,
    /// Size of our checkpoint file when it was last written.
    own_bytes: AtomicU64,
    /// Kafka's files, by name: for a directory that has none of ours.
    kafkas: BTreeMap<NamedPartition, Checkpoint>,
    /// Up to where partitions were compacted at the opening, by name.
    compacted: BTreeMap<NamedPartition, Offset>,
    /// Directories of deleted partitions found at the opening.
    doomed_dirs: Mutex<Vec<PathBuf>>,
    /// Whether there are copies of partitions that were to go here.
    has_futures: bool,
    /// Whether our checkpoint file could not be read.
    checkpoint_is_damaged: bool,
    /// Whether the server had stopped in order.
    was_clean: bool,
    book: Mutex<Book>,
    room: DiskRoom,
    health: DirectoryHealth,
    pub(super) salvage: SalvageBook,
}

#[derive(Debug, Default)]
struct Book {
    points: BTreeMap<TopicPartition, (Arc<str>, Checkpoint)>,
    /// Up to where partitions are compacted.
    compacted: BTreeMap<TopicPartition, (Arc<str>, Offset)>,
    /// Whether the file of these is behind.
    compacted_changed: bool,
    wals: RetiredWals,
    /// Rises with each change.
    version: u64,
    /// The version our file has.
    written: u64,
    /// The version Kafka's file of log starts has.
    written_log_starts: u64,
    /// The version the others of Kafka's files have.
    written_all: u64,
    writing: bool,
    waiting: Vec<rt::mailbox::Sender<()>>,
}

impl DataDir {
    /// Opens a directory, making it if needed: reads its checkpoints, lists its write-ahead logs and what was being
    /// deleted, removes the mark of an orderly shutdown. Blocks: for the thread that starts the shards.
    pub fn open(path: impl Into<PathBuf>) -> Result<Arc<DataDir>, LogError> {
        Self::open_for(path, Purpose::Serve)
    }

    /// The same, for a purpose: if it is only looked at, nothing is changed.
    pub fn open_for(path: impl Into<PathBuf>, purpose: Purpose) -> Result<Arc<DataDir>, LogError> {
        use rt::disk::blocking;
        let path = path.into();
        let health = DirectoryHealth::new(&path);
        let wal_dir = path.join(WAL_DIR);
        let serves = purpose == Purpose::Serve;
        let room = if serves {
            DiskRoom::open(&path)
        } else {
            DiskRoom::unseen(&path)
        };
        if serves {
            blocking::create_dir_all(&wal_dir).map_err(|e| FileError::new(&wal_dir, "create", &e))?;
        }
        let entries = blocking::read_dir(&path).map_err(|e| FileError::new(&path, "list", &e))?;
        let mut doomed_dirs = Vec::new();
        let mut has_futures = false;
        let mut was_clean = false;
        for entry in &entries {
            let of_entry = path.join(&entry.name);
            if entry.is_dir && entry.name.ends_with(DELETE_SUFFIX) {
                doomed_dirs.push(of_entry);
            } else if entry.is_dir && entry.name.ends_with(FUTURE_SUFFIX) {
                has_futures = true;
            } else if entry.name == CLEAN_SHUTDOWN && serves {
                was_clean = true;
                blocking::remove_file(&of_entry).map_err(|e| FileError::new(&of_entry, "remove", &e))?;
            }
        }
        let mut wals = match blocking::read_dir(&wal_dir) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !serves => Vec::new(),
            wals => wals.map_err(|e| FileError::new(&wal_dir, "list", &e))?,
        };
        finish_removals(&wal_dir, &mut wals, purpose)?;
        let mut recovered_wals: Vec<_> = wals.iter().filter_map(|e| WalFileId::parse(&e.name)).collect();
        recovered_wals.sort();
        // Higher than any run before while logs of one are left; the lower half is random, so that nobody who writes records
        // knows it.
        let newest = recovered_wals.last().map_or(0, |id| id.run >> 32);
        let run = ((newest + 1) << 32) | (rt::random_u64() & u64::from(u32::MAX));
        if serves {
            blocking::sync_dir(&wal_dir).map_err(|e| FileError::new(&wal_dir, "sync", &e))?;
        }
        // All names above it: any of them may have been made a moment ago.
        for dir in path.ancestors().filter(|_| serves) {
            // Above a relative path.
            let dir = if dir.as_os_str().is_empty() {
                Path::new(".")
            } else {
                dir
            };
            match blocking::sync_dir(dir) {
                // A directory we may not open is not one we have made a name in.
                Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied && dir != path => {}
                synced => synced.map_err(|e| FileError::new(dir, "sync", &e))?,
            }
        }
        let mut book = Book::default();
        let mut kafkas = BTreeMap::new();
        let mut compacted: BTreeMap<NamedPartition, Checkpoint> = BTreeMap::new();
        load_kafkas(&path, COMPACTED, &mut compacted, |point, offset| {
            point.log_start = offset
        });
        let compacted = compacted
            .into_iter()
            .map(|(name, c)| (name, c.log_start))
            .collect();
        let own = load_own(&path)?;
        let checkpoint_is_damaged = matches!(own, OwnCheckpoint::Damaged);
        match own {
            OwnCheckpoint::Read(own) => {
                let unnamed: Arc<str> = "".into();
                let points = own.partitions.into_iter();
                book.points = points.map(|(id, point)| (id, (unnamed.clone(), point))).collect();
                book.wals = own.wals;
                let of_files = |(run, shard): (u64, u16)| {
                    recovered_wals.iter().any(|id| (id.run, id.shard) == (run, shard))
                };
                book.wals.retain(|wal, _| of_files(*wal));
            }
            OwnCheckpoint::Absent | OwnCheckpoint::Damaged => {
                load_kafkas(&path, RECOVERY_POINTS, &mut kafkas, |point, offset| {
                    point.recovery_point = offset
                });
                load_kafkas(&path, LOG_STARTS, &mut kafkas, |point, offset| {
                    point.log_start = offset
                });
            }
        }
        Ok(Arc::new(DataDir {
            path,
            purpose,
            run,
            recovered_wals,
            keep_wals: AtomicBool::new(false),
            late_shards: AtomicUsize::new(0),
            removal_due: AtomicBool::new(false),
            unclean: AtomicBool::new(false),
            own_bytes: AtomicU64::new(0),
            kafkas,
            compacted,
            doomed_dirs: Mutex::new(doomed_dirs),
            has_futures,
            checkpoint_is_damaged,
            was_clean,
            book: Mutex::new(book),
            room,
            health,
            salvage: SalvageBook::default(),
        }))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is only looked at.
    pub(super) fn is_looked_at(&self) -> bool {
        self.purpose == Purpose::Look
    }

    /// Whether our checkpoint file was there at the opening and could not be read.
    pub fn checkpoint_is_damaged(&self) -> bool {
        self.checkpoint_is_damaged
    }

    /// The room on its disk.
    pub(super) fn room(&self) -> &DiskRoom {
        &self.room
    }

    /// Why it is offline, if so.
    pub fn failure(&self) -> Option<&FileError> {
        self.health.failure()
    }

    /// Takes it offline until the server is started again. The first reason counts and is logged.
    pub fn fail(&self, error: FileError) {
        self.health.fail(error);
    }

    /// Whether it works.
    pub(super) fn health(&self) -> &DirectoryHealth {
        &self.health
    }

    /// A change of the metadata found no room on the disk. Gives the reserve back for it; false if that is gone already.
    /// Blocks: for the control thread.
    pub fn make_room_for_metadata(&self) -> bool {
        self.room.hit_blocking(&"the metadata log can't grow")
    }

    /// How often its disk has become full since the start.
    pub fn times_full(&self) -> u64 {
        self.room.times_full()
    }

    /// This start of the server, higher than those before it whose write-ahead logs are still there.
    pub fn run(&self) -> u64 {
        self.run
    }

    /// The write-ahead logs that were there when it was opened: what recovery reads.
    pub fn recovered_wals(&self) -> &[WalFileId] {
        &self.recovered_wals
    }

    /// Path of a write-ahead log file.
    pub fn wal_path(&self, id: WalFileId) -> PathBuf {
        self.path.join(WAL_DIR).join(id.name())
    }

    /// Directories of deleted partitions found at the opening, for the first shard that asks: it removes them.
    pub(super) fn take_doomed_dirs(&self) -> Vec<PathBuf> {
        std::mem::take(&mut *self.doomed_dirs.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has a directory removed that counts for nothing any more.
    pub(super) fn doom(&self, dir: PathBuf) {
        let mut all = self.doomed_dirs.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(dir);
    }

    /// Whether there were, at the opening, copies of partitions that were to go here.
    pub(super) fn has_futures(&self) -> bool {
        self.has_futures
    }

    /// Whether the server had stopped in order before the opening.
    pub(super) fn was_clean(&self) -> bool {
        self.was_clean
    }

    /// Takes away what a crash has left of topics that are no more, before anybody looks for partitions: directories that still
    /// have the names of their partitions, and are theirs by their ids, are given up as those of deleted partitions are.
    /// Per topic its id, name and number of partitions. False if something could not be looked at or renamed, and may go at the next
    /// start. Blocks: for the thread that starts the shards.
    pub fn clear_away<'a>(
        &self,
        topics: impl Iterator<Item = (TopicId, &'a str, i32)>,
    ) -> Result<bool, LogError> {
        use rt::disk::blocking;
        let mut all_gone = true;
        let mut doomed_dirs = Vec::new();
        let mut stays = |dir: &Path, error: std::io::Error| {
            // It costs room on the disk, no more: nobody takes it for a partition.
            warn!(dir = %dir.display(), %error, "a deleted partition's files stay until the next start");
            all_gone = false;
        };
        for (id, name, partitions) in topics {
            for partition in 0..partitions {
                let dir = self.path.join(partition_dir(name, partition));
                match blocking::read(dir.join(PARTITION_METADATA), MAX_CHECKPOINT_BYTES) {
                    Ok(bytes) if partition_metadata::parse(&bytes).ok() == Some(id) => {}
                    // Of another topic, or of nobody knows which.
                    Ok(_) => continue,
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                    Err(e) => {
                        stays(&dir, e);
                        continue;
                    }
                }
                let deleted = TopicPartition { topic: id, partition };
                let doomed = self.path.join(doomed_dir(name, deleted, DELETE_SUFFIX));
                match blocking::rename(&dir, &doomed) {
                    Ok(()) => doomed_dirs.push(doomed),
                    Err(e) => stays(&dir, e),
                }
            }
        }
        if !doomed_dirs.is_empty() {
            blocking::sync_dir(&self.path).map_err(|e| FileError::new(&self.path, "sync", &e))?;
        }
        let mut all = self.doomed_dirs.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(doomed_dirs);
        Ok(all_gone)
    }

    /// Keeps the write-ahead logs found at the opening: a partition is offline and may need them.
    pub(super) fn keep_recovered_wals(&self) {
        self.keep_wals.store(true, Ordering::Relaxed);
    }

    /// Removes the write-ahead logs found at the opening, oldest first. Only when every shard has recovered, so that what
    /// was in them is synced in segments. They stay if a partition is offline, whose records may be nowhere else: the
    /// next start reads them again. Blocks: for the thread that starts the shards.
    pub fn remove_recovered_wals(&self) -> Result<(), LogError> {
        if self.keep_wals.load(Ordering::Relaxed) {
            warn!("the old write-ahead logs are kept for the partitions that are offline");
            return Ok(());
        }
        if self.recovered_wals.is_empty() {
            return Ok(());
        }
        if self.late_shards.load(Ordering::Relaxed) > 0 {
            self.removal_due.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let wal_dir = self.path.join(WAL_DIR);
        let (mark, list) = obsolete_mark(&wal_dir, &self.recovered_wals);
        let mut written = rt::disk::blocking::write_file_atomic(&mark, &list);
        if let Err(e) = &written
            && is_no_room(e)
            && self.room.hit_blocking(&FileError::new(&mark, "write", e))
        {
            written = rt::disk::blocking::write_file_atomic(&mark, &list);
        }
        match written {
            // Without the mark they can't go.
            Err(e) if is_no_room(&e) => {
                self.removal_due.store(true, Ordering::Relaxed);
                return Ok(());
            }
            written => written.map_err(|e| FileError::new(&mark, "write", &e))?,
        }
        let mut wals =
            rt::disk::blocking::read_dir(&wal_dir).map_err(|e| FileError::new(&wal_dir, "list", &e))?;
        Ok(finish_removals(&wal_dir, &mut wals, Purpose::Serve)?)
    }

    /// A shard's recovery has left records in the write-ahead logs found at the opening, for want of room.
    pub(super) fn late_begins(&self) {
        self.late_shards.fetch_add(1, Ordering::Relaxed);
    }

    /// They are synced in segments now.
    pub(super) fn late_ends(&self) {
        self.late_shards.fetch_sub(1, Ordering::Relaxed);
    }

    /// Removes the write-ahead logs found at the opening, if that had to wait for room and need not any more.
    pub(super) async fn remove_recovered_wals_late(&self) {
        let waits = self.late_shards.load(Ordering::Relaxed) > 0 || self.keep_wals.load(Ordering::Relaxed);
        if waits || !self.removal_due.swap(false, Ordering::Relaxed) {
            return;
        }
        match self.remove_wals(&self.recovered_wals).await {
            Ok(()) => {}
            Err(e) if e.is_no_room() => self.removal_due.store(true, Ordering::Relaxed),
            Err(e) => warn!(error = %e, "old write-ahead logs stay until the next start"),
        }
    }

    /// Removes write-ahead logs: all that was in them is synced in segments.
    pub(super) async fn remove_wals(&self, ids: &[WalFileId]) -> Result<(), FileError> {
        use rt::disk;
        let wal_dir = self.path.join(WAL_DIR);
        let (mark, list) = obsolete_mark(&wal_dir, ids);
        self.write_at(mark.clone(), list).await?;
        for id in ids {
            let path = self.wal_path(*id);
            disk::remove_file(&path)
                .await
                .map_err(|e| FileError::new(&path, "remove", &e))?;
        }
        disk::sync_dir(&wal_dir)
            .await
            .map_err(|e| FileError::new(&wal_dir, "sync", &e))?;
        disk::remove_file(&mark)
            .await
            .map_err(|e| FileError::new(&mark, "remove", &e))
    }

    /// A shard stops, and its write-ahead logs hold what the segments do not.
    pub(super) fn stays_unclean(&self) {
        self.unclean.store(true, Ordering::Relaxed);
    }

    /// Notes that the server stopped in order, as Kafka does, if all is in the segments. When every shard has shut down.
    /// Blocks.
    pub fn mark_clean_shutdown(&self) -> Result<(), LogError> {
        if self.unclean.load(Ordering::Relaxed) {
            return Ok(());
        }
        let path = self.path.join(CLEAN_SHUTDOWN);
        match rt::disk::blocking::write_file_atomic(&path, b"{\"version\":0,\"brokerEpoch\":-1}") {
            // Without it the next start looks at more.
            Err(e) if is_no_room(&e) => {}
            written => written.map_err(|e| FileError::new(&path, "write", &e))?,
        }
        Ok(())
    }

    /// What is known of a partition.
    pub fn checkpoint(&self, id: TopicPartition, topic: &str) -> Option<Checkpoint> {
        let of_id = self.lock().points.get(&id).map(|(_, point)| point.clone());
        of_id.or_else(|| self.kafkas.get(&(topic.to_string(), id.partition)).cloned())
    }

    /// Notes the state of a partition for the next write of the files.
    pub fn note(&self, id: TopicPartition, topic: &Arc<str>, checkpoint: Checkpoint) {
        let mut book = self.lock();
        let same = matches!(book.points.get(&id), Some((_, before)) if *before == checkpoint);
        book.points.insert(id, (topic.clone(), checkpoint));
        if !same {
            book.version += 1;
        }
    }

    /// Up to where a partition is compacted. The file names topics by name: it counts for the topic this directory had under
    /// it when it was opened, or if it comes from Kafka.
    pub(super) fn compacted_below(&self, id: TopicPartition, topic: &Arc<str>) -> Offset {
        let mut book = self.lock();
        if let Some((_, below)) = book.compacted.get(&id) {
            return *below;
        }
        let name = (topic.to_string(), id.partition);
        let known = book.points.contains_key(&id) || self.kafkas.contains_key(&name);
        let below = self.compacted.get(&name).filter(|_| known).copied();
        if let Some(below) = below {
            book.compacted.insert(id, (topic.clone(), below));
        }
        below.unwrap_or(Offset::ZERO)
    }

    /// Notes up to where a partition is compacted.
    pub(super) fn note_compacted(&self, id: TopicPartition, topic: &Arc<str>, below: Offset) {
        let mut book = self.lock();
        book.compacted.insert(id, (topic.clone(), below));
        book.compacted_changed = true;
        book.version += 1;
    }

    /// Notes that none of the write-ahead logs found at the opening is needed any more: all that can be read of them is synced in
    /// segments. They are removed at the next start. For tools that have the directory for themselves.
    pub fn retire_recovered_wals(&self) {
        for id in &self.recovered_wals {
            self.note_retired(id.run, id.shard, u64::MAX);
        }
    }

    /// Notes that the frames of a write-ahead log below a number are no longer needed.
    pub(super) fn note_retired(&self, run: u64, shard: u16, retired_below: u64) {
        let mut book = self.lock();
        book.wals.insert((run, shard), retired_below);
        book.version += 1;
    }

    /// The number below which frames of a write-ahead log found at the opening are no longer needed.
    pub(super) fn retired_below(&self, run: u64, shard: u16) -> u64 {
        self.lock().wals.get(&(run, shard)).copied().unwrap_or(0)
    }

    /// Forgets a partition that was deleted.
    pub fn forget(&self, id: TopicPartition) {
        let mut book = self.lock();
        book.compacted_changed |= book.compacted.remove(&id).is_some();
        if book.points.remove(&id).is_some() {
            book.version += 1;
        }
    }

    /// Writes the checkpoint files, durable, if anything changed. One shard writes at a time; others wait for it.
    pub async fn write_checkpoints(&self, files: CheckpointFiles) -> Result<(), FileError> {
        let wanted = self.lock().version;
        loop {
            let waiting = {
                let mut book = self.lock();
                let written = match files {
                    CheckpointFiles::Own => book.written,
                    CheckpointFiles::LogStarts => book.written.min(book.written_log_starts),
                    CheckpointFiles::All => book.written.min(book.written_log_starts).min(book.written_all),
                };
                if written >= wanted {
                    return Ok(());
                }
                if book.writing {
                    let (sender, receiver) = rt::mailbox::channel(1);
                    book.waiting.push(sender);
                    Some(receiver)
                } else {
                    book.writing = true;
                    None
                }
            };
            match waiting {
                Some(mut turn) => {
                    turn.recv().await;
                }
                None => {
                    let _turn = WriteTurn(self);
                    // First: a topic made anew under an old name must not be found in ours while the old one is in this.
                    self.write_compacted().await?;
                    self.write_own().await?;
                    if files != CheckpointFiles::Own {
                        self.write_log_starts().await?;
                    }
                    if files == CheckpointFiles::All {
                        self.write_kafkas().await?;
                    }
                }
            }
        }
    }

    /// Writes our own checkpoint file, durable. Blocks: for tools that have the directory for themselves, without shards.
    pub fn write_own_checkpoint(&self) -> Result<(), FileError> {
        let path = self.path.join(OWN_CHECKPOINT);
        let (version, checkpoint) = self.own_checkpoint();
        rt::disk::blocking::write_file_atomic(&path, &checkpoint.encode())
            .map_err(|e| FileError::new(&path, "write", &e))?;
        self.lock().written = version;
        Ok(())
    }

    fn own_checkpoint(&self) -> (u64, RecoveryCheckpoint) {
        let book = self.lock();
        let points = book.points.iter();
        let checkpoint = RecoveryCheckpoint {
            partitions: points
                .map(|(id, (_, point))| (*id, point.above(self.salvage.floor(*id))))
                .collect(),
            wals: book.wals.clone(),
        };
        (book.version, checkpoint)
    }

    async fn write_compacted(&self) -> Result<(), FileError> {
        let bytes = {
            let mut book = self.lock();
            if !std::mem::take(&mut book.compacted_changed) {
                return Ok(());
            }
            let entries: Vec<_> = book
                .compacted
                .iter()
                .map(|(id, (name, below))| (&**name, id.partition, *below))
                .collect();
            checkpoint_file::encode(entries.into_iter())
        };
        let written = self.write(COMPACTED, bytes).await;
        if written.is_err() {
            self.lock().compacted_changed = true;
        }
        written
    }

    async fn write_own(&self) -> Result<(), FileError> {
        let (version, checkpoint) = self.own_checkpoint();
        let bytes = checkpoint.encode();
        self.own_bytes.store(bytes.len() as u64, Ordering::Relaxed);
        self.write(OWN_CHECKPOINT, bytes).await?;
        self.lock().written = version;
        Ok(())
    }

    /// Size of our checkpoint file, which is always written whole, in bytes.
    pub(super) fn own_checkpoint_bytes(&self) -> u64 {
        self.own_bytes.load(Ordering::Relaxed)
    }

    async fn write_log_starts(&self) -> Result<(), FileError> {
        let (version, bytes) = {
            let book = self.lock();
            (book.version, book.kafkas_file(|point| point.log_start))
        };
        self.write(LOG_STARTS, bytes).await?;
        self.lock().written_log_starts = version;
        Ok(())
    }

    async fn write_kafkas(&self) -> Result<(), FileError> {
        let (version, files) = {
            let book = self.lock();
            let files = [
                (HIGH_WATERMARKS, book.kafkas_file(|point| point.high_watermark)),
                (RECOVERY_POINTS, book.kafkas_file(|point| point.recovery_point)),
            ];
            (book.version, files)
        };
        for (name, bytes) in files {
            self.write(name, bytes).await?;
        }
        self.lock().written_all = version;
        Ok(())
    }

    async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<(), FileError> {
        self.write_at(self.path.join(name), bytes).await
    }

    /// Replaces a small file. On a full disk it has what is reserved.
    async fn write_at(&self, path: PathBuf, bytes: Vec<u8>) -> Result<(), FileError> {
        let mut written = rt::disk::write_file_atomic(&path, bytes.clone()).await;
        if let Err(e) = &written
            && is_no_room(e)
            && self.room.hit(&FileError::new(&path, "write", e)).await
        {
            written = rt::disk::write_file_atomic(&path, bytes).await;
        }
        written.map_err(|e| FileError::new(&path, "write", &e))
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        // A panic with the lock held ends the process; in tests the table is whole between statements.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// A checkpoint file of Kafka's. A partition that was not taken up has no name here, and Kafka would not know it either.
    fn kafkas_file(&self, of: fn(&Checkpoint) -> Offset) -> Vec<u8> {
        let named: Vec<_> = self
            .points
            .iter()
            .filter(|(_, (name, _))| !name.is_empty())
            .map(|(id, (name, point))| (&**name, id.partition, of(point)))
            .collect();
        checkpoint_file::encode(named.into_iter())
    }
}

/// Whoever writes gives the turn on, also when it fails or is dropped.
struct WriteTurn<'a>(&'a DataDir);

impl Drop for WriteTurn<'_> {
    fn drop(&mut self) {
        let mut book = self.0.lock();
        book.writing = false;
        for waiting in book.waiting.drain(..) {
            let _ = waiting.try_send(());
        }
    }
}

/// A file that lists write-ahead log files to be removed: they go together or not at all. Some of them alone would look
/// as if the others had been lost.
fn obsolete_mark(wal_dir: &Path, ids: &[WalFileId]) -> (PathBuf, Vec<u8>) {
    let list: String = ids.iter().map(|id| id.name() + "\n").collect();
    let first = ids.first().map_or_else(|| "none".to_string(), |id| id.name());
    (wal_dir.join(first + OBSOLETE_SUFFIX), list.into_bytes())
}

/// Removes the files that are listed to be removed, durable, then the lists.
fn finish_removals(wal_dir: &Path, entries: &mut Vec<DirEntry>, purpose: Purpose) -> Result<(), FileError> {
    use rt::disk::blocking;
    let serves = purpose == Purpose::Serve;
    let removed = |path: &Path| match blocking::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(FileError::new(path, "remove", &e)),
        _ => Ok(()),
    };
    let (marks, mut wals): (Vec<DirEntry>, Vec<DirEntry>) = std::mem::take(entries)
        .into_iter()
        .partition(|e| e.name.ends_with(OBSOLETE_SUFFIX));
    for mark in &marks {
        let path = wal_dir.join(&mark.name);
        let list =
            blocking::read(&path, MAX_CHECKPOINT_BYTES).map_err(|e| FileError::new(&path, "read", &e))?;
        let list = String::from_utf8_lossy(&list);
        let listed: Vec<&str> = list
            .lines()
            .filter(|name| WalFileId::parse(name).is_some())
            .collect();
        for name in listed.iter().filter(|_| serves) {
            removed(&wal_dir.join(name))?;
        }
        wals.retain(|e| !listed.contains(&e.name.as_str()));
    }
    if !marks.is_empty() && serves {
        blocking::sync_dir(wal_dir).map_err(|e| FileError::new(wal_dir, "sync", &e))?;
    }
    for mark in marks.iter().filter(|_| serves) {
        removed(&wal_dir.join(&mark.name))?;
    }
    *entries = wals;
    Ok(())
}

/// Our checkpoint file.
enum OwnCheckpoint {
    Absent,
    Damaged,
    Read(RecoveryCheckpoint),
}

/// Reads our file. Without a usable one nothing is lost but time: everything is checked again.
fn load_own(dir: &Path) -> Result<OwnCheckpoint, FileError> {
    let path = dir.join(OWN_CHECKPOINT);
    let bytes = match rt::disk::blocking::read(&path, MAX_CHECKPOINT_BYTES) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(OwnCheckpoint::Absent),
        Err(e) => return Err(FileError::new(&path, "read", &e)),
    };
    Ok(match RecoveryCheckpoint::parse(&bytes) {
        Some(own) => OwnCheckpoint::Read(own),
        None => {
            warn!(path = %path.display(), "the checkpoint file is damaged: all segments are checked");
            OwnCheckpoint::Damaged
        }
    })
}

fn load_kafkas(
    dir: &Path,
    name: &str,
    points: &mut BTreeMap<NamedPartition, Checkpoint>,
    set: impl Fn(&mut Checkpoint, Offset),
) {
    let path = dir.join(name);
    let Ok(bytes) = rt::disk::blocking::read(&path, MAX_CHECKPOINT_BYTES) else {
        return;
    };
    match checkpoint_file::parse(&bytes) {
        Ok(entries) => {
            for (partition, offset) in entries {
                set(points.entry(partition).or_default(), offset);
            }
        }
        Err(e) => warn!(path = %path.display(), line = e.line, "a checkpoint file is damaged and not used"),
    }
}
