//! Hot path: produce, step 4. Makes durable what a shard's partitions have queued: one write for all of them.
//!
//! No timer: what is queued while the writes allowed in flight are busy goes into the next. Frames may finish in any
//! order; they count as durable in the order of their numbers.

use super::flusher::WalKeeper;
use super::partition::{PartitionLog, SyncMode, TailMark};
use super::shard_context::ShardContext;
use super::wal::{DirectoryEntry, FrameLimits, FramePlace, WalRing, encode_frame, frame_bytes};
use super::{FileError, LogStopped};
use crate::base::limits::DISK_BLOCK_BYTES;
use crate::log::partition::CommitChoice;
use crate::rt::{self, disk::IoBuf, sync::Event};
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use tracing::error;

/// Takes what is queued and writes it to the shard's write-ahead log.
pub(super) struct Committer {
    shard: Rc<ShardContext>,
    ring: Rc<RefCell<WalRing>>,
    keeper: Rc<WalKeeper>,
    flights: Rc<Flights>,
    limits: FrameLimits,
    closing: Rc<Cell<bool>>,
    collected: RefCell<Collected>,
}

/// The partitions of a frame, with how far it makes each durable.
type Runs = Vec<(Rc<PartitionLog>, TailMark)>;

/// What goes into the next frame. Its memory is used again and again.
#[derive(Default)]
struct Collected {
    runs: Runs,
    entries: Vec<DirectoryEntry>,
    /// Those of the runs, in their order.
    batches: Vec<Bytes>,
}

/// The frames that are being written, oldest first.
#[derive(Default)]
struct Flights {
    frames: RefCell<VecDeque<Flight>>,
    /// Empty, of frames that have landed: for those to come.
    spare_runs: RefCell<Vec<Runs>>,
    landed: Event,
}

struct Flight {
    number: u64,
    durable: bool,
    runs: Runs,
}

impl Committer {
    pub fn new(
        shard: Rc<ShardContext>,
        ring: Rc<RefCell<WalRing>>,
        keeper: Rc<WalKeeper>,
        closing: Rc<Cell<bool>>,
    ) -> Committer {
        let limits = FrameLimits::of_files(shard.options.wal_file_bytes);
        Committer {
            shard,
            ring,
            keeper,
            flights: Rc::default(),
            limits,
            closing,
            collected: RefCell::default(),
        }
    }

    /// Runs until the shard stops, or closes and has nothing left to commit.
    pub async fn run(self) {
        let in_flight = self.shard.options.wal_writes_in_flight.max(1);
        if self.ring.borrow().usable() == 0 {
            // The disk was full at the start: nothing is appended before there is a file.
            match self.keeper.make_room(DISK_BLOCK_BYTES as u64).await {
                Ok(_) => {}
                Err(e) => return self.fail(e),
            }
        }
        loop {
            let queued = self.shard.commit_event.wait();
            let landed = self.flights.landed.wait();
            if self.shard.stopped().is_some() {
                return;
            }
            if self.flights.frames.borrow().len() >= in_flight {
                landed.await;
            } else if self.shard.nothing_to_commit() {
                if self.closing.get() && self.flights.frames.borrow().is_empty() {
                    return;
                }
                if self.closing.get() {
                    landed.await
                } else {
                    queued.await
                }
            } else {
                match self.commit().await {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(e) => {
                        self.fail(e);
                        return;
                    }
                }
            }
        }
    }

    /// False if there is no room, and the shard is about to stop.
    async fn commit(&self) -> Result<bool, FileError> {
        let most =
            frame_bytes(self.limits.entries, self.limits.payload_bytes).expect("below the largest frame");
        if !self.keeper.make_room(most as u64).await? {
            return Ok(false);
        }
        let mut collected = self.collected.take();
        self.collect(&mut collected);
        if !collected.runs.is_empty() {
            self.write(&mut collected);
        }
        self.collected.replace(collected);
        Ok(true)
    }

    /// Takes runs off the queue until a frame is full; large ones are sent on their own way.
    fn collect(&self, collected: &mut Collected) {
        let Collected {
            runs,
            entries,
            batches,
        } = collected;
        let direct_run_bytes = self.shard.options.direct_run_bytes.min(self.limits.payload_bytes);
        let mut room = self.limits.payload_bytes;
        while runs.len() < self.limits.entries {
            let Some(partition) = self.shard.next_commit() else {
                break;
            };
            match partition.commit_choice(direct_run_bytes, self.limits.payload_bytes) {
                CommitChoice::Nothing | CommitChoice::Wait => continue,
                CommitChoice::Direct => self.write_directly(partition),
                CommitChoice::NoRoom if self.shard.room.is_leaving() => self.commit_last(partition),
                CommitChoice::NoRoom => self.commit_later(partition),
                CommitChoice::Wal => {
                    if let Some(run) = partition.take_for_wal(room, batches) {
                        room -= run.entry.bytes as usize;
                        entries.push(run.entry);
                        runs.push((partition.clone(), run.end));
                    }
                    let more = partition.has_queued();
                    if more {
                        // The frame is full. It is first in the next.
                        self.shard.requeue_commit_first(partition);
                        break;
                    }
                }
            }
        }
    }

    /// Builds the frame of what was collected, and starts its write.
    fn write(&self, collected: &mut Collected) {
        let Collected {
            runs,
            entries,
            batches,
        } = collected;
        let payload = entries.iter().map(|e| e.bytes as usize).sum();
        let bytes = frame_bytes(entries.len(), payload).expect("collected for a frame");
        let place = {
            let mut ring = self.ring.borrow_mut();
            let durable_below = self.flights.frames.borrow().front().map(|f| f.number);
            let mut place = ring.place(bytes as u64, 0);
            place.header.durable_below = durable_below.unwrap_or(place.header.frame);
            for (partition, end) in runs.iter() {
                ring.cover(partition, end.offset);
            }
            place
        };
        let mut buffer = IoBuf::with_capacity(bytes);
        let payload = batches.iter().map(|b: &Bytes| &b[..]);
        encode_frame(&mut buffer[..bytes], place.header, entries, payload);
        entries.clear();
        batches.clear();
        let spare = self.flights.spare_runs.borrow_mut().pop().unwrap_or_default();
        let runs = std::mem::replace(runs, spare);
        let number = place.header.frame;
        self.flights.frames.borrow_mut().push_back(Flight {
            number,
            durable: false,
            runs,
        });
        self.shard.read_cache.note_write();
        let (shard, flights) = (self.shard.clone(), self.flights.clone());
        let keeper = self.keeper.clone();
        rt::spawn(async move {
            match write_frame(&shard, &place, buffer, bytes).await {
                Ok(()) => flights.land(number),
                Err(e) => fail(&shard, &keeper, e),
            }
            flights.landed.notify_all();
        });
    }

    /// Writes a partition's tail to its segment, instead of the write-ahead log.
    fn write_directly(&self, partition: Rc<PartitionLog>) {
        partition.state.borrow_mut().direct = true;
        self.shard.read_cache.note_write();
        let shard = self.shard.clone();
        let flights = self.flights.clone();
        rt::spawn(async move {
            let _permit = shard.segment_writes.take(1).await;
            // An error has stopped the partition and was logged there; or there is no room, and another way is found.
            let _ = partition.write_tail(SyncMode::Direct).await;
            partition.state.borrow_mut().direct = false;
            if partition.has_queued() {
                shard.queue_commit(&partition);
            }
            flights.landed.notify_all();
        });
    }

    /// The shard is about to stop, so no more room is to be expected: tries once more, then tells who waits. The partition stops
    /// alone, for what fits the write-ahead log has its room.
    fn commit_last(&self, partition: Rc<PartitionLog>) {
        {
            let mut state = partition.state.borrow_mut();
            state.direct = true;
            // Relaxed records are acknowledged, and nothing else has them.
            state.may_use_reserve |= state.positions.durable_end < state.positions.high_watermark;
        }
        let (shard, flights) = (self.shard.clone(), self.flights.clone());
        rt::spawn(async move {
            let _permit = shard.segment_writes.take(1).await;
            let written = partition.write_tail(SyncMode::Direct).await;
            partition.state.borrow_mut().direct = false;
            if written.is_err() {
                partition.stop(LogStopped::ShuttingDown);
            } else if partition.has_queued() {
                shard.queue_commit(&partition);
            }
            flights.landed.notify_all();
        });
    }

    /// Queues a partition again when the disk has been looked at.
    fn commit_later(&self, partition: Rc<PartitionLog>) {
        let shard = self.shard.clone();
        rt::spawn(async move {
            shard.room.pause().await;
            if partition.has_queued() {
                shard.queue_commit(&partition);
            }
        });
    }

    fn fail(&self, error: FileError) {
        fail(&self.shard, &self.keeper, error);
    }
}

impl Flights {
    /// A frame's write is ready: it and those before it that are ready are durable.
    fn land(&self, number: u64) {
        let mut frames = self.frames.borrow_mut();
        frames
            .iter_mut()
            .find(|f| f.number == number)
            .expect("it is in flight")
            .durable = true;
        while frames.front().is_some_and(|f| f.durable)
            && let Some(mut flight) = frames.pop_front()
        {
            drop(frames);
            for (partition, end) in flight.runs.drain(..) {
                partition.made_durable(end);
            }
            self.spare_runs.borrow_mut().push(flight.runs);
            frames = self.frames.borrow_mut();
        }
    }
}

async fn write_frame(
    shard: &ShardContext,
    place: &FramePlace,
    buffer: IoBuf,
    bytes: usize,
) -> Result<(), FileError> {
    if let Some(LogStopped::WalFailed(e) | LogStopped::DirectoryFailed(e)) = shard.stopped() {
        return Err((*e).clone());
    }
    let written = place.file.write_at(buffer, bytes, place.position).await;
    written
        .map(drop)
        .map_err(|e| FileError::new(shard.options.data_dir.wal_path(place.id), "write", &e))
}

/// The write-ahead log is written no more: what is on disk behind the last durable frame is unknown.
fn fail(shard: &Rc<ShardContext>, keeper: &WalKeeper, e: FileError) {
    if shard.stopped().is_none() {
        error!(
            shard = shard.options.shard.0,
            error = %e,
            "the shard takes no more records until the server is started again: its write-ahead log failed"
        );
    }
    shard.stop(LogStopped::WalFailed(Arc::new(e)));
    keeper.wake_partitions();
    shard.suspect();
}
