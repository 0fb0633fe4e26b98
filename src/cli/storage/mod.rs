//! `corelane storage`: files of a data directory, looked at without a broker. One file per subcommand.

mod inspect;
mod inspection_report;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum StorageCommand {
    /// Show what a partition's directory holds, and what is damaged
    Inspect(inspect::InspectArgs),
}

pub fn run(command: &StorageCommand) -> anyhow::Result<()> {
    match command {
        StorageCommand::Inspect(args) => inspect::run(args),
    }
}
