//! Makes record batches.

use bytes::BytesMut;

use super::compression::{self, CompressionError};
use super::patch::recompute_crc;
use super::varint::{put_i32, put_i64, size_i32, size_i64};
use super::{Attributes, BATCH_HEADER_BYTES, BATCH_PREFIX_BYTES, Compression, ControlMarker, TimestampType};
use crate::base::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

/// Collects records and makes one batch of them. Can be used again after `build`.
///
/// ```
/// use corelane::wire::records::{BatchBuilder, BatchView, Compression};
///
/// let mut builder = BatchBuilder::new(Compression::Zstd);
/// builder.append(1_700_000_000_000, Some(b"key"), Some(b"value"), &[("trace", Some(b"1"))]);
/// let bytes = builder.build().unwrap();
/// let batch = BatchView::parse(&bytes).unwrap();
/// assert_eq!(batch.open(1 << 20).unwrap().records().count(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    compression: Compression,
    attributes: Attributes,
    base_offset: Offset,
    leader_epoch: LeaderEpoch,
    producer_id: ProducerId,
    producer_epoch: ProducerEpoch,
    base_sequence: i32,
    append_time_ms: Option<i64>,
    base_timestamp: i64,
    max_timestamp: i64,
    record_count: i32,
    next_delta: i32,
    payload: Vec<u8>,
}

impl BatchBuilder {
    /// An empty batch: base offset 0, no leader epoch, no producer.
    pub fn new(compression: Compression) -> BatchBuilder {
        BatchBuilder {
            compression,
            attributes: Attributes::default().with_compression(compression),
            base_offset: Offset::ZERO,
            leader_epoch: LeaderEpoch(-1),
            producer_id: ProducerId(-1),
            producer_epoch: ProducerEpoch(-1),
            base_sequence: -1,
            append_time_ms: None,
            base_timestamp: -1,
            max_timestamp: -1,
            record_count: 0,
            next_delta: 0,
            payload: Vec::new(),
        }
    }

    /// With the offset of the first record. A producer leaves it at 0; the broker sets it.
    #[must_use]
    pub fn base_offset(mut self, base_offset: Offset) -> BatchBuilder {
        self.base_offset = base_offset;
        self
    }

    /// With the epoch of the partition's leader. A producer leaves it at -1.
    #[must_use]
    pub fn leader_epoch(mut self, epoch: LeaderEpoch) -> BatchBuilder {
        self.leader_epoch = epoch;
        self
    }

    /// As an idempotent producer's, whose first record here has `base_sequence`.
    #[must_use]
    pub fn producer(mut self, id: ProducerId, epoch: ProducerEpoch, base_sequence: i32) -> BatchBuilder {
        self.set_producer(id, epoch, base_sequence);
        self
    }

    /// The same for a builder in use: the sequence of the next batch.
    pub fn set_producer(&mut self, id: ProducerId, epoch: ProducerEpoch, base_sequence: i32) {
        self.producer_id = id;
        self.producer_epoch = epoch;
        self.base_sequence = base_sequence;
    }

    /// As part of a transaction.
    #[must_use]
    pub fn transactional(mut self) -> BatchBuilder {
        self.attributes = self.attributes.transactional();
        self
    }

    /// With the broker's time for all records.
    #[must_use]
    pub fn log_append_time(mut self, append_time_ms: i64) -> BatchBuilder {
        self.attributes = self.attributes.with_timestamp_type(TimestampType::LogAppendTime);
        self.append_time_ms = Some(append_time_ms);
        self
    }

    /// Appends a record at the next offset.
    pub fn append(
        &mut self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) {
        self.append_at(self.next_delta, timestamp_ms, key, value, headers);
    }

    /// Appends a record `offset_delta` after the base offset: for compaction, which leaves gaps. Panics if the delta is not
    /// above that of the record before.
    pub fn append_at(
        &mut self,
        offset_delta: i32,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) {
        assert!(offset_delta >= self.next_delta, "offsets go up");
        if self.record_count == 0 {
            self.base_timestamp = timestamp_ms;
            self.max_timestamp = timestamp_ms;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp_ms);
        let timestamp_delta = timestamp_ms.wrapping_sub(self.base_timestamp);
        let length = body_bytes(timestamp_delta, offset_delta, key, value, headers);
        let out = &mut self.payload;
        out.reserve(length + 5);
        put_i32(
            out,
            i32::try_from(length).expect("a record is smaller than 2 GiB"),
        );
        out.push(0);
        put_i64(out, timestamp_delta);
        put_i32(out, offset_delta);
        put_nullable(out, key);
        put_nullable(out, value);
        put_i32(out, headers.len() as i32);
        for (key, value) in headers {
            put_nullable(out, Some(key.as_bytes()));
            put_nullable(out, *value);
        }
        self.record_count += 1;
        self.next_delta = offset_delta + 1;
    }

    /// Makes this a control batch with a transaction's end in it. Panics if there are records already.
    pub fn append_control(&mut self, timestamp_ms: i64, marker: ControlMarker) {
        assert!(
            self.is_empty(),
            "a control batch holds its marker and nothing else"
        );
        self.attributes = self.attributes.control().transactional();
        self.append(timestamp_ms, Some(&marker.key()), Some(&marker.value()), &[]);
    }

    /// Number of records so far.
    pub fn len(&self) -> usize {
        self.record_count as usize
    }

    /// Whether there is no record yet.
    pub fn is_empty(&self) -> bool {
        self.record_count == 0
    }

    /// Size the batch would have now without compression, in bytes.
    pub fn size_bytes(&self) -> usize {
        BATCH_HEADER_BYTES + self.payload.len()
    }

    /// Upper bound in bytes of what `append` would add for this record.
    pub fn record_bytes_bound(
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> usize {
        5 + body_bytes(i64::MIN, i32::MAX, key, value, headers)
    }

    /// Makes the batch, and leaves the builder empty with the settings it had. Panics if there is no record. Fails only if
    /// the compressor does.
    pub fn build(&mut self) -> Result<BytesMut, CompressionError> {
        assert!(!self.is_empty(), "a batch has at least one record");
        let mut out = BytesMut::with_capacity(self.size_bytes());
        out.resize(BATCH_HEADER_BYTES, 0);
        if self.compression.is_none() {
            out.extend_from_slice(&self.payload);
        } else {
            out.extend_from_slice(&compression::compress(self.compression, &self.payload)?);
        }
        self.write_header(&mut out);
        recompute_crc(&mut out);
        self.payload.clear();
        self.record_count = 0;
        self.next_delta = 0;
        Ok(out)
    }

    fn write_header(&self, out: &mut [u8]) {
        let batch_length =
            i32::try_from(out.len() - BATCH_PREFIX_BYTES).expect("a batch is smaller than 2 GiB");
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&self.base_offset.0.to_be_bytes());
        put(&batch_length.to_be_bytes());
        put(&self.leader_epoch.0.to_be_bytes());
        put(&[2]);
        put(&[0; 4]);
        put(&self.attributes.0.to_be_bytes());
        put(&(self.next_delta - 1).to_be_bytes());
        put(&self.base_timestamp.to_be_bytes());
        put(&self.append_time_ms.unwrap_or(self.max_timestamp).to_be_bytes());
        put(&self.producer_id.0.to_be_bytes());
        put(&self.producer_epoch.0.to_be_bytes());
        put(&self.base_sequence.to_be_bytes());
        put(&self.record_count.to_be_bytes());
        assert_eq!(at, BATCH_HEADER_BYTES);
    }
}

fn body_bytes(
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[(&str, Option<&[u8]>)],
) -> usize {
    let mut length = 1 + size_i64(timestamp_delta) + size_i32(offset_delta);
    length += nullable_bytes(key) + nullable_bytes(value) + size_i32(headers.len() as i32);
    for (key, value) in headers {
        length += nullable_bytes(Some(key.as_bytes())) + nullable_bytes(*value);
    }
    length
}

fn nullable_bytes(bytes: Option<&[u8]>) -> usize {
    match bytes {
        Some(bytes) => size_i32(bytes.len() as i32) + bytes.len(),
        None => 1,
    }
}

fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            put_i32(
                out,
                i32::try_from(bytes.len()).expect("a field is smaller than 2 GiB"),
            );
            out.extend_from_slice(bytes);
        }
        None => put_i32(out, -1),
    }
}
