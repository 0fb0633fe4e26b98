//! The log of one shard: its partitions, write-ahead log, committer and flusher.

use super::committer::Committer;
use super::compaction::Cleaner;
use super::data_dir::CheckpointFiles;
use super::disk_room::is_no_room;
use super::errors::TailNotWritten;
use super::file_names::{DELETE_SUFFIX, SegmentFile, doomed_dir};
use super::flusher::{Flusher, Partitions, WalKeeper};
use super::housekeeping::Housekeeping;
use super::partition::{AppendOrigin, PartitionLog, SyncMode};
use super::producer::encode_snapshot;
use super::recovery::{WalReplay, recover_segments};
use super::shard_context::ShardContext;
use super::stop_budget::StopBudget;
use super::wal::{WalRing, create_wal_file};
use super::{
    CompactionLimits, FileError, LogError, LogStopped, PartitionOffline, PartitionSpec, ShardLogOptions,
};
use crate::base::ids::TopicPartition;
use crate::base::limits::DISK_BLOCK_BYTES;
use crate::rt::sync::Wait;
use crate::rt::{self, JoinHandle, disk};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tracing::{error, warn};

/// How many partitions are recovered at once.
const RECOVER_AT_ONCE: usize = 32;
/// Smallest write-ahead log file that works, in bytes: room for a few frames.
const MIN_WAL_FILE_BYTES: u64 = 64 << 10;

/// A shard's log. Made in three steps: `open`, `recover`, and, when every shard has recovered and the old write-ahead logs
/// are gone, `start`.
pub struct ShardLog {
    pub(super) shard: Rc<ShardContext>,
    pub(super) partitions: Partitions,
    /// Its own write-ahead log: empty, or with what recovery has put there, until the start.
    ring: Rc<RefCell<WalRing>>,
    running: RefCell<Option<Running>>,
    closing: Rc<Cell<bool>>,
}

struct Running {
    keeper: Rc<WalKeeper>,
    committer: JoinHandle<()>,
    flusher: JoinHandle<()>,
    housekeeping: JoinHandle<()>,
    cleaner: JoinHandle<()>,
    room: JoinHandle<()>,
}

/// What became of each partition that was to be recovered.
pub type RecoveredPartitions = Vec<(TopicPartition, Result<Rc<PartitionLog>, PartitionOffline>)>;

impl ShardLog {
    /// A shard's log with no partitions yet. Nothing is written.
    pub async fn open(options: ShardLogOptions) -> Result<Rc<ShardLog>, LogError> {
        assert!(
            options.wal_file_bytes >= MIN_WAL_FILE_BYTES,
            "a WAL file has room for frames"
        );
        assert!(
            options.wal_file_bytes.is_multiple_of(DISK_BLOCK_BYTES as u64),
            "a WAL file is whole blocks"
        );
        let path = options.data_dir.path();
        disk::prime(path)
            .await
            .map_err(|e| FileError::new(path, "open", &e))?;
        let ring = WalRing::new(options.data_dir.run(), options.shard.0, options.wal_file_bytes);
        let shard = ShardContext::new(options);
        if !shard.options.data_dir.is_looked_at() {
            shard.room.look().await;
        }
        Ok(Rc::new(ShardLog {
            shard,
            partitions: Partitions::default(),
            ring: Rc::new(RefCell::new(ring)),
            running: RefCell::new(None),
            closing: Rc::default(),
        }))
    }

    /// Takes up partitions: their segments, then what all write-ahead logs in the directory have for them. Ends with
    /// everything durable in segments or in the shard's own write-ahead log. A partition that can't be taken up is returned offline and left as it is; it never
    /// stops the others.
    pub async fn recover(&self, specs: Vec<PartitionSpec>) -> RecoveredPartitions {
        assert!(self.running.borrow().is_none(), "recovery comes before the start");
        let mut segments = Vec::with_capacity(specs.len());
        for some in specs.chunks(RECOVER_AT_ONCE) {
            let recovering: Vec<_> = some
                .iter()
                .map(|spec| {
                    let (shard, spec) = (self.shard.clone(), spec.clone());
                    rt::spawn(async move { (spec.id(), recover_segments(&shard, &spec).await) })
                })
                .collect();
            for partition in recovering {
                segments.push(partition.await);
            }
        }
        let recovered = WalReplay::new(self.shard.clone(), self.ring.clone(), segments)
            .run()
            .await;
        for (id, state) in &recovered {
            match state {
                Ok(log) => {
                    self.partitions.borrow_mut().insert(*id, log.clone());
                }
                Err(e) => {
                    self.shard.options.data_dir.keep_recovered_wals();
                    error!(topic = %id.topic, partition = id.partition, error = %e, "a partition is offline");
                }
            }
        }
        let data_dir = &self.shard.options.data_dir;
        if !self.shard.late.borrow().is_empty() {
            data_dir.late_begins();
        }
        if !data_dir.is_looked_at()
            && let Err(e) = data_dir.write_checkpoints(CheckpointFiles::Own).await
        {
            warn!(error = %e, "the checkpoint file can't be written: a restart will take longer");
        }
        recovered
    }

    /// Makes this shard's own write-ahead log, if recovery did not need it before, and begins to commit. Only after every shard has recovered and
    /// [`super::DataDir::remove_recovered_wals`] is done.
    pub async fn start(&self) -> Result<(), LogError> {
        assert!(self.running.borrow().is_none(), "a shard starts once");
        let options = &self.shard.options;
        let ring = self.ring.clone();
        let first = ring.borrow().next_id();
        if ring.borrow().usable() == 0 {
            match create_wal_file(&options.data_dir, first, options.wal_file_bytes).await {
                Ok(file) => ring.borrow_mut().add(file),
                // The disk is full: it is made when there is room, and until then what was there is served.
                Err(e) if e.is_no_room() => {
                    self.shard.room.hit(&e).await;
                    self.shard.room.set_stuck(true);
                }
                Err(e) => return Err(e.into()),
            }
        }
        let keeper = WalKeeper::new(self.shard.clone(), ring.clone(), self.partitions.clone());
        let committer = Committer::new(
            self.shard.clone(),
            ring.clone(),
            keeper.clone(),
            self.closing.clone(),
        );
        let flusher = Flusher::new(self.shard.clone(), self.partitions.clone(), self.closing.clone());
        let housekeeping =
            Housekeeping::new(self.shard.clone(), self.partitions.clone(), self.closing.clone());
        for dir in options.data_dir.take_doomed_dirs() {
            self.shard.chores.add_doomed_dir(dir);
        }
        let (shard, closing) = (self.shard.clone(), self.closing.clone());
        let over = {
            let shard = shard.clone();
            move || closing.get() || shard.stopped().is_some()
        };
        *self.running.borrow_mut() = Some(Running {
            keeper,
            committer: rt::spawn(committer.run()),
            flusher: rt::spawn(flusher.run()),
            housekeeping: rt::spawn(housekeeping.run()),
            cleaner: rt::spawn(self.cleaner().run()),
            room: rt::spawn(async move {
                let room = shard.room.clone();
                let after_look = async || {
                    if shard.room.is_full() {
                        // It looks what can go, and is told at each look, for as long as nothing has.
                        shard.chores.wake();
                    }
                    finish_recovery(&shard).await;
                };
                room.run(over, after_look).await;
            }),
        });
        Ok(())
    }

    /// Makes a new partition, empty. Its directory is made durable before the first record leaves the write-ahead log;
    /// until then the metadata that names it is what makes it exist.
    pub async fn create_partition(&self, spec: PartitionSpec) -> Result<Rc<PartitionLog>, LogError> {
        if let Some(stopped) = self.shard.stopped() {
            return Err(LogError::Stopped(stopped));
        }
        let id = spec.id();
        if self.partitions.borrow().contains_key(&id) {
            return Err(LogError::Exists(id));
        }
        let dir = self.shard.partition_dir(&spec.topic_name, spec.partition);
        let recovered = recover_segments(&self.shard, &spec).await;
        let recovering = recovered.map_err(|e| match e {
            PartitionOffline::File(e) => LogError::File(e),
            PartitionOffline::Damaged(d) => LogError::Damaged(d),
        })?;
        match disk::create_dir_all(&dir).await {
            // It is made with the first segment.
            Err(e) if is_no_room(&e) => {}
            made => made.map_err(|e| {
                self.shard.suspect();
                FileError::new(&dir, "create", &e)
            })?,
        }
        let log = recovering.log;
        log.recovered(recovering.log_start);
        // Another call may have made it meanwhile.
        if self.partitions.borrow().contains_key(&id) {
            return Err(LogError::Exists(id));
        }
        self.partitions.borrow_mut().insert(id, log.clone());
        Ok(log)
    }

    /// A partition that is online.
    pub fn partition(&self, id: TopicPartition) -> Option<Rc<PartitionLog>> {
        self.partitions.borrow().get(&id).cloned()
    }

    /// Deletes a partition: it stops at once, its directory gets another name, durable, and is removed in the background.
    /// Fine if it is not there.
    pub async fn delete_partition(&self, id: TopicPartition) -> Result<(), LogError> {
        self.remove_partition(id, LogStopped::Deleted).await
    }

    pub(super) async fn remove_partition(
        &self,
        id: TopicPartition,
        reason: LogStopped,
    ) -> Result<(), LogError> {
        let Some(log) = self.partitions.borrow_mut().remove(&id) else {
            return Ok(());
        };
        log.stop(reason);
        let _turn = log.writer_turn().await;
        log.swap_ended().await;
        let (tail, unwritten) = log.state.borrow_mut().forget_tail();
        self.shard.forget_tail(tail);
        self.shard.room.written(unwritten);
        self.ring.borrow_mut().forget(id);
        self.shard.files.forget_partition(id);
        self.shard.read_cache.forget_partition(id);
        let data_dir = self.shard.options.data_dir.clone();
        data_dir.forget(id);
        if data_dir.failure().is_some() {
            // Its files go when the directory is there again.
            return Ok(());
        }
        let doomed = data_dir
            .path()
            .join(doomed_dir(&log.topic_name, id, DELETE_SUFFIX));
        let renamed = match disk::rename(&log.dir, &doomed).await {
            Err(e) if e.kind() == std::io::ErrorKind::DirectoryNotEmpty => {
                // The partition was here before, and what was left of it is not all gone yet.
                let _ = disk::remove_dir_all(&doomed).await;
                disk::rename(&log.dir, &doomed).await
            }
            renamed => renamed,
        };
        match renamed {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => {
                self.shard.suspect();
                return Err(FileError::new(&log.dir, "rename", &e).into());
            }
        }
        disk::sync_dir(data_dir.path()).await.map_err(|e| {
            self.shard.suspect();
            FileError::new(data_dir.path(), "sync", &e)
        })?;
        self.shard.chores.add_doomed_dir(doomed);
        Ok(())
    }

    /// Looks at every partition for segments that have lived long enough, now instead of at the next interval. Ready when
    /// that is done, or the shard stops. The shard has been started.
    pub async fn tidy_now(&self) {
        let over = || self.closing.get() || self.shard.stopped().is_some();
        self.shard.chores.round(over).await;
    }

    /// Compacts every partition for which that is due, now instead of at the next interval. Ready when that is done, or the
    /// shard stops. The shard has been started.
    pub async fn compact_now(&self) {
        self.cleaner().round().await;
    }

    fn cleaner(&self) -> Cleaner {
        Cleaner::new(self.shard.clone(), self.partitions.clone(), self.closing.clone())
    }

    /// Ready when something is wrong that was not before; [`ShardLog::stopped`] and [`DataDir::failure`] say what.
    pub fn trouble(&self) -> Wait {
        self.shard.trouble.wait()
    }

    /// Something in the directory could not be written by another shard's log, or by a move: see whether all of it has failed.
    pub fn suspect(&self) {
        self.shard.suspect();
    }

    /// The directory has failed as a whole: nothing is written in it any more.
    pub fn go_offline(&self, error: &FileError) {
        self.shard
            .stop(LogStopped::DirectoryFailed(Arc::new(error.clone())));
        self.shard.trouble.notify_all();
        let partitions: Vec<_> = self.partitions.borrow().values().cloned().collect();
        partitions.iter().for_each(|partition| partition.wake_all());
    }

    /// Whether it is about to end, or has.
    pub fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// The directory its partitions are in.
    pub fn data_dir(&self) -> &crate::log::DataDir {
        &self.shard.options.data_dir
    }

    /// Why the shard acknowledges nothing any more, if so.
    pub fn stopped(&self) -> Option<LogStopped> {
        self.shard.stopped()
    }

    /// How long a producer that writes nothing is remembered from now on, in milliseconds.
    pub fn set_producer_id_expiration_ms(&self, expiration_ms: i64) {
        self.shard.producer_id_expiration_ms.set(expiration_ms);
    }

    /// Whether batches read from disk have their checksums checked from now on.
    pub fn set_check_crc_on_read(&self, check: bool) {
        self.shard.check_crc_on_read.set(check);
    }

    /// What compaction may use from now on.
    pub fn set_compaction_limits(&self, limits: CompactionLimits) {
        self.shard.compaction.set_limits(limits);
    }

    /// How many reads have met damage in a file since the start.
    pub fn damaged_reads(&self) -> u64 {
        self.shard.damage.reads()
    }

    /// Bytes appended and not durable yet. Appends are refused above `uncommitted_bytes` of the options.
    pub fn uncommitted_bytes(&self) -> usize {
        self.shard.uncommitted_bytes()
    }

    /// Waits until appends are no longer refused because too much waits for the disk.
    pub async fn wait_for_room(&self) {
        loop {
            let room = self.shard.room_event.wait();
            // On a full disk appends are refused, so there is nothing to wait for.
            let refused = self.shard.room.refuses(AppendOrigin::Client);
            if self.shard.has_room() || refused || self.shard.stopped().is_some() {
                return;
            }
            room.await;
        }
    }

    /// The shard is about to stop: on a full disk, who waits for a commit that finds no room is told so now.
    pub fn prepare_shutdown(&self) {
        self.shard.room.leave();
    }

    /// Commits what is queued, brings everything to segments, writes snapshots and checkpoints, and removes the
    /// write-ahead logs, which are not needed then. No append may come after. The driver notes the orderly end with
    /// [`super::DataDir::mark_clean_shutdown`] when all shards are done.
    pub async fn shutdown(&self) -> Result<(), LogError> {
        self.closing.set(true);
        self.shard.trouble.notify_all();
        let running = self.running.borrow_mut().take();
        self.shard.commit_event.notify_all();
        self.shard.flush_event.notify_all();
        self.shard.chores.wake();
        self.shard.compaction.wake();
        self.shard.room.leave();
        if let Some(running) = running {
            running.committer.await;
            running.flusher.await;
            running.housekeeping.await;
            running.cleaner.await;
            running.room.await;
            running.keeper.close().await;
        }
        let stopped = self.shard.stopped();
        let failed = stopped
            .clone()
            .filter(|stopped| !matches!(stopped, LogStopped::ShuttingDown));
        self.shard.stop(LogStopped::ShuttingDown);
        let data_dir = &self.shard.options.data_dir;
        if let Some(error) = data_dir.failure() {
            // What was acknowledged is in its write-ahead logs and segments, should it ever be readable again.
            data_dir.stays_unclean();
            self.shard.files.close_all().await;
            let files = self.ring.borrow_mut().take_files();
            self.close_wal(files, false).await?;
            return Err(LogError::File(error.clone()));
        }
        let mut whole = self.close_partitions().await && stopped.is_none();
        match data_dir.write_checkpoints(CheckpointFiles::All).await {
            // Then the write-ahead logs stay, and the next start reads them.
            Err(e) if e.is_no_room() => whole = false,
            written => written?,
        }
        if !whole {
            data_dir.stays_unclean();
        }
        self.shard.files.close_all().await;
        let files = self.ring.borrow_mut().take_files();
        if !files.is_empty() {
            self.close_wal(files, whole).await?;
        }
        match failed {
            Some(stopped) => Err(LogError::Stopped(stopped)),
            None => Ok(()),
        }
    }

    /// Closes the partitions, or as many as a stop has time for. False if records are in the write-ahead log only.
    async fn close_partitions(&self) -> bool {
        let options = &self.shard.options;
        let mut partitions: Vec<_> = self.partitions.borrow().values().cloned().collect();
        partitions.retain(|log| !log.is_at_rest());
        // Where all fit but a few, what is left out is what costs most or matters least.
        partitions.sort_by_key(|log| log.closing_rank());
        let within = Duration::from_millis(options.stop_within_ms);
        let needed = partitions.iter().filter(|log| !log.may_be_left()).count();
        let at_least = options.stop_closes_at_least.max(needed);
        let budget = StopBudget::new(rt::now(), partitions.len(), at_least, within);
        let mut whole = true;
        let mut closed = 0;
        while budget.goes_on(closed, rt::now()) {
            let some = &partitions[closed..partitions.len().min(closed + RECOVER_AT_ONCE)];
            let closing: Vec<_> = some
                .iter()
                .map(|log| rt::spawn(close_partition(log.clone())))
                .collect();
            closed += closing.len();
            for closed in closing {
                whole &= closed.await;
            }
        }
        let left = &partitions[closed..];
        if !left.is_empty() {
            // Some files have zeros at their end, and no snapshot.
            options.data_dir.stays_unclean();
        }
        let mut in_log = 0;
        for log in left {
            if log.is_in_segments() {
                continue;
            }
            whole = false;
            match log.is_committed() {
                true => in_log += 1,
                // No log has it.
                false => drop(close_partition(log.clone()).await),
            }
        }
        if in_log > 0 {
            warn!(
                shard = options.shard.0,
                partitions = in_log,
                "records stay in the write-ahead log, for the stop would take long otherwise: the next start, or `corelane storage export`, takes them from there"
            );
        }
        whole
    }

    async fn close_wal(
        &self,
        files: Vec<(super::file_names::WalFileId, Rc<disk::File>)>,
        remove: bool,
    ) -> Result<(), LogError> {
        let data_dir = &self.shard.options.data_dir;
        let ids: Vec<_> = files.iter().map(|(id, _)| *id).collect();
        for (_, file) in files {
            if let Ok(file) = Rc::try_unwrap(file) {
                // Every write was synced when it was ready.
                let _ = file.close().await;
            }
        }
        if remove {
            match data_dir.remove_wals(&ids).await {
                Err(e) if e.is_no_room() => data_dir.stays_unclean(),
                removed => removed?,
            }
        }
        Ok(())
    }
}

/// Does what the recovery had no room for, as soon as there is some: then the old write-ahead logs can go.
async fn finish_recovery(shard: &Rc<ShardContext>) {
    let data_dir = &shard.options.data_dir;
    let late = std::mem::take(&mut *shard.late.borrow_mut());
    if !late.is_empty() {
        let mut still = Vec::new();
        for partition in late {
            match partition.write_tail(SyncMode::Now).await {
                Ok(()) => partition.state.borrow_mut().may_use_reserve = false,
                Err(TailNotWritten::Stopped(LogStopped::Deleted | LogStopped::Moved)) => {}
                Err(TailNotWritten::NoRoom(_)) => still.push(partition),
                Err(TailNotWritten::Stopped(_)) => data_dir.keep_recovered_wals(),
            }
        }
        if still.is_empty() {
            data_dir.late_ends();
        }
        *shard.late.borrow_mut() = still;
    }
    data_dir.remove_recovered_wals_late().await;
}

/// Brings a partition's files into the state Kafka leaves them in. False if something of it is only in the WAL.
async fn close_partition(log: Rc<PartitionLog>) -> bool {
    if log.is_at_rest() {
        return true;
    }
    let _permit = log.shard.segment_writes.take(1).await;
    if log.durable_end() < log.log_end() {
        // Relaxed records that no write-ahead log has: there is no later.
        log.state.borrow_mut().may_use_reserve = true;
    }
    // An error has stopped the partition and was logged there.
    if log.write_tail(SyncMode::Now).await.is_err() {
        let (durable_end, high_watermark) = (log.durable_end(), log.high_watermark());
        if durable_end < high_watermark {
            error!(partition = ?log, from = %durable_end, to = %high_watermark, "records that were acknowledged before they were on disk (durability = relaxed) are lost");
        }
        return false;
    }
    let _turn = log.writer_turn().await;
    let closed = close_files(&log).await;
    if let Err(e) = &closed {
        // The records are synced; the next start rebuilds these files.
        warn!(partition = ?log, error = %e, "a partition's files could not be closed in order");
    }
    true
}

async fn close_files(log: &Rc<PartitionLog>) -> Result<(), FileError> {
    let (segment, bytes, producers, end) = {
        let state = log.state.borrow();
        (
            state.writer.segment,
            state.writer.file_bytes,
            encode_snapshot(&state.producers),
            state.positions.log_end,
        )
    };
    let Some(base) = segment else { return Ok(()) };
    let path = SegmentFile::Log.path(&log.dir, base);
    let file = log.shard.files.get(log.id, base, 0, &path).await?;
    file.set_len(bytes)
        .await
        .map_err(|e| FileError::new(&path, "cut", &e))?;
    // None of what follows is synced, nor the length: what is missing or torn after a crash is noticed, and made again. With
    // thousands of partitions syncing it would take minutes.
    for (kind, bytes) in log.last_indexes(base).into_iter().flatten() {
        let path = kind.path(&log.dir, base);
        disk::write_file_unsynced(&path, bytes)
            .await
            .map_err(|e| FileError::new(&path, "write", &e))?;
    }
    let path = SegmentFile::ProducerSnapshot.path(&log.dir, end);
    disk::write_file_unsynced(&path, producers)
        .await
        .map_err(|e| FileError::new(&path, "write", &e))
}
