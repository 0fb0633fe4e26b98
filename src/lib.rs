//! Corelane: a message broker that speaks Apache Kafka's protocol. Start reading in `src/README.md`.

pub mod base;
pub mod bench;
pub mod cli;
pub mod config;
pub mod control;
pub mod group;
pub mod log;
pub mod metadata;
pub mod rt;
pub mod security;
pub mod server;
pub mod shard;
#[cfg(test)]
mod simulation;
pub mod wire;
