//! The backend of normal builds: glommio on the shards, tokio's current-thread runtime on the control thread.
//!
//! glommio 0.9.0 has traps, each of which is handled in one place here:
//!
//! | trap | where |
//! |---|---|
//! | the first file opened on a device decides, maybe wrongly, how it is read | `disk/prime.rs` |
//! | a new task is polled inside of the one that spawns it | `task.rs` |
//! | a panic ends one executor while the others live on | `shard_thread.rs` |
//! | failing accepts never yield | `net/listener.rs` |
//! | timers and I/O wait for the preemption timer, 100 ms by default | `executor.rs` |
//! | an executor kept from its core sleeps on its work | `pulse.rs` |
//! | waiting for a socket costs a submission, a completion and an interrupt each time | `net/readiness.rs` |
//! | ready sockets never yield | `net/stream.rs`, and callers of `yield_if_needed` |
//! | accepted sockets block and are inherited | `net/listener.rs` |
//! | no io_uring, or too little lockable memory: a panic at start | `probe.rs` |
//! | the first sleep is slow | `executor.rs` |
//! | helper-thread jobs left behind at the end panic their thread | `blocking_job.rs` |
//! | a read near the end of a file gives bytes of another read | `disk/file.rs` |
//! | opening a file panics if it is removed meanwhile | `disk/path_gate.rs` |
//! | file lengths are looked up by a name that may be gone | `disk/file.rs` |
//! | directories are synced without their names | `disk/directory.rs` |

mod blocking_job;
pub(super) mod clock;
mod cpus;
pub(super) mod disk;
mod executor;
pub(super) mod net;
mod probe;
mod pulse;
pub(super) mod random;
pub(super) mod shard_thread;
pub(super) mod task;
mod ticker;

pub use cpus::available_cpus;
pub use probe::{RuntimeUnavailable, probe};
