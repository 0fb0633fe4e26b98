//! Segments of a partition: what is known of each, their index files, and the files that are open.
//!
//! Shard threads; view: one segment. Nothing here knows of commits or of the write-ahead log.

mod index_build;
mod offset_index;
mod open_files;
mod time_index;

pub use index_build::IndexBuild;
pub use offset_index::{OffsetIndex, OffsetPosition};
pub use open_files::{OpenFiles, SharedFile};
pub use time_index::{TimeIndex, TimestampOffset};
