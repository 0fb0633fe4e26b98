//! The control thread: the one place where the cluster changes, and the life of the server.
//!
//! Responsible for: starting and stopping the shards in the right order ([`run_control`]), carrying out changes of the
//! cluster ([`controller`]) and publishing new images, signals. Must not know: requests, connections, the log; what it
//! needs of them comes through [`Lanes`]. Exists once, on the main thread, on `rt`'s control executor (tokio in normal
//! builds), never on the way of a record; only `signals` names tokio, everything else runs in the simulation as well.
//! Its view is that of the cluster. Called by `cli/serve`.
//!
//! Promises: a change is answered after its records are durable and every shard serves by the image that holds
//! it. Changes are carried out one after the other, in the order of their arrival. The control thread never waits for a
//! shard to read its mailbox, so shards may wait for the control thread.
//!
//! Start reading in [`run_control`].

mod control_error;
mod controller;
mod lanes;
mod roll;
mod run_control;
mod shard_link;
mod signals;
#[cfg(test)]
mod tests;

pub use control_error::ControlError;
pub use lanes::{LaneStart, Lanes};
pub use run_control::{ControlOptions, StopRequest, run_control};
pub use signals::stop_signals;
