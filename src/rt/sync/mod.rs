//! Waiting for each other within one executor: nothing here is `Send`, nothing here locks.

mod budget;
mod event;
pub mod oneshot;

pub use budget::{Budget, Permit};
pub use event::{Event, Wait};
