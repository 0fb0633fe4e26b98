//! From records to compressed records.

use std::io::Write;

use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use super::{Compression, CompressionError, xerial};

/// Compresses the records of a batch, with each codec's own default level and in the form that every Kafka client reads.
/// Fails only if the compressor does.
pub fn compress(codec: Compression, payload: &[u8]) -> Result<Vec<u8>, CompressionError> {
    let failed = |error: &dyn std::fmt::Display| CompressionError::Failed {
        codec,
        detail: error.to_string(),
    };
    match codec {
        Compression::None => Ok(payload.to_vec()),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder
                .write_all(payload)
                .and_then(|()| encoder.finish())
                .map_err(|e| failed(&e))
        }
        Compression::Snappy => xerial::compress(payload).map_err(|e| failed(&e)),
        Compression::Lz4 => {
            // What the Java client writes, and all it reads: independent blocks of 64 KiB, version 1 of the frame format.
            let frame = FrameInfo::new()
                .block_mode(BlockMode::Independent)
                .block_size(BlockSize::Max64KB);
            let mut encoder = FrameEncoder::with_frame_info(frame, Vec::new());
            encoder.write_all(payload).map_err(|e| failed(&e))?;
            encoder.finish().map_err(|e| failed(&e))
        }
        Compression::Zstd => {
            zstd::stream::encode_all(payload, zstd::DEFAULT_COMPRESSION_LEVEL).map_err(|e| failed(&e))
        }
    }
}
