//! `corelane storage export`: a topic of a server that does not run, as directories that an Apache Kafka broker takes over.
//!
//! `export_command.rs` has the order of it all, `kafka_target.rs` is where it goes, `partition_export.rs` copies one partition. Ours
//! is only read, but for what a start of the server would do to it as well: what only write-ahead logs have comes to the segments.

mod export_command;
mod kafka_target;
mod partition_export;

pub use export_command::{ExportArgs, run};
