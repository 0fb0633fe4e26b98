//! What can go wrong in the log, typed: the server maps these to Kafka's error codes.

use crate::base::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicPartition};
use crate::wire::records::BatchError;
use std::path::PathBuf;
use std::sync::Arc;
use std::{fmt, io};

/// An operation on a file that failed.
#[derive(Clone, Debug)]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What was tried: "open", "write", ...
    pub operation: &'static str,
    /// What the system said.
    pub kind: io::ErrorKind,
    /// Its text.
    pub message: String,
}

impl FileError {
    /// Notes an I/O error with its place.
    pub fn new(path: impl Into<PathBuf>, operation: &'static str, error: &io::Error) -> FileError {
        FileError {
            path: path.into(),
            operation,
            kind: error.kind(),
            message: error.to_string(),
        }
    }
}

impl FileError {
    /// Whether it failed for want of space, which may come back: then a second try is sound. After a failed sync it never is.
    pub fn is_no_room(&self) -> bool {
        matches!(
            self.kind,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ) && self.operation != "sync"
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.operation, self.path.display(), self.message)
    }
}

impl std::error::Error for FileError {}

/// A log no longer acknowledges: a write or sync failed, or it was shut down or deleted.
#[derive(Clone, Debug)]
pub enum LogStopped {
    /// A write or sync of the partition's files failed. What is on disk behind the last sync is unknown, so there is no
    /// second try on the same file.
    PartitionFailed(Arc<FileError>),
    /// A write of the shard's write-ahead log failed.
    WalFailed(Arc<FileError>),
    /// The data directory has failed as a whole.
    DirectoryFailed(Arc<FileError>),
    /// The partition was deleted.
    Deleted,
    /// The partition is in another data directory now, or is about to be.
    Moved,
    /// The shard is shutting down.
    ShuttingDown,
}

impl fmt::Display for LogStopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogStopped::PartitionFailed(e) => write!(f, "the partition stopped after a failed {e}"),
            LogStopped::WalFailed(e) => write!(f, "the shard's write-ahead log stopped after a failed {e}"),
            LogStopped::DirectoryFailed(e) => write!(f, "the data directory is offline after a failed {e}"),
            LogStopped::Deleted => f.write_str("the partition was deleted"),
            LogStopped::Moved => f.write_str("the partition goes to another data directory"),
            LogStopped::ShuttingDown => f.write_str("the shard is shutting down"),
        }
    }
}

impl std::error::Error for LogStopped {}

/// A tail could not be brought to its segment.
#[derive(Clone, Debug)]
pub(in crate::log) enum TailNotWritten {
    /// And never will be.
    Stopped(LogStopped),
    /// There is no room now. The tail stays in memory, and in the write-ahead log if that has it.
    NoRoom(Arc<FileError>),
}

impl fmt::Display for TailNotWritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TailNotWritten::Stopped(e) => e.fmt(f),
            TailNotWritten::NoRoom(e) => e.fmt(f),
        }
    }
}

impl From<TailNotWritten> for LogError {
    fn from(e: TailNotWritten) -> LogError {
        match e {
            TailNotWritten::Stopped(e) => LogError::Stopped(e),
            TailNotWritten::NoRoom(e) => LogError::File((*e).clone()),
        }
    }
}

/// Trouble with a shard's log as a whole, or with creating a partition.
#[derive(Clone, Debug)]
pub enum LogError {
    /// A file operation failed.
    File(FileError),
    /// The log no longer acknowledges.
    Stopped(LogStopped),
    /// The partition exists already.
    Exists(TopicPartition),
    /// A file holds something that can't be.
    Damaged(Damage),
}

impl From<FileError> for LogError {
    fn from(e: FileError) -> LogError {
        LogError::File(e)
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogError::File(e) => e.fmt(f),
            LogError::Stopped(e) => e.fmt(f),
            LogError::Damaged(d) => d.fmt(f),
            LogError::Exists(id) => write!(
                f,
                "partition {} of topic {} exists already",
                id.partition, id.topic
            ),
        }
    }
}

impl std::error::Error for LogError {}

/// Why a partition could not be recovered. It stays offline; its files are left as they are.
#[derive(Clone, Debug)]
pub enum PartitionOffline {
    /// Reading or writing a file failed.
    File(FileError),
    /// A file holds something that can't be: named with the place.
    Damaged(Damage),
}

/// A damaged place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// The byte in it.
    pub position: u64,
    /// The record offset expected there, if it is known.
    pub offset: Option<Offset>,
    /// What is wrong, in words.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.path.display(), self.position)?;
        if let Some(offset) = self.offset {
            write!(f, ", offset {offset}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl From<FileError> for PartitionOffline {
    fn from(e: FileError) -> PartitionOffline {
        PartitionOffline::File(e)
    }
}

impl fmt::Display for PartitionOffline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PartitionOffline::File(e) => e.fmt(f),
            PartitionOffline::Damaged(d) => d.fmt(f),
        }
    }
}

impl std::error::Error for PartitionOffline {}

/// Why an append was refused. Nothing of it is in the log.
#[derive(Clone, Debug)]
pub enum AppendError {
    /// The log does not acknowledge any more (Kafka: KAFKA_STORAGE_ERROR).
    Stopped(LogStopped),
    /// Too much is waiting for the disk (Kafka: a retriable error, with throttling).
    Overloaded,
    /// The disk of this directory is full; it is taken again when there is room (Kafka: KAFKA_STORAGE_ERROR, retriable).
    DiskFull { dir: PathBuf },
    /// The bytes are not a whole, undamaged batch (Kafka: CORRUPT_MESSAGE, or what the magic calls for).
    Batch(BatchError),
    /// The record set is empty, or holds several batches where a producer may send one (Kafka: INVALID_RECORD).
    BatchCount { count: usize },
    /// Larger than `max.message.bytes` (Kafka: MESSAGE_TOO_LARGE).
    TooLarge { bytes: usize, limit: usize },
    /// Larger than `segment.bytes` (Kafka: RECORD_LIST_TOO_LARGE).
    LargerThanSegment { bytes: usize, limit: u64 },
    /// Timestamp outside what the topic allows (Kafka: INVALID_TIMESTAMP).
    Timestamp { timestamp_ms: i64 },
    /// Records that may not be in this topic, such as those without a key in a compacted topic, by their place in the
    /// batch. The others are refused with them, and a client may send those again (Kafka: INVALID_RECORD, KIP-467).
    Records { refused: Vec<i32>, what: &'static str },
    /// A newer producer with the same id has written already (Kafka: INVALID_PRODUCER_EPOCH).
    ProducerFenced {
        producer_id: ProducerId,
        epoch: ProducerEpoch,
        current: ProducerEpoch,
    },
    /// Sequence numbers missing before the batch (Kafka: OUT_OF_ORDER_SEQUENCE_NUMBER).
    OutOfOrderSequence {
        producer_id: ProducerId,
        sequence: i32,
        last_sequence: i32,
    },
    /// Transactional records outside a transaction (Kafka: INVALID_TXN_STATE).
    NotInTransaction { producer_id: ProducerId },
}

impl From<BatchError> for AppendError {
    fn from(e: BatchError) -> AppendError {
        AppendError::Batch(e)
    }
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppendError::Stopped(e) => e.fmt(f),
            AppendError::Overloaded => f.write_str("too many bytes are waiting for the disk"),
            AppendError::DiskFull { dir } => write!(
                f,
                "the disk of {} is full: records are taken again when there is room",
                dir.display()
            ),
            AppendError::Batch(e) => e.fmt(f),
            AppendError::BatchCount { count } => write!(f, "one record batch is expected, not {count}"),
            AppendError::TooLarge { bytes, limit } => {
                write!(
                    f,
                    "a record batch of {bytes} bytes is above max.message.bytes ({limit})"
                )
            }
            AppendError::LargerThanSegment { bytes, limit } => {
                write!(f, "records of {bytes} bytes do not fit a segment ({limit} bytes)")
            }
            AppendError::Timestamp { timestamp_ms } => {
                write!(f, "timestamp {timestamp_ms} is outside of what the topic allows")
            }
            AppendError::Records { refused, what } => match refused[..] {
                [index] => write!(f, "record {index} {what}"),
                _ => write!(f, "each of {} records {what}", refused.len()),
            },
            AppendError::ProducerFenced {
                producer_id,
                epoch,
                current,
            } => {
                write!(
                    f,
                    "producer {producer_id} has epoch {current} by now, the batch has {epoch}"
                )
            }
            AppendError::OutOfOrderSequence {
                producer_id,
                sequence,
                last_sequence,
            } => {
                write!(
                    f,
                    "producer {producer_id} sent sequence {sequence} after {last_sequence}"
                )
            }
            AppendError::NotInTransaction { producer_id } => {
                write!(f, "producer {producer_id} is in no transaction")
            }
        }
    }
}

impl std::error::Error for AppendError {}

/// Why nothing could be read.
#[derive(Clone, Debug)]
pub enum ReadError {
    /// The offset is not in the log (Kafka: OFFSET_OUT_OF_RANGE).
    OffsetOutOfRange { log_start: Offset, end: Offset },
    /// The partition went to another data directory between plan and read (Kafka: NOT_LEADER_OR_FOLLOWER, which is retried).
    Moved,
    /// The partition was deleted between plan and read (Kafka: UNKNOWN_TOPIC_OR_PARTITION).
    Deleted,
    /// A file could not be read (Kafka: KAFKA_STORAGE_ERROR).
    File(FileError),
    /// A file holds something that can't be (Kafka: KAFKA_STORAGE_ERROR, or CORRUPT_MESSAGE).
    Damaged(Damage),
}

impl From<FileError> for ReadError {
    fn from(e: FileError) -> ReadError {
        ReadError::File(e)
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::OffsetOutOfRange { log_start, end } => {
                write!(f, "the log has offsets {log_start} to {end}")
            }
            ReadError::Moved => f.write_str("the partition went to another data directory"),
            ReadError::Deleted => f.write_str("the partition was deleted"),
            ReadError::File(e) => e.fmt(f),
            ReadError::Damaged(d) => d.fmt(f),
        }
    }
}

impl std::error::Error for ReadError {}

/// Leader epochs as Kafka answers them for OffsetForLeaderEpoch: epoch found, and where it ended.
pub type EpochEnd = Option<(LeaderEpoch, Offset)>;
