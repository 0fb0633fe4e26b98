//! Stored records in batches, and a state read back from batches.

use std::fmt;

use bytes::BytesMut;

use super::record_codec::MalformedRecord;
use super::{RecordOrigin, StoredRecord, StoredState, TransactionEnd};
use crate::base::ids::Offset;
use crate::wire::codec::EncodeError;
use crate::wire::records::{
    BatchBuilder, BatchError, BatchView, Compression, ControlMarker, MarkerKind, batches,
};

/// Puts the records in batches of at most `max_batch_bytes` each, one behind the other; a record that is larger by
/// itself gets a batch of its own, for the log to refuse. Panics if there is no record.
pub fn to_batches(
    records: &[StoredRecord],
    timestamp_ms: i64,
    max_batch_bytes: usize,
) -> Result<BytesMut, EncodeError> {
    let mut builder = BatchBuilder::new(Compression::None);
    let mut full: Option<BytesMut> = None;
    for record in records {
        let (key, value) = record.to_bytes()?;
        let (key, value) = (Some(&key[..]), value.as_deref());
        let bound = BatchBuilder::record_bytes_bound(key, value, &[]);
        if !builder.is_empty() && builder.size_bytes() + bound > max_batch_bytes {
            join(&mut full, &mut builder);
        }
        builder.append(timestamp_ms, key, value, &[]);
    }
    join(&mut full, &mut builder);
    Ok(full.expect("joined"))
}

fn join(full: &mut Option<BytesMut>, builder: &mut BatchBuilder) {
    let batch = builder.build().expect("nothing is compressed");
    match full {
        Some(full) => full.extend_from_slice(&batch),
        None => *full = Some(batch),
    }
}

/// Why a partition's records do not make a state.
#[derive(Debug)]
pub enum ReplayError {
    /// The bytes are not batches.
    Batch(BatchError),
    /// A record is not what its key says.
    Record {
        /// Where it stands.
        offset: Offset,
        /// What is wrong with it.
        malformed: MalformedRecord,
    },
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayError::Batch(error) => error.fmt(f),
            ReplayError::Record { offset, malformed } => {
                write!(f, "the record at offset {offset} is bad: {malformed}")
            }
        }
    }
}

impl std::error::Error for ReplayError {}

impl From<BatchError> for ReplayError {
    fn from(error: BatchError) -> ReplayError {
        ReplayError::Batch(error)
    }
}

/// Largest size of the records of one compressed batch. We write none; one that moved in with Kafka's files is no larger
/// than `max.message.bytes` there, compressed.
const MAX_DECOMPRESSED_BYTES: usize = 64 * 1024 * 1024;

/// Takes whole batches, as they stand in the log, in. Gives the offset behind the last one, `None` if there is none.
pub fn replay_batches(state: &mut StoredState, bytes: &[u8]) -> Result<Option<Offset>, ReplayError> {
    let mut end = None;
    for batch in batches(bytes) {
        let batch = batch?;
        replay_batch(state, &batch)?;
        end = Some(batch.header().next_offset());
    }
    Ok(end)
}

fn replay_batch(state: &mut StoredState, batch: &BatchView<'_>) -> Result<(), ReplayError> {
    let header = *batch.header();
    let transaction = header.attributes.is_transactional().then_some(header.producer_id);
    for record in batch.open(MAX_DECOMPRESSED_BYTES)?.records() {
        let record = record?;
        if header.attributes.is_control() {
            let marker = ControlMarker::from_record(&record);
            let end = marker.map(|marker| match marker.kind {
                MarkerKind::Commit => TransactionEnd::Commit,
                MarkerKind::Abort => TransactionEnd::Abort,
            });
            if let Some(end) = end {
                state.apply_transaction_end(header.producer_id, end);
            }
            continue;
        }
        let origin = RecordOrigin {
            offset: record.offset,
            transaction,
        };
        match StoredRecord::from_bytes(record.key, record.value) {
            Ok(Some(stored)) => state.apply(origin, stored),
            Ok(None) => {
                tracing::debug!(offset = %record.offset, "a record of another group protocol is left alone")
            }
            Err(malformed) => {
                return Err(ReplayError::Record {
                    offset: record.offset,
                    malformed,
                });
            }
        }
    }
    Ok(())
}
