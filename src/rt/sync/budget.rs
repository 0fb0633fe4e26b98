//! A number of bytes (or of anything) that is asked for before it is used.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A fair semaphore of many units: who asks first is served first, also when a later one asks for less. Clones share
/// the one budget.
#[derive(Clone, Debug)]
pub struct Budget(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    total: usize,
    free: Cell<usize>,
    queue: RefCell<VecDeque<Rc<Waiting>>>,
}

#[derive(Debug)]
struct Waiting {
    wants: usize,
    state: Cell<WaitState>,
    waker: RefCell<Option<Waker>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WaitState {
    Queued,
    Granted,
    Gone,
}

impl Budget {
    /// A budget of `total` units, all free.
    pub fn new(total: usize) -> Budget {
        Budget(Rc::new(Inner {
            total,
            free: Cell::new(total),
            queue: RefCell::new(VecDeque::new()),
        }))
    }

    /// All units there are.
    pub fn total(&self) -> usize {
        self.0.total
    }

    /// Units nobody holds.
    pub fn free(&self) -> usize {
        self.0.free.get()
    }

    /// `n` units at once, or `None` if they are not free or others wait. More than the whole budget is granted as the
    /// whole budget: a single large request must be possible, alone.
    pub fn try_take(&self, n: usize) -> Option<Permit> {
        let n = n.min(self.0.total);
        if !self.0.queue.borrow().is_empty() || self.0.free.get() < n {
            return None;
        }
        self.0.free.set(self.0.free.get() - n);
        Some(Permit {
            budget: self.clone(),
            n,
        })
    }

    /// Waits for `n` units (at most the whole budget, see [`Budget::try_take`]). Cancel by dropping.
    pub fn take(&self, n: usize) -> Take {
        Take {
            budget: self.clone(),
            wants: n.min(self.0.total),
            waiting: None,
        }
    }

    fn give_back(&self, n: usize) {
        self.0.free.set(self.0.free.get() + n);
        debug_assert!(self.0.free.get() <= self.0.total);
        self.grant();
    }

    /// Serves the queue from its head, as far as the free units reach.
    fn grant(&self) {
        loop {
            let waiting = {
                let mut queue = self.0.queue.borrow_mut();
                match queue.front() {
                    Some(first) if first.state.get() == WaitState::Gone => {
                        queue.pop_front();
                        continue;
                    }
                    Some(first) if first.wants <= self.0.free.get() => {
                        queue.pop_front().expect("there is a first")
                    }
                    _ => return,
                }
            };
            self.0.free.set(self.0.free.get() - waiting.wants);
            waiting.state.set(WaitState::Granted);
            let waker = waiting.waker.borrow_mut().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

/// Units held; dropping it gives them back.
#[derive(Debug)]
#[must_use = "dropping a permit gives it back"]
pub struct Permit {
    budget: Budget,
    n: usize,
}

impl Permit {
    /// Units held.
    pub fn len(&self) -> usize {
        self.n
    }

    /// Whether this holds nothing.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Gives back what is held above `n`.
    pub fn shrink_to(&mut self, n: usize) {
        if n < self.n {
            let surplus = self.n - n;
            self.n = n;
            self.budget.give_back(surplus);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.n > 0 {
            self.budget.give_back(self.n);
        }
    }
}

/// See [`Budget::take`].
#[derive(Debug)]
#[must_use = "nothing is taken unless this is awaited"]
pub struct Take {
    budget: Budget,
    wants: usize,
    waiting: Option<Rc<Waiting>>,
}

impl Future for Take {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        let Some(waiting) = &self.waiting else {
            if let Some(permit) = self.budget.try_take(self.wants) {
                return Poll::Ready(permit);
            }
            let waiting = Rc::new(Waiting {
                wants: self.wants,
                state: Cell::new(WaitState::Queued),
                waker: RefCell::new(Some(cx.waker().clone())),
            });
            self.budget.0.queue.borrow_mut().push_back(waiting.clone());
            self.waiting = Some(waiting);
            return Poll::Pending;
        };
        if waiting.state.get() == WaitState::Granted {
            self.waiting = None;
            return Poll::Ready(Permit {
                budget: self.budget.clone(),
                n: self.wants,
            });
        }
        match &mut *waiting.waker.borrow_mut() {
            Some(waker) => waker.clone_from(cx.waker()),
            empty => *empty = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Take {
    fn drop(&mut self) {
        let Some(waiting) = self.waiting.take() else {
            return;
        };
        match waiting.state.replace(WaitState::Gone) {
            // Granted, but nobody will come for it.
            WaitState::Granted => self.budget.give_back(self.wants),
            // Those behind may fit now that this one is out of their way.
            WaitState::Queued => self.budget.grant(),
            WaitState::Gone => unreachable!("dropped twice"),
        }
    }
}
