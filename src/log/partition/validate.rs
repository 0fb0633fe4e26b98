//! Hot path: produce, step 1. What a record set must be before it is appended.

use super::AppendOrigin;
use crate::log::AppendError;
use crate::log::options::TopicLogConfig;
use crate::wire::records::{BatchHeader, BatchView, TimestampType, batches};

/// Largest size the records of a compressed batch may have, where they must be looked at. Kafka has no limit; this is the
/// largest request, and a batch above it was not made by a client in good faith.
const MAX_DECOMPRESSED_BYTES: usize = crate::base::limits::MAX_FRAME_BYTES;

/// Checks every batch, and gives the first header.
///
/// A producer sends exactly one batch per partition (Kafka's `ProduceRequest.validateRecords`).
pub(super) fn validate(
    bytes: &[u8],
    origin: AppendOrigin,
    config: &TopicLogConfig,
    now_ms: i64,
) -> Result<BatchHeader, AppendError> {
    let mut first = None;
    let mut count = 0;
    for batch in batches(bytes) {
        let batch = batch?;
        count += 1;
        check_batch(&batch, origin, config, now_ms)?;
        first.get_or_insert(*batch.header());
    }
    if count > 1 && origin == AppendOrigin::Client {
        return Err(AppendError::BatchCount { count });
    }
    if bytes.len() as u64 > config.segment_bytes {
        return Err(AppendError::LargerThanSegment {
            bytes: bytes.len(),
            limit: config.segment_bytes,
        });
    }
    first.ok_or(AppendError::BatchCount { count: 0 })
}

fn check_batch(
    batch: &BatchView<'_>,
    origin: AppendOrigin,
    config: &TopicLogConfig,
    now_ms: i64,
) -> Result<(), AppendError> {
    let header = batch.header();
    if batch.bytes().len() > config.max_message_bytes {
        return Err(AppendError::TooLarge {
            bytes: batch.bytes().len(),
            limit: config.max_message_bytes,
        });
    }
    batch.check_crc()?;
    header.check_from_producer()?;
    if header.attributes.is_transactional() && origin == AppendOrigin::Client {
        return Err(AppendError::NotInTransaction {
            producer_id: header.producer_id,
        });
    }
    if config.message_timestamp_type == TimestampType::CreateTime {
        if header.attributes.timestamp_type() == TimestampType::LogAppendTime {
            // That flag is the broker's to set.
            return Err(AppendError::Timestamp {
                timestamp_ms: header.max_timestamp,
            });
        }
        check_timestamps(batch, config, now_ms)?;
    }
    if config.cleanup_policy.compacts() {
        check_keys(batch)?;
    }
    Ok(())
}

/// Holds the timestamps against what the topic allows. The header has the largest. The smallest may be any record's, so where
/// the topic has a limit for that, and only there, all of them are looked at.
fn check_timestamps(batch: &BatchView<'_>, config: &TopicLogConfig, now_ms: i64) -> Result<(), AppendError> {
    let largest_ms = batch.header().max_timestamp;
    if largest_ms != -1 && largest_ms.saturating_sub(now_ms) > config.message_timestamp_after_max_ms {
        return Err(AppendError::Timestamp {
            timestamp_ms: largest_ms,
        });
    }
    if config.message_timestamp_before_max_ms == i64::MAX {
        return Ok(());
    }
    for record in batch.open(MAX_DECOMPRESSED_BYTES)?.records() {
        let timestamp_ms = record?.timestamp_ms;
        if timestamp_ms != -1 && now_ms.saturating_sub(timestamp_ms) > config.message_timestamp_before_max_ms
        {
            return Err(AppendError::Timestamp { timestamp_ms });
        }
    }
    Ok(())
}

/// A record without a key could never be replaced by a newer one.
fn check_keys(batch: &BatchView<'_>) -> Result<(), AppendError> {
    let open = batch.open(MAX_DECOMPRESSED_BYTES)?;
    // All of them are named: a client sends again what was not.
    let mut refused = Vec::new();
    for (index, record) in (0..).zip(open.records()) {
        if record?.key.is_none() {
            refused.push(index);
        }
    }
    match refused.is_empty() {
        true => Ok(()),
        false => Err(AppendError::Records {
            refused,
            what: "has no key, and the topic is compacted",
        }),
    }
}
