//! Asks the control thread for changes of the cluster and waits for their answers.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use crate::base::ids::ShardId;
use crate::metadata::{Command, CommandError, Outcome};
use crate::rt::sync::oneshot;
use crate::shard::message::{ControlPort, ToControl};

/// Why a change has no outcome.
#[derive(Debug)]
pub enum ChangeError {
    /// The controller refused it.
    Refused(CommandError),
    /// The server is shutting down; nobody will answer.
    ShuttingDown,
    /// As many changes wait for the controller as may.
    TooMany,
}

/// Changes of one shard that may wait for their answer. A guess: far above what clients do at once,
/// and small enough that a flood of them costs little memory.
const MAX_PENDING_CHANGES: usize = 1024;

/// One per shard. An answer comes after every shard has applied the change.
pub struct ControlClient {
    shard: ShardId,
    port: ControlPort,
    next_id: Cell<u64>,
    pending: RefCell<HashMap<u64, oneshot::Sender<Result<Outcome, CommandError>>>>,
    closed: Cell<bool>,
}

impl ControlClient {
    /// A client that sends through `port` in the name of `shard`.
    pub fn new(shard: ShardId, port: ControlPort) -> ControlClient {
        ControlClient {
            shard,
            port,
            next_id: Cell::new(0),
            pending: RefCell::new(HashMap::new()),
            closed: Cell::new(false),
        }
    }

    /// Has the controller run a command. When this returns an outcome, this shard and all others serve by it.
    pub async fn submit(&self, command: Command) -> Result<Outcome, ChangeError> {
        if self.closed.get() {
            return Err(ChangeError::ShuttingDown);
        }
        if self.pending.borrow().len() >= MAX_PENDING_CHANGES {
            return Err(ChangeError::TooMany);
        }
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        let (sender, receiver) = oneshot::channel();
        self.pending.borrow_mut().insert(id, sender);
        self.port
            .send(ToControl::Change {
                shard: self.shard,
                id,
                command,
            })
            .await;
        match receiver.await {
            Some(answer) => answer.map_err(ChangeError::Refused),
            None => Err(ChangeError::ShuttingDown),
        }
    }

    /// Hands an answer from the control thread to the one who waits for it.
    pub fn answer(&self, id: u64, answer: Result<Outcome, CommandError>) {
        let sender = self.pending.borrow_mut().remove(&id);
        if let Some(sender) = sender {
            // The asker may be gone with its connection; the change holds all the same.
            let _ = sender.send(answer);
        }
    }

    /// Ends all waiting, now and later: no more answers will come.
    pub fn close(&self) {
        self.closed.set(true);
        self.pending.borrow_mut().clear();
    }

    /// The way to the control thread, for what is no change.
    pub fn port(&self) -> &ControlPort {
        &self.port
    }

    /// The shard this client speaks for.
    pub fn shard(&self) -> ShardId {
        self.shard
    }
}
