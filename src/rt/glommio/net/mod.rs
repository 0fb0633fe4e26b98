//! TCP over glommio's readiness and our own system calls.

mod listener;
mod stream;

pub(in crate::rt) use listener::{BoundListener, Listener, bind};
pub(in crate::rt) use stream::{Stream, connect};
