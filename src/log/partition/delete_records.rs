//! Deletes records from a log's beginning because a client says so.

use super::PartitionLog;
use crate::base::ids::Offset;
use crate::log::{CleanupPolicy, FileError, LogStopped};
use std::fmt;
use std::rc::Rc;

/// Up to where records are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteBefore {
    /// All that consumers may see.
    HighWatermark,
    /// Those with lower offsets than this.
    Offset(Offset),
}

/// Why records could not be deleted.
#[derive(Clone, Debug)]
pub enum DeleteRecordsError {
    /// The offset is behind the high watermark, or none at all (Kafka: OFFSET_OUT_OF_RANGE).
    OffsetOutOfRange { high_watermark: Offset },
    /// The topic is compacted and nothing else: its records are not deleted by their age (Kafka: POLICY_VIOLATION).
    NotDeletable,
    /// The log does not acknowledge any more (Kafka: KAFKA_STORAGE_ERROR).
    Stopped(LogStopped),
    /// The new start could not be made durable (Kafka: KAFKA_STORAGE_ERROR). A restart may find it nevertheless.
    File(FileError),
}

impl fmt::Display for DeleteRecordsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeleteRecordsError::OffsetOutOfRange { high_watermark } => {
                write!(f, "records can be deleted up to offset {high_watermark}")
            }
            DeleteRecordsError::NotDeletable => f.write_str("the topic's cleanup.policy is compact alone"),
            DeleteRecordsError::Stopped(e) => e.fmt(f),
            DeleteRecordsError::File(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for DeleteRecordsError {}

impl PartitionLog {
    /// Deletes records from the log's beginning. Ready when they are gone for good: no crash brings them back. Their
    /// segments are removed later. Gives the log's start, which stays where it is if it is higher already.
    pub async fn delete_records(self: &Rc<Self>, before: DeleteBefore) -> Result<Offset, DeleteRecordsError> {
        if self.config.borrow().cleanup_policy == CleanupPolicy::Compact {
            return Err(DeleteRecordsError::NotDeletable);
        }
        let positions = self.positions();
        let high_watermark = positions.high_watermark;
        let before = match before {
            DeleteBefore::HighWatermark => high_watermark,
            DeleteBefore::Offset(offset) if offset.0 < 0 || offset > high_watermark => {
                return Err(DeleteRecordsError::OffsetOutOfRange { high_watermark });
            }
            DeleteBefore::Offset(offset) => offset,
        };
        if before <= positions.log_start {
            return Ok(positions.log_start);
        }
        // A relaxed topic shows records that are not on the disk yet.
        self.wait_on_disk(before)
            .await
            .map_err(DeleteRecordsError::Stopped)?;
        if let Some(stopped) = self.takes_no_changes() {
            return Err(DeleteRecordsError::Stopped(stopped));
        }
        self.raise_log_start(before)
            .await
            .map_err(DeleteRecordsError::File)?;
        self.shard.chores.add_partition(self);
        Ok(self.log_start())
    }
}
