//! The kernel's randomness, and a generator seeded by it.

use crate::base::random::SplitMix;
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use std::cell::RefCell;

thread_local! {
    static GENERATOR: RefCell<SplitMix> = RefCell::new({
        let mut seed = [0; 8];
        random_bytes(&mut seed);
        SplitMix::new(u64::from_le_bytes(seed))
    });
}

pub(in crate::rt) fn random_u64() -> u64 {
    GENERATOR.with_borrow_mut(SplitMix::next_u64)
}

pub(in crate::rt) fn random_bytes(mut bytes: &mut [u8]) {
    while !bytes.is_empty() {
        match getrandom(&mut *bytes, GetRandomFlags::empty()) {
            Ok(n) => bytes = &mut bytes[n..],
            Err(Errno::INTR) => {}
            Err(error) => panic!("the kernel gives no randomness: {error}"),
        }
    }
}
