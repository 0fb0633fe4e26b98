//! Brings tails into segments in the background, and keeps the ring of write-ahead log files turning.

use super::data_dir::CheckpointFiles;
use super::file_names::{WAL_DIR, WalFileId};
use super::partition::{PartitionLog, SyncMode};
use super::shard_context::ShardContext;
use super::wal::{Retiring, WalRing, create_wal_file};
use super::{FileError, LogStopped};
use crate::base::ids::{Offset, TopicPartition};
use crate::base::time::Monotonic;
use crate::rt::{self, sync::Event};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tracing::{error, warn};

/// How many partitions of a file are brought to their segments at once; the disk's limit is `segment_writes_in_flight`.
const RETIRE_AT_ONCE: usize = 64;

/// Least time between two writes of the checkpoint file because of the bytes that were synced, where the disk is so fast that these are
/// soon many.
const BETWEEN_CHECKPOINTS: Duration = Duration::from_millis(250);

/// The partitions of a shard.
pub(super) type Partitions = Rc<RefCell<BTreeMap<TopicPartition, Rc<PartitionLog>>>>;

/// Gives the committer files to write to: makes them, and frees them when their records are synced in segments.
pub(super) struct WalKeeper {
    shard: Rc<ShardContext>,
    ring: Rc<RefCell<WalRing>>,
    partitions: Partitions,
    creating: Cell<bool>,
    retiring: Cell<bool>,
    closed: Cell<bool>,
    /// A file could not be made: the ring stays as small as it is.
    no_more: RefCell<Option<FileError>>,
    /// The look at the disk after which there was no room for a further file.
    no_room_at: Cell<Option<u64>>,
    changed: Event,
}

impl WalKeeper {
    pub fn new(shard: Rc<ShardContext>, ring: Rc<RefCell<WalRing>>, partitions: Partitions) -> Rc<WalKeeper> {
        Rc::new(WalKeeper {
            shard,
            ring,
            partitions,
            creating: Cell::new(false),
            retiring: Cell::new(false),
            closed: Cell::new(false),
            no_more: RefCell::new(None),
            no_room_at: Cell::new(None),
            changed: Event::new(),
        })
    }

    /// Waits until the current file has room for a frame of `bytes`, going on to another file if needed. False if that is
    /// not to be expected before the shard stops: who waits for a commit has been told so.
    pub async fn make_room(self: &Rc<Self>, bytes: u64) -> Result<bool, FileError> {
        loop {
            let changed = self.changed.wait();
            let looked = self.shard.room.next_look();
            let room = self.ring.borrow_mut().make_room(bytes);
            self.tend();
            let is_full = self.shard.room.is_full();
            // The last look may have found enough for the reserve, and not for a file as well.
            let has_none = self.ring.borrow().usable() == 0 && self.no_room_at.get().is_some();
            self.shard.room.set_stuck(!room && (is_full || has_none));
            if room {
                return Ok(true);
            }
            if let Some(LogStopped::WalFailed(e) | LogStopped::DirectoryFailed(e)) = self.shard.stopped() {
                return Err((*e).clone());
            }
            let nothing_comes = !self.creating.get() && !self.retiring.get();
            if nothing_comes && let Some(e) = &*self.no_more.borrow() {
                return Err(e.clone());
            }
            if (is_full || nothing_comes) && self.shard.room.is_leaving() {
                self.shard.stop(LogStopped::ShuttingDown);
                self.wake_partitions();
                return Ok(false);
            }
            // Who is kept waiting by the memory's limit is to be refused now.
            if is_full || has_none {
                self.shard.room_event.notify_all();
            }
            // Each look at the disk may bring room.
            rt::race(changed, looked).await;
        }
    }

    /// Starts making or freeing a file if that is due.
    fn tend(self: &Rc<Self>) {
        let room = &self.shard.room;
        if self.closed.get() || self.shard.stopped().is_some() || (room.is_full() && room.is_leaving()) {
            return;
        }
        let (free, usable) = {
            let ring = self.ring.borrow();
            (ring.free(), ring.usable())
        };
        let wanted = usize::from(self.shard.options.wal_files.max(2));
        let may_grow = self.no_more.borrow().is_none() && self.no_room_at.get() != Some(room.looks());
        if free == 0 && usable < wanted && !self.creating.get() && may_grow {
            self.creating.set(true);
            let keeper = self.clone();
            rt::spawn(async move {
                keeper.create().await;
                keeper.creating.set(false);
                keeper.changed.notify_all();
            });
        }
        // Half of the ring is kept free, so that the committer need not wait for segments.
        let to_come = if may_grow {
            wanted.saturating_sub(usable)
        } else {
            0
        };
        if free + to_come < wanted.div_ceil(2)
            && !self.retiring.get()
            && self.ring.borrow().oldest_full().is_some()
        {
            self.retiring.set(true);
            let keeper = self.clone();
            rt::spawn(async move {
                keeper.retire_oldest().await;
                keeper.retiring.set(false);
                keeper.changed.notify_all();
                keeper.tend();
            });
        }
    }

    /// Stops making and freeing files, and waits for what is under way.
    pub async fn close(&self) {
        self.closed.set(true);
        loop {
            let changed = self.changed.wait();
            if !self.creating.get() && !self.retiring.get() {
                return;
            }
            changed.await;
        }
    }

    async fn create(&self) {
        let bytes = self.shard.options.wal_file_bytes;
        // The first file is needed before anything else can be written.
        let first = self.ring.borrow().usable() == 0;
        if !first && !self.shard.room.has_room_for(bytes) {
            self.no_room_at.set(Some(self.shard.room.looks()));
            return;
        }
        let id = self.ring.borrow().next_id();
        match create_wal_file(
            &self.shard.options.data_dir,
            id,
            self.shard.options.wal_file_bytes,
        )
        .await
        {
            Ok(file) => {
                self.ring.borrow_mut().add(file);
                self.no_room_at.set(None);
            }
            Err(e) if e.is_no_room() => self.no_room_at.set(Some(self.shard.room.looks())),
            Err(e) => {
                warn!(error = %e, "no further write-ahead log file can be made");
                *self.no_more.borrow_mut() = Some(e);
            }
        }
    }

    /// Brings what the oldest full file holds to the segments, notes that, and frees the file. In this order: a record is
    /// at each moment in a file that recovery reads.
    async fn retire_oldest(self: &Rc<Self>) {
        let Some(retiring) = self.ring.borrow().oldest_full() else {
            return;
        };
        for some in retiring.covers.chunks(RETIRE_AT_ONCE) {
            if self.closed.get() {
                // A stop decides by itself what is still worth it.
                return;
            }
            let flushes: Vec<_> = some
                .iter()
                .filter(|(partition, end)| partition.synced_end() < *end)
                .map(|(partition, _)| {
                    let (shard, partition) = (self.shard.clone(), partition.clone());
                    rt::spawn(async move {
                        let _permit = shard.segment_writes.take(1).await;
                        // An error has stopped the partition and was logged there. Without room it is tried again below.
                        let _ = partition.write_tail(SyncMode::Now).await;
                    })
                })
                .collect();
            for flush in flushes {
                flush.await;
            }
        }
        self.shard.evict();
        let waits = |(partition, end): &(Rc<PartitionLog>, Offset)| {
            partition.synced_end() < *end && partition.stopped().is_none()
        };
        if retiring.covers.iter().any(waits) {
            // There was no room. The file stays as it is, and whoever asks next tries again.
            self.shard.room.pause().await;
            return;
        }
        self.release(retiring).await;
    }

    async fn release(&self, retiring: Retiring) {
        let stuck = retiring.covers.iter().any(|(partition, end)| {
            partition.synced_end() < *end && !matches!(partition.stopped(), Some(LogStopped::Deleted))
        });
        if self.shard.stopped().is_some() {
            return;
        }
        let (id, retired_below) = {
            let ring = self.ring.borrow();
            (ring.id_of(&retiring), ring.retired_below_after(&retiring))
        };
        let data_dir = &self.shard.options.data_dir;
        let mut released = if stuck { self.pin(id).await } else { Ok(()) };
        if released.is_ok() {
            data_dir.note_retired(id.run, id.shard, retired_below);
            released = data_dir.write_checkpoints(CheckpointFiles::Own).await;
        }
        match released {
            Ok(()) if stuck => self.ring.borrow_mut().pinned(retiring),
            Ok(()) => self.ring.borrow_mut().retired(retiring),
            // It stays as it is, and whoever asks next tries again. Who stops must not have to look at the disk to see that.
            Err(e) if e.is_no_room() => {
                self.shard.room.hit(&e).await;
                self.shard.room.pause().await;
            }
            Err(e) => {
                error!(
                    shard = self.shard.options.shard.0,
                    error = %e,
                    "the shard takes no more records until the server is started again: a write-ahead log file can't be freed"
                );
                self.shard.stop(LogStopped::WalFailed(Arc::new(e)));
                self.wake_partitions();
                self.shard.suspect();
            }
        }
    }

    /// Takes a file out of the ring, durable, so that the ring can go on without it.
    async fn pin(&self, id: WalFileId) -> Result<(), FileError> {
        let data_dir = &self.shard.options.data_dir;
        let (from, to) = (data_dir.wal_path(id), data_dir.wal_path(id.pinned()));
        rt::disk::rename(&from, &to)
            .await
            .map_err(|e| FileError::new(&from, "rename", &e))?;
        let wal_dir = data_dir.path().join(WAL_DIR);
        rt::disk::sync_dir(&wal_dir)
            .await
            .map_err(|e| FileError::new(&wal_dir, "sync", &e))
    }

    /// Wakes all who wait on any partition, because the shard has stopped.
    pub fn wake_partitions(&self) {
        let partitions: Vec<_> = self.partitions.borrow().values().cloned().collect();
        partitions.iter().for_each(|p| p.wake_all());
        self.changed.notify_all();
    }
}

/// Flushes what is large or old, and writes the checkpoint files from time to time.
pub(super) struct Flusher {
    shard: Rc<ShardContext>,
    partitions: Partitions,
    closing: Rc<Cell<bool>>,
    /// Whether what was written is being synced.
    syncing: Rc<Cell<bool>>,
    /// How many tasks empty the flush queue.
    writers: Rc<Cell<usize>>,
}

impl Flusher {
    pub fn new(shard: Rc<ShardContext>, partitions: Partitions, closing: Rc<Cell<bool>>) -> Flusher {
        Flusher {
            shard,
            partitions,
            closing,
            syncing: Rc::default(),
            writers: Rc::default(),
        }
    }

    /// Runs until the shard stops or closes.
    pub async fn run(self) {
        let options = &self.shard.options;
        let flush_interval = Duration::from_millis(options.flush_interval_ms);
        let checkpoint_interval = Duration::from_millis(options.checkpoint_interval_ms.max(1));
        let mut next_checkpoint = rt::now().plus(checkpoint_interval);
        let mut next_by_bytes = rt::now();
        loop {
            let woken = self.shard.flush_event.wait();
            if self.closing.get() || self.shard.stopped().is_some() {
                self.ended().await;
                return;
            }
            let now = rt::now();
            let aged = now.0.saturating_sub(flush_interval.as_nanos() as u64);
            self.shard.queue_aged(Monotonic(aged));
            self.flush_queued();
            if self.shard.is_checkpoint_due() && now >= next_by_bytes {
                next_by_bytes = now.plus(BETWEEN_CHECKPOINTS);
                self.write_checkpoint(CheckpointFiles::Own).await;
            }
            if now >= next_checkpoint {
                self.expire_producers();
                self.sync_written();
                self.write_checkpoint(CheckpointFiles::All).await;
                next_checkpoint = rt::now().plus(checkpoint_interval);
            }
            let next_flush = self
                .shard
                .oldest_unflushed()
                .map(|since| since.plus(flush_interval));
            let next = next_flush.map_or(next_checkpoint, |at| at.min(next_checkpoint));
            let next = match self.shard.is_checkpoint_due() {
                true => next.min(next_by_bytes),
                false => next,
            };
            // Whether it was woken or the time has come: the loop looks at everything.
            let _ = rt::timeout(next.since(rt::now()), woken).await;
        }
    }

    /// Waits until nothing is written or synced any more that was begun here.
    async fn ended(&self) {
        loop {
            let woken = self.shard.flush_event.wait();
            if self.writers.get() == 0 && !self.syncing.get() {
                return;
            }
            woken.await;
        }
    }

    /// Syncs what was written to segments and was not synced yet, a few partitions at a time, so that a start after a crash
    /// does not have to. Under load it is synced before, when a write-ahead log file is freed.
    fn sync_written(&self) {
        if self.syncing.replace(true) {
            return;
        }
        let unsynced: Vec<_> = self.partitions.borrow().values().cloned().collect();
        let (shard, syncing, closing) = (self.shard.clone(), self.syncing.clone(), self.closing.clone());
        rt::spawn(async move {
            for partition in unsynced {
                if closing.get() || shard.stopped().is_some() {
                    break;
                }
                if partition.has_unsynced() {
                    let _permit = shard.segment_writes.take(1).await;
                    // An error has stopped the partition and was logged there.
                    let _ = partition.write_tail(SyncMode::Now).await;
                }
                rt::yield_if_needed().await;
            }
            syncing.set(false);
            shard.flush_event.notify_all();
        });
    }

    async fn write_checkpoint(&self, files: CheckpointFiles) {
        self.shard.checkpoint_begins();
        match self.shard.options.data_dir.write_checkpoints(files).await {
            Err(e) if !e.is_no_room() => {
                warn!(error = %e, "the checkpoint files can't be written: a restart will take longer");
                self.shard.suspect();
            }
            // That the disk is full was said once.
            _ => {}
        }
    }

    /// Forgets producers that have not written for long, by their records' time, as Kafka.
    fn expire_producers(&self) {
        let before_ms = rt::wall_ms().saturating_sub(self.shard.producer_id_expiration_ms.get());
        for partition in self.partitions.borrow().values() {
            partition.state.borrow_mut().producers.expire(before_ms);
        }
    }

    /// Has the queue emptied by as many tasks as segments may be written at once, whatever its length.
    fn flush_queued(&self) {
        let wanted = self.shard.queued_flushes().min(self.shard.segment_writes.total());
        while self.writers.get() < wanted {
            self.writers.set(self.writers.get() + 1);
            let (shard, writers, closing) = (self.shard.clone(), self.writers.clone(), self.closing.clone());
            rt::spawn(async move {
                while !closing.get()
                    && let Some(partition) = shard.next_flush()
                {
                    let _permit = shard.segment_writes.take(1).await;
                    // An error has stopped the partition and was logged there. Without room eviction would ask for the same again.
                    if !closing.get() && partition.write_tail(SyncMode::Later).await.is_ok() {
                        shard.evict();
                    }
                }
                writers.set(writers.get() - 1);
                shard.flush_event.notify_all();
            });
        }
    }
}
