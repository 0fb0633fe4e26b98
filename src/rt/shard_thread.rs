//! Threads with an executor: the shards' and the control thread's.

use super::{RuntimeUnavailable, backend};
use std::future::Future;

/// A running shard thread. Dropping the handle lets it run on, still supervised.
///
/// A shard is not supposed to end: its future returning before [`ShardThread::expect_end`], or a panic in any of its
/// tasks, aborts the process (in the simulation: panics the test).
#[derive(Debug)]
pub struct ShardThread(backend::shard_thread::ShardThread);

impl ShardThread {
    /// From now on the shard's future may return: call it before the shard is told to shut down.
    pub fn expect_end(&self) {
        self.0.expect_end();
    }

    /// Expects the end and waits for it, from any executor or thread that polls it. When it is ready, the shard's
    /// thread has run its future to the end, with every file operation it had started.
    pub async fn join(self) {
        self.0.expect_end();
        self.0.ended().await;
    }
}

/// Starts a thread named `name` with its own executor, pinned to `cpu` if one is given (take it from
/// [`super::available_cpus`]), and runs the future that `make` builds there. Returns when the executor stands.
///
/// In the simulation: a group of tasks in the calling task's process.
pub fn spawn_shard<F>(
    name: String,
    cpu: Option<usize>,
    make: impl FnOnce() -> F + Send + 'static,
) -> Result<ShardThread, RuntimeUnavailable>
where
    F: Future<Output = ()> + 'static,
{
    backend::shard_thread::spawn(name, cpu, make).map(ShardThread)
}

/// Runs a future to its end on an executor of its own and gives its result back; blocks the calling thread. For tests
/// and tools. In the simulation it is a simulation of its own, so it must not be called inside of one.
pub fn run_on_shard<T, F>(make: impl FnOnce() -> F + Send + 'static) -> Result<T, RuntimeUnavailable>
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    backend::shard_thread::run(make)
}

/// Runs the control thread's future on the calling thread, to its end. In normal builds this is a tokio current-thread
/// runtime, so libraries built on tokio work inside; in the simulation it is a simulation of its own.
pub fn block_on_control<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    backend::shard_thread::block_on_control(future)
}
