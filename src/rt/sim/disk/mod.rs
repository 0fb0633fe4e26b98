//! The simulated disk. Each process has one, by its name.
//!
//! What a crash leaves, by the seed:
//! - A write that was not followed by a datasync, or is still in flight, is kept, lost, or torn: each of its 512-byte
//!   sectors on its own. A write through a `dsync` file is there in full once it was ready.
//! - A file's length follows the order of the operations that changed it: none survives without those before.
//! - A name that was made, moved or removed survives only with [`crate::rt::disk::sync_dir`] of its directory; of those
//!   that were not synced the first few of a directory survive, or all, or none. A move between directories happens in
//!   both or in neither. With [`FaultPlan::names_out_of_order`] those of a directory survive in any combination.
//! - Syncing a file makes nothing but that file durable, unlike on file systems with one journal.
//!
//! A failed datasync loses some of the writes it was for, for good, although they can be read until the crash, as on
//! Linux.

mod async_ops;
pub(in crate::rt) mod blocking;
mod content;
mod crash;
mod device;
mod faults;
mod file_node;
mod tree;

pub(in crate::rt) use async_ops::{
    File, create_dir_all, create_dir_with_files, prime, read_dir, read_file, remove_dir_all, remove_file,
    rename, space, sync_dir, write_file_atomic, write_file_unsynced,
};
pub(super) use device::Disk;
pub use faults::{FaultPlan, SimDisk, of, set_faults};

use std::ops::{Deref, DerefMut};
use std::rc::Rc;

/// What was read.
pub(in crate::rt) type ReadBuf = Rc<[u8]>;

/// Memory of the simulated disk's size of blocks. New ones are full of a pattern, so that code which relies on zeros is
/// found out.
pub(in crate::rt) struct IoBuf(Vec<u8>);

impl IoBuf {
    pub(in crate::rt) fn with_capacity(bytes: usize) -> IoBuf {
        IoBuf(vec![0xa5; bytes])
    }
}

impl Deref for IoBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for IoBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}
