//! The Kafka protocol as bytes: messages, headers, error codes, and the views of the hot path.
//!
//! No I/O, no state, no clock; must not know sockets, logs or metadata. Pure functions over bytes, used on every
//! thread by the server, the command line and the tests. What comes in is hostile: reading never panics and never
//! allocates more than a small multiple of the bytes at hand. Start reading in `codec/table.rs`, then any file
//! under `messages/`.

pub mod api;
pub mod codec;
pub mod errors;
pub mod fetch_response;
pub mod fetch_view;
pub mod frame;
pub mod header;
pub mod messages;
pub mod produce_view;
pub mod records;
pub mod topic_ref;
