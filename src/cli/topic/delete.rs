//! `corelane topic delete`.

use clap::Args;

use crate::cli::client::{ClientError, Cluster};
use crate::cli::connect_args::ConnectArgs;
use crate::cli::output::print_line;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};

const EXAMPLES: &str = "\
Examples:
  corelane topic delete clicks
  corelane topic delete old-1 old-2 --if-exists";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DeleteArgs {
    /// Names of the topics
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,

    /// Accept topics that are not there
    #[arg(long)]
    if_exists: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

pub fn run(args: &DeleteArgs) -> anyhow::Result<()> {
    let mut client = args.connect.connect()?;
    let timeout_ms = client.options().timeout.as_millis() as i32;
    // Version 6 names topics in another field, which older versions do not have.
    let request = if client.knows::<DeleteTopicsRequest>(6)? {
        let state = |name: &String| DeleteTopicState {
            name: Some(name.clone()),
            ..Default::default()
        };
        DeleteTopicsRequest {
            topics: args.topics.iter().map(state).collect(),
            timeout_ms,
            ..Default::default()
        }
    } else {
        DeleteTopicsRequest {
            topic_names: args.topics.clone(),
            timeout_ms,
            ..Default::default()
        }
    };
    let codes = |response: &DeleteTopicsResponse| response.responses.iter().map(|r| r.error_code).collect();
    let response = client.call_controller(&request, codes)?;
    let mut outcome = Ok(());
    let mut deleted = Vec::new();
    for topic in response.responses {
        let name = topic.name.unwrap_or_default();
        let missing = topic.error_code == ErrorCode::UnknownTopicOrPartition.code();
        if missing && args.if_exists {
            print_line(&format!("topic {name} is not there"))?;
            continue;
        }
        match ClientError::check_with(
            format!("topic {name}"),
            topic.error_code,
            topic.error_message.as_deref(),
        ) {
            Ok(()) => deleted.push(name),
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
    let names: Vec<&str> = deleted.iter().map(String::as_str).collect();
    let is_gone = |cluster: &Cluster, name: &str| {
        cluster
            .topics
            .get(name)
            .is_none_or(|topic| topic.error == ErrorCode::UnknownTopicOrPartition)
    };
    client.wait_until_seen(&names, |cluster| names.iter().all(|name| is_gone(cluster, name)))?;
    for name in &names {
        print_line(&format!("deleted topic {name}"))?;
    }
    Ok(outcome?)
}
