//! Makes a batch of some of another's records, as compaction does: offsets, sequences and the leader's epoch stay.

use super::batch_header::{
    ATTRIBUTES_AT, BASE_TIMESTAMP_AT, BATCH_LENGTH_AT, LAST_OFFSET_DELTA_AT, LEADER_EPOCH_AT,
    MAX_TIMESTAMP_AT, PRODUCER_ID_AT, RECORD_COUNT_AT,
};
use super::compression;
use super::patch::recompute_crc;
use super::varint::{put_i32, put_i64, take_i32, take_i64};
use super::{
    Attributes, BATCH_HEADER_BYTES, BATCH_PREFIX_BYTES, BatchError, BatchView, Compression, OpenBatch,
    TimestampType,
};

/// The batch with those of its records for which `keep` says so, at least one, compressed with its own codec. `open` is the
/// batch opened; `keep` has an entry per record.
///
/// With `delete_horizon_ms` that becomes the base timestamp (KIP-534), and the records' deltas are made anew. Else their
/// bytes stay as they are. Errors: `Record`, and `Compression` if the compressor fails.
pub fn retain_records(
    batch: &BatchView<'_>,
    open: &OpenBatch<'_>,
    keep: &[bool],
    delete_horizon_ms: Option<i64>,
) -> Result<Vec<u8>, BatchError> {
    let header = batch.header();
    let mut payload = Vec::with_capacity(open.payload().len());
    let (mut count, mut largest_ms) = (0i32, i64::MIN);
    let mut records = open.records();
    let mut kept = keep.iter();
    loop {
        let before = records.rest();
        let Some(record) = records.next() else { break };
        let record = record?;
        if !kept.next().is_some_and(|keep| *keep) {
            continue;
        }
        let raw = &before[..before.len() - records.rest().len()];
        match delete_horizon_ms {
            Some(horizon) => move_base(raw, header.base_timestamp.wrapping_sub(horizon), &mut payload),
            None => payload.extend_from_slice(raw),
        }
        count += 1;
        largest_ms = largest_ms.max(record.timestamp_ms);
    }
    assert!(count > 0, "a batch without records is made by `empty_batch`");
    let codec = batch.compression();
    let mut out = batch.bytes()[..BATCH_HEADER_BYTES].to_vec();
    if codec.is_none() {
        out.extend_from_slice(&payload);
    } else {
        out.extend_from_slice(&compression::compress(codec, &payload)?);
    }
    if let Some(horizon) = delete_horizon_ms {
        put(
            &mut out,
            ATTRIBUTES_AT,
            header.attributes.delete_horizon().0.to_be_bytes(),
        );
        put(&mut out, BASE_TIMESTAMP_AT, horizon.to_be_bytes());
    }
    if header.attributes.timestamp_type() == TimestampType::CreateTime {
        put(&mut out, MAX_TIMESTAMP_AT, largest_ms.to_be_bytes());
    }
    put(&mut out, RECORD_COUNT_AT, count.to_be_bytes());
    seal(&mut out);
    Ok(out)
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
                Some(b"v"),
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
                let open = view.open(1 << 20).unwrap();
                let keep = [false, true, false, true, false];
                let made = retain_records(&view, &open, &keep, horizon).unwrap();
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
