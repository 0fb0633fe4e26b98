//! The codecs a record batch may use, each behind the same two functions,
//! and the same two streams for whoever works piece by piece.
//!
//! Decompression is the dangerous direction: a few bytes can stand for gigabytes. So it takes a limit, works in small
//! steps and stops as soon as the limit is passed; no length that the input claims is allocated on trust.

mod codec;
mod compress;
mod compressor;
mod decompress;
mod xerial;

pub use codec::Compression;
pub use compress::compress;
pub(super) use compressor::Compressor;
pub(super) use decompress::decompressor;
pub use decompress::{CompressionError, decompress};
