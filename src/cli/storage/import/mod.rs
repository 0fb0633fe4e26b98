//! `corelane storage import`: takes topics from the log directories of an Apache Kafka that does not run.
//!
//! `kafka_log_dir.rs` and `kafka_metadata.rs` read what Kafka has left; `topic_choice.rs` says which topics can come and why the others
//! can't; `partition_import.rs` copies one partition; `import_command.rs` has the order of it all. Kafka's files are only read. A
//! topic exists here when the record that names it is durable, and that is written last; until then its files are nobody's.

mod import_command;
mod kafka_log_dir;
mod kafka_metadata;
mod partition_import;
mod topic_choice;

pub use import_command::{ImportArgs, run};
pub use kafka_log_dir::parse_partition_dir;
