//! `corelane group delete`.

use std::collections::BTreeMap;

use clap::Args;

use crate::cli::client::{ClientError, ClusterClient, Partition, error_code, fetch_all_committed};
use crate::cli::connect_args::ConnectArgs;
use crate::cli::output::print_line;
use crate::wire::messages::delete_groups::DeleteGroupsRequest;
use crate::wire::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};

const EXAMPLES: &str = "\
Examples:
  corelane group delete counters
  corelane group delete counters --topic clicks

A group must have no running consumers to be deleted. With --topic, only what it has committed for that topic goes; no
consumer of the group may read that topic.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DeleteArgs {
    /// Names of the groups
    #[arg(required = true, value_name = "GROUP")]
    groups: Vec<String>,

    /// Delete only the offsets of this topic; may be given several times
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,

    #[command(flatten)]
    connect: ConnectArgs,
}

pub fn run(args: &DeleteArgs) -> anyhow::Result<()> {
    let mut client = args.connect.connect()?;
    let mut outcome = Ok(());
    for group in &args.groups {
        let result = if args.topics.is_empty() {
            delete_group(&mut client, group).map(|()| format!("deleted group {group}"))
        } else {
            delete_offsets(&mut client, group, &args.topics)
                .map(|count| format!("deleted {count} committed offsets of group {group}"))
        };
        match result {
            Ok(line) => print_line(&line)?,
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
    Ok(outcome?)
}

fn delete_group(client: &mut ClusterClient, group: &str) -> Result<(), ClientError> {
    let request = DeleteGroupsRequest {
        groups_names: vec![group.to_owned()],
    };
    client.call_coordinator(group, &request, i16::MAX, |response| {
        response.results.iter().try_for_each(|result| {
            ClientError::check_with(
                format!("group {group}"),
                result.error_code,
                result.error_message.as_deref(),
            )
        })
    })?;
    Ok(())
}

fn delete_offsets(client: &mut ClusterClient, group: &str, topics: &[String]) -> Result<usize, ClientError> {
    let committed = fetch_all_committed(client, group)?;
    let mut by_topic: BTreeMap<&str, Vec<OffsetDeleteRequestPartition>> = BTreeMap::new();
    for Partition { topic, index } in committed
        .keys()
        .filter(|p| topics.iter().any(|topic| **topic == *p.topic))
    {
        by_topic
            .entry(topic)
            .or_default()
            .push(OffsetDeleteRequestPartition {
                partition_index: *index,
            });
    }
    let count = by_topic.values().map(Vec::len).sum();
    let request = OffsetDeleteRequest {
        group_id: group.to_owned(),
        topics: by_topic
            .into_iter()
            .map(|(name, partitions)| OffsetDeleteRequestTopic {
                name: name.to_owned(),
                partitions,
            })
            .collect(),
    };
    client.call_coordinator(group, &request, i16::MAX, |response| {
        ClientError::check(format!("group {group}"), response.error_code)?;
        for topic in &response.topics {
            for partition in &topic.partitions {
                if error_code(partition.error_code).is_error() {
                    let what = format!(
                        "offset of group {group} for {}-{}",
                        topic.name, partition.partition_index
                    );
                    return ClientError::check(what, partition.error_code);
                }
            }
        }
        Ok(())
    })?;
    Ok(count)
}
