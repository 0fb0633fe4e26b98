//! An event many tasks can wait for.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Something that happens again and again. A wait sees every notification from the moment [`Event::wait`] was called
/// (not only from its first poll), so "make the wait, look at the state, await" loses nothing.
#[derive(Clone, Debug, Default)]
pub struct Event(Rc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    notifications: Cell<u64>,
    waiting: RefCell<Waiting>,
}

/// Those who wait for the next notification; `free` are the slots given up by waits that were dropped.
#[derive(Debug, Default)]
struct Waiting {
    slots: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Event {
    /// An event that nobody has notified yet.
    pub fn new() -> Event {
        Event::default()
    }

    /// Makes every wait that exists now ready.
    pub fn notify_all(&self) {
        self.0.notifications.set(self.0.notifications.get() + 1);
        let mut waiting = mem::take(&mut *self.0.waiting.borrow_mut());
        waiting.free.clear();
        for waker in waiting.slots.drain(..).flatten() {
            waker.wake();
        }
        // The lists are used again, unless somebody waits already.
        let mut now = self.0.waiting.borrow_mut();
        if now.slots.is_empty() {
            *now = waiting;
        }
    }

    /// Whether both are the same event.
    pub fn is(&self, other: &Event) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// Ready with the next notification after this call. Cancel by dropping.
    pub fn wait(&self) -> Wait {
        Wait {
            event: self.0.clone(),
            seen: self.0.notifications.get(),
            slot: None,
        }
    }
}

/// See [`Event::wait`].
#[derive(Debug)]
#[must_use = "a wait does nothing unless it is awaited"]
pub struct Wait {
    event: Rc<Inner>,
    seen: u64,
    slot: Option<usize>,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.event.notifications.get() != this.seen {
            return Poll::Ready(());
        }
        let mut waiting = this.event.waiting.borrow_mut();
        match this.slot {
            Some(slot) => waiting.slots[slot]
                .as_mut()
                .expect("the slot of a wait")
                .clone_from(cx.waker()),
            None => {
                let waker = Some(cx.waker().clone());
                this.slot = Some(match waiting.free.pop() {
                    Some(free) => {
                        waiting.slots[free] = waker;
                        free
                    }
                    None => {
                        waiting.slots.push(waker);
                        waiting.slots.len() - 1
                    }
                });
            }
        }
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        // After a notification the slots were given up together, and this one may be another wait's by now.
        if let Some(slot) = self.slot
            && self.event.notifications.get() == self.seen
        {
            let mut waiting = self.event.waiting.borrow_mut();
            waiting.slots[slot] = None;
            waiting.free.push(slot);
        }
    }
}
