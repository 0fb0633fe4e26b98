//! Hot path: commit. What a partition has queued for the shard's committer.

use super::{PartitionLog, TailMark};
use crate::base::ids::Offset;
use crate::log::wal::{DirectoryEntry, prefix_check};
use bytes::Bytes;

/// Whole batches of a partition, taken for a frame of the write-ahead log.
#[derive(Debug)]
pub struct CommitRun {
    /// How the frame's directory names them.
    pub entry: DirectoryEntry,
    pub(in crate::log) end: TailMark,
}

/// What the committer is to do with a partition that stands in its queue.
#[derive(Debug)]
pub(in crate::log) enum CommitChoice {
    /// Nothing is queued, or it is on its way, or the log has stopped.
    Nothing,
    /// Its first batches fit the write-ahead log.
    Wal,
    /// So much is queued that it goes to the segment itself.
    Direct,
    /// A direct write is under way: all that is queued goes with the next.
    Wait,
    /// Its first batch is too large for the write-ahead log, and there is no room for its segment.
    NoRoom,
}

impl PartitionLog {
    /// Decides how what is queued becomes durable. On a full disk the write-ahead log takes all that fits it: it has its
    /// room.
    pub(in crate::log) fn commit_choice(
        &self,
        direct_run_bytes: usize,
        wal_limit_bytes: usize,
    ) -> CommitChoice {
        let state = self.state.borrow();
        let queued = state.tail.end().stream - state.submitted.stream;
        if queued == 0 || state.stopped.is_some() {
            CommitChoice::Nothing
        } else if state.direct {
            CommitChoice::Wait
        } else if queued < direct_run_bytes as u64 {
            CommitChoice::Wal
        } else if !self.shard.room.is_full() {
            CommitChoice::Direct
        } else if state
            .tail
            .after(state.submitted.offset)
            .next()
            .is_none_or(|batch| batch.bytes.len() > wal_limit_bytes)
        {
            match self.shard.room.holds_back() {
                true => CommitChoice::NoRoom,
                false => CommitChoice::Direct,
            }
        } else {
            CommitChoice::Wal
        }
    }

    /// Takes the first queued batches, up to `limit_bytes`, and appends them to those of the frame. `None` if not even one
    /// fits.
    pub(in crate::log) fn take_for_wal(
        &self,
        limit_bytes: usize,
        batches: &mut Vec<Bytes>,
    ) -> Option<CommitRun> {
        let mut state = self.state.borrow_mut();
        let from = state.submitted;
        let (mut check, mut bytes) = (0, 0);
        let mut end = from;
        for batch in state.tail.after(from.offset) {
            assert!(
                batch.base == end.offset,
                "what is not committed yet stays in memory"
            );
            if bytes + batch.bytes.len() > limit_bytes {
                break;
            }
            bytes += batch.bytes.len();
            check = prefix_check(check, &batch.bytes);
            end = TailMark {
                offset: batch.end,
                stream: batch.stream_end,
            };
            batches.push(batch.bytes.clone());
        }
        if bytes == 0 {
            let first = state.tail.after(from.offset).next().map(|b| b.base);
            assert_eq!(
                first,
                Some(from.offset),
                "what is not committed yet stays in memory"
            );
            return None;
        }
        state.submitted = end;
        let entry = DirectoryEntry {
            partition: self.id,
            base_offset: from.offset,
            bytes: bytes as u32,
            offsets: (end.offset.0 - from.offset.0) as u32,
            check,
        };
        Some(CommitRun { entry, end })
    }

    /// Whether more is queued than was taken.
    pub(in crate::log) fn has_queued(&self) -> bool {
        let state = self.state.borrow();
        state.tail.end().stream > state.submitted.stream && state.stopped.is_none()
    }

    /// Up to here everything is in segments and synced, or can't be because the partition is gone.
    pub(in crate::log) fn synced_end(&self) -> Offset {
        self.state.borrow().writer.synced
    }
}
