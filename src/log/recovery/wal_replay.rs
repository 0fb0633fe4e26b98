//! Puts back what the write-ahead logs have and the segments have not.

use super::Recovering;
use super::partition_recovery::{damage, damaged};
use super::relog::Relog;
use super::wal_chain::{ChainEntry, ChainEvent, WalChain};
use crate::base::ids::{Offset, TopicPartition};
use crate::log::errors::TailNotWritten;
use crate::log::file_names::{SegmentFile, WAL_DIR, WalFileId, WalFileKind};
use crate::log::partition::{PartitionLog, SyncMode};
use crate::log::shard_context::ShardContext;
use crate::log::wal::WalRing;
use crate::log::{FileError, LogStopped, PartitionOffline, PassedOver, WalSpan};
use crate::rt;
use crate::wire::records::batches;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use tracing::{error, info, warn};

/// How many partitions are brought to their segments at once.
const FLUSH_AT_ONCE: usize = 64;

/// What became of each partition.
pub(in crate::log) type Recovered = Vec<(TopicPartition, Result<Rc<PartitionLog>, PartitionOffline>)>;

/// A shard's partitions while write-ahead logs are replayed.
pub(in crate::log) struct WalReplay {
    shard: Rc<ShardContext>,
    ring: Rc<RefCell<WalRing>>,
    partitions: BTreeMap<TopicPartition, Replaying>,
}

struct Replaying {
    state: Result<Recovering, PartitionOffline>,
    /// The last frame with records of it, by run and shard.
    last_frame: BTreeMap<(u64, u16), u64>,
    replayed_batches: u64,
    /// Whether its segments need something before they are as durable as they seem.
    unsettled: bool,
    /// Whether what its segments have not is in the shard's own write-ahead log.
    relogged: bool,
}

impl WalReplay {
    pub fn new(
        shard: Rc<ShardContext>,
        ring: Rc<RefCell<WalRing>>,
        partitions: Vec<(TopicPartition, Result<Recovering, PartitionOffline>)>,
    ) -> WalReplay {
        let partitions = partitions
            .into_iter()
            .map(|(id, state)| (id, Replaying::new(state)))
            .collect();
        WalReplay {
            shard,
            ring,
            partitions,
        }
    }

    /// Reads every write-ahead log, then makes what was found durable without them.
    pub async fn run(mut self) -> Recovered {
        let data_dir = self.shard.options.data_dir.clone();
        let ids = data_dir.recovered_wals();
        let mut lost = Vec::new();
        for chain in ids.chunk_by(|a, b| (a.run, a.shard) == (b.run, b.shard)) {
            if let Err(e) = self.read_chain(chain, &mut lost).await {
                let path = data_dir.path().join(WAL_DIR);
                let e = FileError::new(data_dir.wal_path(chain[0]), "read", &e);
                error!(error = %e, path = %path.display(), "a write-ahead log can't be read");
                self.fail_all(&PartitionOffline::File(e));
            }
        }
        self.apply_lost(&lost);
        self.finish().await
    }

    async fn read_chain(&mut self, ids: &[WalFileId], lost: &mut Vec<Lost>) -> std::io::Result<()> {
        let data_dir = self.shard.options.data_dir.clone();
        let (pinned, ring): (Vec<_>, Vec<_>) = ids.iter().partition(|id| id.kind == WalFileKind::Pinned);
        let mut chains = Vec::new();
        for id in pinned {
            chains.push(WalChain::open(&data_dir, &[id]).await?);
        }
        chains.sort_by_key(WalChain::begun);
        let mut pinned_end = 0;
        for chain in chains {
            pinned_end = self.read_frames(chain, lost).await;
        }
        if !ring.is_empty() {
            let mut ring = WalChain::open(&data_dir, &ring).await?;
            // Files leave the ring oldest first.
            ring.explained_below(pinned_end);
            self.read_frames(ring, lost).await;
        }
        Ok(())
    }

    /// Returns the number behind the last frame.
    async fn read_frames(&mut self, mut chain: WalChain, lost: &mut Vec<Lost>) -> u64 {
        while let Some(event) = chain.next().await {
            self.take(chain.id(), event, lost).await;
            rt::yield_if_needed().await;
        }
        let end = chain.end();
        chain.close().await;
        end
    }

    async fn take(&mut self, chain: (u64, u16), event: ChainEvent, lost: &mut Vec<Lost>) {
        match event {
            ChainEvent::Frame {
                number,
                path,
                position,
                entries,
            } => {
                for entry in &entries {
                    self.apply(chain, number, &path, position, entry);
                }
                self.keep_memory_bounded().await;
            }
            ChainEvent::Lost {
                up_to,
                path,
                position,
                what,
            } => {
                let what = format!("acknowledged records were written here and are damaged: {what}");
                error!(wal = %path.display(), position, what, "a write-ahead log is damaged");
                let data_dir = &self.shard.options.data_dir;
                data_dir.salvage.wal_damage(damage(&path, position, None, &what));
                let error = damaged(&path, position, None, &what);
                lost.push(Lost { chain, up_to, error });
            }
        }
    }

    fn apply(&mut self, chain: (u64, u16), number: u64, path: &Path, position: u64, found: &ChainEntry) {
        let data_dir = &self.shard.options.data_dir;
        let Some(partition) = self.partitions.get_mut(&found.entry.partition) else {
            return;
        };
        if data_dir.is_looked_at() {
            let span = WalSpan {
                from: found.entry.base_offset,
                to: found.entry.end_offset(),
                whole: found.whole,
                path: path.to_path_buf(),
                position,
            };
            data_dir.salvage.span(found.entry.partition, span);
        }
        let salvaged = data_dir.salvage.floor(found.entry.partition).is_some();
        let Ok(recovering) = &partition.state else { return };
        let log = recovering.log.clone();
        partition.last_frame.insert(chain, number);
        if salvaged {
            salvage(&log, found);
        }
        if found.whole {
            match replay(&log, &found.bytes) {
                Ok(batches) => partition.replayed_batches += batches,
                Err(what) => {
                    partition.state = Err(damaged(path, position, Some(log.log_end()), &what));
                }
            }
        } else if log.log_end() < found.entry.end_offset() {
            let what = format!(
                "records with offsets {} to {} are damaged",
                log.log_end(),
                found.entry.end_offset().plus(-1)
            );
            partition.state = Err(damaged(path, position, Some(log.log_end()), &what));
        }
    }

    /// Frames are gone without a trace of whose records they held. A partition is known to be whole if a later frame of
    /// the same log goes on where it ends, or if another shard had it in that run; the others can't be trusted.
    fn apply_lost(&mut self, lost: &[Lost]) {
        for Lost { chain, up_to, error } in lost {
            for (id, partition) in &mut self.partitions {
                if self.shard.options.data_dir.salvage.floor(*id).is_some() {
                    continue;
                }
                let later = partition.last_frame.get(chain).is_some_and(|last| last >= up_to);
                let elsewhere = partition
                    .last_frame
                    .keys()
                    .any(|(run, shard)| *run == chain.0 && *shard != chain.1);
                if !later && !elsewhere && partition.state.is_ok() {
                    partition.state = Err(error.clone());
                }
            }
        }
    }

    fn fail_all(&mut self, error: &PartitionOffline) {
        for partition in self.partitions.values_mut().filter(|p| p.state.is_ok()) {
            partition.state = Err(error.clone());
        }
    }

    /// Brings tails to their segments when they take most of what the shard may keep.
    async fn keep_memory_bounded(&mut self) {
        if self.shard.tail_bytes() < self.shard.options.tail_bytes / 4 * 3 {
            return;
        }
        self.flush(SyncMode::Later).await;
        let is_looked_at = self.shard.options.data_dir.is_looked_at();
        for partition in self.partitions.values() {
            if let Ok(recovering) = &partition.state {
                let mut state = recovering.log.state.borrow_mut();
                if is_looked_at {
                    // It is only counted.
                    state.writer.written = state.tail.end();
                }
                let written = state.writer.written;
                let freed = state.tail.evict_until(written);
                self.shard.forget_tail(freed);
            }
        }
    }

    /// Writes all tails; a partition that fails is offline.
    async fn flush(&mut self, mode: SyncMode) {
        if self.shard.options.data_dir.is_looked_at() {
            return;
        }
        let mut waiting: Vec<_> = self
            .partitions
            .iter_mut()
            .filter(|(_, p)| p.state.is_ok() && !p.relogged)
            .collect();
        for some in waiting.chunks_mut(FLUSH_AT_ONCE) {
            let mut flushes = Vec::new();
            for (_, partition) in some.iter_mut() {
                let Ok(recovering) = &mut partition.state else {
                    continue;
                };
                let (log, shard) = (recovering.log.clone(), self.shard.clone());
                let excess = std::mem::take(&mut recovering.excess);
                flushes.push(rt::spawn(async move {
                    let _permit = shard.segment_writes.take(1).await;
                    flush_one(&log, excess, mode).await
                }));
            }
            for ((_, partition), flush) in some.iter_mut().zip(flushes) {
                if let Err(e) = flush.await {
                    partition.state = Err(e);
                }
            }
        }
    }

    async fn finish(mut self) -> Recovered {
        for (id, partition) in &mut self.partitions {
            let Ok(recovering) = &partition.state else {
                continue;
            };
            let (log, cut) = (&recovering.log, &recovering.cut);
            if let Some(cut) = cut {
                warn!(partition = ?log, at = %cut, "the end of a segment was torn and is cut off");
            }
            if partition.replayed_batches > 0 {
                let batches = partition.replayed_batches;
                info!(partition = ?log, batches, "records were put back from the write-ahead log");
            }
            if recovering.log_start > log.log_end() {
                let segment = log
                    .state
                    .borrow()
                    .segments
                    .back()
                    .map_or(Offset::ZERO, |s| s.base);
                let path = SegmentFile::Log.path(&log.dir, segment);
                let what = format!("the log begins at {} and ends before", recovering.log_start);
                partition.state = Err(damaged(&path, 0, Some(log.log_end()), &what));
                error!(topic = %id.topic, partition = id.partition, what, "a partition is damaged");
            }
        }
        self.relog().await;
        self.flush(SyncMode::Now).await;
        self.partitions
            .into_iter()
            .map(|(id, partition)| {
                let online = partition.state.map(|recovering| {
                    recovering.log.recovered(recovering.log_start);
                    match partition.relogged {
                        true => recovering.log.note_checkpoint(),
                        false => recovering.log.note_recovered(),
                    }
                    recovering.log
                });
                (id, online)
            })
            .collect()
    }

    /// Puts small tails into the shard's own write-ahead log; what that has no room for goes to the segments.
    async fn relog(&mut self) {
        let data_dir = &self.shard.options.data_dir;
        if data_dir.is_looked_at() {
            return;
        }
        let relog = Relog::new(&self.shard, &self.ring);
        let small: Vec<_> = self
            .partitions
            .iter()
            .filter(|(_, partition)| !partition.unsettled)
            // An entry of the log has no gaps.
            .filter(|(id, _)| data_dir.salvage.floor(**id).is_none())
            .filter_map(|(id, partition)| Some((*id, partition.state.as_ref().ok()?.log.clone())))
            .filter(|(_, log)| relog.takes(log))
            .collect();
        let (ids, logs): (Vec<_>, Vec<_>) = small.into_iter().unzip();
        let done = relog.write(&logs).await;
        for id in &ids[..done] {
            self.partitions.get_mut(id).expect("it was there").relogged = true;
        }
    }
}

impl Replaying {
    fn new(state: Result<Recovering, PartitionOffline>) -> Replaying {
        let unsettled = match &state {
            Ok(recovering) if !recovering.log.state.borrow().epochs_dirty => {
                // The next recovery need not read again what this one has read.
                recovering.log.begin_scan_at_end();
                recovering.excess
            }
            _ => true,
        };
        Replaying {
            state,
            last_frame: BTreeMap::new(),
            replayed_batches: 0,
            unsettled,
            relogged: false,
        }
    }
}

struct Lost {
    chain: (u64, u16),
    up_to: u64,
    error: PartitionOffline,
}

/// Passes over what is missing before an entry of a partition that is salvaged, or over a damaged one, and notes it.
fn salvage(log: &Rc<PartitionLog>, found: &ChainEntry) {
    let skip_to = match found.whole {
        true => found.entry.base_offset,
        false => found.entry.end_offset(),
    };
    let end = log.log_end();
    if end < skip_to {
        log.skip_to(skip_to);
        log.shard.options.data_dir.salvage.passed_over(PassedOver {
            partition: log.id,
            from: end,
            to: skip_to,
        });
    }
}

/// Appends the batches that are not there yet. The error says what does not fit.
fn replay(log: &Rc<PartitionLog>, bytes: &[u8]) -> Result<u64, String> {
    let mut replayed = 0;
    for batch in batches(bytes) {
        let batch = batch.expect("the entry was checked");
        let header = batch.header();
        let end = log.log_end();
        if header.next_offset() <= end {
            continue;
        }
        if header.base_offset != end {
            return Err(format!(
                "the write-ahead log goes on with offset {} where the segments end",
                header.base_offset
            ));
        }
        log.replay(batch.bytes(), header);
        replayed += 1;
    }
    Ok(replayed)
}

async fn flush_one(log: &Rc<PartitionLog>, excess: bool, mode: SyncMode) -> Result<(), PartitionOffline> {
    if excess {
        cut_off(log).await?;
    }
    let (unwritten, unsynced) = {
        let state = log.state.borrow();
        let (written, end) = (state.writer.written, state.tail.end());
        let unwritten = written.stream < end.stream;
        let unsynced = unwritten || state.writer.synced < written.offset || state.epochs_dirty;
        (unwritten, unsynced)
    };
    if !unwritten && mode == SyncMode::Later {
        return Ok(());
    }
    if !unsynced {
        // What was found in the segments is synced: most partitions need nothing. One without records needs no directory yet.
        return Ok(());
    }
    // The write-ahead logs it comes from go when it is written: that makes more room than it takes.
    log.state.borrow_mut().may_use_reserve = true;
    match log.write_tail(mode).await {
        Ok(()) => {
            log.state.borrow_mut().may_use_reserve = false;
            Ok(())
        }
        // It stays in memory and in the write-ahead log it came from, until there is room.
        Err(TailNotWritten::NoRoom(e)) => {
            warn!(partition = ?log, error = %e, "records from the write-ahead log find no room in their segment yet");
            if mode == SyncMode::Now {
                log.shard.late.borrow_mut().push(log.clone());
            }
            Ok(())
        }
        Err(TailNotWritten::Stopped(
            LogStopped::PartitionFailed(e) | LogStopped::WalFailed(e) | LogStopped::DirectoryFailed(e),
        )) => Err(PartitionOffline::File((*e).clone())),
        Err(TailNotWritten::Stopped(LogStopped::Deleted | LogStopped::Moved | LogStopped::ShuttingDown)) => {
            unreachable!("nobody else has it yet")
        }
    }
}

/// Cuts off what stands behind the last good batch, durable, before anything is written there: else it could come back
/// behind new records.
async fn cut_off(log: &PartitionLog) -> Result<(), FileError> {
    let (base, bytes) = {
        let state = log.state.borrow();
        (
            state
                .segments
                .iter()
                .rev()
                .map(|s| s.base)
                .find(|b| state.writer.segment == Some(*b)),
            state.writer.file_bytes,
        )
    };
    let Some(base) = base else { return Ok(()) };
    let path = SegmentFile::Log.path(&log.dir, base);
    let file = log.shard.files.get(log.id, base, 0, &path).await?;
    file.set_len(bytes)
        .await
        .map_err(|e| FileError::new(&path, "cut", &e))?;
    file.datasync()
        .await
        .map_err(|e| FileError::new(&path, "sync", &e))
}
