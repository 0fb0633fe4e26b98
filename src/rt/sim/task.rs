//! Tasks of the simulation.

use super::world::{try_world, world};
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// How often `yield_if_needed` yields.
const YIELD_CHANCE: f64 = 0.2;

/// The outcome is `None` if the task was aborted.
pub(in crate::rt) struct JoinHandle<T> {
    task: u64,
    state: Rc<RefCell<State<T>>>,
}

struct State<T> {
    output: Option<T>,
    gone: bool,
    waiting: Option<Waker>,
}

/// Held by the task, so that its end is seen however it comes.
struct AtEnd<T>(Rc<RefCell<State<T>>>);

impl<T> Drop for AtEnd<T> {
    fn drop(&mut self) {
        let waiting = {
            let mut state = self.0.borrow_mut();
            state.gone = true;
            state.waiting.take()
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

pub(in crate::rt) fn spawn<T: 'static>(future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    let world = world();
    let state = Rc::new(RefCell::new(State {
        output: None,
        gone: false,
        waiting: None,
    }));
    let at_end = AtEnd(state.clone());
    let process = world.processes.current();
    if !world.processes.is_alive(process) {
        // Started by the drop of something of a process that was killed: it never runs.
        return JoinHandle {
            task: u64::MAX,
            state,
        };
    }
    let task = world.executor.spawn(
        process,
        Box::pin(async move {
            // Before the future in the order of drops, so after it in time.
            let at_end = at_end;
            let output = future.await;
            at_end.0.borrow_mut().output = Some(output);
        }),
    );
    JoinHandle { task, state }
}

impl<T: 'static> JoinHandle<T> {
    pub(in crate::rt) fn abort(&self) {
        if let Some(world) = try_world()
            && !self.state.borrow().gone
        {
            world.executor.doom(self.task);
        }
    }
}

impl<T: 'static> Future for JoinHandle<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = self.state.borrow_mut();
        if state.gone {
            return Poll::Ready(state.output.take());
        }
        state.waiting = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Ready the second time it is polled.
pub(in crate::rt) fn yield_now() -> impl Future<Output = ()> {
    yield_if(true)
}

pub(in crate::rt) fn yield_if_needed() -> impl Future<Output = ()> {
    yield_if(world().chance(YIELD_CHANCE))
}

fn yield_if(mut needed: bool) -> impl Future<Output = ()> {
    std::future::poll_fn(move |cx| {
        if !needed {
            return Poll::Ready(());
        }
        needed = false;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}
