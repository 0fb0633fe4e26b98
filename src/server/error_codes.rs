//! Kafka's error codes for what the log refuses, in one place.

use crate::log::{AppendError, DeleteRecordsError, LogStopped, ReadError};
use crate::wire::errors::ErrorCode;
use crate::wire::records::BatchError;

/// The code of a refused append, and words for a person where the code does not say enough.
pub fn append_error(error: &AppendError) -> (ErrorCode, Option<String>) {
    let code = match error {
        // For a moment: clients look for the leader again, and find it here.
        AppendError::Stopped(LogStopped::Moved) => ErrorCode::NotLeaderOrFollower,
        // Retriable: with the next answer the disk may have room, or the partition another leader.
        AppendError::Stopped(_) | AppendError::DiskFull { .. } => ErrorCode::KafkaStorageError,
        // Retriable, and no client takes it for more than it is.
        AppendError::Overloaded => ErrorCode::RequestTimedOut,
        AppendError::Batch(BatchError::UnsupportedMagic { .. }) => ErrorCode::UnsupportedForMessageFormat,
        AppendError::Batch(_) => ErrorCode::CorruptMessage,
        AppendError::BatchCount { .. } | AppendError::Records { .. } => ErrorCode::InvalidRecord,
        AppendError::TooLarge { .. } => ErrorCode::MessageTooLarge,
        AppendError::LargerThanSegment { .. } => ErrorCode::RecordListTooLarge,
        AppendError::Timestamp { .. } => ErrorCode::InvalidTimestamp,
        AppendError::ProducerFenced { .. } => ErrorCode::InvalidProducerEpoch,
        AppendError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
        AppendError::NotInTransaction { .. } => ErrorCode::InvalidTxnState,
    };
    (code, Some(error.to_string()))
}

/// The code of a read that can't be done.
pub fn read_error(error: &ReadError) -> ErrorCode {
    match error {
        ReadError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        ReadError::Moved => ErrorCode::NotLeaderOrFollower,
        ReadError::Deleted => ErrorCode::UnknownTopicOrPartition,
        ReadError::File(_) => ErrorCode::KafkaStorageError,
        // Clients take it for what it is, and do not ask again and again.
        ReadError::Damaged(_) => ErrorCode::CorruptMessage,
    }
}

/// The code of a deletion that can't be done.
pub fn delete_records_error(error: &DeleteRecordsError) -> ErrorCode {
    match error {
        DeleteRecordsError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        DeleteRecordsError::NotDeletable => ErrorCode::PolicyViolation,
        // The topic has gone meanwhile, with all its records.
        DeleteRecordsError::Stopped(LogStopped::Deleted) => ErrorCode::UnknownTopicOrPartition,
        DeleteRecordsError::Stopped(LogStopped::Moved) => ErrorCode::NotLeaderOrFollower,
        DeleteRecordsError::Stopped(_) | DeleteRecordsError::File(_) => ErrorCode::KafkaStorageError,
    }
}
