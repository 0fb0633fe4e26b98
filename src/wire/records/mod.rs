//! Record batches of format v2 (KIP-98): looking at them, building them, patching what a broker may change.
//!
//! Sans I/O, pure functions over byte slices; any thread; no state. Knows nothing of partitions, logs or requests.
//! Called by `log` (append, recovery, compaction), by the coordinators (their own records), by the command line, the
//! load generator and the tests.
//!
//! Every byte is taken as hostile: nothing here panics on input, and nothing allocates more than a small multiple of
//! the bytes at hand, or of the limit the caller gives where something is decompressed.
//!
//! A batch is a header of 61 bytes and its records:
//!
//! ```text
//! at  bytes
//!  0  8  base offset               } outside the checksum: a broker
//!  8  4  batch length, from here on }
//! 12  4  partition leader epoch    } sets these in place
//! 16  1  magic = 2
//! 17  4  CRC-32C of everything from byte 21 on
//! 21  2  attributes (`Attributes`)
//! 23  4  last offset delta
//! 27  8  base timestamp            (or the delete horizon, if the attribute says so)
//! 35  8  max timestamp
//! 43  8  producer id
//! 51  2  producer epoch
//! 53  4  base sequence
//! 57  4  number of records
//! 61     records, compressed as one block if the attributes say so
//! ```
//!
//! Start reading in `batch_header.rs`, then `batch_view.rs`.

mod attributes;
mod batch_builder;
mod batch_error;
mod batch_header;
mod batch_view;
mod batches;
pub mod compression;
mod control_marker;
mod patch;
mod recompression;
mod record;
mod retain;
mod varint;

pub use attributes::{Attributes, TimestampType};
pub use batch_builder::BatchBuilder;
pub use batch_error::BatchError;
pub use batch_header::{BATCH_HEADER_BYTES, BATCH_PREFIX_BYTES, BatchHeader, MIN_RECORD_BYTES};
pub use batch_view::{BatchView, OpenBatch};
pub use batches::{Batches, batches};
pub use compression::Compression;
pub use control_marker::{ControlMarker, MarkerKind};
pub use patch::{patch_base_offset_and_epoch, patch_max_timestamp_log_append, patch_producer};
pub use recompression::{CompressionTarget, Progress, Recompression, RecompressionError};
pub use record::{Record, RecordHeader, RecordHeaders, Records};
pub use retain::{Opening, Retaining, empty_batch};
