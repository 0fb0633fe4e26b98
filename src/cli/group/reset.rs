//! `corelane group reset`.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;

use crate::cli::client::{
    AutoCreate, ClusterClient, CommitIdentity, Committed, Isolation, Partition, commit_offsets,
    fetch_all_committed,
};
use crate::cli::connect_args::ConnectArgs;
use crate::cli::consume::{StartPoint, parse_start_point, resolve};
use crate::cli::output::{Format, print_json, print_table};
use crate::cli::table::{Align, Table};

const EXAMPLES: &str = "\
Examples:
  corelane group reset counters --topic clicks --to beginning
  corelane group reset counters --topic clicks:0,3 --to 42 --dry-run
  corelane group reset counters --all-topics --to 2026-01-31T12:00:00Z

The group must have no running consumers.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ResetArgs {
    /// The group
    group: String,

    /// A topic, or some partitions of one; may be given several times
    #[arg(
        long = "topic",
        value_name = "TOPIC[:N,N...]",
        required_unless_present = "all_topics"
    )]
    topics: Vec<String>,

    /// All topics for which the group has committed offsets
    #[arg(long, conflicts_with = "topics")]
    all_topics: bool,

    /// Where to go on: beginning, end, an offset (42), so many before the end (-10), or a time (15m,
    /// 2026-01-31T12:00:00Z, @1700000000000)
    #[arg(long, value_name = "WHERE", value_parser = parse_start_point, allow_hyphen_values = true)]
    to: StartPoint,

    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

pub fn run(args: &ResetArgs) -> anyhow::Result<()> {
    let mut client = args.connect.connect()?;
    let before = fetch_all_committed(&mut client, &args.group)?;
    let partitions = if args.all_topics {
        if before.is_empty() {
            bail!(
                "group {} has committed nothing yet: name the topics with --topic",
                args.group
            );
        }
        let partitions: Vec<Partition> = before.keys().cloned().collect();
        let mut topics: Vec<&str> = partitions.iter().map(|partition| &*partition.topic).collect();
        topics.dedup();
        client.require_topics(&topics, AutoCreate::Denied)?;
        partitions
    } else {
        named_partitions(&mut client, &args.topics)?
    };
    let after = resolve(&mut client, &partitions, args.to, Isolation::ReadUncommitted)?;
    if !args.dry_run {
        commit_offsets(&mut client, &args.group, &CommitIdentity::outsider(), &after)?;
    }
    report(args, &before, &after)
}

fn named_partitions(client: &mut ClusterClient, topics: &[String]) -> anyhow::Result<Vec<Partition>> {
    let mut partitions = Vec::new();
    for topic in topics {
        // A topic's name has no colon.
        let (name, indexes) = topic.split_once(':').unwrap_or((topic, ""));
        client.require_topics(&[name], AutoCreate::Denied)?;
        let there: Vec<i32> = client.cluster().topics[name]
            .partitions
            .iter()
            .map(|p| p.index)
            .collect();
        if indexes.is_empty() {
            partitions.extend(there.iter().map(|index| Partition::new(name, *index)));
            continue;
        }
        for index in indexes.split(',') {
            let index: i32 = index
                .trim()
                .parse()
                .with_context(|| format!("{topic:?}: write it as {name}:0,1,2"))?;
            if !there.contains(&index) {
                bail!(
                    "topic {name} has no partition {index}, only 0 to {}",
                    there.len() - 1
                );
            }
            partitions.push(Partition::new(name, index));
        }
    }
    Ok(partitions)
}

fn report(
    args: &ResetArgs,
    before: &BTreeMap<Partition, Committed>,
    after: &BTreeMap<Partition, i64>,
) -> anyhow::Result<()> {
    let old = |partition: &Partition| before.get(partition).map(|committed| committed.offset);
    if Format::from_flag(args.json) == Format::Json {
        let partitions: Vec<_> = after
            .iter()
            .map(|(partition, offset)| {
                json!({
                    "topic": &*partition.topic,
                    "partition": partition.index,
                    "before": old(partition),
                    "after": offset,
                })
            })
            .collect();
        return print_json(&json!({"group": args.group, "done": !args.dry_run, "partitions": partitions}));
    }
    let to = if args.dry_run { "WOULD BE" } else { "NOW" };
    let mut table = Table::new(&[
        ("TOPIC", Align::Left),
        ("PARTITION", Align::Right),
        ("BEFORE", Align::Right),
        (to, Align::Right),
    ]);
    for (partition, offset) in after {
        table.row(vec![
            partition.topic.to_string(),
            partition.index.to_string(),
            old(partition).map_or("-".to_owned(), |offset| offset.to_string()),
            offset.to_string(),
        ]);
    }
    print_table(&table)
}
