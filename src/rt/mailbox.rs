//! Bounded channels between threads: a shard's and the control thread's mailboxes. Any executor, for they know nothing
//! but wakers.
//!
//! A lock is taken per message sent and per batch drained. This is not on the path of a record.
//!
//! *Order*: messages of one sender arrive in the order they were sent. *Cancellation*: a dropped [`Sender::send`]
//! sent nothing; a dropped [`Receiver::recv`] took nothing.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// A mailbox that holds up to `capacity` messages.
pub fn channel<T: Send>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "a mailbox needs room");
    let shared = Arc::new(Shared {
        capacity,
        state: Mutex::new(State {
            queue: VecDeque::new(),
            senders: 1,
            receiver_alive: true,
            receiver: None,
            waiting_senders: VecDeque::new(),
            next_ticket: 0,
        }),
    });
    (
        Sender(shared.clone()),
        Receiver {
            shared,
            batch: VecDeque::new(),
        },
    )
}

struct Shared<T> {
    capacity: usize,
    state: Mutex<State<T>>,
}

struct State<T> {
    queue: VecDeque<T>,
    senders: usize,
    receiver_alive: bool,
    receiver: Option<Waker>,
    /// Those who wait for room, in order.
    waiting_senders: VecDeque<(u64, Waker)>,
    next_ticket: u64,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // A panic while the lock is held leaves nothing half done: every critical section is a few moves.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends. Clones send to the same mailbox.
pub struct Sender<T>(Arc<Shared<T>>);

/// Receives. There is one.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// Taken out together, so that the lock is taken once per batch.
    batch: VecDeque<T>,
}

/// Why a message was not sent; it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// The mailbox holds as many as it may.
    Full(T),
    /// The receiver was dropped.
    Closed(T),
}

/// The receiver was dropped; the message comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed<T>(pub T);

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TrySendError::Full(_) => "the mailbox is full",
            TrySendError::Closed(_) => "nobody reads the mailbox any more",
        })
    }
}

impl<T> fmt::Display for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads the mailbox any more")
    }
}

impl<T: fmt::Debug> Error for TrySendError<T> {}
impl<T: fmt::Debug> Error for Closed<T> {}

impl<T: Send> Sender<T> {
    /// Sends at once or not at all.
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        let receiver = {
            let mut state = self.0.lock();
            if !state.receiver_alive {
                return Err(TrySendError::Closed(message));
            }
            if state.queue.len() >= self.0.capacity {
                return Err(TrySendError::Full(message));
            }
            state.queue.push_back(message);
            state.receiver.take()
        };
        if let Some(receiver) = receiver {
            receiver.wake();
        }
        Ok(())
    }

    /// Sends as soon as there is room.
    pub async fn send(&self, message: T) -> Result<(), Closed<T>> {
        let mut message = Some(message);
        let mut place = WaitingPlace {
            shared: &self.0,
            ticket: None,
        };
        poll_fn(
            |cx| match self.try_send(message.take().expect("polled after it was ready")) {
                Ok(()) => Poll::Ready(Ok(())),
                Err(TrySendError::Closed(message)) => Poll::Ready(Err(Closed(message))),
                Err(TrySendError::Full(back)) => {
                    message = Some(back);
                    let mut state = self.0.lock();
                    if !state.receiver_alive || state.queue.len() < self.0.capacity {
                        // Room was made between the two locks: nobody will wake us for it.
                        drop(state);
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    let ticket = *place.ticket.get_or_insert_with(|| {
                        state.next_ticket += 1;
                        state.next_ticket
                    });
                    match state.waiting_senders.iter_mut().find(|(t, _)| *t == ticket) {
                        Some((_, waker)) => waker.clone_from(cx.waker()),
                        None => state.waiting_senders.push_back((ticket, cx.waker().clone())),
                    }
                    Poll::Pending
                }
            },
        )
        .await
    }

    /// Whether the receiver was dropped.
    pub fn is_closed(&self) -> bool {
        !self.0.lock().receiver_alive
    }
}

/// A sender's place in the queue for room. When it is given up, whoever stands behind may use the room it was woken for.
struct WaitingPlace<'a, T> {
    shared: &'a Shared<T>,
    ticket: Option<u64>,
}

impl<T> Drop for WaitingPlace<'_, T> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let next = {
            let mut state = self.shared.lock();
            match state.waiting_senders.iter().position(|(t, _)| *t == ticket) {
                Some(at) => {
                    state.waiting_senders.remove(at);
                    None
                }
                None if state.queue.len() < self.shared.capacity => state.waiting_senders.pop_front(),
                None => None,
            }
        };
        if let Some((_, waker)) = next {
            waker.wake();
        }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        self.0.lock().senders += 1;
        Sender(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let receiver = {
            let mut state = self.0.lock();
            state.senders -= 1;
            if state.senders == 0 {
                state.receiver.take()
            } else {
                None
            }
        };
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }
}

impl<T: Send> Receiver<T> {
    /// The next message, or `None` when all senders are gone and everything was received.
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|cx| {
            if let Some(message) = self.batch.pop_front() {
                return Poll::Ready(Some(message));
            }
            let mut state = self.shared.lock();
            if state.queue.is_empty() {
                if state.senders == 0 {
                    return Poll::Ready(None);
                }
                match &mut state.receiver {
                    Some(waker) => waker.clone_from(cx.waker()),
                    empty => *empty = Some(cx.waker().clone()),
                }
                return Poll::Pending;
            }
            std::mem::swap(&mut state.queue, &mut self.batch);
            let senders = std::mem::take(&mut state.waiting_senders);
            drop(state);
            for (_, waker) in senders {
                waker.wake();
            }
            Poll::Ready(self.batch.pop_front())
        })
        .await
    }

    /// Appends everything that is there to `into` and says how many that were; does not wait.
    pub fn drain(&mut self, into: &mut Vec<T>) -> usize {
        let before = into.len();
        into.extend(self.batch.drain(..));
        let senders = {
            let mut state = self.shared.lock();
            into.extend(state.queue.drain(..));
            std::mem::take(&mut state.waiting_senders)
        };
        for (_, waker) in senders {
            waker.wake();
        }
        into.len() - before
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let (queue, senders) = {
            let mut state = self.shared.lock();
            state.receiver_alive = false;
            state.receiver = None;
            (
                std::mem::take(&mut state.queue),
                std::mem::take(&mut state.waiting_senders),
            )
        };
        for (_, waker) in senders {
            waker.wake();
        }
        drop(queue);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver")
    }
}
