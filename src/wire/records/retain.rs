//! Makes a batch of some of another's records, as compaction does: offsets, sequences and the leader's epoch stay.
//!
//! In small steps, since a batch may be large and its codec slow.

use super::batch_header::{
    ATTRIBUTES_AT, BASE_TIMESTAMP_AT, BATCH_LENGTH_AT, LAST_OFFSET_DELTA_AT, LEADER_EPOCH_AT,
    MAX_TIMESTAMP_AT, PRODUCER_ID_AT, RECORD_COUNT_AT,
};
use super::compression::{CompressionError, Compressor, decompressor};
use super::patch::recompute_crc;
use super::varint::{put_i32, put_i64, take_i32, take_i64};
use super::{
    Attributes, BATCH_HEADER_BYTES, BATCH_PREFIX_BYTES, BatchError, BatchView, Compression, OpenBatch,
    Records, TimestampType,
};
use std::io::{Read, Write};

/// How many uncompressed bytes a step takes. gzip at its usual level needs about 2 ms for it.
const STEP_BYTES: usize = 64 << 10;

/// Decompresses the records of a batch.
pub struct Opening<'a> {
    batch: BatchView<'a>,
    from: Box<dyn Read + 'a>,
    payload: Vec<u8>,
    limit: usize,
}

impl<'a> Opening<'a> {
    /// Begins. `limit`: largest size of the records, in bytes. Error: `Compression`.
    pub fn begin(batch: BatchView<'a>, limit: usize) -> Result<Opening<'a>, BatchError> {
        Ok(Opening {
            batch,
            from: decompressor(batch.compression(), batch.payload())?,
            payload: Vec::new(),
            limit,
        })
    }

    /// Takes a bounded number of bytes out. False when there are no more. Error: `Compression`.
    pub fn step(&mut self) -> Result<bool, BatchError> {
        let codec = self.batch.compression();
        let from = &mut self.from;
        let read = from.take(STEP_BYTES as u64).read_to_end(&mut self.payload);
        let read = read.map_err(|e| CompressionError::failed(codec, &e))?;
        if self.payload.len() > self.limit {
            let limit = self.limit;
            return Err(CompressionError::TooLarge { codec, limit }.into());
        }
        Ok(read > 0)
    }

    /// The batch, when `step` says that there is no more. Error: `RecordCount`.
    pub fn finish(self) -> Result<OpenBatch<'a>, BatchError> {
        OpenBatch::of_payload(self.batch.header(), self.payload)
    }
}

/// Makes the batch with some of another's records, at least one, compressed with its own codec.
///
/// With a delete horizon that becomes the base timestamp (KIP-534), and the records' deltas are made anew. Else their bytes
/// stay as they are.
pub struct Retaining<'a> {
    batch: BatchView<'a>,
    records: Records<'a>,
    keep: std::slice::Iter<'a, bool>,
    delete_horizon_ms: Option<i64>,
    /// `None` when it has given its result.
    to: Option<Compressor>,
    moved: Vec<u8>,
    count: i32,
    largest_ms: i64,
}

impl<'a> Retaining<'a> {
    /// Begins. `open` is the batch opened; `keep` has an entry per record. Error: `Compression`.
    pub fn begin(
        batch: BatchView<'a>,
        open: &'a OpenBatch<'_>,
        keep: &'a [bool],
        delete_horizon_ms: Option<i64>,
    ) -> Result<Retaining<'a>, BatchError> {
        // The compressed records follow the header in the compressor's output.
        let header = batch.bytes()[..BATCH_HEADER_BYTES].to_vec();
        Ok(Retaining {
            batch,
            records: open.records(),
            keep: keep.iter(),
            delete_horizon_ms,
            to: Some(Compressor::new(batch.compression(), None, header)?),
            moved: Vec::new(),
            count: 0,
            largest_ms: i64::MIN,
        })
    }

    /// Looks at a bounded number of bytes. Gives the batch when it is made; no step follows. Errors: `Record`, and
    /// `Compression` if the compressor fails.
    pub fn step(&mut self) -> Result<Option<Vec<u8>>, BatchError> {
        let codec = self.batch.compression();
        let to = self.to.as_mut().expect("no step follows the last");
        let begun = self.records.rest().len();
        while begun - self.records.rest().len() < STEP_BYTES {
            let before = self.records.rest();
            let Some(record) = self.records.next() else {
                return self.finish().map(Some);
            };
            let record = record?;
            if !self.keep.next().is_some_and(|keep| *keep) {
                continue;
            }
            let mut raw = &before[..before.len() - self.records.rest().len()];
            if let Some(horizon) = self.delete_horizon_ms {
                self.moved.clear();
                let base_ms = self.batch.header().base_timestamp;
                move_base(raw, base_ms.wrapping_sub(horizon), &mut self.moved);
                raw = &self.moved;
            }
            to.write_all(raw)
                .map_err(|e| CompressionError::failed(codec, &e))?;
            self.count += 1;
            self.largest_ms = self.largest_ms.max(record.timestamp_ms);
        }
        Ok(None)
    }

    fn finish(&mut self) -> Result<Vec<u8>, BatchError> {
        assert!(self.count > 0, "a batch without records is made by `empty_batch`");
        let mut out = self.to.take().expect("it was there a moment ago").finish()?;
        let attributes = self.batch.header().attributes;
        if let Some(horizon) = self.delete_horizon_ms {
            put(
                &mut out,
                ATTRIBUTES_AT,
                attributes.delete_horizon().0.to_be_bytes(),
            );
            put(&mut out, BASE_TIMESTAMP_AT, horizon.to_be_bytes());
        }
        if attributes.timestamp_type() == TimestampType::CreateTime {
            put(&mut out, MAX_TIMESTAMP_AT, self.largest_ms.to_be_bytes());
        }
        put(&mut out, RECORD_COUNT_AT, self.count.to_be_bytes());
        seal(&mut out);
        Ok(out)
    }
}

/// The batch without any record: its header alone, which keeps the last sequence of its producer. As Kafka's
/// `DefaultRecordBatch.writeEmptyHeader`.
pub fn empty_batch(batch: &BatchView<'_>) -> Vec<u8> {
    let attributes = batch.header().attributes;
    let attributes: Attributes = attributes
        .with_compression(Compression::None)
        .without_delete_horizon();
    let mut out = batch.bytes()[..BATCH_HEADER_BYTES].to_vec();
    put(&mut out, ATTRIBUTES_AT, attributes.0.to_be_bytes());
    put(&mut out, BASE_TIMESTAMP_AT, (-1i64).to_be_bytes());
    put(&mut out, RECORD_COUNT_AT, 0i32.to_be_bytes());
    seal(&mut out);
    out
}

/// Copies a record whose batch gets another base timestamp: `shift` is what its delta grows by.
fn move_base(raw: &[u8], shift: i64, out: &mut Vec<u8>) {
    const WALKED: &str = "the record was walked";
    let mut body = raw;
    take_i32(&mut body).expect(WALKED);
    let (attributes, mut body) = body.split_first().expect(WALKED);
    let delta = take_i64(&mut body).expect(WALKED);
    let mut start = vec![*attributes];
    put_i64(&mut start, delta.wrapping_add(shift));
    put_i32(out, (start.len() + body.len()) as i32);
    out.extend_from_slice(&start);
    out.extend_from_slice(body);
}

fn put<const N: usize>(out: &mut [u8], at: usize, bytes: [u8; N]) {
    out[at..at + N].copy_from_slice(&bytes);
}

/// Writes length and checksum.
fn seal(out: &mut [u8]) {
    let length = i32::try_from(out.len() - BATCH_PREFIX_BYTES).expect("a batch is smaller than 2 GiB");
    put(out, BATCH_LENGTH_AT, length.to_be_bytes());
    recompute_crc(out);
}

// What is kept as it was lies between the fields that are written: offsets and epoch, and producer and sequence.
const _: () = assert!(LEADER_EPOCH_AT > BATCH_LENGTH_AT && LAST_OFFSET_DELTA_AT > ATTRIBUTES_AT);
const _: () = assert!(MAX_TIMESTAMP_AT < PRODUCER_ID_AT && PRODUCER_ID_AT < RECORD_COUNT_AT);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};
    use crate::wire::records::BatchBuilder;

    fn batch(codec: Compression) -> Vec<u8> {
        let mut builder = BatchBuilder::new(codec)
            .base_offset(Offset(100))
            .leader_epoch(LeaderEpoch(3))
            .producer(ProducerId(7), ProducerEpoch(1), 40);
        for i in 0..5i64 {
            let key = format!("k{i}");
            builder.append(
                5_000 - i * 700,
                Some(key.as_bytes()),
                Some(&[7; 50_000]),
                &[("h", Some(b"x"))],
            );
        }
        builder.build().unwrap().to_vec()
    }

    const CODECS: [Compression; 5] = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];

    #[test]
    fn kept_records_are_what_they_were() {
        for codec in CODECS {
            for horizon in [None, Some(1), Some(1_700_000_000_000), Some(i64::MAX)] {
                let bytes = batch(codec);
                let view = BatchView::parse(&bytes).unwrap();
                let mut opening = Opening::begin(view, 1 << 20).unwrap();
                while opening.step().unwrap() {}
                let open = opening.finish().unwrap();
                let keep = [false, true, false, true, false];
                let mut retaining = Retaining::begin(view, &open, &keep, horizon).unwrap();
                let mut steps = 0;
                let made = loop {
                    steps += 1;
                    if let Some(made) = retaining.step().unwrap() {
                        break made;
                    }
                };
                assert_eq!(steps, 3, "five records of 50 KB, two in a step");
                let made = BatchView::parse(&made).unwrap();
                made.check_crc().unwrap();
                let (old, new) = (view.header(), made.header());
                assert_eq!((new.base_offset, new.last_offset()), (Offset(100), Offset(104)));
                assert_eq!(new.partition_leader_epoch, old.partition_leader_epoch);
                assert_eq!((new.producer_id, new.last_sequence()), (ProducerId(7), 44));
                assert_eq!(new.delete_horizon_ms(), horizon);
                assert_eq!((made.compression(), new.record_count), (codec, 2));
                assert_eq!(new.max_timestamp, 4_300);
                let made = made.open(1 << 20).unwrap();
                let all: Vec<_> = open.records().map(Result::unwrap).collect();
                let left: Vec<_> = made.records().map(Result::unwrap).collect();
                assert_eq!(left, [all[1], all[3]], "{codec:?} {horizon:?}");
            }
        }
    }

    #[test]
    fn opening_stops_at_the_limit() {
        for codec in CODECS {
            let bytes = batch(codec);
            let mut opening = Opening::begin(BatchView::parse(&bytes).unwrap(), 100_000).unwrap();
            let error = loop {
                match opening.step() {
                    Ok(more) => assert!(more, "{codec:?}"),
                    Err(e) => break e,
                }
            };
            assert!(matches!(
                error,
                BatchError::Compression(CompressionError::TooLarge { .. })
            ));
        }
    }

    #[test]
    fn an_empty_batch_keeps_its_producer() {
        for codec in CODECS {
            let bytes = batch(codec);
            let view = BatchView::parse(&bytes).unwrap();
            let made = empty_batch(&view);
            let made = BatchView::parse(&made).unwrap();
            made.check_crc().unwrap();
            let header = made.header();
            assert_eq!(
                (header.record_count, header.size_bytes()),
                (0, BATCH_HEADER_BYTES)
            );
            assert_eq!(
                (header.base_offset, header.last_offset()),
                (Offset(100), Offset(104))
            );
            assert_eq!((header.producer_id, header.last_sequence()), (ProducerId(7), 44));
            assert_eq!(made.open(0).unwrap().records().count(), 0);
        }
    }
}
