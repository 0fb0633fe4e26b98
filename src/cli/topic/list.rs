//! `corelane topic list`.

use clap::Args;
use serde_json::json;

use crate::cli::connect_args::ConnectArgs;
use crate::cli::output::{Format, print_json, print_line, print_table};
use crate::cli::table::{Align, Table};

const EXAMPLES: &str = "\
Examples:
  corelane topic list
  corelane topic list --json | jq -r '.[].topic'";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ListArgs {
    /// Show the cluster's own topics, too
    #[arg(long)]
    internal: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

pub fn run(args: &ListArgs) -> anyhow::Result<()> {
    let mut client = args.connect.connect()?;
    client.refresh_all()?;
    let topics = client
        .cluster()
        .topics
        .iter()
        .filter(|(_, topic)| args.internal || !topic.is_internal);
    if Format::from_flag(args.json) == Format::Json {
        let topics: Vec<_> = topics
            .map(|(name, topic)| {
                json!({
                    "topic": &**name,
                    "id": topic.id.to_string(),
                    "partitions": topic.partitions.len(),
                    "replication_factor": topic.partitions.first().map_or(0, |p| p.replicas.len()),
                    "internal": topic.is_internal,
                })
            })
            .collect();
        return print_json(&json!(topics));
    }
    let mut table = Table::new(&[
        ("TOPIC", Align::Left),
        ("PARTITIONS", Align::Right),
        ("REPLICATION", Align::Right),
    ]);
    for (name, topic) in topics {
        let replicas = topic.partitions.first().map_or(0, |p| p.replicas.len());
        table.row(vec![
            name.to_string(),
            topic.partitions.len().to_string(),
            replicas.to_string(),
        ]);
    }
    if table.is_empty() {
        return print_line("no topics yet; `corelane topic create` makes one");
    }
    print_table(&table)
}
