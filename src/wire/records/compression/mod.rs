//! The codecs a record batch may use, each behind the same two functions.
//!
//! Decompression is the dangerous direction: a few bytes can stand for gigabytes. So it takes a limit, works in small
//! steps and stops as soon as the limit is passed; no length that the input claims is allocated on trust.

mod codec;
mod compress;
mod decompress;
mod xerial;

pub use codec::Compression;
pub use compress::compress;
pub use decompress::{CompressionError, decompress};
