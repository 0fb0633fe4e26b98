//! Why a server could not start, or stopped by itself.

use std::fmt;

use crate::base::ids::ShardId;
use crate::metadata::{MetadataLogError, WrongServer};
use crate::rt::RuntimeUnavailable;

/// What ended the control thread.
#[derive(Debug)]
pub enum ControlError {
    /// The metadata can't be read or written.
    Metadata(MetadataLogError),
    /// The data directory is another server's.
    WrongServer(WrongServer),
    /// A shard's thread could not be started.
    Runtime(RuntimeUnavailable),
    /// A shard can't go on. The others were stopped in order.
    ShardFailed {
        /// Which.
        shard: ShardId,
        /// Why.
        reason: String,
    },
    /// A step of the start or the stop that is not control's own failed.
    Step(String),
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ControlError::Metadata(error) => error.fmt(f),
            ControlError::WrongServer(error) => error.fmt(f),
            ControlError::Runtime(error) => error.fmt(f),
            ControlError::ShardFailed { shard, reason } => write!(f, "shard {shard} failed: {reason}"),
            ControlError::Step(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for ControlError {}
