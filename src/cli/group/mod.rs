//! `corelane group`: one file per subcommand; `group_description.rs` asks what a group is and who is in it.

mod delete;
mod describe;
mod group_description;
mod list;
mod reset;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// List groups
    List(list::ListArgs),
    /// Show the members of groups, and how far behind they are
    Describe(describe::DescribeArgs),
    /// Set where a group goes on reading
    Reset(reset::ResetArgs),
    /// Delete groups, or what they have committed for some topics
    Delete(delete::DeleteArgs),
}

pub fn run(command: &GroupCommand) -> anyhow::Result<()> {
    match command {
        GroupCommand::List(args) => list::run(args),
        GroupCommand::Describe(args) => describe::run(args),
        GroupCommand::Reset(args) => reset::run(args),
        GroupCommand::Delete(args) => delete::run(args),
    }
}
