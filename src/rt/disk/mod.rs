//! Files, past the page cache, and directories. [`blocking`] is for the control thread, which has no ring.
//!
//! What is durable when: data and length of a file with [`File::datasync`] or, for a file opened with `dsync`, when the
//! write is ready; that a name exists, moved or is gone with [`sync_dir`] of the directories concerned. Everything
//! else may be there after a crash, or not, or in part; a torn write is torn between sectors of 512 bytes.

pub mod blocking;
mod directory;
mod file;
mod io_buf;
mod read_buf;

pub use directory::{
    DirEntry, Space, create_dir_all, create_dir_with_files, prime, read_dir, read_file, remove_dir_all,
    remove_file, rename, space, sync_dir, write_file_atomic, write_file_unsynced,
};
pub use file::{File, OpenOptions};
pub use io_buf::IoBuf;
pub use read_buf::ReadBuf;

/// Alignment of positions and lengths of writes, in bytes.
pub use crate::base::limits::DISK_BLOCK_BYTES as BLOCK_BYTES;
