//! A fast hasher without a random seed, for maps keyed by ids of our own making.
//!
//! Whoever can choose keys can make them collide, so maps keyed by what clients choose (names, group ids, client ids)
//! keep the standard hasher. Its order is the same in every run, which the simulation needs; still, nothing may depend
//! on what the order is.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// A map keyed by ids of our own making.
pub type FastMap<K, V> = HashMap<K, V, BuildHasherDefault<FastHasher>>;
/// A set of ids of our own making.
pub type FastSet<K> = HashSet<K, BuildHasherDefault<FastHasher>>;

/// Multiply and rotate per word. A table takes its bucket from the low bits, which a product of high bits leaves zero;
/// so at the end both halves of a wide product are folded into one.
#[derive(Clone, Copy, Default, Debug)]
pub struct FastHasher(u64);

/// An odd number with about half of its bits set: 2^64 divided by the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

impl FastHasher {
    #[inline]
    fn word(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(MULTIPLIER);
    }
}

impl Hasher for FastHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.word(u64::from_le_bytes(chunk.try_into().expect("chunks of 8")));
        }
        let rest = chunks.remainder();
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.word(u64::from_le_bytes(last) ^ ((rest.len() as u64) << 56));
        }
    }

    #[inline]
    fn write_u8(&mut self, n: u8) {
        self.word(u64::from(n));
    }

    #[inline]
    fn write_u16(&mut self, n: u16) {
        self.word(u64::from(n));
    }

    #[inline]
    fn write_u32(&mut self, n: u32) {
        self.word(u64::from(n));
    }

    #[inline]
    fn write_u64(&mut self, n: u64) {
        self.word(n);
    }

    #[inline]
    fn write_usize(&mut self, n: usize) {
        self.word(n as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        let product = u128::from(self.0) * u128::from(MULTIPLIER);
        product as u64 ^ (product >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::{BuildHasher, BuildHasherDefault};

    fn buckets_used(hashes: impl Iterator<Item = u64>) -> usize {
        hashes
            .map(|h| h & 0x3ff)
            .collect::<std::collections::BTreeSet<_>>()
            .len()
    }

    #[test]
    fn neighbours_spread_over_the_buckets() {
        let build = BuildHasherDefault::<FastHasher>::default();
        // 1024 random throws into 1024 buckets hit about 647 of them.
        assert!(buckets_used((0u64..1024).map(|n| build.hash_one(n))) > 550);
        assert!(buckets_used((0u64..1024).map(|n| build.hash_one(n << 40))) > 550);
        assert!(buckets_used((0i32..1024).map(|n| build.hash_one(([7u8; 16], n)))) > 550);
    }

    #[test]
    fn lengths_and_zeros_count() {
        let hash = |bytes: &[u8]| {
            let mut hasher = FastHasher::default();
            hasher.write(bytes);
            hasher.finish()
        };
        assert_ne!(hash(&[0]), hash(&[0, 0]));
        assert_ne!(hash(b"abcdefgh"), hash(b"abcdefgh\0"));
    }
}
