//! TCP: listeners and streams of one executor.

mod listener;
mod stream;

pub use listener::{BoundListener, Listener, bind};
pub use stream::{Stream, connect};
