//! Buffers the disk can write from without a copy.

use super::BLOCK_BYTES;
use crate::rt::backend;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// A block of memory aligned for direct I/O, from a pool of the executor where that has room.
///
/// It dereferences to its whole capacity. What is in a new one is not specified: write before use, and fill up the last
/// block.
pub struct IoBuf(pub(super) backend::disk::IoBuf);

impl IoBuf {
    /// A buffer of at least `bytes`, rounded up to whole blocks; at least one.
    pub fn with_capacity(bytes: usize) -> IoBuf {
        IoBuf(backend::disk::IoBuf::with_capacity(
            bytes.max(1).next_multiple_of(BLOCK_BYTES),
        ))
    }

    /// Its size in bytes, a multiple of the block.
    pub fn capacity(&self) -> usize {
        self.0.len()
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

impl fmt::Debug for IoBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IoBuf({} bytes)", self.capacity())
    }
}
