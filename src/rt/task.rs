//! Tasks of one executor.

use super::backend;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Starts a task on this thread's executor. It runs also when nobody awaits it; dropping the handle detaches it.
///
/// The task is first polled after the calling one has yielded, not inside of this call. Tasks still there when the
/// executor ends are not polled again, and what they hold lives until the process ends. Panics outside of an executor.
pub fn spawn<T: 'static>(future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    JoinHandle(backend::task::spawn(future))
}

/// Lets every other task that is ready run once.
pub fn yield_now() -> impl Future<Output = ()> {
    backend::task::yield_now()
}

/// Yields if the task has had its turn (100 us) or there is I/O to look at; else costs a look at the clock.
pub fn yield_if_needed() -> impl Future<Output = ()> {
    backend::task::yield_if_needed()
}

/// Awaits the result of a task; dropping it detaches the task.
///
/// Awaiting a task that was aborted panics: whoever aborts and awaits uses [`JoinHandle::outcome`].
pub struct JoinHandle<T>(backend::task::JoinHandle<T>);

impl<T: 'static> JoinHandle<T> {
    /// Cancels the task: its future is dropped at the next occasion and not polled again. No effect on a finished one.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// The task's result, or `None` if it was aborted. When this is ready the task's future has been dropped.
    pub async fn outcome(self) -> Option<T> {
        self.0.await
    }
}

impl<T: 'static> Future for JoinHandle<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|outcome| outcome.expect("awaited a task that was aborted"))
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinHandle")
    }
}
