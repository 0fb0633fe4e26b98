//! One value, from one task to another of the same executor.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

#[derive(Debug)]
struct Inner<T> {
    value: Option<T>,
    waker: Option<Waker>,
    sender_gone: bool,
    receiver_gone: bool,
}

/// Both ends.
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let inner = Rc::new(RefCell::new(Inner {
        value: None,
        waker: None,
        sender_gone: false,
        receiver_gone: false,
    }));
    (Sender(inner.clone()), Receiver(inner))
}

/// Gives the value.
#[derive(Debug)]
pub struct Sender<T>(Rc<RefCell<Inner<T>>>);

/// A future: the value, or `None` if the sender was dropped without one.
#[derive(Debug)]
pub struct Receiver<T>(Rc<RefCell<Inner<T>>>);

impl<T> Sender<T> {
    /// Gives the value back if nobody can receive it any more.
    pub fn send(self, value: T) -> Result<(), T> {
        let mut inner = self.0.borrow_mut();
        if inner.receiver_gone {
            return Err(value);
        }
        inner.value = Some(value);
        // The drop of `self`, right after this, wakes the receiver.
        Ok(())
    }

    /// Whether the receiver was dropped.
    pub fn is_closed(&self) -> bool {
        self.0.borrow().receiver_gone
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let waker = {
            let mut inner = self.0.borrow_mut();
            inner.sender_gone = true;
            inner.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut inner = self.0.borrow_mut();
        if let Some(value) = inner.value.take() {
            return Poll::Ready(Some(value));
        }
        if inner.sender_gone {
            return Poll::Ready(None);
        }
        match &mut inner.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            empty => *empty = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut inner = self.0.borrow_mut();
        inner.receiver_gone = true;
        inner.waker = None;
    }
}
