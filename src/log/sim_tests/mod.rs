//! The engine under a simulated disk, with an oracle that knows only what callers saw.

mod crashes;
mod oracle;
mod server;
