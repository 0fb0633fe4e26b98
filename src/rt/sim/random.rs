//! The randomness of the simulated code.

use super::world::world;

pub(in crate::rt) fn random_u64() -> u64 {
    world().code_random.borrow_mut().next_u64()
}

pub(in crate::rt) fn random_bytes(bytes: &mut [u8]) {
    world().code_random.borrow_mut().fill(bytes);
}
