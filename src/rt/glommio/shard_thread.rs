//! Shard threads and their supervision; the control thread.

use super::executor::{self, ControlMark};
use super::probe::RuntimeUnavailable;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::{Poll, Waker};
use std::thread;

/// A started shard thread.
#[derive(Debug)]
pub(in crate::rt) struct ShardThread {
    life: Arc<Mutex<Life>>,
    thread: Option<thread::JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Life {
    may_end: bool,
    ended: bool,
    waiting: Option<Waker>,
}

impl ShardThread {
    pub(in crate::rt) fn expect_end(&self) {
        self.life.lock().unwrap_or_else(PoisonError::into_inner).may_end = true;
    }

    pub(in crate::rt) async fn ended(mut self) {
        poll_fn(|cx| {
            let mut life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
            if life.ended {
                return Poll::Ready(());
            }
            life.waiting = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
        // All that is left of the thread is to give its memory back, a matter of a moment.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(in crate::rt) fn spawn<F>(
    name: String,
    cpu: Option<usize>,
    make: impl FnOnce() -> F + Send + 'static,
) -> Result<ShardThread, RuntimeUnavailable>
where
    F: Future<Output = ()> + 'static,
{
    let life = Arc::new(Mutex::new(Life::default()));
    let (started, has_started) = mpsc::channel();
    let thread = thread::Builder::new().name(name.clone()).spawn({
        let life = life.clone();
        move || {
            let executor = match executor::make(cpu) {
                Ok(executor) => executor,
                Err(error) => {
                    let _ = started.send(Err(error));
                    return;
                }
            };
            let _ = started.send(Ok(()));
            supervise(&name, &life, || executor::run(&executor, make));
            drop(executor);
            let waiting = {
                let mut life = life.lock().unwrap_or_else(PoisonError::into_inner);
                life.ended = true;
                life.waiting.take()
            };
            if let Some(waiting) = waiting {
                waiting.wake();
            }
        }
    });
    let thread = thread.map_err(|error| RuntimeUnavailable::Thread(error.to_string()))?;
    match has_started.recv() {
        Ok(Ok(())) => Ok(ShardThread {
            life,
            thread: Some(thread),
        }),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(RuntimeUnavailable::Thread(
            "it panicked while its executor was made".to_owned(),
        )),
    }
}

/// Runs a shard and ends the process if it ends in any other way than by an expected return: the partitions of a shard
/// that is gone would be neither served nor flushed, while the others claim that all is well.
fn supervise(name: &str, life: &Mutex<Life>, run: impl FnOnce()) {
    let returned = catch_unwind(AssertUnwindSafe(run));
    let may_end = life.lock().unwrap_or_else(PoisonError::into_inner).may_end;
    let what = match returned {
        Ok(()) if may_end => return,
        Ok(()) => "ended although nobody told it to",
        // The panic's own message is on stderr already.
        Err(_) => "panicked",
    };
    tracing::error!(shard = name, "shard thread {what}; stopping the process");
    eprintln!("corelane: shard thread {name} {what}; stopping the process");
    process::abort();
}

pub(in crate::rt) fn run<T, F>(make: impl FnOnce() -> F + Send + 'static) -> Result<T, RuntimeUnavailable>
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    let thread = thread::Builder::new().name("shard".to_owned()).spawn(move || {
        let executor = executor::make(None)?;
        Ok(executor::run(&executor, make))
    });
    let thread = thread.map_err(|error| RuntimeUnavailable::Thread(error.to_string()))?;
    match thread.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

pub(in crate::rt) fn block_on_control<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("tokio needs no more than a file descriptor");
    let _mark = ControlMark::set();
    let tasks = tokio::task::LocalSet::new();
    let output = tasks.block_on(&runtime, future);
    // The tasks that are left, the ticker among them, end while they can still find their runtime.
    let _context = runtime.enter();
    drop(tasks);
    output
}
