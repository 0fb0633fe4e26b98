//! The simulation tested: that it is deterministic, and as cruel as it claims.

mod determinism;
mod disk;
mod face;
mod net;
mod process;
