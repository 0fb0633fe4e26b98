//! Hot path: commit. Who waits for records to be durable.

use crate::base::ids::Offset;
use std::task::Waker;

/// The produce requests waiting on a partition, usually in the order of their offsets.
#[derive(Debug, Default)]
pub(super) struct DurableWaiters {
    waiting: Vec<(Offset, Waker)>,
}

impl DurableWaiters {
    /// Wakes `waker` when records up to `end` are durable. One that is no longer needed costs a wake-up for nothing.
    pub fn add(&mut self, end: Offset, waker: &Waker) {
        match self
            .waiting
            .iter_mut()
            .rev()
            .find(|(o, w)| *o == end && w.will_wake(waker))
        {
            Some(_) => {}
            None => self.waiting.push((end, waker.clone())),
        }
    }

    /// Takes those who wait for no more than `durable_end`.
    pub fn take_until(&mut self, durable_end: Offset, out: &mut Vec<Waker>) {
        if self.waiting.iter().all(|(end, _)| *end <= durable_end) {
            out.extend(self.waiting.drain(..).map(|(_, waker)| waker));
        } else {
            out.extend(
                self.waiting
                    .extract_if(.., |(end, _)| *end <= durable_end)
                    .map(|(_, waker)| waker),
            );
        }
    }

    /// Takes all, when the log stops.
    pub fn take_all(&mut self, out: &mut Vec<Waker>) {
        out.extend(self.waiting.drain(..).map(|(_, waker)| waker));
    }
}
