//! From records to compressed records.

use std::io::Write;

use super::compressor::Compressor;
use super::{Compression, CompressionError};

/// Compresses the records of a batch, with each codec's own default level and in the form that every Kafka client reads.
/// Fails only if the compressor does.
pub fn compress(codec: Compression, payload: &[u8]) -> Result<Vec<u8>, CompressionError> {
    let mut compressor = Compressor::new(codec, None, Vec::with_capacity(payload.len() / 2))?;
    compressor
        .write_all(payload)
        .map_err(|e| CompressionError::failed(codec, &e))?;
    compressor.finish()
}
