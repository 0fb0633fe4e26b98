//! `corelane topic create`.

use clap::Args;
use serde_json::json;

use super::setting::{Setting, parse_setting};
use crate::cli::client::ClientError;
use crate::cli::connect_args::ConnectArgs;
use crate::cli::output::{Format, print_json, print_line};
use crate::wire::errors::ErrorCode;
use crate::wire::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};

const EXAMPLES: &str = "\
Examples:
  corelane topic create clicks
  corelane topic create clicks --partitions 12 --config retention.ms=86400000
  corelane topic create users --config cleanup.policy=compact --if-not-exists";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CreateArgs {
    /// Names of the topics
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,

    /// Number of partitions [default: the broker's num.partitions]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,

    /// Number of copies [default: the broker's default.replication.factor]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i16).range(1..))]
    replication_factor: Option<i16>,

    /// A setting of the topic; may be given several times
    #[arg(short, long = "config", value_name = "NAME=VALUE", value_parser = parse_setting)]
    configs: Vec<Setting>,

    /// Accept topics that are there already, as they are
    #[arg(long)]
    if_not_exists: bool,

    /// Only check whether they could be created
    #[arg(long)]
    dry_run: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

pub fn run(args: &CreateArgs) -> anyhow::Result<()> {
    let mut client = args.connect.connect()?;
    let deadline_ms = client.options().timeout.as_millis() as i32;
    let topic = |name: &String| CreatableTopic {
        name: name.clone(),
        num_partitions: args.partitions.unwrap_or(-1),
        replication_factor: args.replication_factor.unwrap_or(-1),
        assignments: Vec::new(),
        configs: args
            .configs
            .iter()
            .map(|c| CreatableTopicConfig {
                name: c.name.clone(),
                value: Some(c.value.clone()),
            })
            .collect(),
    };
    let request = CreateTopicsRequest {
        topics: args.topics.iter().map(topic).collect(),
        timeout_ms: deadline_ms,
        validate_only: args.dry_run,
    };
    let codes =
        |response: &CreateTopicsResponse| response.topics.iter().map(|topic| topic.error_code).collect();
    let response = client.call_controller(&request, codes)?;
    let mut outcome = Ok(());
    let mut created = Vec::new();
    for topic in response.topics {
        match result_of(&topic, args.if_not_exists) {
            Ok(is_new) => created.push((topic, is_new)),
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
    if !args.dry_run {
        let names: Vec<&str> = created.iter().map(|(topic, _)| topic.name.as_str()).collect();
        client.wait_until_seen(&names, |cluster| {
            names.iter().all(|name| {
                cluster.topics.get(*name).is_some_and(|topic| {
                    !topic.error.is_error()
                        && topic
                            .partitions
                            .iter()
                            .all(|partition| partition.leader.is_some())
                })
            })
        })?;
    }
    report(args, &created)?;
    Ok(outcome?)
}

fn result_of(topic: &CreatableTopicResult, if_not_exists: bool) -> Result<bool, ClientError> {
    if if_not_exists && topic.error_code == ErrorCode::TopicAlreadyExists.code() {
        return Ok(false);
    }
    let what = format!("topic {}", topic.name);
    ClientError::check_with(what, topic.error_code, topic.error_message.as_deref()).map(|()| true)
}

fn report(args: &CreateArgs, created: &[(CreatableTopicResult, bool)]) -> anyhow::Result<()> {
    if Format::from_flag(args.json) == Format::Json {
        let topics: Vec<_> = created
            .iter()
            .map(|(topic, is_new)| {
                json!({
                    "topic": topic.name,
                    "created": *is_new && !args.dry_run,
                    "id": is_new.then(|| topic.topic_id.to_string()),
                    "partitions": Some(topic.num_partitions).filter(|n| *n > 0),
                    "replication_factor": Some(topic.replication_factor).filter(|n| *n > 0),
                })
            })
            .collect();
        return print_json(&json!(topics));
    }
    for (topic, is_new) in created {
        let name = &topic.name;
        let line = match (is_new, args.dry_run) {
            (false, _) => format!("topic {name} is there already"),
            (true, true) => format!("topic {name} could be created"),
            (true, false) if topic.num_partitions > 0 => format!(
                "created topic {name}: {} partitions, replication factor {}",
                topic.num_partitions, topic.replication_factor
            ),
            (true, false) => format!("created topic {name}"),
        };
        print_line(&line)?;
    }
    Ok(())
}
