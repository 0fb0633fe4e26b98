//! `corelane group describe`.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use serde_json::{Value, json};

use super::group_description::{GroupDescription, Member, describe_group};
use crate::cli::client::{
    AutoCreate, ClientError, ClusterClient, Isolation, LATEST, Partition, fetch_all_committed, list_offsets,
};
use crate::cli::connect_args::ConnectArgs;
use crate::cli::output::{Format, print_json, print_line, print_table};
use crate::cli::table::{Align, Table};
use crate::wire::errors::ErrorCode;

const EXAMPLES: &str = "\
Examples:
  corelane group describe counters
  corelane group describe counters --members
  corelane group describe counters --json | jq '[.[0].partitions[].lag] | add'

Lag is how many offsets lie between what the group has committed and the end.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DescribeArgs {
    /// Names of the groups
    #[arg(required = true, value_name = "GROUP")]
    groups: Vec<String>,

    /// Show one line for each member, instead of one for each partition
    #[arg(long)]
    members: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

/// How far a group is in a partition.
struct Progress<'a> {
    committed: Option<i64>,
    end: Option<i64>,
    member: Option<&'a Member>,
}

impl Progress<'_> {
    fn lag(&self) -> Option<i64> {
        Some((self.end? - self.committed?).max(0))
    }
}

pub fn run(args: &DescribeArgs) -> anyhow::Result<()> {
    let mut client = args.connect.connect()?;
    let mut described = Vec::new();
    for group in &args.groups {
        let description = describe_group(&mut client, group)?;
        let committed = fetch_all_committed(&mut client, group)?;
        if description.is_none() && committed.is_empty() {
            ClientError::check(format!("group {group}"), ErrorCode::GroupIdNotFound.code())?;
        }
        let description = description.unwrap_or_else(|| GroupDescription {
            state: "Empty".to_owned(),
            assignor: String::new(),
            members: Vec::new(),
        });
        let mut progress: BTreeMap<Partition, Progress<'_>> = BTreeMap::new();
        let none = || Progress {
            committed: None,
            end: None,
            member: None,
        };
        for (partition, committed) in committed {
            progress.entry(partition).or_insert_with(none).committed = Some(committed.offset);
        }
        for member in &description.members {
            for partition in &member.partitions {
                progress.entry(partition.clone()).or_insert_with(none).member = Some(member);
            }
        }
        for (partition, end) in ends_of(&mut client, progress.keys())? {
            progress.entry(partition).or_insert_with(none).end = end;
        }
        match Format::from_flag(args.json) {
            Format::Json => described.push(as_json(group, &description, &progress)),
            Format::Human => print_human(args, group, &description, &progress)?,
        }
    }
    if args.json {
        print_json(&Value::Array(described))
    } else {
        Ok(())
    }
}

/// Ends of those partitions that are still there.
fn ends_of<'a>(
    client: &mut ClusterClient,
    partitions: impl Iterator<Item = &'a Partition>,
) -> Result<BTreeMap<Partition, Option<i64>>, ClientError> {
    let partitions: Vec<Partition> = partitions.cloned().collect();
    let topics: BTreeSet<&str> = partitions.iter().map(|partition| &*partition.topic).collect();
    client.refresh(&topics.into_iter().collect::<Vec<_>>(), AutoCreate::Denied)?;
    let there: Vec<Partition> = partitions
        .into_iter()
        .filter(|p| client.cluster().partition(&p.topic, p.index).is_some())
        .collect();
    let ends = list_offsets(client, there, LATEST, Isolation::ReadUncommitted)?;
    Ok(ends
        .into_iter()
        .map(|(partition, listed)| (partition, listed.offset))
        .collect())
}

fn as_json(
    group: &str,
    description: &GroupDescription,
    progress: &BTreeMap<Partition, Progress<'_>>,
) -> Value {
    let members: Vec<_> = description
        .members
        .iter()
        .map(|member| {
            json!({
                "member": member.id,
                "instance_id": member.instance_id,
                "client_id": member.client_id,
                "host": member.host,
                "partitions": member.partitions.iter().map(Partition::to_string).collect::<Vec<_>>(),
            })
        })
        .collect();
    let partitions: Vec<_> = progress
        .iter()
        .map(|(partition, progress)| {
            json!({
                "topic": &*partition.topic,
                "partition": partition.index,
                "committed_offset": progress.committed,
                "end_offset": progress.end,
                "lag": progress.lag(),
                "member": progress.member.map(|member| &member.id),
            })
        })
        .collect();
    json!({
        "group": group,
        "state": description.state,
        "assignor": description.assignor,
        "members": members,
        "partitions": partitions,
    })
}

fn print_human(
    args: &DescribeArgs,
    group: &str,
    description: &GroupDescription,
    progress: &BTreeMap<Partition, Progress<'_>>,
) -> anyhow::Result<()> {
    let lag: i64 = progress.values().filter_map(Progress::lag).sum();
    let members = description.members.len();
    let mut title = format!(
        "group {group}  state {}  members {members}  lag {lag}",
        description.state
    );
    if !description.assignor.is_empty() {
        title.push_str(&format!("  assignor {}", description.assignor));
    }
    print_line(&title)?;
    if args.members {
        print_members(&description.members)
    } else {
        print_progress(progress)
    }
}

fn print_members(members: &[Member]) -> anyhow::Result<()> {
    let mut table = Table::new(&[
        ("MEMBER", Align::Left),
        ("INSTANCE", Align::Left),
        ("CLIENT", Align::Left),
        ("HOST", Align::Left),
        ("COUNT", Align::Right),
        ("PARTITIONS", Align::Left),
    ]);
    for member in members {
        let mut indexes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for partition in &member.partitions {
            indexes
                .entry(&partition.topic)
                .or_default()
                .push(partition.index.to_string());
        }
        let partitions: Vec<_> = indexes
            .into_iter()
            .map(|(topic, indexes)| format!("{topic}({})", indexes.join(",")))
            .collect();
        table.row(vec![
            member.id.clone(),
            member.instance_id.clone().unwrap_or_else(|| "-".to_owned()),
            member.client_id.clone(),
            member.host.clone(),
            member.partitions.len().to_string(),
            partitions.join(" "),
        ]);
    }
    print_table(&table)
}

fn print_progress(progress: &BTreeMap<Partition, Progress<'_>>) -> anyhow::Result<()> {
    let mut table = Table::new(&[
        ("TOPIC", Align::Left),
        ("PARTITION", Align::Right),
        ("COMMITTED", Align::Right),
        ("END", Align::Right),
        ("LAG", Align::Right),
        ("CLIENT", Align::Left),
        ("HOST", Align::Left),
        ("MEMBER", Align::Left),
    ]);
    let number = |n: Option<i64>| n.map_or("-".to_owned(), |n| n.to_string());
    for (partition, progress) in progress {
        let of_member =
            |field: fn(&Member) -> &String| progress.member.map_or("-".to_owned(), |m| field(m).clone());
        table.row(vec![
            partition.topic.to_string(),
            partition.index.to_string(),
            number(progress.committed),
            number(progress.end),
            number(progress.lag()),
            of_member(|member| &member.client_id),
            of_member(|member| &member.host),
            of_member(|member| &member.id),
        ]);
    }
    print_table(&table)
}
