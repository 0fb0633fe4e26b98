//! Reads a partition of `__consumer_offsets` back into a state, in steps.

use std::fmt;
use std::rc::Rc;

use crate::group::stored::{ReplayError, StoredState, replay_batches};
use crate::log::{MinOneBatch, PartitionLog, ReadError, ReadUpto};
use crate::rt;

/// How much is read at a time. Enough for the disk to be busy, little enough for a shard's memory.
const STEP_BYTES: usize = 1024 * 1024;

/// Why a coordinator could not load.
#[derive(Debug)]
pub(super) enum LoadError {
    /// The log could not be read.
    Read(ReadError),
    /// What was read is not what a coordinator writes.
    Replay(ReplayError),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Read(error) => error.fmt(f),
            LoadError::Replay(error) => error.fmt(f),
        }
    }
}

impl From<ReadError> for LoadError {
    fn from(error: ReadError) -> LoadError {
        LoadError::Read(error)
    }
}

impl From<ReplayError> for LoadError {
    fn from(error: ReplayError) -> LoadError {
        LoadError::Replay(error)
    }
}

/// Replays the whole partition. Nobody appends to it meanwhile: that is the coordinator's to do.
pub(super) async fn load(log: &Rc<PartitionLog>) -> Result<StoredState, LoadError> {
    let mut state = StoredState::default();
    let mut next = log.log_start();
    while next < log.log_end() {
        let plan = log.read_plan(next, STEP_BYTES, MinOneBatch::Yes, ReadUpto::LogEnd)?;
        let records = plan.execute().await?;
        // In one piece, since a batch may lie across two slices.
        match replay_batches(&mut state, &records.to_vec())? {
            Some(end) => next = end,
            // Compaction may have left nothing up to the end.
            None => break,
        }
        rt::yield_if_needed().await;
    }
    Ok(state)
}
