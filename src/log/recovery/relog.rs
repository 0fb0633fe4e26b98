//! Puts what old write-ahead logs have and the segments have not into the shard's own write-ahead log.
//!
//! So a start after a crash does one write for thousands of partitions that have a few records each, where bringing them to
//! their segments makes and syncs several files for each. The flusher does that later, as for any append.

use crate::log::partition::{CommitRun, PartitionLog};
use crate::log::shard_context::ShardContext;
use crate::log::wal::{FrameLimits, WalRing, create_wal_file, encode_frame, frame_bytes};
use crate::log::{FileError, LogStopped};
use crate::rt::disk::IoBuf;
use bytes::Bytes;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use tracing::error;

/// Writes the unwritten tails of partitions to the shard's write-ahead log.
pub(super) struct Relog<'a> {
    shard: &'a ShardContext,
    ring: &'a RefCell<WalRing>,
    limits: FrameLimits,
    /// So many files of the ring are filled at most.
    files: usize,
}

/// What goes into one frame.
#[derive(Default)]
struct Taken {
    runs: Vec<(Rc<PartitionLog>, CommitRun)>,
    /// Those of the runs, in their order.
    batches: Vec<Bytes>,
}

impl<'a> Relog<'a> {
    pub fn new(shard: &'a ShardContext, ring: &'a RefCell<WalRing>) -> Relog<'a> {
        let options = &shard.options;
        Relog {
            shard,
            ring,
            limits: FrameLimits::of_files(options.wal_file_bytes),
            // One is left for what is appended while the segments get the others' records.
            files: usize::from(options.wal_files.max(2)) - 1,
        }
    }

    /// Whether a partition's tail goes this way: only where so much of it would also be committed this way.
    pub fn takes(&self, log: &PartitionLog) -> bool {
        let state = log.state.borrow();
        let unwritten = state.tail.end().stream - state.writer.written.stream;
        let most = self.shard.options.direct_run_bytes.min(self.limits.payload_bytes);
        // What was written while the memory was short is not synced, and has to be.
        let rest_is_synced = state.writer.synced >= state.writer.written.offset;
        unwritten > 0 && unwritten < most as u64 && rest_is_synced
    }

    /// Writes the tails. Gives how many partitions, of the first ones, have theirs durable in the log: there may be no room for
    /// all. A failure stops the shard's appends, as any failed write of its log.
    pub async fn write(&self, partitions: &[Rc<PartitionLog>]) -> usize {
        let mut done = 0;
        while done < partitions.len() {
            let taken = self.take_runs(&partitions[done..]);
            let count = taken.runs.len();
            match self.write_frame(taken).await {
                Ok(true) => done += count,
                Ok(false) => break,
                Err(e) => {
                    error!(
                        shard = self.shard.options.shard.0,
                        error = %e,
                        "the shard takes no records until the server is started again: its write-ahead log failed"
                    );
                    self.shard.stop(LogStopped::WalFailed(Arc::new(e)));
                    break;
                }
            }
        }
        for log in partitions {
            let mut state = log.state.borrow_mut();
            state.submitted = state.tail.end();
        }
        done
    }

    /// The whole tails of the first partitions, as many as one frame has room for.
    fn take_runs(&self, partitions: &[Rc<PartitionLog>]) -> Taken {
        let mut room = self.limits.payload_bytes;
        let mut taken = Taken::default();
        for log in partitions.iter().take(self.limits.entries) {
            let bytes = {
                let mut state = log.state.borrow_mut();
                state.submitted = state.writer.written;
                (state.tail.end().stream - state.submitted.stream) as usize
            };
            if bytes > room {
                break;
            }
            let run = log
                .take_for_wal(room, &mut taken.batches)
                .expect("its tail is in memory and has room");
            assert_eq!(run.entry.bytes as usize, bytes);
            room -= bytes;
            taken.runs.push((log.clone(), run));
        }
        taken
    }

    /// Writes one frame, durable. False if there is no room for it.
    async fn write_frame(&self, taken: Taken) -> Result<bool, FileError> {
        let Taken { runs, batches } = taken;
        let entries: Vec<_> = runs.iter().map(|(_, run)| run.entry).collect();
        let payload = entries.iter().map(|e| e.bytes as usize).sum();
        let bytes = frame_bytes(entries.len(), payload).expect("collected for a frame");
        if !self.make_room(bytes as u64).await? {
            return Ok(false);
        }
        let place = {
            let mut ring = self.ring.borrow_mut();
            // One after the other: all before it are durable.
            let mut place = ring.place(bytes as u64, 0);
            place.header.durable_below = place.header.frame;
            for (log, run) in &runs {
                ring.cover(log, run.end.offset);
            }
            place
        };
        let mut buffer = IoBuf::with_capacity(bytes);
        let batches = batches.iter().map(|b| &b[..]);
        encode_frame(&mut buffer[..bytes], place.header, &entries, batches);
        let written = place.file.write_at(buffer, bytes, place.position).await;
        let path = || self.shard.options.data_dir.wal_path(place.id);
        written.map_err(|e| FileError::new(path(), "write", &e))?;
        Ok(true)
    }

    async fn make_room(&self, bytes: u64) -> Result<bool, FileError> {
        let options = &self.shard.options;
        loop {
            if self.ring.borrow_mut().make_room(bytes) {
                return Ok(true);
            }
            // On a disk that is nearly full the old logs have to go first.
            let has_room = !self.shard.room.is_full() && self.shard.room.has_room_for(options.wal_file_bytes);
            if self.ring.borrow().usable() >= self.files || !has_room {
                return Ok(false);
            }
            let id = self.ring.borrow().next_id();
            match create_wal_file(&options.data_dir, id, options.wal_file_bytes).await {
                Ok(file) => self.ring.borrow_mut().add(file),
                // Whether it can be made without the old ones is found out at the start.
                Err(_) => return Ok(false),
            }
        }
    }
}
