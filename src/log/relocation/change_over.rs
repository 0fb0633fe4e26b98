//! From one log to the other: the copy becomes the partition, and what it was copied from goes.

use super::future_log::{FutureLog, MoveError};
use crate::base::ids::TopicPartition;
use crate::log::partition::PartitionLog;
use crate::log::recovery::recover_segments;
use crate::log::{Damage, FileError, LogError, LogStopped, PartitionOffline, PartitionSpec, ShardLog};
use crate::rt::disk;
use std::rc::Rc;

impl ShardLog {
    /// Begins to copy a partition of another log of the same shard into this one's directory.
    pub async fn begin_move(&self, source: Rc<PartitionLog>) -> Result<FutureLog, MoveError> {
        if let Some(stopped) = self.shard.stopped() {
            return Err(stopped.into());
        }
        FutureLog::begin(source, self.shard.clone()).await
    }

    /// Takes a copy up as the partition: the metadata names this directory, durable. The one it was copied from is paused.
    pub async fn adopt(&self, future: FutureLog, spec: &PartitionSpec) -> Result<Rc<PartitionLog>, LogError> {
        let id = spec.id();
        assert_eq!(id, future.source.id);
        let dir = self.shard.partition_dir(&spec.topic_name, spec.partition);
        let data_dir = self.shard.options.data_dir.path();
        disk::rename(&future.dir, &dir)
            .await
            .map_err(|e| FileError::new(&future.dir, "rename", &e))?;
        disk::sync_dir(data_dir)
            .await
            .map_err(|e| FileError::new(data_dir, "sync", &e))?;
        let recovered = recover_segments(&self.shard, spec).await;
        let recovering = recovered.map_err(|e| match e {
            PartitionOffline::File(e) => LogError::File(e),
            PartitionOffline::Damaged(d) => LogError::Damaged(d),
        })?;
        let log = recovering.log;
        let expected = future.source.log_end();
        if recovering.cut.is_some() || log.log_end() != expected {
            return Err(LogError::Damaged(recovering.cut.unwrap_or_else(|| Damage {
                path: dir,
                position: 0,
                offset: Some(log.log_end()),
                what: format!("the copy should reach offset {expected}"),
            })));
        }
        log.recovered(recovering.log_start);
        log.note_recovered();
        if let Some(stopped) = self.shard.stopped() {
            return Err(LogError::Stopped(stopped));
        }
        self.partitions.borrow_mut().insert(id, log.clone());
        Ok(log)
    }

    /// Lets go of a partition that is in another directory now: its files are removed in the background.
    pub async fn let_go(&self, id: TopicPartition) -> Result<(), LogError> {
        self.remove_partition(id, LogStopped::Moved).await
    }
}
