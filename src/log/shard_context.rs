//! Hot path: produce. What the partitions of a shard share: queues, memory accounts, open files, the reason to stop.

use super::chores::Chores;
use super::compaction::CompactionState;
use super::damage_book::DamageBook;
use super::partition::{PartitionLog, TailMark};
use super::position_hints::PositionHints;
use super::read_cache::ReadCache;
use super::room_watch::RoomWatch;
use super::segment::OpenFiles;
use super::{LogStopped, ShardLogOptions, file_names};
use crate::base::time::Monotonic;
use crate::rt::{self, sync::Budget, sync::Event};
use bytes::{Bytes, BytesMut};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::task::Waker;
use std::time::Duration;

/// Record sets below this are copied when they are appended. Receive buffers are a few hundred KiB, so a batch of this size
/// keeps at most about ten times its own memory alive; copying less than this costs about 3 us. A guess, to be measured.
const COPY_BELOW_BYTES: usize = 32 << 10;
/// Memory that small record sets share. Evicted in the order of appends, it is freed as a whole soon after its first.
const SHARED_CHUNK_BYTES: usize = 256 << 10;
/// Appends of one partition in a row count as one for eviction, up to this many bytes.
const EVICTION_STEP_BYTES: u64 = 64 << 10;
/// For each of so many bytes the checkpoint file has begun, as much must have been synced as the options say before it is written because
/// of that: a file for 10,000 partitions has about one such step, and so costs a hundredth of what is written to segments.
const CHECKPOINT_STEP_BYTES: u64 = 1 << 20;
/// Least time between two looks at a directory in which something can't be read. A guess: each costs a few syncs.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);

/// One per shard. `RefCell`s are borrowed within a call, never longer.
pub(super) struct ShardContext {
    pub options: ShardLogOptions,
    pub files: OpenFiles,
    pub read_cache: ReadCache,
    pub hints: PositionHints,
    /// Partitions whose segments had no room for what a write-ahead log of the run before has for them.
    pub late: RefCell<Vec<Rc<PartitionLog>>>,
    /// Whether the disk takes more.
    pub room: Rc<RoomWatch>,
    /// How many segments are written at the same time.
    pub segment_writes: Budget,
    /// The option of this name, which may change while the shard runs.
    pub producer_id_expiration_ms: Cell<i64>,
    /// The option of this name, which may change while the shard runs.
    pub check_crc_on_read: Cell<bool>,
    /// Damage that reads have met.
    pub damage: DamageBook,
    /// Something stands in the commit queue, or the shard is to stop.
    pub commit_event: Event,
    /// Something stands in the flush queue, a WAL file was filled, or the shard is to stop.
    pub flush_event: Event,
    /// A write to a segment has ended.
    pub segment_written: Event,
    /// What waits for the housekeeping.
    pub chores: Chores,
    /// What compacts the partitions.
    pub compaction: CompactionState,
    /// Bytes became durable, so that there is room for appends.
    pub room_event: Event,
    commit_queue: RefCell<VecDeque<Rc<PartitionLog>>>,
    flush_queue: RefCell<VecDeque<Rc<PartitionLog>>>,
    /// Partitions that have something to flush, by since when.
    unflushed: RefCell<VecDeque<(Monotonic, Weak<PartitionLog>)>>,
    /// Bytes synced to segments since the checkpoint was written.
    synced_bytes: Cell<u64>,
    uncommitted_bytes: Cell<usize>,
    tail_bytes: Cell<usize>,
    /// Appends in the order in which they leave memory.
    tail_order: RefCell<VecDeque<(Weak<PartitionLog>, TailMark, u64)>>,
    shared_chunk: RefCell<BytesMut>,
    /// Room for the wakers of those whose records became durable; empty but for a moment.
    pub wakers: Cell<Vec<Waker>>,
    stopped: RefCell<Option<LogStopped>>,
    /// The shard takes no records any more, or its directory was looked at after an error.
    pub trouble: Event,
    looked_at: Cell<Option<Monotonic>>,
}

impl ShardContext {
    pub fn new(options: ShardLogOptions) -> Rc<ShardContext> {
        Rc::new(ShardContext {
            files: OpenFiles::new(options.open_files),
            read_cache: ReadCache::new(options.read_cache_bytes),
            segment_writes: Budget::new(options.segment_writes_in_flight.max(1)),
            producer_id_expiration_ms: Cell::new(options.producer_id_expiration_ms),
            check_crc_on_read: Cell::new(options.check_crc_on_read),
            damage: DamageBook::default(),
            hints: PositionHints::default(),
            late: RefCell::default(),
            room: Rc::new(RoomWatch::new(&options)),
            compaction: CompactionState::new(&options),
            options,
            commit_event: Event::new(),
            flush_event: Event::new(),
            segment_written: Event::new(),
            chores: Chores::default(),
            room_event: Event::new(),
            commit_queue: RefCell::default(),
            flush_queue: RefCell::default(),
            unflushed: RefCell::default(),
            synced_bytes: Cell::new(0),
            uncommitted_bytes: Cell::new(0),
            tail_bytes: Cell::new(0),
            tail_order: RefCell::default(),
            shared_chunk: RefCell::default(),
            wakers: Cell::default(),
            stopped: RefCell::default(),
            trouble: Event::new(),
            looked_at: Cell::new(None),
        })
    }

    pub fn partition_dir(&self, topic: &str, partition: i32) -> PathBuf {
        self.options
            .data_dir
            .path()
            .join(file_names::partition_dir(topic, partition))
    }

    /// Why the shard as a whole no longer acknowledges.
    pub fn stopped(&self) -> Option<LogStopped> {
        self.stopped.borrow().clone()
    }

    /// The shard no longer acknowledges. The first reason counts. The caller wakes who waits.
    pub fn stop(&self, reason: LogStopped) {
        self.stopped.borrow_mut().get_or_insert(reason);
        self.commit_event.notify_all();
        self.flush_event.notify_all();
        self.room_event.notify_all();
        self.chores.wake();
        self.compaction.wake();
        self.room.wake();
    }

    /// Something in the directory could not be written: sees, in the background, whether all of it has failed.
    pub fn suspect(self: &Rc<Self>) {
        if self.options.data_dir.is_looked_at() {
            return;
        }
        self.looked_at.set(Some(rt::now()));
        let shard = self.clone();
        rt::spawn(async move {
            shard.options.data_dir.health().look().await;
            shard.trouble.notify_all();
        });
    }

    /// Something could not be read. Who asks for it again and again does not have the directory looked at each time.
    pub fn suspect_read(self: &Rc<Self>) {
        let is_due = |looked: Monotonic| rt::now().since(looked) >= BETWEEN_LOOKS;
        if self.looked_at.get().is_none_or(is_due) {
            self.suspect();
        }
    }

    /// Bytes were synced to segments. The checkpoint is written when they have become many, since recovery reads what it
    /// does not know to be synced.
    pub fn synced(&self, bytes: u64) {
        self.synced_bytes
            .set(self.synced_bytes.get().saturating_add(bytes));
        if self.is_checkpoint_due() {
            self.flush_event.notify_all();
        }
    }

    /// Has the checkpoint written.
    pub fn checkpoint_soon(&self) {
        self.synced(self.options.checkpoint_bytes);
    }

    /// Whether the checkpoint is so far behind that writing it is worth it.
    pub fn is_checkpoint_due(&self) -> bool {
        let file_bytes = self.options.data_dir.own_checkpoint_bytes();
        let worth = file_bytes.div_ceil(CHECKPOINT_STEP_BYTES).max(1);
        self.synced_bytes.get() >= self.options.checkpoint_bytes.saturating_mul(worth)
    }

    /// What is noted now will be written to the checkpoint.
    pub fn checkpoint_begins(&self) {
        self.synced_bytes.set(0);
    }

    /// Whether more may be appended.
    pub fn has_room(&self) -> bool {
        self.uncommitted_bytes.get() < self.options.uncommitted_bytes
    }

    /// Bytes appended and not durable yet.
    pub fn uncommitted_bytes(&self) -> usize {
        self.uncommitted_bytes.get()
    }

    /// Bytes of batches in memory.
    pub fn tail_bytes(&self) -> usize {
        self.tail_bytes.get()
    }

    /// Freezes a record set where it may stay: small ones are copied together.
    pub fn settle(&self, bytes: BytesMut) -> Bytes {
        if bytes.len() >= COPY_BELOW_BYTES {
            bytes.freeze()
        } else {
            self.settle_copy(&bytes)
        }
    }

    /// Copies a record set to memory that small ones share.
    pub fn settle_copy(&self, bytes: &[u8]) -> Bytes {
        if bytes.len() >= COPY_BELOW_BYTES {
            return Bytes::copy_from_slice(bytes);
        }
        let mut chunk = self.shared_chunk.borrow_mut();
        if chunk.capacity() < bytes.len() {
            *chunk = BytesMut::with_capacity(SHARED_CHUNK_BYTES);
        }
        chunk.extend_from_slice(bytes);
        chunk.split().freeze()
    }

    /// Accounts for an append and puts the partition into the queues it belongs to.
    pub fn appended(&self, partition: &Rc<PartitionLog>, bytes: usize) {
        self.uncommitted_bytes.set(self.uncommitted_bytes.get() + bytes);
        self.room.appended(bytes);
        self.grown(partition, bytes);
        self.queue_commit(partition);
    }

    /// Accounts for bytes on a partition's tail, and flushes or evicts if that is too much.
    pub fn grown(&self, partition: &Rc<PartitionLog>, bytes: usize) {
        self.tail_bytes.set(self.tail_bytes.get() + bytes);
        self.room.grown(bytes);
        let (end, unflushed) = {
            let state = partition.state.borrow();
            (
                state.tail.end(),
                state.tail.end().stream - state.writer.written.stream,
            )
        };
        self.note_order(partition, end, bytes);
        if unflushed == bytes as u64 {
            self.unflushed
                .borrow_mut()
                .push_back((rt::now(), Rc::downgrade(partition)));
        }
        if unflushed >= self.options.flush_bytes as u64 {
            self.queue_flush(partition);
        }
        if self.tail_bytes.get() > self.options.tail_bytes {
            self.evict();
        }
    }

    fn note_order(&self, partition: &Rc<PartitionLog>, end: TailMark, bytes: usize) {
        let mut order = self.tail_order.borrow_mut();
        match order.back_mut() {
            Some((last, mark, in_a_row))
                if *in_a_row < EVICTION_STEP_BYTES && std::ptr::eq(last.as_ptr(), Rc::as_ptr(partition)) =>
            {
                *mark = end;
                *in_a_row += bytes as u64;
            }
            _ => order.push_back((Rc::downgrade(partition), end, bytes as u64)),
        }
    }

    /// Lets go of the oldest batches in memory until the budget is kept. What is not in its segment yet is flushed first.
    pub fn evict(&self) {
        let mut order = self.tail_order.borrow_mut();
        while self.tail_bytes.get() > self.options.tail_bytes {
            let Some((partition, mark, _)) = order.front() else {
                return;
            };
            if let Some(partition) = partition.upgrade() {
                let mut state = partition.state.borrow_mut();
                let written = state.writer.written;
                let until = if state.stopped.is_some() {
                    if written.stream < mark.stream {
                        written
                    } else {
                        *mark
                    }
                } else if written.stream < mark.stream {
                    drop(state);
                    self.queue_flush(&partition);
                    return;
                } else if state.submitted.stream < mark.stream {
                    // It is in its segment, but the committer has yet to take it.
                    return;
                } else {
                    *mark
                };
                let freed = state.tail.evict_until(until);
                self.tail_bytes.set(self.tail_bytes.get() - freed);
            }
            order.pop_front();
        }
    }

    /// A partition's tail is dropped with it.
    pub fn forget_tail(&self, bytes: usize) {
        self.tail_bytes.set(self.tail_bytes.get() - bytes);
    }

    /// Bytes became durable, or never will.
    pub fn committed_bytes(&self, bytes: usize) {
        let had_room = self.has_room();
        self.uncommitted_bytes.set(self.uncommitted_bytes.get() - bytes);
        if !had_room && self.has_room() {
            self.room_event.notify_all();
        }
    }

    /// Puts a partition into the commit queue, once.
    pub fn queue_commit(&self, partition: &Rc<PartitionLog>) {
        let queued = std::mem::replace(&mut partition.state.borrow_mut().queued_for_commit, true);
        if !queued {
            let mut queue = self.commit_queue.borrow_mut();
            queue.push_back(partition.clone());
            if queue.len() == 1 {
                self.commit_event.notify_all();
            }
        }
    }

    /// Puts a partition back to where the committer looks first.
    pub fn requeue_commit_first(&self, partition: Rc<PartitionLog>) {
        let queued = std::mem::replace(&mut partition.state.borrow_mut().queued_for_commit, true);
        assert!(
            !queued,
            "only the committer puts it back, and nothing ran in between"
        );
        self.commit_queue.borrow_mut().push_front(partition);
    }

    /// Takes the first of the commit queue.
    pub fn next_commit(&self) -> Option<Rc<PartitionLog>> {
        let partition = self.commit_queue.borrow_mut().pop_front()?;
        partition.state.borrow_mut().queued_for_commit = false;
        Some(partition)
    }

    /// Whether nothing waits for the committer.
    pub fn nothing_to_commit(&self) -> bool {
        self.commit_queue.borrow().is_empty()
    }

    /// Puts a partition into the flush queue, once.
    pub fn queue_flush(&self, partition: &Rc<PartitionLog>) {
        let queued = std::mem::replace(&mut partition.state.borrow_mut().queued_for_flush, true);
        if !queued {
            self.flush_queue.borrow_mut().push_back(partition.clone());
            self.flush_event.notify_all();
        }
    }

    /// How many partitions stand in the flush queue.
    pub fn queued_flushes(&self) -> usize {
        self.flush_queue.borrow().len()
    }

    /// A partition's tail could not be flushed for want of room: it is tried again like one that was just appended to.
    pub fn flush_later(&self, partition: &Rc<PartitionLog>) {
        self.unflushed
            .borrow_mut()
            .push_back((rt::now(), Rc::downgrade(partition)));
    }

    /// Takes the first of the flush queue.
    pub fn next_flush(&self) -> Option<Rc<PartitionLog>> {
        let partition = self.flush_queue.borrow_mut().pop_front()?;
        partition.state.borrow_mut().queued_for_flush = false;
        Some(partition)
    }

    /// Queues what has waited since before `deadline`.
    pub fn queue_aged(&self, deadline: Monotonic) {
        loop {
            let partition = {
                let mut unflushed = self.unflushed.borrow_mut();
                match unflushed.front() {
                    Some((since, _)) if *since <= deadline => {
                        unflushed.pop_front().and_then(|(_, p)| p.upgrade())
                    }
                    _ => return,
                }
            };
            if let Some(partition) = partition {
                self.queue_flush(&partition);
            }
        }
    }

    /// Since when the oldest of what is not flushed waits.
    pub fn oldest_unflushed(&self) -> Option<Monotonic> {
        self.unflushed.borrow().front().map(|(since, _)| *since)
    }
}
