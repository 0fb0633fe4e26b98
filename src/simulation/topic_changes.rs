//! Changes topics while they are used: more partitions, other configs, records deleted from their beginning.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::client::{Client, Unanswered, any_version};
use super::oracle::{Oracle, below};
use crate::base::ids::{TopicId, TopicPartition};
use crate::rt;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use crate::wire::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use crate::wire::messages::describe_configs::{DescribeConfigsRequest, DescribeConfigsResource};
use crate::wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};

/// The resource type of topics.
const TOPIC: i8 = 2;

/// Gives a topic more partitions; those that are new.
pub async fn grow(
    client: &mut Client,
    name: &str,
    id: TopicId,
    from: i32,
    to: i32,
) -> Vec<(String, TopicPartition)> {
    client.oracle.growing(id, to as usize);
    let mut may_be_done = false;
    loop {
        let request = CreatePartitionsRequest {
            topics: vec![CreatePartitionsTopic {
                name: name.to_string(),
                count: to,
                assignments: None,
            }],
            timeout_ms: 30_000,
            validate_only: false,
        };
        let port = client.any_port();
        let version = any_version::<CreatePartitionsRequest>(0);
        let answer = client.call(port, version, &request).await;
        match answer.map(|answer| known(answer.results[0].error_code)) {
            Ok(ErrorCode::None) => break,
            Ok(ErrorCode::InvalidPartitions) if may_be_done => break,
            Ok(ErrorCode::KafkaStorageError | ErrorCode::RequestTimedOut | ErrorCode::NotController)
            | Err(Unanswered) => {
                may_be_done = true;
                client.trouble("no more partitions").await;
            }
            Ok(other) => panic!("{name} gets no more partitions: {other:?}"),
        }
    }
    client.oracle.grown(id, to as usize);
    let of = |partition| (name.to_string(), TopicPartition { topic: id, partition });
    (from..to).map(of).collect()
}

/// Changes configs of topics, and looks whether they are as they were set, until told to stop.
pub async fn configure(oracle: Oracle, topics: Vec<(String, TopicId)>, stop: Rc<Cell<bool>>) {
    let mut client = Client::new(&oracle);
    while !stop.get() {
        rt::sleep(Duration::from_micros(below(400_000))).await;
        let (name, id) = &topics[below(topics.len() as u64) as usize];
        let (config, value) = oracle.promise(*id).another_config();
        set_config(&mut client, name, *id, config, &value).await;
        if let Err(Unanswered) = check_configs(&mut client, name, *id).await {
            client.trouble("no configs").await;
        }
    }
}

pub async fn set_config(client: &mut Client, name: &str, id: TopicId, config: &str, value: &str) {
    client.oracle.configuring(id, config);
    loop {
        let request = IncrementalAlterConfigsRequest {
            resources: vec![AlterConfigsResource {
                resource_type: TOPIC,
                resource_name: name.to_string(),
                configs: vec![AlterableConfig {
                    name: config.to_string(),
                    config_operation: 0,
                    value: Some(value.to_string()),
                }],
            }],
            validate_only: false,
        };
        let port = client.any_port();
        let version = any_version::<IncrementalAlterConfigsRequest>(0);
        let answer = client.call(port, version, &request).await;
        match answer.map(|answer| known(answer.responses[0].error_code)) {
            Ok(ErrorCode::None) => break,
            Ok(ErrorCode::KafkaStorageError | ErrorCode::RequestTimedOut | ErrorCode::NotController)
            | Err(Unanswered) => client.trouble("no other config").await,
            Ok(other) => panic!("{name} {config}={value}: {other:?}"),
        }
    }
    client.oracle.configured(id, config, value);
}

/// Holds a topic's configs against what the answers to their changes said.
pub async fn check_configs(client: &mut Client, name: &str, id: TopicId) -> Result<(), Unanswered> {
    let promised = client.oracle.promised_configs(id);
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: TOPIC,
            resource_name: name.to_string(),
            configuration_keys: None,
        }],
        ..DescribeConfigsRequest::default()
    };
    let port = client.any_port();
    let version = any_version::<DescribeConfigsRequest>(1);
    let answer = client.call(port, version, &request).await?;
    let result = &answer.results[0];
    assert_eq!(result.error_code, 0, "{name}");
    for (config, value) in promised {
        let found = result.configs.iter().find(|found| found.name == config);
        let found = found.unwrap_or_else(|| panic!("{name} has no {config}"));
        let same = match (
            value.parse::<f64>(),
            found.value.as_deref().map(str::parse::<f64>),
        ) {
            (Ok(wanted), Some(Ok(found))) => wanted == found,
            _ => found.value.as_ref() == Some(&value),
        };
        assert!(
            same,
            "{name} {config} was set to {value}, and is {:?}",
            found.value
        );
    }
    Ok(())
}

/// Deletes records from the beginning of partitions until told to stop.
pub async fn trim(oracle: Oracle, partitions: Vec<(String, TopicPartition)>, stop: Rc<Cell<bool>>) {
    let mut client = Client::new(&oracle);
    client.refresh_surely().await;
    while !stop.get() {
        rt::sleep(Duration::from_micros(below(300_000))).await;
        let (name, partition) = &partitions[below(partitions.len() as u64) as usize];
        let (start, end) = (oracle.promised_start(*partition), oracle.promised_end(*partition));
        let before = start + below((end - start).max(0) as u64 + 1) as i64;
        if let Err(what) = delete_records(&mut client, name, *partition, before).await {
            client.trouble(what).await;
            let _ = client.refresh().await;
        }
    }
}

async fn delete_records(
    client: &mut Client,
    name: &str,
    partition: TopicPartition,
    before: i64,
) -> Result<(), String> {
    let port = client.leader(&partition).ok_or("no leader")?;
    let request = DeleteRecordsRequest {
        topics: vec![DeleteRecordsTopic {
            name: name.to_string(),
            partitions: vec![DeleteRecordsPartition {
                partition_index: partition.partition,
                offset: before,
            }],
        }],
        timeout_ms: 5000,
    };
    client.oracle.deleting_records(partition, before);
    let promised = client.oracle.promised_start(partition);
    let answer = client
        .call(port, any_version::<DeleteRecordsRequest>(0), &request)
        .await;
    let answer = answer.map_err(|Unanswered| "records may be deleted")?;
    let result = &answer.topics[0].partitions[0];
    match known(result.error_code) {
        ErrorCode::None => {
            assert!(
                result.low_watermark >= before,
                "{name} {partition:?} starts before {before}"
            );
            client.oracle.saw_start(partition, promised, result.low_watermark);
            Ok(())
        }
        code @ (ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError) => Err(format!("{code:?}")),
        code => panic!("{name} {partition:?} can't be deleted before {before}: {code:?}"),
    }
}

fn known(code: i16) -> ErrorCode {
    ErrorCode::from_code(code).expect("a known code")
}
