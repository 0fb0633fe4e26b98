//! Hot path: produce, steps 1 to 3. Checks a record set, gives it its offsets and puts it on the tail, in memory.

use super::validate::validate;
use super::{PartitionLog, Segment, SegmentIndex};
use crate::base::ids::Offset;
use crate::log::options::TopicLogConfig;
use crate::log::partition::partition_log::PartitionState;
use crate::log::producer::{Verdict, encode_snapshot};
use crate::log::{AppendError, LogStopped};
use crate::rt;
use crate::wire::records::{
    BatchHeader, TimestampType, patch_base_offset_and_epoch, patch_max_timestamp_log_append,
};
use bytes::{Bytes, BytesMut};
use std::rc::Rc;

/// Who appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOrigin {
    /// A producer, over the wire: one batch, all checks.
    Client,
    /// A coordinator of this server, to its internal topic: one batch or several.
    Coordinator,
}

/// Where records went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record.
    pub base_offset: Offset,
    /// Offset of the last record.
    pub last_offset: Offset,
    /// The broker's time if the topic takes that (for a duplicate: the original batch's timestamp), else -1. In ms.
    pub log_append_time_ms: i64,
    /// The log's start.
    pub log_start_offset: Offset,
    /// Whether these records were in the log already, and were not appended again.
    pub duplicate: bool,
}

impl PartitionLog {
    /// Appends a record set. In memory, at once: the order of calls is the order of records. Durable when
    /// `wait_durable(last_offset + 1)` is ready.
    ///
    /// The bytes are taken over, not copied, unless they are few: a small batch must not keep a large receive buffer in
    /// memory, so it is copied to memory that small batches share.
    pub fn append(
        self: &Rc<Self>,
        mut bytes: BytesMut,
        origin: AppendOrigin,
    ) -> Result<Appended, AppendError> {
        if let Some(stopped) = self.stopped() {
            return Err(AppendError::Stopped(stopped));
        }
        let is_full = self.shard.room.refuses(origin);
        if !is_full && !self.shard.has_room() {
            return Err(AppendError::Overloaded);
        }
        let config = self.config.borrow();
        let now_ms = rt::wall_ms();
        let first = validate(&bytes, origin, &config, now_ms)?;
        let mut guard = self.state.borrow_mut();
        let state = &mut *guard;
        if state.paused {
            return Err(AppendError::Stopped(LogStopped::Moved));
        }
        if first.has_producer()
            && let Verdict::Duplicate(batch) = state.producers.check(&first)?
        {
            return Ok(Appended {
                base_offset: batch.base_offset(),
                last_offset: batch.last_offset,
                log_append_time_ms: batch.timestamp_ms,
                log_start_offset: state.positions.log_start,
                duplicate: true,
            });
        }
        // Only now: what is in the log already has its room.
        if is_full {
            let dir = self.shard.options.data_dir.path().to_path_buf();
            return Err(AppendError::DiskFull { dir });
        }
        state.may_use_reserve |= origin == AppendOrigin::Coordinator;
        let append_time_ms = match config.message_timestamp_type {
            TimestampType::LogAppendTime => now_ms,
            TimestampType::CreateTime => -1,
        };
        let base_offset = state.positions.log_end;
        let end = patch(&mut bytes, base_offset, state, append_time_ms);
        state.maybe_roll(bytes.len() as u64, &config, now_ms, first.max_timestamp, end);
        if state.epochs.assign(state.leader_epoch, base_offset) {
            state.epochs_dirty = true;
        }
        let len = bytes.len();
        state.push_batches(self.shard.settle(bytes), config.index_interval_bytes);
        state.positions.appended(end, config.durability);
        let log_start_offset = state.positions.log_start;
        let relaxed = state.positions.high_watermark == end;
        drop(guard);
        drop(config);
        self.shard.appended(self, len);
        if relaxed {
            self.notify_watchers();
        }
        Ok(Appended {
            base_offset,
            last_offset: end.plus(-1),
            log_append_time_ms: append_time_ms,
            log_start_offset,
            duplicate: false,
        })
    }
}

impl PartitionLog {
    /// Lets the log go on at a later offset: the records before it are nowhere.
    pub(in crate::log) fn skip_to(&self, offset: Offset) {
        let mut state = self.state.borrow_mut();
        assert!(offset > state.positions.log_end);
        state.tail.skip_to(offset);
        state.positions.log_end = offset;
        state.submitted = state.tail.end();
        state.durable = state.tail.end();
    }

    /// Puts a batch back that a write-ahead log has and the segments have not. It has its offset, at the log's end.
    pub(in crate::log) fn replay(self: &Rc<Self>, batch: &[u8], header: &BatchHeader) {
        let config = self.config.borrow().clone();
        {
            let mut guard = self.state.borrow_mut();
            let state = &mut *guard;
            assert_eq!(header.base_offset, state.positions.log_end);
            let end = header.next_offset();
            state.maybe_roll(
                batch.len() as u64,
                &config,
                rt::wall_ms(),
                header.max_timestamp,
                end,
            );
            if state
                .epochs
                .assign(header.partition_leader_epoch, header.base_offset)
            {
                state.epochs_dirty = true;
            }
            state.push_batches(self.shard.settle_copy(batch), config.index_interval_bytes);
            state.positions.log_end = end;
            // Nobody waits for it, and it counts as no append.
            state.submitted = state.tail.end();
            state.durable = state.tail.end();
        }
        self.shard.grown(self, batch.len());
    }
}

/// Gives every batch its offset, epoch and (if the broker's counts) time. Returns where the last one ends.
fn patch(bytes: &mut BytesMut, base: Offset, state: &PartitionState, append_time_ms: i64) -> Offset {
    let (mut at, mut offset) = (0, base);
    while at < bytes.len() {
        let header = BatchHeader::parse(&bytes[at..]).expect("validated");
        let batch = &mut bytes[at..at + header.size_bytes()];
        patch_base_offset_and_epoch(batch, offset, state.leader_epoch);
        if append_time_ms >= 0 {
            patch_max_timestamp_log_append(batch, append_time_ms);
        }
        at += header.size_bytes();
        offset = offset.plus(i64::from(header.last_offset_delta) + 1);
    }
    offset
}

impl PartitionState {
    /// Begins a new segment if the next `bytes` should not go to the present one. As Kafka's `LogSegment.shouldRoll`.
    pub(in crate::log) fn maybe_roll(
        &mut self,
        bytes: u64,
        config: &TopicLogConfig,
        now_ms: i64,
        timestamp_ms: i64,
        end: Offset,
    ) {
        let active = self.segments.back().expect("there is always a segment");
        let aged_ms = match active.first_timestamp_ms {
            Some(first) if timestamp_ms >= 0 && first >= 0 => timestamp_ms.saturating_sub(first),
            _ => now_ms.saturating_sub(active.created_ms),
        };
        let index_full = match &active.index {
            SegmentIndex::Building(index) => index.file_bytes() + 12 > config.segment_index_bytes,
            SegmentIndex::OnDisk => false,
        };
        let roll = active.bytes > 0
            && (active.bytes + bytes > config.segment_bytes
                || aged_ms > config.longest_segment_ms().saturating_sub(active.jitter_ms)
                || index_full
                || end.0 - active.base.0 > i64::from(i32::MAX));
        if roll {
            self.roll(config, now_ms);
        }
    }

    /// Begins a new segment at `end` if the log ends there and its last segment has records. False if not.
    pub(in crate::log) fn roll_at(&mut self, end: Offset, config: &TopicLogConfig, now_ms: i64) -> bool {
        let has_records = self.segments.back().is_some_and(|active| active.bytes > 0);
        let rolls = has_records && self.positions.log_end == end;
        if rolls {
            self.roll(config, now_ms);
        }
        rolls
    }

    fn roll(&mut self, config: &TopicLogConfig, now_ms: i64) {
        let jitter_ms = match u64::try_from(config.segment_jitter_ms.min(config.segment_ms)) {
            Ok(0) | Err(_) => 0,
            Ok(most) => (rt::random_u64() % most) as i64,
        };
        let mut next = Segment::new(self.positions.log_end, now_ms, jitter_ms);
        next.producers_at_base = Some(encode_snapshot(&self.producers));
        self.segments.push_back(next);
    }

    /// Puts whole batches with their final offsets on the tail and into the index of the active segment, and notes their
    /// producers. Positions are the caller's.
    pub(in crate::log) fn push_batches(&mut self, mut bytes: Bytes, index_interval_bytes: u64) {
        while !bytes.is_empty() {
            let header = BatchHeader::parse(&bytes).expect("validated");
            let batch = bytes.split_to(header.size_bytes());
            self.producers.record(&header, header.base_offset);
            let segment = self.segments.back_mut().expect("there is always a segment");
            let position = u32::try_from(segment.bytes).expect("a segment is smaller than 4 GiB");
            if let SegmentIndex::Building(index) = &mut segment.index {
                let relative = (header.last_offset().0 - segment.base.0) as u32;
                index.add(
                    index_interval_bytes,
                    position,
                    batch.len() as u64,
                    relative,
                    header.max_timestamp,
                );
            }
            segment.first_timestamp_ms.get_or_insert(header.max_timestamp);
            segment.newest_ms = segment.newest_ms.max(Some(header.max_timestamp));
            segment.bytes += batch.len() as u64;
            let base = segment.base;
            self.tail.push(header.next_offset(), base, batch);
        }
    }
}
