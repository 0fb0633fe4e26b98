//! `corelane consume`: records to stdout.
//!
//! `consume_command.rs` has the arguments; `reader.rs` turns what the `client::Fetcher` brings into records, in order and
//! each once; `record_format.rs` prints them. Alone, the partitions are those asked for; in a group (`group_session.rs`)
//! they come and go, and what has been printed is committed.

mod aborted;
mod consume_command;
mod group_session;
mod interrupt;
mod reader;
mod record_format;
mod sink;
mod start_point;

pub use consume_command::{ConsumeArgs, run};
pub use start_point::{StartPoint, parse_start_point, resolve};
