//! Hot path: produce, step 5. Whether an append can be answered, without waiting.

use super::PartitionLog;
use crate::base::ids::Offset;

/// How far the commit of an append is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitState {
    /// It is under way: wait with `wait_durable`.
    Pending,
    /// As durable as the topic asks for.
    Done,
    /// The log has stopped before; the records may be lost.
    Failed,
}

impl PartitionLog {
    /// How far the commit of the records below `next_offset` is.
    pub fn commit_state(&self, next_offset: Offset) -> CommitState {
        let needed = self.config.borrow().durable_before_acknowledging(next_offset);
        if self.state.borrow().positions.durable_end >= needed {
            CommitState::Done
        } else if self.stopped().is_some() {
            CommitState::Failed
        } else {
            CommitState::Pending
        }
    }
}
