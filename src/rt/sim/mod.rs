//! The backend of unit tests: a deterministic simulation. One seed decides the order in which tasks run, how long
//! everything takes, what randomness is drawn, what the network does and what a crash leaves on disk.
//!
//! A test looks like this, and prints its seed when it fails:
//!
//! ```ignore
//! sim::check_seeds("my_test", 0..100, |_seed| async move {
//!     let broker = sim::spawn_process("broker", async { serve().await });
//!     // ... talk to it over rt::net ...
//!     sim::kill(broker); // power loss: unsynced writes are kept, lost or torn
//!     assert_eq!(sim::exited(broker).await, sim::Exit::Killed);
//!     let again = sim::spawn_process("broker", async { serve().await }); // same name, same disk
//! });
//! ```
//!
//! `CORELANE_SIM_SEED=17 cargo test my_test` runs seed 17 alone.
//!
//! *Time* is virtual: it jumps to the next event when no task is ready, and creeps a little with every step. *Processes*
//! group tasks, sockets and a disk (named as the process); [`kill`] is a power loss, [`sigkill`] spares the disk. The
//! test's own future is a process named `main`. *Faults* are planned per disk ([`disk::FaultPlan`]) and for the whole
//! network ([`net::NetPlan`]). Every step goes into [`Sim::trace_hash`]: the same seed gives the same hash.
//!
//! A simulation in which nothing can happen any more, or which runs too long, panics: a hang is a failure.
//!
//! Where to start reading: `run.rs`, then `executor.rs`; `disk/tree.rs` has what a crash does.

pub(in crate::rt) mod clock;
pub mod disk;
mod executor;
pub mod net;
mod process;
pub(in crate::rt) mod random;
mod run;
pub(in crate::rt) mod shard_thread;
pub(in crate::rt) mod task;
#[cfg(test)]
mod tests;
mod world;

pub use clock::jump_wall_ms;
pub use process::{Exit, ProcessId, current_process, exited, kill, sigkill, spawn_process};
pub use run::{Sim, check_seeds, check_seeds_in_parallel};
pub use shard_thread::{RuntimeUnavailable, available_cpus, probe};
