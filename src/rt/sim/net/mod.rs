//! The simulated network: everything is late, comes in pieces, and may be cut.
//!
//! Bytes of one direction keep their order. A connection holds a bounded number of bytes that were not read; a sender
//! waits when it is full. All processes share one set of addresses, as if on one machine.

mod connection;
mod listener;
mod network;
mod stream;

pub(in crate::rt) use listener::{BoundListener, Listener, bind};
pub(super) use network::Network;
pub(in crate::rt) use stream::{Stream, connect};

pub use network::{NetPlan, cut_all, heal, partition, set_plan};
