//! A partition's log as others hold it: its positions, waiting on them, its settings.

use super::durable_waiters::DurableWaiters;
use super::{Positions, Segment, Tail, TailMark};
use crate::base::ids::{LeaderEpoch, Offset, ProducerId, TopicPartition};
use crate::log::epoch_cache::EpochCache;
use crate::log::options::TopicLogConfig;
use crate::log::producer::{ProducerState, ProducerTable};
use crate::log::scan_point::ScanPoint;
use crate::log::shard_context::ShardContext;
use crate::log::{AbortedTransaction, EpochEnd, LogStopped};
use crate::rt::sync::Event;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// The log of one partition. Lives on the shard that owns the partition.
pub struct PartitionLog {
    pub(in crate::log) id: TopicPartition,
    pub(in crate::log) topic_name: Arc<str>,
    pub(in crate::log) dir: PathBuf,
    pub(in crate::log) shard: Rc<ShardContext>,
    pub(in crate::log) config: RefCell<Arc<TopicLogConfig>>,
    pub(in crate::log) state: RefCell<PartitionState>,
    waiters: RefCell<DurableWaiters>,
    watchers: RefCell<Vec<Weak<Event>>>,
}

/// What changes.
#[derive(Debug)]
pub(in crate::log) struct PartitionState {
    pub positions: Positions,
    pub leader_epoch: LeaderEpoch,
    pub epochs: EpochCache,
    /// Whether `epochs` has something its file has not.
    pub epochs_dirty: bool,
    pub producers: ProducerTable,
    /// Aborted transactions, by their markers' offsets.
    pub aborted: Vec<AbortedTransaction>,
    pub tail: Tail,
    /// Oldest first, never empty.
    pub segments: VecDeque<Segment>,
    /// Up to here the tail was given to the write-ahead log or to a direct write.
    pub submitted: TailMark,
    /// Up to here it is durable, as far as this run appended it.
    pub durable: TailMark,
    /// Whether it stands in the shard's commit queue.
    pub queued_for_commit: bool,
    /// Whether a direct write is under way, or waits for its turn.
    pub direct: bool,
    /// Whether it stands in the shard's flush queue.
    pub queued_for_flush: bool,
    /// Whether a coordinator writes to it, or its tail is still that of a recovery: on a full disk it goes to the segments
    /// before those of others.
    pub may_use_reserve: bool,
    pub writer: WriterState,
    /// Where the log's start is to be: what checkpoints say. `positions.log_start` follows when that is durable.
    pub next_log_start: Offset,
    /// Up to here the log was compacted.
    pub compacted_below: Offset,
    /// Whether segments are given other names now: the directory keeps its own meanwhile.
    pub swapping: bool,
    /// Whether it takes no changes for a moment, because the last of it is being copied to another data directory.
    pub paused: bool,
    pub stopped: Option<LogStopped>,
}

/// How far the segment files are.
#[derive(Debug)]
pub(in crate::log) struct WriterState {
    /// Whether somebody writes to the segments now; there is never more than one.
    pub busy: bool,
    /// Whether directory and `partition.metadata` are durable.
    pub directory_durable: bool,
    /// Whether the file's name is still to be synced.
    pub name_unsynced: bool,
    /// Base of the segment that is written to, if its file was made.
    pub segment: Option<Offset>,
    /// Bytes written to it.
    pub file_bytes: u64,
    /// What its last block holds, if that is not full. `None`: on disk only.
    pub last_block: Option<Vec<u8>>,
    /// Up to here the tail is in the segment files.
    pub written: TailMark,
    /// Up to here that is synced.
    pub synced: Offset,
    /// How many bytes that are, appended since the log was opened.
    pub synced_stream: u64,
    /// Where recovery can begin to read.
    pub scan_point: Option<Arc<ScanPoint>>,
    /// The offset of a producer snapshot that a scan point before this one refers to.
    pub old_snapshot: Option<Offset>,
    /// Up to this byte of the last segment its index files were written.
    pub indexed_bytes: u64,
    /// Whether nothing was written since an orderly shutdown: its files are as that leaves them.
    pub at_rest: bool,
}

/// What recovery or creation makes a partition of.
#[derive(Debug)]
pub(in crate::log) struct PartitionParts {
    pub positions: Positions,
    pub epochs: EpochCache,
    pub producers: ProducerTable,
    pub aborted: Vec<AbortedTransaction>,
    pub segments: VecDeque<Segment>,
    pub writer: WriterState,
}

impl PartitionState {
    /// Lets go of the tail, when the partition is gone. Returns its bytes, and how many of them were in no segment.
    pub(in crate::log) fn forget_tail(&mut self) -> (usize, u64) {
        let end = self.tail.end();
        let unwritten = end.stream - self.writer.written.stream;
        self.writer.written = end;
        self.submitted = end;
        (self.tail.evict_until(end), unwritten)
    }
}

impl PartitionLog {
    pub(in crate::log) fn new(
        spec: &crate::log::PartitionSpec,
        shard: Rc<ShardContext>,
        parts: PartitionParts,
    ) -> Rc<PartitionLog> {
        assert!(!parts.segments.is_empty());
        let end = parts.positions.log_end;
        let compacted_below = shard
            .options
            .data_dir
            .compacted_below(spec.id(), &spec.topic_name);
        let tail = Tail::new(end);
        let mark = tail.end();
        Rc::new(PartitionLog {
            id: spec.id(),
            topic_name: spec.topic_name.clone(),
            dir: shard.partition_dir(&spec.topic_name, spec.partition),
            shard,
            config: RefCell::new(spec.config.clone()),
            state: RefCell::new(PartitionState {
                positions: parts.positions,
                leader_epoch: spec.leader_epoch,
                epochs: parts.epochs,
                epochs_dirty: false,
                producers: parts.producers,
                aborted: parts.aborted,
                tail,
                segments: parts.segments,
                submitted: mark,
                durable: mark,
                queued_for_commit: false,
                direct: false,
                queued_for_flush: false,
                may_use_reserve: false,
                writer: parts.writer,
                next_log_start: parts.positions.log_start,
                compacted_below,
                swapping: false,
                paused: false,
                stopped: None,
            }),
            waiters: RefCell::default(),
            watchers: RefCell::default(),
        })
    }

    /// The partition.
    pub fn id(&self) -> TopicPartition {
        self.id
    }

    /// The data directory it is in.
    pub fn data_dir(&self) -> &Path {
        self.shard.options.data_dir.path()
    }

    /// The topic's name.
    pub fn topic_name(&self) -> &Arc<str> {
        &self.topic_name
    }

    /// All positions at one moment.
    pub fn positions(&self) -> Positions {
        self.state.borrow().positions
    }

    /// The first record that counts.
    pub fn log_start(&self) -> Offset {
        self.positions().log_start
    }

    /// Whether there are aborted transactions in it.
    pub fn has_aborted_transactions(&self) -> bool {
        !self.state.borrow().aborted.is_empty()
    }

    /// The aborted transactions that have records in a range of offsets, for a reader of committed records who gets that range.
    pub fn aborted_transactions(&self, range: std::ops::Range<Offset>) -> Vec<AbortedTransaction> {
        let state = self.state.borrow();
        let from = state.aborted.partition_point(|one| one.last_offset < range.start);
        let overlaps = |one: &&AbortedTransaction| one.first_offset < range.end;
        state.aborted[from..].iter().filter(overlaps).copied().collect()
    }

    /// Behind the last record a consumer may see that reads committed records only.
    pub fn last_stable(&self) -> Offset {
        self.positions().last_stable
    }

    /// Behind the last record a consumer may see.
    pub fn high_watermark(&self) -> Offset {
        self.positions().high_watermark
    }

    /// Behind the last record that is durable here.
    pub fn durable_end(&self) -> Offset {
        self.positions().durable_end
    }

    /// Behind the last record.
    pub fn log_end(&self) -> Offset {
        self.positions().log_end
    }

    /// The epoch appended batches get.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.state.borrow().leader_epoch
    }

    /// Sets the epoch appended batches get. It only rises.
    pub fn set_leader_epoch(&self, epoch: LeaderEpoch) {
        let mut state = self.state.borrow_mut();
        assert!(epoch >= state.leader_epoch, "a leader epoch never falls");
        state.leader_epoch = epoch;
    }

    /// The topic's configs.
    pub fn config(&self) -> Arc<TopicLogConfig> {
        self.config.borrow().clone()
    }

    /// Changes the topic's configs, for all that comes from now on.
    pub fn set_config(&self, config: Arc<TopicLogConfig>) {
        *self.config.borrow_mut() = config;
    }

    /// Bytes of all segments, written or not.
    pub fn size_bytes(&self) -> u64 {
        self.state.borrow().segments.iter().map(|s| s.bytes).sum()
    }

    /// Why it no longer acknowledges, if so.
    pub fn stopped(&self) -> Option<LogStopped> {
        self.state
            .borrow()
            .stopped
            .clone()
            .or_else(|| self.shard.stopped())
    }

    /// Why it takes no changes now, if so: it has stopped, or is about to be in another data directory.
    pub(in crate::log) fn takes_no_changes(&self) -> Option<LogStopped> {
        let paused = self.state.borrow().paused;
        self.stopped().or(paused.then_some(LogStopped::Moved))
    }

    /// The largest epoch not above `epoch`, and where it ended: what OffsetForLeaderEpoch answers.
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> EpochEnd {
        let state = self.state.borrow();
        state
            .epochs
            .end_offset_for(epoch, state.leader_epoch, state.positions.log_end)
    }

    /// The leader epoch of the record at `offset`, if it is known.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.state.borrow().epochs.epoch_at(offset)
    }

    /// The idempotent producers, for DescribeProducers, by id.
    pub fn producers(&self) -> Vec<(ProducerId, ProducerState)> {
        let mut all: Vec<_> = self
            .state
            .borrow()
            .producers
            .iter()
            .map(|(id, s)| (id, *s))
            .collect();
        all.sort_by_key(|(id, _)| *id);
        all
    }

    /// Ready when all records before `next_offset` are durable (with relaxed durability: when fewer than `flush.messages` of
    /// them are not, which is at once unless that was set), or when that can no
    /// longer happen. Dropping it has no effect on the records.
    pub fn wait_durable(&self, next_offset: Offset) -> impl Future<Output = Result<(), LogStopped>> + '_ {
        poll_fn(move |cx| {
            let needed = self.config.borrow().durable_before_acknowledging(next_offset);
            self.poll_on_disk(needed, cx)
        })
    }

    /// Ready when all records before `next_offset` are durable, whatever the topic's durability is.
    pub(in crate::log) fn wait_on_disk(
        &self,
        next_offset: Offset,
    ) -> impl Future<Output = Result<(), LogStopped>> + '_ {
        poll_fn(move |cx| self.poll_on_disk(next_offset, cx))
    }

    fn poll_on_disk(&self, next_offset: Offset, cx: &mut Context<'_>) -> Poll<Result<(), LogStopped>> {
        if self.state.borrow().positions.durable_end >= next_offset {
            return Poll::Ready(Ok(()));
        }
        if let Some(stopped) = self.stopped() {
            return Poll::Ready(Err(stopped));
        }
        self.waiters.borrow_mut().add(next_offset, cx.waker());
        Poll::Pending
    }

    /// Notifies `event` once, when the high watermark moves or the log stops. It is not kept alive; whoever wants to hear
    /// again watches again, before looking at the high watermark.
    pub fn watch(&self, event: &Rc<Event>) {
        let mut watchers = self.watchers.borrow_mut();
        if watchers.len() == watchers.capacity() {
            watchers.retain(|w| w.strong_count() > 0);
        }
        let event = Rc::downgrade(event);
        if !watchers.iter().any(|w| w.ptr_eq(&event)) {
            watchers.push(event);
        }
    }

    /// Records up to `mark` are durable.
    pub(in crate::log) fn made_durable(&self, mark: TailMark) {
        let durability = self.config.borrow().durability;
        let moved = {
            let mut state = self.state.borrow_mut();
            if mark.stream > state.durable.stream {
                self.shard
                    .committed_bytes((mark.stream - state.durable.stream) as usize);
                state.durable = mark;
            }
            let before = state.positions.high_watermark;
            state.positions.made_durable(mark.offset, durability);
            state.positions.high_watermark > before
        };
        let mut wakers = self.shard.wakers.take();
        self.waiters.borrow_mut().take_until(mark.offset, &mut wakers);
        wakers.drain(..).for_each(Waker::wake);
        self.shard.wakers.set(wakers);
        if moved {
            self.notify_watchers();
        }
    }

    /// Recovery has ended: all that is there is durable.
    pub(in crate::log) fn recovered(&self, log_start: Offset) {
        let mut state = self.state.borrow_mut();
        let end = state.tail.end();
        state.submitted = end;
        state.durable = end;
        state.positions = Positions::recovered(log_start, end.offset);
        state.next_log_start = log_start;
    }

    pub(super) fn notify_watchers(&self) {
        if self.watchers.borrow().is_empty() {
            return;
        }
        let watchers = std::mem::take(&mut *self.watchers.borrow_mut());
        for event in watchers.iter().filter_map(Weak::upgrade) {
            event.notify_all();
        }
    }

    /// The log acknowledges nothing any more. Reads go on. The first reason counts; false if there was one.
    pub(in crate::log) fn stop(&self, reason: LogStopped) -> bool {
        let first = {
            let mut state = self.state.borrow_mut();
            let first = state.stopped.is_none();
            if first {
                state.stopped = Some(reason);
                // What waits to be durable never will be: its room is for others.
                let (durable, end) = (state.durable, state.tail.end());
                self.shard.committed_bytes((end.stream - durable.stream) as usize);
                state.durable.stream = end.stream;
            }
            first
        };
        self.wake_all();
        first
    }

    /// Wakes everybody who waits, so that they see that the log has stopped.
    pub(in crate::log) fn wake_all(&self) {
        let mut wakers = Vec::new();
        self.waiters.borrow_mut().take_all(&mut wakers);
        wakers.into_iter().for_each(Waker::wake);
        self.notify_watchers();
    }
}

impl std::fmt::Debug for PartitionLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PartitionLog({}-{})", self.topic_name, self.id.partition)
    }
}
