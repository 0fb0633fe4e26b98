//! Randomness: the operating system's in normal builds, the seed's in the simulation.

use super::backend;

/// A random number, from a generator per thread. Not for secrets.
pub fn random_u64() -> u64 {
    backend::random::random_u64()
}

/// Fills `bytes` with randomness that is good enough for ids which must never meet: the kernel's, except in the
/// simulation.
pub fn random_bytes(bytes: &mut [u8]) {
    backend::random::random_bytes(bytes);
}
