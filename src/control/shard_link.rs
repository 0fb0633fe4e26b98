//! The way to one shard, which never makes the control thread wait.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use crate::metadata::ClusterImage;
use crate::rt;
use crate::rt::sync::Event;
use crate::shard::message::{ShardPort, ToShard};

/// Messages that wait for room in a shard's mailbox, and the task that sends them in order.
///
/// The queue is bounded by what it carries: one image, for a newer one takes the place of one not yet sent, and as
/// many answers as the shard may have changes pending.
pub(super) struct ShardLink {
    queue: Rc<Queue>,
}

#[derive(Default)]
struct Queue {
    messages: RefCell<VecDeque<ToShard>>,
    changed: Event,
}

impl ShardLink {
    pub(super) fn new(port: ShardPort) -> ShardLink {
        let queue = Rc::new(Queue::default());
        drop(rt::spawn(send_in_order(queue.clone(), port)));
        ShardLink { queue }
    }

    /// Sends a message that is no image.
    pub(super) fn send(&self, message: ToShard) {
        self.queue.messages.borrow_mut().push_back(message);
        self.queue.changed.notify_all();
    }

    /// Sends an image, or replaces the one that was not sent yet.
    pub(super) fn publish(&self, image: &Arc<ClusterImage>) {
        let mut messages = self.queue.messages.borrow_mut();
        let unsent = messages.iter_mut().find_map(|message| match message {
            ToShard::NewImage(unsent) => Some(unsent),
            _ => None,
        });
        match unsent {
            Some(unsent) => *unsent = image.clone(),
            None => messages.push_back(ToShard::NewImage(image.clone())),
        }
        drop(messages);
        self.queue.changed.notify_all();
    }
}

async fn send_in_order(queue: Rc<Queue>, port: ShardPort) {
    loop {
        let changed = queue.changed.wait();
        let next = queue.messages.borrow_mut().pop_front();
        match next {
            Some(message) => port.send(message).await,
            None => changed.await,
        }
    }
}
