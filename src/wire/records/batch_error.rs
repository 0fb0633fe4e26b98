//! What can be wrong with a record batch.

use std::fmt;

use super::compression::CompressionError;

/// Why bytes are not a usable record batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchError {
    /// The bytes end inside a batch. `needed` is the size of the whole batch as far as it is known: at least the 17 bytes
    /// up to the magic, or 61 of the header.
    Partial { have: usize, needed: usize },
    /// The length field is smaller than a header, or negative.
    Length { batch_length: i32 },
    /// A magic other than 2. 0 and 1 are the message formats before Kafka 0.11.
    UnsupportedMagic { magic: i8 },
    /// The checksum does not match: the bytes are damaged.
    Crc { stored: u32, computed: u32 },
    /// The number of records is negative, more than the offsets allow, or more than the bytes can hold.
    RecordCount {
        record_count: i32,
        last_offset_delta: i32,
    },
    /// The offsets are impossible: negative delta, or past the end of 64 bits.
    Offsets {
        base_offset: i64,
        last_offset_delta: i32,
    },
    /// A compression id Kafka does not know.
    UnknownCompression { id: u8 },
    /// The records could not be decompressed.
    Compression(CompressionError),
    /// The records are compressed, and the caller asked for them as they are.
    Compressed,
    /// A record inside the batch is malformed.
    Record { index: i32, what: &'static str },
    /// A producer may not send such a batch.
    NotFromProducer { what: &'static str },
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BatchError::Partial { have, needed } => {
                write!(
                    f,
                    "the record batch is cut off: {have} bytes of at least {needed}"
                )
            }
            BatchError::Length { batch_length } => write!(f, "impossible record batch length {batch_length}"),
            BatchError::UnsupportedMagic {
                magic: magic @ (0 | 1),
            } => write!(
                f,
                "message format v{magic} is not supported, only record batches v2 (Kafka 0.11 and later)"
            ),
            BatchError::UnsupportedMagic { magic } => write!(f, "unknown record batch magic {magic}"),
            BatchError::Crc { stored, computed } => {
                write!(
                    f,
                    "record batch checksum {stored:#010x} does not match the bytes ({computed:#010x})"
                )
            }
            BatchError::RecordCount {
                record_count,
                last_offset_delta,
            } => {
                write!(
                    f,
                    "record count {record_count} does not fit last offset delta {last_offset_delta} or the bytes"
                )
            }
            BatchError::Offsets {
                base_offset,
                last_offset_delta,
            } => {
                write!(
                    f,
                    "impossible offsets: base {base_offset}, last offset delta {last_offset_delta}"
                )
            }
            BatchError::UnknownCompression { id } => write!(f, "unknown compression id {id}"),
            BatchError::Compression(error) => error.fmt(f),
            BatchError::Compressed => f.write_str("the records are compressed"),
            BatchError::Record { index, what } => write!(f, "record {index} of the batch: {what}"),
            BatchError::NotFromProducer { what } => write!(f, "a producer may not send this batch: {what}"),
        }
    }
}

impl std::error::Error for BatchError {}

impl From<CompressionError> for BatchError {
    fn from(error: CompressionError) -> BatchError {
        BatchError::Compression(error)
    }
}
