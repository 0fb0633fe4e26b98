//! TCP by our own system calls, with one epoll instance per executor that glommio waits for.

mod listener;
mod readiness;
mod stream;

pub(in crate::rt) use listener::{BoundListener, Listener, bind};
pub(in crate::rt) use stream::{Stream, connect};
