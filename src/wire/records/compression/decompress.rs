//! From compressed records to records, never more than asked.

use std::fmt;
use std::io::Read;

use super::{Compression, xerial};

/// Why records could not be compressed or decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompressionError {
    /// More than `limit` bytes would come out.
    TooLarge { codec: Compression, limit: usize },
    /// The codec says what it does not like.
    Failed { codec: Compression, detail: String },
}

impl CompressionError {
    /// What a codec says.
    pub(in crate::wire::records) fn failed(codec: Compression, error: &dyn fmt::Display) -> CompressionError {
        CompressionError::Failed {
            codec,
            detail: error.to_string(),
        }
    }
}

impl fmt::Display for CompressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CompressionError::TooLarge { codec, limit } => {
                write!(f, "the {codec} compressed records are larger than {limit} bytes")
            }
            CompressionError::Failed { codec, detail } => write!(f, "{codec}: {detail}"),
        }
    }
}

impl std::error::Error for CompressionError {}

/// Decompresses the records of a batch into at most `limit` bytes. Errors: `TooLarge`, `Failed` for damaged input.
pub fn decompress(codec: Compression, payload: &[u8], limit: usize) -> Result<Vec<u8>, CompressionError> {
    match codec {
        Compression::None if payload.len() > limit => Err(CompressionError::TooLarge { codec, limit }),
        Compression::None => Ok(payload.to_vec()),
        Compression::Gzip => read_all(codec, flate2::read::MultiGzDecoder::new(payload), limit),
        Compression::Snappy => xerial::decompress(payload, limit),
        Compression::Lz4 => read_all(codec, lz4_flex::frame::FrameDecoder::new(payload), limit),
        Compression::Zstd => {
            // The library keeps a window of up to 128 MiB where a frame asks for it, but only touches as much of it as
            // has been decompressed, which the limit bounds.
            let decoder = zstd::stream::read::Decoder::with_buffer(payload).map_err(|error| {
                CompressionError::Failed {
                    codec,
                    detail: error.to_string(),
                }
            })?;
            read_all(codec, decoder, limit)
        }
    }
}

/// Decompresses the records of a batch piece by piece, as much as is asked for.
pub(in crate::wire::records) fn decompressor<'a>(
    codec: Compression,
    payload: &'a [u8],
) -> Result<Box<dyn Read + 'a>, CompressionError> {
    Ok(match codec {
        Compression::None => Box::new(payload),
        Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(payload)),
        Compression::Snappy => Box::new(xerial::XerialDecoder::new(payload)?),
        Compression::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(payload)),
        Compression::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(payload);
            Box::new(decoder.map_err(|e| CompressionError::failed(codec, &e))?)
        }
    })
}

fn read_all(codec: Compression, reader: impl Read, limit: usize) -> Result<Vec<u8>, CompressionError> {
    let mut out = Vec::new();
    let one_more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    match reader.take(one_more).read_to_end(&mut out) {
        _ if out.len() > limit => Err(CompressionError::TooLarge { codec, limit }),
        Ok(_) => Ok(out),
        Err(error) => Err(CompressionError::Failed {
            codec,
            detail: error.to_string(),
        }),
    }
}
