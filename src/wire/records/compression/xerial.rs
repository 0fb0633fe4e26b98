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

use std::io::{self, Read, Write};

use super::{Compression, CompressionError};

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const HEADER_BYTES: usize = 16;

/// The block size of `snappy-java`'s output stream, which Kafka's producers use.
const BLOCK_BYTES: usize = 32 * 1024;

/// The densest element of Snappy is a copy of 3 bytes that makes 64, so a block that claims to be more than this many
/// times its own size is lying.
const MAX_RATIO: usize = 32;

/// Compresses piece by piece: a block goes out when it is full.
pub(in crate::wire::records) struct XerialEncoder {
    block: Vec<u8>,
    out: Vec<u8>,
}

impl XerialEncoder {
    /// An encoder that adds its output to `out`.
    pub fn new(mut out: Vec<u8>) -> XerialEncoder {
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&1i32.to_be_bytes());
        out.extend_from_slice(&1i32.to_be_bytes());
        XerialEncoder {
            block: Vec::new(),
            out,
        }
    }

    /// Bytes that have come out.
    pub fn written(&self) -> usize {
        self.out.len()
    }

    /// Ends the stream.
    pub fn finish(mut self) -> Result<Vec<u8>, snap::Error> {
        self.end_block()?;
        Ok(self.out)
    }

    fn end_block(&mut self) -> Result<(), snap::Error> {
        if self.block.is_empty() {
            return Ok(());
        }
        let at = self.out.len() + 4;
        self.out
            .resize(at + snap::raw::max_compress_len(self.block.len()), 0);
        let size = snap::raw::Encoder::new().compress(&self.block, &mut self.out[at..])?;
        self.out[at - 4..at].copy_from_slice(&(size as u32).to_be_bytes());
        self.out.truncate(at + size);
        self.block.clear();
        Ok(())
    }
}

impl Write for XerialEncoder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(BLOCK_BYTES - self.block.len());
        self.block.extend_from_slice(&bytes[..taken]);
        if self.block.len() == BLOCK_BYTES {
            self.end_block().map_err(io::Error::other)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Decompresses block by block.
pub(in crate::wire::records) struct XerialDecoder<'a> {
    rest: &'a [u8],
    framed: bool,
    block: Vec<u8>,
    at: usize,
}

impl<'a> XerialDecoder<'a> {
    pub fn new(payload: &'a [u8]) -> Result<XerialDecoder<'a>, CompressionError> {
        let framed = payload.starts_with(&MAGIC);
        let rest = match framed {
            true => payload
                .get(HEADER_BYTES..)
                .ok_or_else(|| failed("the header is cut off"))?,
            false => payload,
        };
        Ok(XerialDecoder {
            rest,
            framed,
            block: Vec::new(),
            at: 0,
        })
    }

    fn next_block(&mut self) -> Result<(), CompressionError> {
        let block = match self.framed {
            true => take_block(&mut self.rest)?,
            false => std::mem::take(&mut self.rest),
        };
        self.block.clear();
        self.at = 0;
        // What a block may claim is bounded by its size.
        decompress_block(block, usize::MAX, &mut self.block)
    }
}

impl Read for XerialDecoder<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.len() && !self.rest.is_empty() {
            self.next_block().map_err(|e| io::Error::other(e.to_string()))?;
        }
        let len = out.len().min(self.block.len() - self.at);
        out[..len].copy_from_slice(&self.block[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
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
        let block = take_block(&mut rest)?;
        decompress_block(block, limit, &mut out)?;
    }
    Ok(out)
}

/// The next block of a framed stream.
fn take_block<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], CompressionError> {
    let (size, tail) = rest
        .split_first_chunk::<4>()
        .ok_or_else(|| failed("a block size is cut off"))?;
    let size = u32::from_be_bytes(*size) as usize;
    let (block, tail) = tail
        .split_at_checked(size)
        .ok_or_else(|| failed("a block is cut off"))?;
    *rest = tail;
    Ok(block)
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
