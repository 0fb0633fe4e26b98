//! Hot path: produce, append. What a broker changes in a batch where it lies.
//!
//! All of these take bytes that begin with a batch which `BatchView::parse` has accepted, and panic if the slice is
//! shorter than a header.

use super::batch_header::{
    ATTRIBUTES_AT, BASE_SEQUENCE_AT, CRC_AT, LEADER_EPOCH_AT, MAGIC_AT, MAX_TIMESTAMP_AT, PRODUCER_EPOCH_AT,
    PRODUCER_ID_AT,
};
use super::{Attributes, BATCH_PREFIX_BYTES, TimestampType};
use crate::base::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

/// Sets the base offset and the partition leader epoch. Both lie outside the checksum, so nothing else changes.
pub fn patch_base_offset_and_epoch(batch: &mut [u8], base_offset: Offset, epoch: LeaderEpoch) {
    batch[..8].copy_from_slice(&base_offset.0.to_be_bytes());
    batch[LEADER_EPOCH_AT..MAGIC_AT].copy_from_slice(&epoch.0.to_be_bytes());
}

/// Gives all records of the batch the broker's time: `LogAppendTime` in the attributes, `append_time_ms` as max timestamp,
/// and the checksum computed anew.
pub fn patch_max_timestamp_log_append(batch: &mut [u8], append_time_ms: i64) {
    let attributes = Attributes(i16::from_be_bytes([
        batch[ATTRIBUTES_AT],
        batch[ATTRIBUTES_AT + 1],
    ]))
    .with_timestamp_type(TimestampType::LogAppendTime);
    batch[ATTRIBUTES_AT..ATTRIBUTES_AT + 2].copy_from_slice(&attributes.0.to_be_bytes());
    batch[MAX_TIMESTAMP_AT..MAX_TIMESTAMP_AT + 8].copy_from_slice(&append_time_ms.to_be_bytes());
    recompute_crc(batch);
}

/// Sets producer id, epoch and base sequence, and computes the checksum anew.
pub fn patch_producer(batch: &mut [u8], producer_id: ProducerId, epoch: ProducerEpoch, base_sequence: i32) {
    batch[PRODUCER_ID_AT..PRODUCER_EPOCH_AT].copy_from_slice(&producer_id.0.to_be_bytes());
    batch[PRODUCER_EPOCH_AT..BASE_SEQUENCE_AT].copy_from_slice(&epoch.0.to_be_bytes());
    batch[BASE_SEQUENCE_AT..BASE_SEQUENCE_AT + 4].copy_from_slice(&base_sequence.to_be_bytes());
    recompute_crc(batch);
}

/// Writes the checksum of the batch at the beginning of `batch`; what follows it is left alone.
pub(super) fn recompute_crc(batch: &mut [u8]) {
    let length = i32::from_be_bytes([batch[8], batch[9], batch[10], batch[11]]);
    let size = BATCH_PREFIX_BYTES + length as usize;
    let crc = crc32c::crc32c(&batch[ATTRIBUTES_AT..size]);
    batch[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
}
