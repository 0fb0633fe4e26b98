//! `corelane topic`: one file per subcommand.

mod alter;
mod create;
mod delete;
mod describe;
mod list;
mod setting;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum TopicCommand {
    /// Create topics
    Create(create::CreateArgs),
    /// List topics
    List(list::ListArgs),
    /// Show partitions, leaders, offsets and settings of topics
    Describe(describe::DescribeArgs),
    /// Change settings of a topic, or add partitions
    Alter(alter::AlterArgs),
    /// Delete topics and their records
    Delete(delete::DeleteArgs),
}

pub fn run(command: &TopicCommand) -> anyhow::Result<()> {
    match command {
        TopicCommand::Create(args) => create::run(args),
        TopicCommand::List(args) => list::run(args),
        TopicCommand::Describe(args) => describe::run(args),
        TopicCommand::Alter(args) => alter::run(args),
        TopicCommand::Delete(args) => delete::run(args),
    }
}
