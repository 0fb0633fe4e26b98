//! `corelane storage`: files of a data directory, looked at, mended, taken in and given away without a broker. One file or folder per subcommand.

mod durable_files;
mod export;
mod import;
mod inspect;
mod inspection_report;
mod kafka_lock;
mod repair;
mod stopped_server;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum StorageCommand {
    /// Show what a partition's directory holds, and what is damaged
    Inspect(inspect::InspectArgs),
    /// Give a topic of a stopped server to a stopped Apache Kafka broker
    Export(export::ExportArgs),
    /// Take topics from the log directories of a stopped Apache Kafka broker
    Import(import::ImportArgs),
    /// Say what is damaged in a stopped server's files, and cut it when told
    Repair(repair::RepairArgs),
}

pub fn run(command: &StorageCommand) -> anyhow::Result<()> {
    match command {
        StorageCommand::Inspect(args) => inspect::run(args),
        StorageCommand::Export(args) => export::run(args),
        StorageCommand::Import(args) => import::run(args),
        StorageCommand::Repair(args) => repair::run(args),
    }
}
