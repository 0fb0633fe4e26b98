//! Hot path: produce, step 4. Answers of a connection's produce requests, in order.
//!
//! The reader appends a request's batches and puts what is to be answered here; the writer waits for the commit and sends
//! all answers that have become ready with one system call. As many requests may wait as [`MAX_PENDING`] says:
//! then the reader stops reading.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::rc::Rc;

use bytes::BytesMut;

use crate::rt;
use crate::rt::sync::Event;
use crate::server::connection::Sender;
use crate::server::handlers::produce::PendingProduce;

/// Produce requests of one connection that may wait for their commit. Above what stock clients have in
/// flight (5 per connection; librdkafka up to 1,000,000 by its settings, but then it gains nothing here), and low enough
/// that one connection can't fill a shard with answers to come.
const MAX_PENDING: usize = 64;

/// Answers sent with one system call at most.
const MAX_GATHERED: usize = 32;

/// The produce requests of one connection that have been appended and not answered.
pub struct Pipeline {
    queue: RefCell<VecDeque<PendingProduce>>,
    /// Requests taken from the queue whose answers are being sent.
    sending: Cell<usize>,
    state: Cell<State>,
    changed: Event,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// No more requests come.
    Closing,
    /// The socket is gone.
    Broken,
}

impl Pipeline {
    /// An empty pipeline.
    pub fn new() -> Pipeline {
        Pipeline {
            queue: RefCell::new(VecDeque::new()),
            sending: Cell::new(0),
            state: Cell::new(State::Open),
            changed: Event::new(),
        }
    }

    /// Whether everything has been answered.
    pub fn is_empty(&self) -> bool {
        self.pending() == 0
    }

    fn pending(&self) -> usize {
        self.queue.borrow().len() + self.sending.get()
    }

    /// Waits until one more request may be put in. `false` when the socket is gone.
    pub async fn room(&self) -> bool {
        while self.pending() >= MAX_PENDING && self.state.get() == State::Open {
            self.changed.wait().await;
        }
        self.state.get() == State::Open
    }

    /// Waits until everything has been answered. `false` when the socket is gone.
    pub async fn drained(&self) -> bool {
        while !self.is_empty() && self.state.get() != State::Broken {
            self.changed.wait().await;
        }
        self.state.get() != State::Broken
    }

    /// Adds an appended request.
    pub fn push(&self, pending: PendingProduce) {
        self.queue.borrow_mut().push_back(pending);
        self.changed.notify_all();
    }

    /// No more requests come: [`Pipeline::run`] ends when all have been answered.
    pub fn close(&self) {
        if self.state.get() == State::Open {
            self.state.set(State::Closing);
            self.changed.notify_all();
        }
    }

    /// Takes those behind the first whose commit is through as well.
    fn take_committed(&self, ready: &mut Vec<PendingProduce>) {
        let mut queue = self.queue.borrow_mut();
        while ready.len() < MAX_GATHERED && queue.front().is_some_and(PendingProduce::is_committed) {
            ready.extend(queue.pop_front());
        }
    }

    /// Answers requests in order until closed and empty, or until the socket fails; then it is shut down, so that the
    /// reader ends too.
    pub async fn run(self: Rc<Self>, sender: Rc<Sender>) {
        let mut ready = Vec::with_capacity(MAX_GATHERED);
        let mut answers = Vec::with_capacity(MAX_GATHERED);
        loop {
            let first = self.queue.borrow_mut().pop_front();
            let Some(first) = first else {
                if self.state.get() != State::Open {
                    return;
                }
                self.changed.wait().await;
                continue;
            };
            self.sending.set(1);
            first.committed().await;
            ready.push(first);
            self.take_committed(&mut ready);
            self.sending.set(ready.len());
            let sent = send_answers(&sender, ready.drain(..), &mut answers).await;
            answers.clear();
            self.sending.set(0);
            if sent.is_err() {
                self.state.set(State::Broken);
                self.queue.borrow_mut().clear();
                sender.shutdown();
                self.changed.notify_all();
                return;
            }
            self.changed.notify_all();
            rt::yield_if_needed().await;
        }
    }
}

/// Sends the answers of committed requests with one system call, as far as the socket takes it. They are left in `answers`,
/// which is empty before.
async fn send_answers(
    sender: &Sender,
    requests: impl Iterator<Item = PendingProduce>,
    answers: &mut Vec<BytesMut>,
) -> io::Result<()> {
    for request in requests {
        answers.push(
            request
                .into_answer()
                .map_err(|error| io::Error::other(error.to_string()))?,
        );
    }
    let mut slices = [IoSlice::new(&[]); MAX_GATHERED];
    for (slice, answer) in slices.iter_mut().zip(answers.iter()) {
        *slice = IoSlice::new(answer);
    }
    sender.send(&slices[..answers.len()]).await
}
