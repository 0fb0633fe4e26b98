//! Snappy as Kafka has it: raw Snappy blocks in the framing of the `snappy-java` library.
//!
//! ```text
//! 82 53 4e 41 50 50 59 00   magic
//! 4 bytes                   version, 1
//! 4 bytes                   lowest compatible version, 1
//! then, until the end:
//! 4 bytes                   size of the block
//! bytes                     one raw Snappy block, of 32 KiB uncompressed by default
//! ```
//!
//! Some clients send a single raw block without the framing; it is read as well, as librdkafka and Sarama do.

use super::{Compression, CompressionError};

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const HEADER_BYTES: usize = 16;

/// The block size of `snappy-java`'s output stream, which Kafka's producers use.
const BLOCK_BYTES: usize = 32 * 1024;

/// The densest element of Snappy is a copy of 3 bytes that makes 64, so a block that claims to be more than this many
/// times its own size is lying.
const MAX_RATIO: usize = 32;

pub(super) fn compress(payload: &[u8]) -> Result<Vec<u8>, snap::Error> {
    let mut encoder = snap::raw::Encoder::new();
    let mut out = Vec::with_capacity(HEADER_BYTES + payload.len() / 2);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&1i32.to_be_bytes());
    out.extend_from_slice(&1i32.to_be_bytes());
    let mut block = vec![0; snap::raw::max_compress_len(BLOCK_BYTES.min(payload.len()))];
    for chunk in payload.chunks(BLOCK_BYTES) {
        let size = encoder.compress(chunk, &mut block)?;
        out.extend_from_slice(&(size as u32).to_be_bytes());
        out.extend_from_slice(&block[..size]);
    }
    Ok(out)
}

pub(super) fn decompress(payload: &[u8], limit: usize) -> Result<Vec<u8>, CompressionError> {
    let mut out = Vec::new();
    if !payload.starts_with(&MAGIC) {
        decompress_block(payload, limit, &mut out)?;
        return Ok(out);
    }
    let mut rest = payload
        .get(HEADER_BYTES..)
        .ok_or_else(|| failed("the header is cut off"))?;
    while !rest.is_empty() {
        let (size, tail) = rest
            .split_first_chunk::<4>()
            .ok_or_else(|| failed("a block size is cut off"))?;
        let size = u32::from_be_bytes(*size) as usize;
        let (block, tail) = tail
            .split_at_checked(size)
            .ok_or_else(|| failed("a block is cut off"))?;
        decompress_block(block, limit, &mut out)?;
        rest = tail;
    }
    Ok(out)
}

fn decompress_block(block: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), CompressionError> {
    let size = snap::raw::decompress_len(block).map_err(|e| failed(&e.to_string()))?;
    if size > limit - out.len() {
        return Err(CompressionError::TooLarge {
            codec: Compression::Snappy,
            limit,
        });
    }
    if size > block.len().saturating_mul(MAX_RATIO) {
        return Err(failed("a block claims more than it can hold"));
    }
    let start = out.len();
    out.resize(start + size, 0);
    let written = snap::raw::Decoder::new()
        .decompress(block, &mut out[start..])
        .map_err(|e| failed(&e.to_string()))?;
    assert_eq!(written, size, "snap fills the length it announced");
    Ok(())
}

fn failed(detail: &str) -> CompressionError {
    CompressionError::Failed {
        codec: Compression::Snappy,
        detail: detail.to_owned(),
    }
}
