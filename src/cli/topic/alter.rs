//! `corelane topic alter`.

use anyhow::bail;
use clap::Args;

use super::setting::{Setting, TOPIC_RESOURCE, parse_setting};
use crate::cli::client::{ClientError, Cluster, ClusterClient};
use crate::cli::connect_args::ConnectArgs;
use crate::cli::output::print_line;
use crate::wire::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic,
};
use crate::wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};

const EXAMPLES: &str = "\
Examples:
  corelane topic alter clicks --config retention.ms=3600000
  corelane topic alter clicks --delete-config retention.ms
  corelane topic alter clicks --partitions 24

Adding partitions changes which partition a key goes to.";

const SET: i8 = 0;
const DELETE: i8 = 1;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct AlterArgs {
    /// Name of the topic
    topic: String,

    /// Number of partitions the topic should have; it cannot have fewer than now
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,

    /// A setting to make; may be given several times
    #[arg(short, long = "config", value_name = "NAME=VALUE", value_parser = parse_setting)]
    configs: Vec<Setting>,

    /// A setting to take back, so that the broker's default counts again; may be given several times
    #[arg(long = "delete-config", value_name = "NAME")]
    deleted_configs: Vec<String>,

    /// Only check whether it could be done
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

pub fn run(args: &AlterArgs) -> anyhow::Result<()> {
    if args.partitions.is_none() && args.configs.is_empty() && args.deleted_configs.is_empty() {
        bail!("nothing to change: say --partitions, --config or --delete-config");
    }
    let mut client = args.connect.connect()?;
    let mut done = Vec::new();
    if !args.configs.is_empty() || !args.deleted_configs.is_empty() {
        alter_configs(&mut client, args)?;
        done.extend(args.configs.iter().map(|c| format!("{}={}", c.name, c.value)));
        done.extend(
            args.deleted_configs
                .iter()
                .map(|name| format!("{name} taken back")),
        );
    }
    if let Some(count) = args.partitions {
        create_partitions(&mut client, args, count)?;
        done.push(format!("{count} partitions"));
    }
    let verb = if args.dry_run { "could alter" } else { "altered" };
    print_line(&format!("{verb} topic {}: {}", args.topic, done.join(", ")))
}

fn alter_configs(client: &mut ClusterClient, args: &AlterArgs) -> Result<(), ClientError> {
    let set = args.configs.iter().map(|config| AlterableConfig {
        name: config.name.clone(),
        config_operation: SET,
        value: Some(config.value.clone()),
    });
    let deleted = args.deleted_configs.iter().map(|name| AlterableConfig {
        name: name.clone(),
        config_operation: DELETE,
        value: None,
    });
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: TOPIC_RESOURCE,
            resource_name: args.topic.clone(),
            configs: set.chain(deleted).collect(),
        }],
        validate_only: args.dry_run,
    };
    let codes = |response: &IncrementalAlterConfigsResponse| {
        response.responses.iter().map(|r| r.error_code).collect()
    };
    let response = client.call_controller(&request, codes)?;
    for result in response.responses {
        let what = format!("topic {}", result.resource_name);
        ClientError::check_with(what, result.error_code, result.error_message.as_deref())?;
    }
    Ok(())
}

fn create_partitions(client: &mut ClusterClient, args: &AlterArgs, count: i32) -> Result<(), ClientError> {
    let request = CreatePartitionsRequest {
        topics: vec![CreatePartitionsTopic {
            name: args.topic.clone(),
            count,
            assignments: None,
        }],
        timeout_ms: client.options().timeout.as_millis() as i32,
        validate_only: args.dry_run,
    };
    let codes = |response: &CreatePartitionsResponse| response.results.iter().map(|r| r.error_code).collect();
    let response = client.call_controller(&request, codes)?;
    for result in response.results {
        let what = format!("topic {}", result.name);
        ClientError::check_with(what, result.error_code, result.error_message.as_deref())?;
    }
    if !args.dry_run {
        let topic = args.topic.as_str();
        let enough = |cluster: &Cluster| {
            cluster
                .topics
                .get(topic)
                .is_some_and(|topic| topic.partitions.len() >= count as usize)
        };
        client.wait_until_seen(&[topic], enough)?;
    }
    Ok(())
}
