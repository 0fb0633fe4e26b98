//! Jobs on the executor's helper threads, for system calls that have no asynchronous form.

use crate::rt::sync::{Event, oneshot};
use std::cell::{Cell, RefCell};
use std::io;

thread_local! {
    static RUNNING: Cell<usize> = const { Cell::new(0) };
    static ALL_DONE: RefCell<Event> = RefCell::new(Event::new());
}

/// Runs `job` on a helper thread. It runs to its end also when the future is dropped.
pub(super) async fn run<T: Send + 'static>(
    job: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    run_holding((), job).await
}

/// The same, with something that is dropped when the job has ended.
pub(super) async fn run_holding<G: 'static, T: Send + 'static>(
    guard: G,
    job: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (sender, receiver) = oneshot::channel();
    RUNNING.set(RUNNING.get() + 1);
    // A task of its own awaits the job: glommio's helper threads panic if the executor is gone when it answers, so
    // the executor must know of every job, whoever still wants the result.
    drop(super::task::spawn(async move {
        let result = ::glommio::executor().spawn_blocking(job).await;
        drop(guard);
        RUNNING.set(RUNNING.get() - 1);
        if RUNNING.get() == 0 {
            ALL_DONE.with_borrow(Event::notify_all);
        }
        // Nobody to take it: the caller gave up.
        let _ = sender.send(result);
    }));
    receiver.await.expect("the job's task always answers")
}

/// Ready when no job is running.
pub(super) async fn all_done() {
    while RUNNING.get() > 0 {
        let wait = ALL_DONE.with_borrow(Event::wait);
        wait.await;
    }
}
