//! The words everything else is written in: ids, positions, time, limits.
//!
//! Knows nothing of ours and no I/O. Exists on every thread; holds no state.

pub mod hash;
pub mod ids;
pub mod limits;
pub mod partitioner;
pub mod random;
pub mod time;
