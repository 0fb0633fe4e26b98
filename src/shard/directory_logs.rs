//! A shard's logs: one for each data directory.
//!
//! Each has the write-ahead log, the committer and the background work of the partitions it holds, so that a directory is
//! whole in itself and fails by itself. With one directory this is that one log.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::base::ids::{DirectoryId, ShardId, TopicPartition};
use crate::config::Settings;
use crate::log::{
    DataDirs, Directory, FileError, LogError, PartitionLog, PartitionOffline, PartitionSpec,
    RecoveredPartitions, ShardLog, ShardLogOptions,
};
use crate::rt;
use crate::shard::log_options::{compaction_limits, shard_log_options};

/// The logs of one shard.
pub struct DirectoryLogs {
    data_dirs: Arc<DataDirs>,
    /// By place in `data_dirs`; `None` where the directory is offline since the start.
    logs: Vec<Option<Rc<ShardLog>>>,
    /// How many shards the server has.
    shards: u16,
}

impl DirectoryLogs {
    /// Opens them, with no partitions yet. A directory that fails is offline, unless it is the one with the metadata.
    pub async fn open(
        data_dirs: Arc<DataDirs>,
        settings: &Settings,
        shard: ShardId,
        shards: u16,
        change_options: impl Fn(&mut ShardLogOptions),
    ) -> Result<DirectoryLogs, LogError> {
        let directories = data_dirs.all().len();
        let mut logs = Vec::with_capacity(directories);
        for (nth, directory) in data_dirs.all().iter().enumerate() {
            let Some(data_dir) = directory.online().cloned() else {
                logs.push(None);
                continue;
            };
            let mut options = shard_log_options(settings, data_dir, directories, shard, shards);
            change_options(&mut options);
            match ShardLog::open(options).await {
                Ok(log) => logs.push(Some(log)),
                Err(error) => {
                    fail(directory, nth, error)?;
                    logs.push(None);
                }
            }
        }
        Ok(DirectoryLogs {
            data_dirs,
            logs,
            shards,
        })
    }

    /// The server's data directories.
    pub fn data_dirs(&self) -> &DataDirs {
        &self.data_dirs
    }

    /// Takes up partitions, each from the directory it is said to be in. One whose directory is not there is offline: it is never
    /// begun anew.
    pub async fn recover(&self, specs: Vec<(DirectoryId, PartitionSpec)>) -> RecoveredPartitions {
        let mut by_directory: BTreeMap<usize, Vec<PartitionSpec>> = BTreeMap::new();
        let mut recovered = Vec::new();
        for (directory, spec) in specs {
            match self.place(directory, spec.id()) {
                Ok((nth, _)) => by_directory.entry(nth).or_default().push(spec),
                Err(reason) => recovered.push((spec.id(), Err(reason))),
            }
        }
        // A log that has no partitions is recovered too: it writes its checkpoint.
        let mut recovering = Vec::new();
        for (nth, log) in self.logs.iter().enumerate() {
            if let Some(log) = log.clone() {
                let specs = by_directory.remove(&nth).unwrap_or_default();
                recovering.push(rt::spawn(async move { log.recover(specs).await }));
            }
        }
        for partitions in recovering {
            recovered.extend(partitions.await);
        }
        recovered
    }

    /// Begins to commit, when every shard has recovered. Gives the directories whose partitions are offline because theirs
    /// could not.
    pub async fn start(&self) -> Result<Vec<DirectoryId>, LogError> {
        let mut failed = Vec::new();
        for (nth, log) in self.logs.iter().enumerate() {
            let Some(log) = log else { continue };
            let directory = &self.data_dirs.all()[nth];
            let started = match directory.failure() {
                // It failed when all had recovered.
                Some(error) => Err(LogError::File(error.clone())),
                None => log.start().await,
            };
            if let Err(error) = started {
                fail(directory, nth, error)?;
                failed.extend(directory.id());
            }
        }
        Ok(failed)
    }

    /// Makes a new partition, empty, in a directory.
    pub async fn create_partition(
        &self,
        directory: DirectoryId,
        spec: PartitionSpec,
    ) -> Result<Rc<PartitionLog>, LogError> {
        match self.place(directory, spec.id()) {
            Ok((_, log)) => log.create_partition(spec).await,
            Err(PartitionOffline::File(error)) => Err(LogError::File(error)),
            Err(PartitionOffline::Damaged(damage)) => Err(LogError::Damaged(damage)),
        }
    }

    /// Deletes a partition, wherever it is: it may be on its way to another directory. Fine if it is not there.
    pub async fn delete_partition(&self, partition: TopicPartition) -> Result<(), LogError> {
        let mut outcome = Ok(());
        for log in self.logs.iter().flatten() {
            outcome = outcome.and(log.delete_partition(partition).await);
        }
        outcome
    }

    /// The log of a directory, if that is online.
    pub fn of_directory(&self, id: DirectoryId) -> Option<Rc<ShardLog>> {
        let nth = self.data_dirs.all().iter().position(|one| one.id() == Some(id))?;
        self.data_dirs.all()[nth].online()?;
        self.logs[nth].clone()
    }

    /// A directory has failed, as another shard may have found: its log writes nothing any more.
    pub fn go_offline(&self, id: DirectoryId) {
        let all = self.data_dirs.all().iter().zip(&self.logs);
        for (directory, log) in all {
            if let (true, Some(log), Some(error)) = (directory.id() == Some(id), log, directory.failure()) {
                log.go_offline(error);
            }
        }
    }

    /// Waits until all logs that go on take records.
    pub async fn wait_for_room(&self) {
        for log in self.logs.iter().flatten() {
            log.wait_for_room().await;
        }
    }

    /// How long a producer that writes nothing is remembered from now on, in milliseconds.
    pub fn set_producer_id_expiration_ms(&self, expiration_ms: i64) {
        for log in self.logs.iter().flatten() {
            log.set_producer_id_expiration_ms(expiration_ms);
        }
    }

    /// What compaction may use from now on.
    pub fn set_compaction_limits(&self, settings: &Settings) {
        let limits = compaction_limits(settings, self.logs.len(), self.shards);
        for log in self.logs.iter().flatten() {
            log.set_compaction_limits(limits);
        }
    }

    /// Whether batches read from disk have their checksums checked from now on.
    pub fn set_check_crc_on_read(&self, check: bool) {
        for log in self.logs.iter().flatten() {
            log.set_check_crc_on_read(check);
        }
    }

    /// How many reads have met damage in a file since the start.
    pub fn damaged_reads(&self) -> u64 {
        self.logs.iter().flatten().map(|log| log.damaged_reads()).sum()
    }

    /// How often a disk has become full since the start.
    pub fn times_full(&self) -> u64 {
        let online = self.data_dirs.all().iter().filter_map(|one| one.online());
        online.map(|data_dir| data_dir.times_full()).sum()
    }

    /// See [`ShardLog::prepare_shutdown`].
    pub fn prepare_shutdown(&self) {
        self.logs.iter().flatten().for_each(|log| log.prepare_shutdown());
    }

    /// Makes everything durable and closes it: also those behind one that fails. The first error is told, but not that of a
    /// directory that was offline before.
    pub async fn shutdown(&self) -> Result<(), LogError> {
        let mut outcome = Ok(());
        for (nth, log) in self.logs.iter().enumerate() {
            let Some(log) = log else { continue };
            let closed = log.shutdown().await;
            if self.data_dirs.all()[nth].failure().is_none() {
                outcome = outcome.and(closed);
            }
        }
        outcome
    }

    /// The log of a directory, and its place. The error says why a partition there is offline.
    fn place(
        &self,
        id: DirectoryId,
        partition: TopicPartition,
    ) -> Result<(usize, &Rc<ShardLog>), PartitionOffline> {
        let missing = |path, message: String| {
            PartitionOffline::File(FileError {
                path,
                operation: "open",
                kind: std::io::ErrorKind::NotFound,
                message,
            })
        };
        if let Some(path) = self.data_dirs.misplaced(partition) {
            let message = format!(
                "the partition's files are here, but it belongs to the data directory with the id {id}"
            );
            return Err(missing(path.clone(), message));
        }
        let nth = self.data_dirs.all().iter().position(|one| one.id() == Some(id));
        let Some(nth) = nth else {
            let path = format!("data directory {id}").into();
            return Err(missing(path, "it is not there".to_string()));
        };
        let directory = &self.data_dirs.all()[nth];
        match (&self.logs[nth], directory.failure()) {
            (Some(log), None) => Ok((nth, log)),
            (_, Some(error)) => Err(PartitionOffline::File(error.clone())),
            (None, None) => unreachable!("a log that was not opened has failed"),
        }
    }
}

/// A directory fails alone, unless it is the one with the metadata.
fn fail(directory: &Directory, nth: usize, error: LogError) -> Result<(), LogError> {
    match error {
        LogError::File(error) if nth > 0 => {
            directory.fail(error);
            Ok(())
        }
        error => Err(error),
    }
}
