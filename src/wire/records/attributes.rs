//! The attribute bits of a batch.

use super::{BatchError, Compression};

/// What a batch's timestamps mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampType {
    /// Each record carries the time its producer gave it.
    #[default]
    CreateTime,
    /// Every record has the batch's max timestamp: when the broker appended it.
    LogAppendTime,
}

const COMPRESSION_MASK: i16 = 0x07;
const LOG_APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
const DELETE_HORIZON: i16 = 0x40;

/// The 16 attribute bits of a batch header: 0-2 compression, 3 timestamp type, 4 transactional, 5 control, 6 "the base
/// timestamp is the delete horizon" (KIP-534). The others are unused and ignored, as Kafka does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub i16);

impl Attributes {
    /// The codec of the records. `UnknownCompression` for the ids 5 to 7.
    pub fn compression(self) -> Result<Compression, BatchError> {
        Compression::from_id((self.0 & COMPRESSION_MASK) as u8)
    }

    /// What the timestamps mean.
    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(self) -> bool {
        self.0 & TRANSACTIONAL != 0
    }

    /// Whether the batch holds control records, which consumers do not see.
    pub fn is_control(self) -> bool {
        self.0 & CONTROL != 0
    }

    /// Whether the base timestamp is the time from which tombstones and markers may be deleted.
    pub fn has_delete_horizon(self) -> bool {
        self.0 & DELETE_HORIZON != 0
    }

    /// With the codec replaced.
    #[must_use]
    pub fn with_compression(self, compression: Compression) -> Attributes {
        Attributes(self.0 & !COMPRESSION_MASK | i16::from(compression.id()))
    }

    /// With the timestamp type replaced.
    #[must_use]
    pub fn with_timestamp_type(self, timestamp_type: TimestampType) -> Attributes {
        match timestamp_type {
            TimestampType::CreateTime => Attributes(self.0 & !LOG_APPEND_TIME),
            TimestampType::LogAppendTime => Attributes(self.0 | LOG_APPEND_TIME),
        }
    }

    /// Marked as part of a transaction.
    #[must_use]
    pub fn transactional(self) -> Attributes {
        Attributes(self.0 | TRANSACTIONAL)
    }

    /// Marked as a control batch.
    #[must_use]
    pub fn control(self) -> Attributes {
        Attributes(self.0 | CONTROL)
    }

    /// With an ordinary base timestamp.
    #[must_use]
    pub fn without_delete_horizon(self) -> Attributes {
        Attributes(self.0 & !DELETE_HORIZON)
    }

    /// Marked as having a delete horizon in place of the base timestamp.
    #[must_use]
    pub fn delete_horizon(self) -> Attributes {
        Attributes(self.0 | DELETE_HORIZON)
    }
}
