//! Shards of the simulation: tasks of the calling process.

use super::run::Sim;
use super::task;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

/// The simulation is always available.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimeUnavailable {}

impl fmt::Display for RuntimeUnavailable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl Error for RuntimeUnavailable {}

/// The simulation runs everywhere.
pub fn probe() -> Result<(), RuntimeUnavailable> {
    Ok(())
}

/// Every simulated machine has two CPUs.
pub fn available_cpus() -> Vec<usize> {
    vec![0, 1]
}

/// A shard's tasks. Shared as the real one is, so that the same code may hold it.
#[derive(Debug)]
pub(in crate::rt) struct ShardThread(Arc<Mutex<Life>>);

#[derive(Debug, Default)]
struct Life {
    may_end: bool,
    ended: bool,
    waiting: Option<Waker>,
}

impl ShardThread {
    pub(in crate::rt) fn expect_end(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).may_end = true;
    }

    pub(in crate::rt) async fn ended(self) {
        poll_fn(|cx| {
            let mut life = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if life.ended {
                return Poll::Ready(());
            }
            life.waiting = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

pub(in crate::rt) fn spawn<F>(
    name: String,
    _cpu: Option<usize>,
    make: impl FnOnce() -> F + Send + 'static,
) -> Result<ShardThread, RuntimeUnavailable>
where
    F: Future<Output = ()> + 'static,
{
    let life = Arc::new(Mutex::new(Life::default()));
    drop(task::spawn({
        let life = life.clone();
        async move {
            make().await;
            let waiting = {
                let mut life = life.lock().unwrap_or_else(PoisonError::into_inner);
                assert!(
                    life.may_end,
                    "shard thread {name} ended although nobody told it to"
                );
                life.ended = true;
                life.waiting.take()
            };
            if let Some(waiting) = waiting {
                waiting.wake();
            }
        }
    }));
    Ok(ShardThread(life))
}

pub(in crate::rt) fn run<T, F>(make: impl FnOnce() -> F + Send + 'static) -> Result<T, RuntimeUnavailable>
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    Ok(Sim::new(0).run_with(make))
}

pub(in crate::rt) fn block_on_control<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    Sim::new(0).run(future)
}
