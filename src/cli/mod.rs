//! The command line: `corelane serve` and the tools that work with any Kafka broker.
//!
//! Everything but `serve` and `storage` is a client: it speaks the Kafka protocol over blocking sockets (`client/`) and knows
//! nothing of how our broker works inside. `storage` looks at files, without any broker. One file or folder per command; each has its clap arguments and a `run` that returns
//! `anyhow::Result<()>`, so that an error carries what was being done and what to do about it.
//!
//! Threads: the main thread, and those a command starts itself (reading stdin, one fetcher per node). Called by `main.rs`
//! only. Start reading in `command_line.rs`.

mod base64;
mod client;
mod command_line;
mod completions;
mod connect_args;
mod consume;
mod escape;
mod group;
mod output;
mod point_in_time;
mod produce;
mod progress;
mod serve;
mod storage;
mod table;
mod topic;

pub use command_line::main;
