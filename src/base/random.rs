//! A small, fast generator of numbers that look random, for load spreading, tests and the simulation. Not for secrets.

/// SplitMix64 (Steele, Lea, Flood 2014): 64 bits of state, every seed is fine, passes the usual batteries.
#[derive(Clone, Debug)]
pub struct SplitMix(u64);

impl SplitMix {
    /// A generator whose whole sequence follows from `seed`.
    pub fn new(seed: u64) -> SplitMix {
        SplitMix(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..bound`; `bound` must not be 0. The bias is below `bound / 2^64`.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0);
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number in the range, which must not be empty.
    pub fn in_range(&mut self, range: std::ops::Range<u64>) -> u64 {
        range.start + self.below(range.end - range.start)
    }

    /// True with probability `chance` (0.0 never, 1.0 always).
    pub fn chance(&mut self, chance: f64) -> bool {
        ((self.next_u64() >> 11) as f64) < chance * (1u64 << 53) as f64
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_and_everything_in_them_comes() {
        let mut random = SplitMix::new(7);
        let mut seen = [false; 10];
        for _ in 0..1000 {
            seen[random.below(10) as usize] = true;
            assert!((5..9).contains(&random.in_range(5..9)));
        }
        assert!(seen.iter().all(|s| *s));
        assert!(!random.chance(0.0));
        assert!(random.chance(1.0));
    }

    #[test]
    fn the_seed_decides() {
        let (mut a, mut b, mut c) = (SplitMix::new(1), SplitMix::new(1), SplitMix::new(2));
        let mut bytes = [0; 13];
        a.fill(&mut bytes);
        let mut again = [0; 13];
        b.fill(&mut again);
        assert_eq!(bytes, again);
        c.fill(&mut again);
        assert_ne!(bytes, again);
    }
}
