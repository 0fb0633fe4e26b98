//! The bytes of a file, sparse, with blocks shared between copies.

use std::collections::BTreeMap;
use std::rc::Rc;

pub(super) const BLOCK: u64 = 4096;

#[derive(Clone, Default)]
pub(super) struct Content {
    blocks: BTreeMap<u64, Rc<[u8; BLOCK as usize]>>,
    /// The first so many blocks have their room, written or not.
    reserved_blocks: u64,
    len: u64,
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Bytes that take room.
    pub(super) fn allocated(&self) -> u64 {
        let behind = match self.reserved_blocks {
            0 => self.blocks.len(),
            reserved => self.blocks.range(reserved..).count(),
        };
        (self.reserved_blocks + behind as u64) * BLOCK
    }

    /// Gives the first `len` bytes their room. The length stays.
    pub(super) fn reserve(&mut self, len: u64) {
        self.reserved_blocks = self.reserved_blocks.max(len.div_ceil(BLOCK));
    }

    /// Bytes of room a write there would need in addition.
    pub(super) fn missing(&self, position: u64, len: u64) -> u64 {
        if len == 0 {
            return 0;
        }
        let last = (position + len - 1) / BLOCK;
        let first = (position / BLOCK).max(self.reserved_blocks);
        if first > last {
            return 0;
        }
        (last - first + 1 - self.blocks.range(first..=last).count() as u64) * BLOCK
    }

    /// Writes, and makes the file longer if need be.
    pub(super) fn write(&mut self, position: u64, bytes: &[u8]) {
        self.put(position, bytes);
        self.len = self.len.max(position + bytes.len() as u64);
    }

    /// Writes as far as the file reaches.
    pub(super) fn write_within(&mut self, position: u64, bytes: &[u8]) {
        let room = self.len.saturating_sub(position).min(bytes.len() as u64) as usize;
        self.put(position, &bytes[..room]);
    }

    /// Cuts the file, or extends it with zeros. Room that was reserved behind the new end is given back.
    pub(super) fn set_len(&mut self, len: u64) {
        self.reserved_blocks = self.reserved_blocks.min(len.div_ceil(BLOCK));
        if len < self.len {
            self.blocks.split_off(&len.div_ceil(BLOCK));
            if let Some(last) = self.blocks.get_mut(&(len / BLOCK)) {
                Rc::make_mut(last)[(len % BLOCK) as usize..].fill(0);
            }
        }
        self.len = len;
    }

    /// The bytes from `position`, up to `len` of them or the end.
    pub(super) fn read(&self, position: u64, len: usize) -> Vec<u8> {
        let len = self.len.saturating_sub(position).min(len as u64) as usize;
        let mut bytes = vec![0; len];
        let mut done = 0;
        while done < len {
            let at = position + done as u64;
            let skip = (at % BLOCK) as usize;
            let count = (BLOCK as usize - skip).min(len - done);
            if let Some(block) = self.blocks.get(&(at / BLOCK)) {
                bytes[done..done + count].copy_from_slice(&block[skip..skip + count]);
            }
            done += count;
        }
        bytes
    }

    /// Turns one bit.
    pub(super) fn flip(&mut self, position: u64, bit: u8) {
        if position < self.len {
            let byte = self.read(position, 1)[0] ^ (1 << bit);
            self.put(position, &[byte]);
        }
    }

    fn put(&mut self, position: u64, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let at = position + done as u64;
            let skip = (at % BLOCK) as usize;
            let count = (BLOCK as usize - skip).min(bytes.len() - done);
            let block = self
                .blocks
                .entry(at / BLOCK)
                .or_insert_with(|| Rc::new([0; BLOCK as usize]));
            Rc::make_mut(block)[skip..skip + count].copy_from_slice(&bytes[done..done + count]);
            done += count;
        }
    }
}
