//! What a shard does beside the way of its records: old segments go, deleted files leave the disk.
//!
//! One task per shard visits the partitions in small steps: no partition has a task or a timer of its own. Nobody waits for
//! it, and between two steps others run.

use super::LogError;
use super::data_dir::CheckpointFiles;
use super::flusher::Partitions;
use super::partition::PartitionLog;
use super::shard_context::ShardContext;
use crate::base::ids::{Offset, TopicPartition};
use crate::base::time::Monotonic;
use crate::rt::{self, disk};
use std::cell::Cell;
use std::io::ErrorKind;
use std::ops::Bound;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tracing::{info, warn};

/// How many partitions share one write of the checkpoint files. A guess: the write costs two syncs, and what one step has
/// decided is held in memory.
const PARTITIONS_PER_STEP: usize = 256;
/// The first round comes this long after the start, or earlier if rounds are more frequent: as Kafka's
/// `log.initial.task.delay.ms`.
const FIRST_ROUND_AFTER: Duration = Duration::from_secs(30);

/// Time between two rounds while the disk is full: what has lived long enough by then is what makes room. A guess, well above what a
/// round of many partitions takes.
const BETWEEN_ROUNDS_WHEN_FULL: Duration = Duration::from_secs(5);

/// A shard's housekeeping. On a full disk it is in a hurry: it does not wait for its next round, and removes files at once, whatever
/// `file.delete.delay.ms` says.
pub(super) struct Housekeeping {
    shard: Rc<ShardContext>,
    partitions: Partitions,
    closing: Rc<Cell<bool>>,
}

impl Housekeeping {
    pub fn new(shard: Rc<ShardContext>, partitions: Partitions, closing: Rc<Cell<bool>>) -> Housekeeping {
        Housekeeping {
            shard,
            partitions,
            closing,
        }
    }

    /// Runs until the shard stops or closes.
    pub async fn run(self) {
        let interval = Duration::from_millis(self.shard.options.retention_check_interval_ms.max(1));
        let mut next_round = rt::now().plus(interval.min(FIRST_ROUND_AFTER));
        let mut next_when_full = rt::now();
        loop {
            let woken = self.shard.chores.wait();
            if self.over() {
                return;
            }
            self.remove_due_files().await;
            self.remove_doomed_dirs().await;
            while let Some(partition) = self.shard.chores.next_partition() {
                self.tidy(&[partition]).await;
            }
            let asked_for = self.shard.chores.begin_round();
            let in_a_hurry = self.shard.room.is_full() && rt::now() >= next_when_full;
            if asked_for || in_a_hurry || rt::now() >= next_round {
                self.round().await;
                self.shard.chores.end_round();
                next_round = rt::now().plus(interval);
                next_when_full = rt::now().plus(BETWEEN_ROUNDS_WHEN_FULL);
                self.remove_due_files().await;
            }
            let next = match self.shard.chores.next_file_due() {
                Some(due) => due.min(next_round),
                None => next_round,
            };
            // Whether it was woken or the time has come: the loop looks at everything.
            let _ = rt::timeout(next.since(rt::now()), woken).await;
        }
    }

    fn over(&self) -> bool {
        self.closing.get() || self.shard.stopped().is_some()
    }

    /// Looks at every partition once.
    async fn round(&self) {
        let mut last: Option<TopicPartition> = None;
        while !self.over() {
            let some = self.partitions_after(last);
            let Some(partition) = some.last() else { return };
            last = Some(partition.id);
            self.tidy(&some).await;
            rt::yield_now().await;
        }
    }

    /// The next partitions, by id: the table may change between two steps.
    fn partitions_after(&self, last: Option<TopicPartition>) -> Vec<Rc<PartitionLog>> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        self.partitions
            .borrow()
            .range((from, Bound::Unbounded))
            .take(PARTITIONS_PER_STEP)
            .map(|(_, partition)| partition.clone())
            .collect()
    }

    /// Raises the starts of logs whose oldest segments have lived long enough, all with one write of the checkpoint files;
    /// then takes the segments away that lie before their log's start.
    async fn tidy(&self, partitions: &[Rc<PartitionLog>]) {
        let mut raised: Vec<(&Rc<PartitionLog>, Offset)> = Vec::new();
        for partition in partitions.iter().filter(|p| p.takes_no_changes().is_none()) {
            match partition.retained_from(rt::wall_ms()).await {
                Ok(Some(start)) if partition.takes_no_changes().is_none() => {
                    partition.note_log_start(start);
                    raised.push((partition, start));
                }
                Ok(_) => {}
                Err(e) => warn!(?partition, error = %e, "old segments stay: their age can't be told"),
            }
            rt::yield_if_needed().await;
        }
        if !raised.is_empty() {
            let data_dir = &self.shard.options.data_dir;
            if let Err(e) = data_dir.write_checkpoints(CheckpointFiles::LogStarts).await {
                warn!(error = %e, "old segments stay: the log starts can't be written");
                return;
            }
            for (partition, start) in raised {
                partition.log_start_durable(start);
                info!(?partition, log_start = start.0, "retention moved the log's start");
            }
        }
        for partition in partitions {
            if let Err(e) = partition.remove_old_segments().await {
                warn!(?partition, error = %e, "segments before the log's start stay until the next start");
            }
        }
    }

    /// Removes the files whose time has come, one after the other.
    async fn remove_due_files(&self) {
        let until = || match self.shard.room.is_full() {
            true => Monotonic(u64::MAX),
            false => rt::now(),
        };
        while let Some(file) = self.shard.chores.take_due_file(until()) {
            if self.over() {
                return;
            }
            match disk::remove_file(&file).await {
                // Its partition was deleted meanwhile.
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => {
                    warn!(path = %file.display(), error = %e, "a deleted segment's file stays until the next start")
                }
                Ok(()) => {}
            }
        }
    }

    /// Removes the directories of deleted partitions, file by file.
    async fn remove_doomed_dirs(&self) {
        while let Some(dir) = self.shard.chores.next_doomed_dir() {
            if self.over() {
                return;
            }
            if let Err(e) = self.remove_dir(&dir).await {
                warn!(dir = %dir.display(), error = %e, "a deleted partition's files stay until the next start");
            }
        }
    }

    async fn remove_dir(&self, dir: &Path) -> Result<(), LogError> {
        let failed = |path: &Path, e: &std::io::Error| super::FileError::new(path, "remove", e);
        let entries = match disk::read_dir(dir).await {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(super::FileError::new(dir, "list", &e).into()),
        };
        for entry in entries.iter().filter(|e| !e.is_dir) {
            if self.over() {
                return Ok(());
            }
            let path = dir.join(&entry.name);
            disk::remove_file(&path).await.map_err(|e| failed(&path, &e))?;
        }
        Ok(disk::remove_dir_all(dir).await.map_err(|e| failed(dir, &e))?)
    }
}
