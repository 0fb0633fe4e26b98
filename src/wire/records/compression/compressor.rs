//! From records to compressed records, piece by piece.

use std::io::{self, Write};

use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use super::xerial::XerialEncoder;
use super::{Compression, CompressionError};

/// Compresses what is written to it, in the form that every Kafka client reads.
pub(in crate::wire::records) enum Compressor {
    None(Vec<u8>),
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
    Snappy(XerialEncoder),
    Lz4(Box<FrameEncoder<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Compressor {
    /// A compressor that adds its output to `out`. `level`: `None`, and -1 for gzip, is the codec's own default; Snappy has
    /// none, and the LZ4 used here has but its fastest.
    pub fn new(codec: Compression, level: Option<i32>, out: Vec<u8>) -> Result<Compressor, CompressionError> {
        Ok(match codec {
            Compression::None => Compressor::None(out),
            Compression::Gzip => {
                let level = match level.and_then(|level| u32::try_from(level).ok()) {
                    Some(level) => flate2::Compression::new(level.min(9)),
                    None => flate2::Compression::default(),
                };
                Compressor::Gzip(flate2::write::GzEncoder::new(out, level))
            }
            Compression::Snappy => Compressor::Snappy(XerialEncoder::new(out)),
            Compression::Lz4 => {
                // What the Java client writes, and all it reads: independent blocks of 64 KiB, version 1 of the frame format.
                let frame = FrameInfo::new()
                    .block_mode(BlockMode::Independent)
                    .block_size(BlockSize::Max64KB);
                Compressor::Lz4(Box::new(FrameEncoder::with_frame_info(frame, out)))
            }
            Compression::Zstd => {
                let level = level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
                let encoder = zstd::stream::write::Encoder::new(out, level);
                Compressor::Zstd(encoder.map_err(|e| CompressionError::failed(codec, &e))?)
            }
        })
    }

    /// Bytes that have come out so far, with what stood there before.
    pub fn written(&self) -> usize {
        match self {
            Compressor::None(out) => out.len(),
            Compressor::Gzip(encoder) => encoder.get_ref().len(),
            Compressor::Snappy(encoder) => encoder.written(),
            Compressor::Lz4(encoder) => encoder.get_ref().len(),
            Compressor::Zstd(encoder) => encoder.get_ref().len(),
        }
    }

    /// Ends the stream and gives all that has come out.
    pub fn finish(self) -> Result<Vec<u8>, CompressionError> {
        match self {
            Compressor::None(out) => Ok(out),
            Compressor::Gzip(encoder) => encoder
                .finish()
                .map_err(|e| CompressionError::failed(Compression::Gzip, &e)),
            Compressor::Snappy(encoder) => encoder
                .finish()
                .map_err(|e| CompressionError::failed(Compression::Snappy, &e)),
            Compressor::Lz4(encoder) => encoder
                .finish()
                .map_err(|e| CompressionError::failed(Compression::Lz4, &e)),
            Compressor::Zstd(encoder) => encoder
                .finish()
                .map_err(|e| CompressionError::failed(Compression::Zstd, &e)),
        }
    }
}

impl Write for Compressor {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Compressor::None(out) => out.write(bytes),
            Compressor::Gzip(encoder) => encoder.write(bytes),
            Compressor::Snappy(encoder) => encoder.write(bytes),
            Compressor::Lz4(encoder) => encoder.write(bytes),
            Compressor::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
