//! `corelane produce`: lines, files or JSON from stdin or files to records.
//!
//! `input.rs` reads on its own thread, so that a slow writer at the other end of a pipe does not keep what it has written
//! so far from being sent; `record_reader.rs` cuts the bytes into records; `client::Producer` sends them. Start reading in
//! `produce_command.rs`.

mod input;
mod json_record;
mod produce_command;
mod record_reader;

pub use produce_command::{ProduceArgs, run};
