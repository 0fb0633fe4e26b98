//! `corelane group list`.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use crate::cli::client::{ClientError, ClusterClient};
use crate::cli::connect_args::ConnectArgs;
use crate::cli::output::{Format, print_json, print_line, print_table};
use crate::cli::table::{Align, Table};
use crate::wire::messages::list_groups::{ListGroupsRequest, ListedGroup};

const EXAMPLES: &str = "\
Examples:
  corelane group list
  corelane group list --state empty
  corelane group list --json | jq -r '.[].group'";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ListArgs {
    /// Only groups in this state: stable, empty, preparing-rebalance, completing-rebalance, dead
    #[arg(long, value_name = "STATE")]
    state: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

pub fn run(args: &ListArgs) -> anyhow::Result<()> {
    let mut client = args.connect.connect()?;
    let mut groups = all_groups(&mut client)?;
    if let Some(state) = &args.state {
        groups.retain(|_, group| plain(&group.group_state) == plain(state));
    }
    if Format::from_flag(args.json) == Format::Json {
        let groups: Vec<_> = groups
            .values()
            .map(|group| {
                json!({
                    "group": group.group_id,
                    "state": group.group_state,
                    "type": group.group_type,
                    "protocol": group.protocol_type,
                })
            })
            .collect();
        return print_json(&json!(groups));
    }
    if groups.is_empty() {
        return print_line("no groups; `corelane consume TOPIC --group NAME` makes one");
    }
    let mut table = Table::new(&[
        ("GROUP", Align::Left),
        ("STATE", Align::Left),
        ("TYPE", Align::Left),
        ("PROTOCOL", Align::Left),
    ]);
    for group in groups.into_values() {
        table.row(vec![
            group.group_id,
            group.group_state,
            group.group_type,
            group.protocol_type,
        ]);
    }
    print_table(&table)
}

/// Each node lists the groups it coordinates.
fn all_groups(client: &mut ClusterClient) -> Result<BTreeMap<String, ListedGroup>, ClientError> {
    let nodes: Vec<_> = client.cluster().nodes.keys().copied().collect();
    let mut groups = BTreeMap::new();
    for node in nodes {
        let response = client.retry(|client| {
            let response = client.call_node(node, &ListGroupsRequest::default(), i16::MAX)?;
            ClientError::check(format!("groups of node {node}"), response.error_code)?;
            Ok(response)
        })?;
        groups.extend(
            response
                .groups
                .into_iter()
                .map(|group| (group.group_id.clone(), group)),
        );
    }
    Ok(groups)
}

/// `PreparingRebalance` and `preparing-rebalance` are the same state.
fn plain(state: &str) -> String {
    state
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}
