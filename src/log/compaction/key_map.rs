//! The newest offset of each key, in memory of a fixed size.

use crate::base::ids::Offset;
use std::hash::{BuildHasher, Hasher, RandomState};

/// Entries that are allocated together: 768 KiB, below the size from which an allocation would stall the shard.
const CHUNK_SLOTS: usize = 32 * 1024;
/// How full it may get, in percent: Kafka's `log.cleaner.io.buffer.load.factor`. A search looks at five entries then, on average.
const LOAD_PERCENT: usize = 90;

/// A key by its hash, and the largest offset seen with it.
///
/// The hash has 128 bits and secret keys: two keys of a log that are taken for one are less likely than a broken disk, and
/// nobody can make such keys on purpose.
#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: [u64; 2],
    /// `NONE` if nothing is here.
    offset: i64,
}

const NONE: i64 = -1;

/// Bytes of memory per slot.
pub const SLOT_BYTES: usize = size_of::<Slot>();
const _: () = assert!(SLOT_BYTES == 24);

/// There is no room for another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// From key to offset: open addressing, one probe after the other.
#[derive(Debug)]
pub struct KeyMap {
    /// Allocated when they are first written to.
    chunks: Vec<Option<Box<[Slot]>>>,
    slots: usize,
    len: usize,
    hashers: [RandomState; 2],
}

impl KeyMap {
    /// A map within `bytes` of memory, for at most `keys` keys. There is room for one key at least.
    pub fn new(bytes: usize, keys: u64) -> KeyMap {
        let wanted = (keys.saturating_mul(100) / LOAD_PERCENT as u64).saturating_add(2);
        let slots = (bytes / SLOT_BYTES)
            .min(usize::try_from(wanted).unwrap_or(usize::MAX))
            .max(2);
        KeyMap {
            chunks: (0..slots.div_ceil(CHUNK_SLOTS)).map(|_| None).collect(),
            slots,
            len: 0,
            hashers: [RandomState::new(), RandomState::new()],
        }
    }

    /// How many keys there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Notes a record. Offsets come in rising order. `Full`: it is not noted, because its key is not there and there is no
    /// room for it.
    pub fn put(&mut self, key: &[u8], offset: Offset) -> Result<(), Full> {
        let hash = self.hash(key);
        let mut at = self.home(hash);
        loop {
            match self.slot(at) {
                Some(slot) if slot.offset == NONE => break,
                Some(slot) if slot.hash == hash => {
                    self.set(
                        at,
                        Slot {
                            hash,
                            offset: offset.0,
                        },
                    );
                    return Ok(());
                }
                Some(_) => at = self.next(at),
                None => break,
            }
        }
        if (self.len + 1) * 100 > self.slots * LOAD_PERCENT && self.len > 0 {
            return Err(Full);
        }
        self.len += 1;
        self.set(
            at,
            Slot {
                hash,
                offset: offset.0,
            },
        );
        Ok(())
    }

    /// The largest offset noted for a key.
    pub fn newest(&self, key: &[u8]) -> Option<Offset> {
        let hash = self.hash(key);
        let mut at = self.home(hash);
        loop {
            let slot = self.slot(at)?;
            if slot.offset == NONE {
                return None;
            }
            if slot.hash == hash {
                return Some(Offset(slot.offset));
            }
            at = self.next(at);
        }
    }

    /// Gives a part of the memory back; false if there is none left. The map is not to be used any more.
    pub fn release(&mut self) -> bool {
        self.chunks.pop().is_some()
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        self.hashers.each_ref().map(|state| {
            let mut hasher = state.build_hasher();
            hasher.write(key);
            hasher.finish()
        })
    }

    fn home(&self, hash: [u64; 2]) -> usize {
        ((u128::from(hash[0]) * self.slots as u128) >> 64) as usize
    }

    fn next(&self, at: usize) -> usize {
        if at + 1 == self.slots { 0 } else { at + 1 }
    }

    /// `None` if nothing was ever written near there.
    fn slot(&self, at: usize) -> Option<Slot> {
        let chunk = self.chunks[at / CHUNK_SLOTS].as_ref()?;
        Some(chunk[at % CHUNK_SLOTS])
    }

    fn set(&mut self, at: usize, slot: Slot) {
        let size = (self.slots - at / CHUNK_SLOTS * CHUNK_SLOTS).min(CHUNK_SLOTS);
        let chunk = self.chunks[at / CHUNK_SLOTS].get_or_insert_with(|| {
            let empty = Slot {
                hash: [0; 2],
                offset: NONE,
            };
            vec![empty; size].into_boxed_slice()
        });
        chunk[at % CHUNK_SLOTS] = slot;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn it_says_what_a_tree_would() {
        let mut map = KeyMap::new(usize::MAX, 100_000);
        let mut model = BTreeMap::new();
        for i in 0..200_000u64 {
            let key = (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 70_000).to_string();
            map.put(key.as_bytes(), Offset(i as i64)).unwrap();
            model.insert(key, Offset(i as i64));
        }
        assert_eq!(map.len(), model.len());
        for (key, offset) in &model {
            assert_eq!(map.newest(key.as_bytes()), Some(*offset), "{key}");
        }
        assert_eq!(map.newest(b"nobody"), None);
        assert_eq!(map.newest(b""), None);
        while map.release() {}
    }

    #[test]
    fn it_keeps_its_size_and_says_when_it_is_full() {
        let mut map = KeyMap::new(1000 * SLOT_BYTES, u64::MAX);
        for i in 0..900u32 {
            map.put(&i.to_be_bytes(), Offset(i.into())).unwrap();
        }
        assert_eq!(map.put(b"one more", Offset(900)), Err(Full));
        assert_eq!(map.newest(b"one more"), None);
        // A key that is there can be noted again.
        map.put(&17u32.to_be_bytes(), Offset(901)).unwrap();
        assert_eq!(map.newest(&17u32.to_be_bytes()), Some(Offset(901)));
        assert_eq!(map.len(), 900);
    }

    #[test]
    fn the_smallest_map_takes_a_key() {
        let mut map = KeyMap::new(0, 0);
        map.put(b"a", Offset(1)).unwrap();
        assert_eq!(map.put(b"b", Offset(2)), Err(Full));
        assert_eq!((map.newest(b"a"), map.newest(b"b")), (Some(Offset(1)), None));
    }
}
