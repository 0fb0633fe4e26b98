//! Hot path: produce and fetch. The fixed header of a record batch.

use super::{Attributes, BatchError};
use crate::base::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

/// Size of the header: the records begin here.
pub const BATCH_HEADER_BYTES: usize = 61;

/// Bytes before those that the length field counts: base offset and the length itself.
pub const BATCH_PREFIX_BYTES: usize = 12;

/// Smallest encoding of a record: length, attributes, timestamp delta, offset delta, key length, value length and number
/// of headers, one byte each. So a count of records can be held against the bytes before anything is parsed.
pub const MIN_RECORD_BYTES: usize = 7;

pub(super) const BATCH_LENGTH_AT: usize = 8;
pub(super) const LEADER_EPOCH_AT: usize = 12;
pub(super) const MAGIC_AT: usize = 16;
pub(super) const CRC_AT: usize = 17;
pub(super) const ATTRIBUTES_AT: usize = 21;
pub(super) const LAST_OFFSET_DELTA_AT: usize = 23;
pub(super) const BASE_TIMESTAMP_AT: usize = 27;
pub(super) const MAX_TIMESTAMP_AT: usize = 35;
pub(super) const PRODUCER_ID_AT: usize = 43;
pub(super) const PRODUCER_EPOCH_AT: usize = 51;
pub(super) const BASE_SEQUENCE_AT: usize = 53;
pub(super) const RECORD_COUNT_AT: usize = 57;

const MIN_BATCH_LENGTH: i32 = (BATCH_HEADER_BYTES - BATCH_PREFIX_BYTES) as i32;

/// The header of one record batch v2, in the order of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record the batch had when it was appended.
    pub base_offset: Offset,
    /// Bytes of the batch after the length field.
    pub batch_length: i32,
    /// Epoch of the leader that appended the batch, -1 if none has yet.
    pub partition_leader_epoch: LeaderEpoch,
    /// CRC-32C of everything from the attributes on, as stored.
    pub crc: u32,
    /// Compression, timestamp type and flags.
    pub attributes: Attributes,
    /// Offset of the last record less the base offset. Compaction keeps it when it removes records.
    pub last_offset_delta: i32,
    /// Timestamp the records' deltas are relative to, in ms; the delete horizon if the attributes say so.
    pub base_timestamp: i64,
    /// Largest timestamp of the records in ms, -1 for none; the append time if the attributes say so.
    pub max_timestamp: i64,
    /// Idempotent or transactional producer, -1 for none.
    pub producer_id: ProducerId,
    /// Generation of the producer id, -1 for none.
    pub producer_epoch: ProducerEpoch,
    /// Sequence number of the first record, -1 for none.
    pub base_sequence: i32,
    /// How many records there are.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the beginning of `bytes`, and checks what can be checked without the records: magic, length,
    /// codec, offsets and count against each other. The records need not be there.
    ///
    /// Errors: `Partial` if the header is cut off, `UnsupportedMagic`, `Length`, `UnknownCompression`, `Offsets`,
    /// `RecordCount`.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        let have = bytes.len();
        // The magic is at the same place in all formats, so it is looked at first: what an old message calls its
        // length may well be smaller than a header of ours.
        let Some(&magic) = bytes.get(MAGIC_AT) else {
            return Err(BatchError::Partial {
                have,
                needed: MAGIC_AT + 1,
            });
        };
        if magic != 2 {
            return Err(BatchError::UnsupportedMagic { magic: magic as i8 });
        }
        let batch_length = i32::from_be_bytes(field(bytes, BATCH_LENGTH_AT));
        if batch_length < MIN_BATCH_LENGTH {
            return Err(BatchError::Length { batch_length });
        }
        let Some(bytes) = bytes.first_chunk::<BATCH_HEADER_BYTES>() else {
            return Err(BatchError::Partial {
                have,
                needed: BATCH_PREFIX_BYTES + batch_length as usize,
            });
        };
        let header = BatchHeader {
            base_offset: Offset(i64::from_be_bytes(field(bytes, 0))),
            batch_length,
            partition_leader_epoch: LeaderEpoch(i32::from_be_bytes(field(bytes, LEADER_EPOCH_AT))),
            crc: u32::from_be_bytes(field(bytes, CRC_AT)),
            attributes: Attributes(i16::from_be_bytes(field(bytes, ATTRIBUTES_AT))),
            last_offset_delta: i32::from_be_bytes(field(bytes, LAST_OFFSET_DELTA_AT)),
            base_timestamp: i64::from_be_bytes(field(bytes, BASE_TIMESTAMP_AT)),
            max_timestamp: i64::from_be_bytes(field(bytes, MAX_TIMESTAMP_AT)),
            producer_id: ProducerId(i64::from_be_bytes(field(bytes, PRODUCER_ID_AT))),
            producer_epoch: ProducerEpoch(i16::from_be_bytes(field(bytes, PRODUCER_EPOCH_AT))),
            base_sequence: i32::from_be_bytes(field(bytes, BASE_SEQUENCE_AT)),
            record_count: i32::from_be_bytes(field(bytes, RECORD_COUNT_AT)),
        };
        header.check()?;
        Ok(header)
    }

    fn check(&self) -> Result<(), BatchError> {
        let (base_offset, last_offset_delta) = (self.base_offset.0, self.last_offset_delta);
        if last_offset_delta < 0
            || base_offset
                .checked_add(i64::from(last_offset_delta) + 1)
                .is_none()
        {
            return Err(BatchError::Offsets {
                base_offset,
                last_offset_delta,
            });
        }
        let count_error = BatchError::RecordCount {
            record_count: self.record_count,
            last_offset_delta,
        };
        if self.record_count < 0 || i64::from(self.record_count) > i64::from(last_offset_delta) + 1 {
            return Err(count_error);
        }
        if !self.attributes.compression()?.is_none() {
            return Ok(());
        }
        if self.record_count as usize > self.payload_bytes() / MIN_RECORD_BYTES {
            return Err(count_error);
        }
        Ok(())
    }

    /// Size of the whole batch in bytes, header and records.
    pub fn size_bytes(&self) -> usize {
        BATCH_PREFIX_BYTES + self.batch_length as usize
    }

    /// Size of the records in bytes, as stored.
    pub fn payload_bytes(&self) -> usize {
        self.size_bytes() - BATCH_HEADER_BYTES
    }

    /// Offset of the last record the batch had when it was appended.
    pub fn last_offset(&self) -> Offset {
        self.base_offset.plus(i64::from(self.last_offset_delta))
    }

    /// Where the next batch begins.
    pub fn next_offset(&self) -> Offset {
        self.last_offset().plus(1)
    }

    /// Sequence number of the last record; sequences wrap from `i32::MAX` to 0. -1 without a producer id.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return -1;
        }
        (self.base_sequence.wrapping_add(self.last_offset_delta)) & i32::MAX
    }

    /// Whether an idempotent or transactional producer wrote the batch.
    pub fn has_producer(&self) -> bool {
        self.producer_id.0 >= 0
    }

    /// The time from which the batch's tombstones and markers may be deleted, if compaction has set one (KIP-534).
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        self.attributes
            .has_delete_horizon()
            .then_some(self.base_timestamp)
    }

    /// What a broker asks of a batch that comes from a producer, as Kafka's `LogValidator`: at least one record, one offset
    /// for each, no control batch, and a sequence where there is a producer id.
    pub fn check_from_producer(&self) -> Result<(), BatchError> {
        if self.record_count <= 0 || self.record_count - 1 != self.last_offset_delta {
            return Err(BatchError::RecordCount {
                record_count: self.record_count,
                last_offset_delta: self.last_offset_delta,
            });
        }
        if self.attributes.is_control() {
            return Err(BatchError::NotFromProducer {
                what: "it is a control batch",
            });
        }
        if self.attributes.has_delete_horizon() {
            return Err(BatchError::NotFromProducer {
                what: "it has a delete horizon",
            });
        }
        if self.has_producer() && self.base_sequence < 0 {
            return Err(BatchError::NotFromProducer {
                what: "a producer id without a sequence",
            });
        }
        if self.attributes.is_transactional() && !self.has_producer() {
            return Err(BatchError::NotFromProducer {
                what: "transactional without a producer id",
            });
        }
        Ok(())
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}
