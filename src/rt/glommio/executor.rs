//! Building a shard's executor, and knowing which kind of executor a thread has.

use super::blocking_job;
use super::probe::{RuntimeUnavailable, raise_memlock};
use super::pulse::pulse;
use crate::base::limits::SHARD_IO_MEMORY_BYTES;
use ::glommio::{
    Latency, LocalExecutor, LocalExecutorBuilder, Placement, PoolPlacement, Shares, TaskQueueHandle,
};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// How long tasks may run before I/O and timers are looked at. A write that producers wait for is given to the disk, and seen
/// to be done, only then, so while a shard is busy with other work a record waits for this twice. Looking costs some
/// ten microseconds.
const PREEMPT_TIMER: Duration = Duration::from_micros(200);

/// The same for the executor's own first task, glommio's default. Nothing would ever wake an executor that was kept from its
/// core in its very first turn (`pulse.rs`), so that turn is given long.
const FIRST_PREEMPT_TIMER: Duration = Duration::from_millis(100);

/// Threads that wait for system calls which have no asynchronous form: of most, for the disk to sync names. Several, because the file system
/// makes what is asked for at the same moment durable with one write of its journal.
const HELPER_THREADS: usize = 4;

/// Which executor runs on this thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Shard,
    Control,
}

thread_local! {
    static KIND: Cell<Kind> = const { Cell::new(Kind::Shard) };
    /// Where the tasks of this thread's executor run; the default queue is for the executor's own.
    static QUEUE: Cell<TaskQueueHandle> = Cell::new(TaskQueueHandle::default());
}

/// The queue for tasks, on a shard.
pub(super) fn queue() -> TaskQueueHandle {
    QUEUE.get()
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
        .preempt_timer(FIRST_PREEMPT_TIMER)
        .io_memory(SHARD_IO_MEMORY_BYTES)
        .blocking_thread_pool_placement(PoolPlacement::Unbound(HELPER_THREADS))
        .make()
        .map_err(|error| RuntimeUnavailable::Executor {
            cpu,
            reason: error.to_string(),
        })
}

/// Runs `make`'s future to its end, and then the jobs it left to the helper threads.
pub(super) fn run<F>(executor: &LocalExecutor, make: impl FnOnce() -> F + 'static) -> F::Output
where
    F: Future<Output: 'static> + 'static,
{
    executor.run(async move {
        let glommio = ::glommio::executor();
        let queue = glommio.create_task_queue(Shares::default(), Latency::Matters(PREEMPT_TIMER), "shard");
        QUEUE.set(queue);
        let work = super::task::spawn(async move {
            // The first sleep of an executor takes about 18 ms, whatever it was asked for: not during a request.
            ::glommio::timer::sleep(Duration::from_millis(1)).await;
            let output = make().await;
            blocking_job::all_done().await;
            output
        });
        let (mut pulse, mut work) = (pin!(pulse()), pin!(work));
        let output = poll_fn(|cx| {
            let Poll::Pending = pulse.as_mut().poll(cx);
            work.as_mut().poll(cx)
        });
        output.await.expect("nobody aborts it")
    })
}
