//! Changes the compression of a batch, in small steps: `compression.type` of a topic that is not `producer`.
//!
//! What is compressed is the same sequence of bytes whatever the codec, so the records are not taken apart: their bytes go
//! from one codec to the other, and codec, length and checksum of the header change with them. Offsets, timestamps, producer
//! and sequence stay. Only the lengths of the records are looked at on the way, so that what is stored can be read.

use std::io::{Read, Write};

use bytes::BytesMut;

use super::batch_header::{ATTRIBUTES_AT, BATCH_LENGTH_AT};
use super::compression::{CompressionError, Compressor, decompressor};
use super::patch::recompute_crc;
use super::{BATCH_HEADER_BYTES, BATCH_PREFIX_BYTES, BatchError, BatchView, Compression, MIN_RECORD_BYTES};

/// How many uncompressed bytes a step takes from one codec to the other. gzip at its usual level needs about 2 ms for it.
const STEP_BYTES: usize = 64 << 10;

/// What a batch's compression is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressionTarget {
    /// The codec.
    pub codec: Compression,
    /// Kafka's level for it; `None` for the codec's own default. LZ4 and Snappy have but one here.
    pub level: Option<i32>,
}

/// Why a batch could not be brought to another compression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecompressionError {
    /// It is damaged.
    Batch(BatchError),
    /// It would be larger than it may be: by now it has this many bytes.
    TooLarge { bytes: usize },
}

impl From<BatchError> for RecompressionError {
    fn from(error: BatchError) -> RecompressionError {
        RecompressionError::Batch(error)
    }
}

impl From<CompressionError> for RecompressionError {
    fn from(error: CompressionError) -> RecompressionError {
        RecompressionError::Batch(BatchError::Compression(error))
    }
}

/// How far it is.
#[derive(Debug)]
pub enum Progress {
    /// Another step is needed.
    More,
    /// The batch in its new compression.
    Done(BytesMut),
}

/// A batch on its way from one codec to another.
pub struct Recompression<'a> {
    batch: BatchView<'a>,
    from: Box<dyn Read + 'a>,
    /// `None` when it has given its result.
    to: Option<Compressor>,
    codec: Compression,
    /// Largest size of the result.
    limit: usize,
    walk: RecordWalk,
    step: Vec<u8>,
}

impl<'a> Recompression<'a> {
    /// Begins. The checksum was checked before: the new one would hide damage. `limit`: largest size of the result.
    pub fn begin(
        batch: BatchView<'a>,
        target: CompressionTarget,
        limit: usize,
    ) -> Result<Recompression<'a>, RecompressionError> {
        // The compressed records follow the header in the compressor's output.
        let header = batch.bytes()[..BATCH_HEADER_BYTES].to_vec();
        Ok(Recompression {
            batch,
            from: decompressor(batch.compression(), batch.payload())?,
            to: Some(Compressor::new(target.codec, target.level, header)?),
            codec: target.codec,
            limit,
            walk: RecordWalk::default(),
            step: vec![0; STEP_BYTES],
        })
    }

    /// Takes a bounded number of bytes from one codec to the other.
    pub fn step(&mut self) -> Result<Progress, RecompressionError> {
        let from_codec = self.batch.compression();
        let read = self.from.read(&mut self.step);
        let read = read.map_err(|e| CompressionError::failed(from_codec, &e))?;
        let to = self.to.as_mut().expect("no step follows the last");
        if read > 0 {
            self.walk.take(&self.step[..read])?;
            to.write_all(&self.step[..read])
                .map_err(|e| CompressionError::failed(self.codec, &e))?;
            return match to.written() {
                bytes if bytes > self.limit => Err(RecompressionError::TooLarge { bytes }),
                _ => Ok(Progress::More),
            };
        }
        self.walk.finish(self.batch.header().record_count)?;
        let to = self.to.take().expect("it was there a moment ago");
        let bytes = to.finish()?;
        if bytes.len() > self.limit {
            return Err(RecompressionError::TooLarge { bytes: bytes.len() });
        }
        Ok(Progress::Done(self.with_new_header(bytes)))
    }

    fn with_new_header(&self, mut bytes: Vec<u8>) -> BytesMut {
        let length = i32::try_from(bytes.len() - BATCH_PREFIX_BYTES).expect("the limit is smaller");
        let attributes = self.batch.header().attributes.with_compression(self.codec);
        bytes[BATCH_LENGTH_AT..BATCH_LENGTH_AT + 4].copy_from_slice(&length.to_be_bytes());
        bytes[ATTRIBUTES_AT..ATTRIBUTES_AT + 2].copy_from_slice(&attributes.0.to_be_bytes());
        recompute_crc(&mut bytes);
        BytesMut::from(bytes::Bytes::from(bytes))
    }
}

/// Follows the lengths of records through a stream of bytes that comes in pieces.
#[derive(Debug, Default)]
struct RecordWalk {
    /// Records that have begun.
    records: i32,
    /// What is left of the present one.
    left: usize,
    /// The bits of a length so far, and how many.
    length: u32,
    bits: u32,
}

impl RecordWalk {
    fn take(&mut self, mut bytes: &[u8]) -> Result<(), BatchError> {
        while let Some((byte, rest)) = bytes.split_first() {
            if self.left > 0 {
                let step = self.left.min(bytes.len());
                self.left -= step;
                bytes = &bytes[step..];
                continue;
            }
            // Seven bits at a time, the lowest first; zigzag, so that an odd number is negative.
            self.length |= u32::from(byte & 0x7f) << self.bits;
            self.bits += 7;
            bytes = rest;
            if byte & 0x80 != 0 {
                if self.bits >= 32 {
                    return Err(self.malformed("its length is malformed"));
                }
                continue;
            }
            let length = (self.length >> 1) as usize;
            if self.length & 1 != 0 || length < MIN_RECORD_BYTES - 1 {
                return Err(self.malformed("its length is malformed"));
            }
            self.left = length;
            (self.length, self.bits) = (0, 0);
            self.records = self.records.saturating_add(1);
        }
        Ok(())
    }

    /// All bytes were taken: whole records, as many as the header says.
    fn finish(&self, record_count: i32) -> Result<(), BatchError> {
        if self.left > 0 || self.bits > 0 {
            return Err(self.malformed("it is cut off"));
        }
        if self.records != record_count {
            return Err(self.malformed("the batch has another number of records than its header says"));
        }
        Ok(())
    }

    fn malformed(&self, what: &'static str) -> BatchError {
        BatchError::Record {
            index: self.records,
            what,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};
    use crate::wire::records::{BatchBuilder, BatchHeader, patch_base_offset_and_epoch};

    fn batch(codec: Compression, records: usize, value_bytes: usize) -> BytesMut {
        let mut builder = BatchBuilder::new(codec).producer(ProducerId(7), ProducerEpoch(3), 40);
        for i in 0..records {
            let value: Vec<u8> = (0..value_bytes).map(|b| (b * (i + 1) / 7) as u8).collect();
            builder.append(1_000 + i as i64 % 17, Some(&[i as u8]), Some(&value), &[]);
        }
        let mut batch = builder.build().unwrap();
        patch_base_offset_and_epoch(&mut batch, Offset(99), LeaderEpoch(5));
        batch
    }

    fn recompress(
        bytes: &[u8],
        codec: Compression,
        level: Option<i32>,
        limit: usize,
    ) -> Result<(BytesMut, usize), RecompressionError> {
        let target = CompressionTarget { codec, level };
        let mut recompression = Recompression::begin(BatchView::parse(bytes).unwrap(), target, limit)?;
        let mut steps = 1;
        loop {
            match recompression.step()? {
                Progress::More => steps += 1,
                Progress::Done(bytes) => return Ok((bytes, steps)),
            }
        }
    }

    fn payload(bytes: &[u8]) -> Vec<u8> {
        let batch = BatchView::parse(bytes).unwrap();
        assert_eq!(batch.bytes().len(), bytes.len());
        batch.check_crc().unwrap();
        batch.open(10 << 20).unwrap().payload().to_vec()
    }

    #[test]
    fn every_codec_to_every_other_changes_nothing_else() {
        for from in Compression::ALL {
            for to in Compression::ALL {
                let original = batch(from, 300, 1000);
                let (changed, steps) = recompress(&original, to, None, 1 << 20).unwrap();
                assert_eq!(payload(&changed), payload(&original), "{from} to {to}");
                assert!(steps > 300_000 / STEP_BYTES, "{from} to {to} in {steps} steps");
                let (old, new) = (
                    BatchHeader::parse(&original).unwrap(),
                    BatchHeader::parse(&changed).unwrap(),
                );
                assert_eq!(new.attributes.compression(), Ok(to));
                let same = BatchHeader {
                    batch_length: old.batch_length,
                    crc: old.crc,
                    attributes: old.attributes,
                    ..new
                };
                assert_eq!(same, old, "{from} to {to}");
            }
        }
    }

    #[test]
    fn levels_count_where_there_are_some() {
        let original = batch(Compression::None, 300, 1000);
        for (codec, low, high) in [(Compression::Gzip, 1, 9), (Compression::Zstd, -50, 19)] {
            let size = |level| {
                recompress(&original, codec, Some(level), 1 << 20)
                    .unwrap()
                    .0
                    .len()
            };
            assert!(size(high) < size(low), "{codec}");
        }
    }

    #[test]
    fn what_becomes_too_large_is_given_up_early() {
        // A few KiB that stand for 40 MB.
        let mut builder = BatchBuilder::new(Compression::Zstd);
        builder.append(0, None, Some(&vec![0; 40 << 20]), &[]);
        let small = builder.build().unwrap();
        assert!(small.len() < 64 << 10);
        let target = CompressionTarget {
            codec: Compression::None,
            level: None,
        };
        let mut recompression =
            Recompression::begin(BatchView::parse(&small).unwrap(), target, 1 << 20).unwrap();
        for _ in 0..100 {
            match recompression.step() {
                Ok(Progress::More) => {}
                Ok(Progress::Done(_)) => panic!("it is too large"),
                Err(e) => {
                    assert!(
                        matches!(e, RecompressionError::TooLarge { bytes } if bytes < 2 << 20),
                        "{e:?}"
                    );
                    return;
                }
            }
        }
        panic!("it goes on for ever");
    }

    #[test]
    fn what_gets_through_can_be_read() {
        for from in Compression::ALL {
            let original = batch(from, 20, 100);
            let whole = payload(&original);
            for at in BATCH_HEADER_BYTES..original.len() {
                let mut bad = original.clone();
                bad[at] ^= 0x10;
                for to in [Compression::None, Compression::Lz4] {
                    if let Ok((changed, _)) = recompress(&bad, to, None, 1 << 20) {
                        // No codec sees everything, as the checksum does, which is checked before. It can be read.
                        payload(&changed);
                    }
                }
            }
            for end in BATCH_HEADER_BYTES..original.len() {
                let mut cut = original[..end].to_vec();
                let length = (end - BATCH_PREFIX_BYTES) as i32;
                cut[BATCH_LENGTH_AT..BATCH_LENGTH_AT + 4].copy_from_slice(&length.to_be_bytes());
                if BatchView::parse(&cut).is_err() {
                    continue;
                }
                let cut = recompress(&cut, Compression::Gzip, None, 1 << 20);
                if let Ok((changed, _)) = cut {
                    assert_eq!(payload(&changed), whole, "{from} cut at {end}");
                }
            }
        }
    }

    #[test]
    fn records_are_counted_over_pieces() {
        let bytes = payload(&batch(Compression::None, 9, 200));
        for piece in [1, 2, 3, 100, 5000] {
            let mut walk = RecordWalk::default();
            bytes.chunks(piece).for_each(|piece| walk.take(piece).unwrap());
            walk.finish(9).unwrap();
            assert!(walk.finish(8).is_err());
        }
        let mut walk = RecordWalk::default();
        walk.take(&bytes[..bytes.len() - 1]).unwrap();
        assert!(walk.finish(9).is_err());
        assert!(RecordWalk::default().take(&[0x01]).is_err(), "negative");
        assert!(
            RecordWalk::default().take(&[0xff; 6]).is_err(),
            "longer than five bytes"
        );
    }
}
