//! Tasks, on whichever executor this thread has.

use super::executor::{Kind, kind, queue};
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The outcome is `None` if the task was aborted.
pub(in crate::rt) enum JoinHandle<T> {
    Shard(::glommio::task::JoinHandle<T>),
    Control(tokio::task::JoinHandle<T>),
}

pub(in crate::rt) fn spawn<T: 'static>(future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    match kind() {
        Kind::Shard => {
            // Not `spawn_local`: that polls the new task inside of the spawning one, whose borrows it would meet.
            let task = ::glommio::spawn_local_into(future, queue());
            JoinHandle::Shard(
                task.expect("a shard has its queue before its first task")
                    .detach(),
            )
        }
        Kind::Control => JoinHandle::Control(tokio::task::spawn_local(future)),
    }
}

impl<T: 'static> JoinHandle<T> {
    pub(in crate::rt) fn abort(&self) {
        match self {
            JoinHandle::Shard(handle) => handle.cancel(),
            JoinHandle::Control(handle) => handle.abort(),
        }
    }
}

impl<T: 'static> Future for JoinHandle<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        match &mut *self {
            JoinHandle::Shard(handle) => Pin::new(handle).poll(cx),
            JoinHandle::Control(handle) => Pin::new(handle).poll(cx).map(|outcome| match outcome {
                Ok(value) => Some(value),
                Err(error) if error.is_cancelled() => None,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }),
        }
    }
}

/// Ready the second time it is polled.
pub(in crate::rt) fn yield_now() -> impl Future<Output = ()> {
    let mut yielded = false;
    std::future::poll_fn(move |cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// How long a task may keep the others waiting. glommio's timer counts from when the executor last looked at I/O, and only
/// ends a turn that asks: a task that goes on for milliseconds puts every step of every request off by as many.
const LONGEST_TURN: Duration = Duration::from_micros(100);

thread_local! {
    /// When a task of this thread last began a turn, as far as it is known here.
    static TURN_BEGAN: Cell<Instant> = Cell::new(Instant::now());
}

pub(in crate::rt) async fn yield_if_needed() {
    if TURN_BEGAN.get().elapsed() < LONGEST_TURN {
        // Outside of its own executors glommio's is ready at once.
        return ::glommio::yield_if_needed().await;
    }
    yield_now().await;
    TURN_BEGAN.set(Instant::now());
}
