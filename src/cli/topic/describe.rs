//! `corelane topic describe`.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Map, Value, json};

use super::setting::TOPIC_RESOURCE;
use crate::base::ids::NodeId;
use crate::cli::client::{
    AutoCreate, ClientError, ClusterClient, EARLIEST, Isolation, LATEST, ListedOffset, Partition, Topic,
    list_offsets,
};
use crate::cli::connect_args::ConnectArgs;
use crate::cli::output::{Format, print_json, print_line, print_table};
use crate::cli::table::{Align, Table};
use crate::wire::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
};

const EXAMPLES: &str = "\
Examples:
  corelane topic describe clicks
  corelane topic describe clicks --all-configs
  corelane topic describe clicks --json | jq '.[0].partitions[].end_offset'";

/// The source of a setting that was made for the topic itself.
const FROM_TOPIC: i8 = 1;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DescribeArgs {
    /// Names of the topics
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,

    /// Show all settings, not only those made for the topic
    #[arg(long)]
    all_configs: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

type Offsets = BTreeMap<Partition, ListedOffset>;

pub fn run(args: &DescribeArgs) -> anyhow::Result<()> {
    let mut client = args.connect.connect()?;
    let names: Vec<&str> = args.topics.iter().map(String::as_str).collect();
    client.require_topics(&names, AutoCreate::Denied)?;
    let mut described = Vec::new();
    for name in names {
        let topic = client.cluster().topics[name].clone();
        let partitions: Vec<Partition> = topic
            .partitions
            .iter()
            .map(|p| Partition::new(name, p.index))
            .collect();
        let starts = list_offsets(
            &mut client,
            partitions.clone(),
            EARLIEST,
            Isolation::ReadUncommitted,
        )?;
        let ends = list_offsets(&mut client, partitions, LATEST, Isolation::ReadUncommitted)?;
        let configs = configs_of(&mut client, name, args.all_configs)?;
        match Format::from_flag(args.json) {
            Format::Json => described.push(as_json(name, &topic, &starts, &ends, &configs)),
            Format::Human => print_human(name, &topic, &starts, &ends, &configs)?,
        }
    }
    if args.json {
        print_json(&Value::Array(described))
    } else {
        Ok(())
    }
}

fn configs_of(
    client: &mut ClusterClient,
    topic: &str,
    all: bool,
) -> Result<Vec<DescribeConfigsResourceResult>, ClientError> {
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: TOPIC_RESOURCE,
            resource_name: topic.to_owned(),
            configuration_keys: None,
        }],
        ..Default::default()
    };
    let response = client.retry(|client| {
        let response = client.call_any(&request)?;
        for result in &response.results {
            let what = format!("settings of topic {topic}");
            ClientError::check_with(what, result.error_code, result.error_message.as_deref())?;
        }
        Ok(response)
    })?;
    let mut configs: Vec<_> = response
        .results
        .into_iter()
        .flat_map(|result| result.configs)
        .collect();
    configs.retain(|config| all || config.config_source == FROM_TOPIC);
    configs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(configs)
}

fn offset_in(offsets: &Offsets, topic: &str, index: i32) -> Option<i64> {
    offsets.get(&Partition::new(topic, index))?.offset
}

fn as_json(
    name: &str,
    topic: &Topic,
    starts: &Offsets,
    ends: &Offsets,
    configs: &[DescribeConfigsResourceResult],
) -> Value {
    let partitions: Vec<_> = topic
        .partitions
        .iter()
        .map(|p| {
            json!({
                "partition": p.index,
                "leader": p.leader.map(|node| node.0),
                "leader_epoch": p.leader_epoch.0,
                "replicas": p.replicas,
                "in_sync": p.in_sync,
                "start_offset": offset_in(starts, name, p.index),
                "end_offset": offset_in(ends, name, p.index),
            })
        })
        .collect();
    let configs: Map<String, Value> = configs
        .iter()
        .map(|config| (config.name.clone(), json!(config.value)))
        .collect();
    json!({
        "topic": name,
        "id": topic.id.to_string(),
        "internal": topic.is_internal,
        "partitions": partitions,
        "configs": configs,
    })
}

fn print_human(
    name: &str,
    topic: &Topic,
    starts: &Offsets,
    ends: &Offsets,
    configs: &[DescribeConfigsResourceResult],
) -> anyhow::Result<()> {
    let replication = topic.partitions.first().map_or(0, |p| p.replicas.len());
    print_line(&format!(
        "topic {name}  id {}  partitions {}  replication factor {replication}",
        topic.id,
        topic.partitions.len()
    ))?;
    let mut table = Table::new(&[
        ("PARTITION", Align::Right),
        ("LEADER", Align::Right),
        ("EPOCH", Align::Right),
        ("REPLICAS", Align::Left),
        ("IN SYNC", Align::Left),
        ("START", Align::Right),
        ("END", Align::Right),
    ]);
    let number = |n: Option<i64>| n.map_or("-".to_owned(), |n| n.to_string());
    let list = |nodes: &[i32]| nodes.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
    for p in &topic.partitions {
        table.row(vec![
            p.index.to_string(),
            p.leader
                .map_or("none".to_owned(), |NodeId(node)| node.to_string()),
            p.leader_epoch.to_string(),
            list(&p.replicas),
            list(&p.in_sync),
            number(offset_in(starts, name, p.index)),
            number(offset_in(ends, name, p.index)),
        ]);
    }
    print_table(&table)?;
    if !configs.is_empty() {
        let mut table = Table::new(&[("SETTING", Align::Left), ("VALUE", Align::Left)]);
        for config in configs {
            let value = if config.is_sensitive {
                "(hidden)"
            } else {
                config.value.as_deref().unwrap_or("")
            };
            table.row(vec![config.name.clone(), value.to_owned()]);
        }
        print_table(&table)?;
    }
    Ok(())
}
