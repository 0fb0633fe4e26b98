//! The face of the runtime: tasks, time, network, disk, mailboxes. Two backends stand behind it.
//!
//! **Responsible for** everything that waits: nothing above this folder calls the operating system to sleep, to
//! read or to write. Normal builds run on glommio (`glommio/`, the only place that names it); unit tests of this
//! crate run on the deterministic simulation (`sim/`), in which one seed decides scheduling, time, network and disk.
//! The code above is the same on both, without a generic parameter: one module alias chooses. Integration tests
//! (in `tests/`) compile the crate without `cfg(test)` and so run on glommio.
//!
//! **Must not know** anything of the broker: no topic, no record, no request.
//!
//! **Threads.** Each shard thread has its own executor; tasks, streams, files, events and timers belong to the
//! executor they were made on and never leave it (they are not `Send`). The control thread runs
//! [`block_on_control`]: there tasks, time, mailboxes and [`disk::blocking`] work; [`net`] and the rest of [`disk`]
//! do not. What may cross threads says so: [`mailbox`], [`net::BoundListener`], `std::task::Waker`.
//!
//! **Promises**, wherever nothing else is said:
//! - *Cancellation.* Dropping a future is always safe. What it means is said at each function; a disk operation that
//!   was started goes on without its future, so a dropped write may still happen.
//! - *Order.* Tasks run in any order. Two disk operations in flight have no order between them: await the first, or
//!   make the order not matter. Bytes of one stream keep their order.
//! - *Durability* comes only from the functions that name it: [`disk::File::datasync`], a write through a file opened
//!   with `dsync`, [`disk::sync_dir`], [`disk::write_file_atomic`].
//! - *Fairness.* A task that is always ready starves its shard: call [`yield_if_needed`] once per request, per chunk
//!   sent and per step of a long loop.
//! - *Panics.* A panic on a shard thread ends the process: the shard broke an invariant, and the others must not go
//!   on without it. So does a shard thread that ends before [`ShardThread::expect_end`].
//!
//! For the simulation to stay deterministic, code above must not iterate a map with random hashing where the order
//! matters, read clocks or randomness from elsewhere, keep state in thread locals (simulated shards share one thread),
//! or start threads of its own.
//!
//! Start reading in `task.rs`, then `disk/file.rs` and `net/stream.rs`; for tests in `sim/mod.rs`.

pub mod disk;
pub mod mailbox;
pub mod net;
mod race;
mod random;
mod shard_thread;
pub mod sync;
mod task;
mod time;
mod timer_wheel;

#[cfg(not(test))]
mod glommio;
#[cfg(not(test))]
use glommio as backend;
#[cfg(test)]
pub mod sim;
#[cfg(test)]
use sim as backend;

#[cfg(not(test))]
pub use glommio::{RuntimeUnavailable, available_cpus, probe};
pub use race::{Either, race};
pub use random::{random_bytes, random_u64};
pub use shard_thread::{ShardThread, block_on_control, run_on_shard, spawn_shard};
#[cfg(test)]
pub use sim::{RuntimeUnavailable, available_cpus, probe};
pub use task::{JoinHandle, spawn, yield_if_needed, yield_now};
pub use time::{Elapsed, Sleep, now, sleep, timeout, wall_ms};
