//! Kafka's protocol over TCP: listeners, connections, the request pipeline, one handler per API.
//!
//! Responsible for: everything between a client's socket and the shard's state; for bounded memory per
//! connection; for answers in request order. Must not know: how bytes become durable, how the cluster's metadata
//! is changed (it asks the shard for both). Exists on shard threads; its view is that of a shard. Called by the
//! start-up code, which gives each shard its listeners.
//! A request is answered once, or its connection is closed. Produce requests of a connection overlap each other;
//! every other request starts when all before it have been answered.
//! Start reading in [`run_shard`], then `connection`, then `handlers`.

mod accept;
mod connection;
pub mod context;
mod error_codes;
mod frame_reader;
pub mod handlers;
mod pipeline;
pub mod run_shard;
mod state;

pub use run_shard::run_shard;
