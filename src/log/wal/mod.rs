//! The write-ahead log of a shard: its frames, its ring of files, and reading it back.
//!
//! One per shard, on the shard's thread; reading back is done by every shard for all files, each for its partitions.
//! The layout is in `FORMAT.md`. Knows nothing of segments: an entry is a run of whole batches of one partition.
//! Promise: a frame is durable when its write returns, and frames count as durable in the order of their numbers.

mod frame;
mod frame_limits;
mod wal_file;
mod wal_ring;

pub use frame::{
    DIRECTORY_ENTRY_BYTES, DirectoryEntry, FRAME_HEADER_BYTES, FrameHeader, encode_frame, frame_bytes,
    parse_directory, prefix_check,
};
pub(in crate::log) use frame_limits::FrameLimits;
pub(in crate::log) use wal_file::create_wal_file;
pub(in crate::log) use wal_ring::{FramePlace, Retiring, WalRing};
