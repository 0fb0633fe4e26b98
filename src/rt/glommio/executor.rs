//! Building a shard's executor, and knowing which kind of executor a thread has.

use super::blocking_job;
use super::probe::{RuntimeUnavailable, raise_memlock};
use crate::base::limits::SHARD_IO_MEMORY_BYTES;
use ::glommio::{LocalExecutor, LocalExecutorBuilder, Placement};
use std::cell::Cell;
use std::future::Future;
use std::time::Duration;

/// How long tasks may run before I/O and timers are looked at. With glommio's default of 100 ms, a busy shard would
/// answer nobody else for that long.
const PREEMPT_TIMER: Duration = Duration::from_millis(1);

/// Which executor runs on this thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Shard,
    Control,
}

thread_local! {
    static KIND: Cell<Kind> = const { Cell::new(Kind::Shard) };
}

/// The kind of this thread's executor; only meaningful while one runs.
pub(super) fn kind() -> Kind {
    KIND.get()
}

/// Marks this thread as the control thread while the value lives.
pub(super) struct ControlMark;

impl ControlMark {
    pub(super) fn set() -> ControlMark {
        KIND.set(Kind::Control);
        ControlMark
    }
}

impl Drop for ControlMark {
    fn drop(&mut self) {
        KIND.set(Kind::Shard);
    }
}

/// Makes an executor on this thread, pinned to `cpu`.
pub(super) fn make(cpu: Option<usize>) -> Result<LocalExecutor, RuntimeUnavailable> {
    raise_memlock()?;
    let placement = cpu.map_or(Placement::Unbound, Placement::Fixed);
    LocalExecutorBuilder::new(placement)
        .preempt_timer(PREEMPT_TIMER)
        .io_memory(SHARD_IO_MEMORY_BYTES)
        .make()
        .map_err(|error| RuntimeUnavailable::Executor {
            cpu,
            reason: error.to_string(),
        })
}

/// Runs `make`'s future to its end, and then the jobs it left to the helper thread.
pub(super) fn run<F: Future>(executor: &LocalExecutor, make: impl FnOnce() -> F) -> F::Output {
    executor.run(async move {
        // The first sleep of an executor takes about 18 ms, whatever it was asked for: not during a request.
        ::glommio::timer::sleep(Duration::from_millis(1)).await;
        let output = make().await;
        blocking_job::all_done().await;
        output
    })
}
