//! Creates, changes and deletes topics.

use std::time::Duration;

use super::client::{Client, any_version};
use super::oracle::{Oracle, below};
use super::producer::{Kind, produce};
use super::promise::Promise;
use super::{consumer, consumer::Sessions};
use crate::base::ids::{TopicId, TopicPartition};
use crate::rt;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::MetadataRequest;
use crate::wire::messages::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use crate::wire::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use crate::wire::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use crate::wire::messages::metadata::MetadataRequestTopic;

/// What went wrong may be over the next time.
fn is_passing(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::KafkaStorageError | ErrorCode::RequestTimedOut | ErrorCode::NotController
    )
}

/// The first version of DeleteTopics that names topics by id.
const DELETE_BY_ID: i16 = 6;

/// The first version of Fetch that names topics by id.
const FETCH_BY_ID: i16 = 13;

/// Creates a topic; gives its partitions when it is there.
pub async fn create_topic(
    client: &mut Client,
    name: &str,
    partitions: i32,
    promise: Promise,
) -> Vec<(String, TopicPartition)> {
    client.oracle.creating(name);
    let configs = promise.configs();
    let config = |(name, value): &(&str, String)| CreatableTopicConfig {
        name: name.to_string(),
        value: Some(value.clone()),
    };
    let mut may_be_there = false;
    loop {
        let request = CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name: name.to_string(),
                num_partitions: partitions,
                replication_factor: 1,
                configs: configs.iter().map(config).collect(),
                ..CreatableTopic::default()
            }],
            timeout_ms: 30_000,
            ..CreateTopicsRequest::default()
        };
        let port = client.any_port();
        let answer = client
            .call(port, any_version::<CreateTopicsRequest>(0), &request)
            .await;
        let code =
            answer.map(|answer| ErrorCode::from_code(answer.topics[0].error_code).expect("a known code"));
        match code {
            Ok(ErrorCode::None) => break,
            Ok(ErrorCode::TopicAlreadyExists) if may_be_there => break,
            Ok(other) if !is_passing(other) => panic!("{name} could not be created: {other:?}"),
            _ => {
                may_be_there = true;
                client.trouble(code).await;
            }
        }
    }
    let id = topic_id(client, name).await;
    client
        .oracle
        .created(name, id, partitions as usize, promise, &configs);
    let of = |partition| (name.to_string(), TopicPartition { topic: id, partition });
    (0..partitions).map(of).collect()
}

/// The id of a topic that exists.
async fn topic_id(client: &mut Client, name: &str) -> TopicId {
    loop {
        let request = MetadataRequest {
            topics: Some(vec![MetadataRequestTopic {
                topic_id: TopicId::ZERO,
                name: Some(name.to_string()),
            }]),
            allow_auto_topic_creation: false,
            ..MetadataRequest::default()
        };
        let port = client.any_port();
        match client
            .call(port, any_version::<MetadataRequest>(10), &request)
            .await
        {
            Ok(metadata) => {
                let topic = &metadata.topics[0];
                assert_eq!(topic.error_code, 0, "{name} was created");
                // A disk that fails may have taken some offline already.
                let offline = ErrorCode::LeaderNotAvailable.code();
                assert!(topic.partitions.iter().all(|partition| {
                    partition.error_code == 0 || !client.oracle.is_calm() && partition.error_code == offline
                }));
                return topic.topic_id;
            }
            Err(unanswered) => client.trouble(unanswered).await,
        }
    }
}

pub async fn delete_topic(client: &mut Client, name: &str, id: TopicId) {
    client.oracle.deleting(id);
    let mut may_be_gone = false;
    loop {
        let version = any_version::<DeleteTopicsRequest>(0);
        let mut request = DeleteTopicsRequest {
            timeout_ms: 30_000,
            ..DeleteTopicsRequest::default()
        };
        if version < DELETE_BY_ID {
            request.topic_names = vec![name.to_string()];
        } else {
            request.topics = vec![DeleteTopicState {
                name: None,
                topic_id: id,
            }];
        }
        let port = client.any_port();
        let answer = client.call(port, version, &request).await;
        let code =
            answer.map(|answer| ErrorCode::from_code(answer.responses[0].error_code).expect("a known code"));
        match code {
            Ok(ErrorCode::None) => break,
            Ok(ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId) if may_be_gone => break,
            Ok(other) if !is_passing(other) => panic!("{name} could not be deleted: {other:?}"),
            _ => {
                may_be_gone = true;
                client.trouble(code).await;
            }
        }
    }
    client.oracle.deleted(id);
    // Nobody sees it from now on.
    let _ = client.refresh().await;
}

/// Asks for records of a topic that was deleted: nobody knows it, whatever has its name now.
pub async fn knock_at_deleted(client: &mut Client, name: &str, id: TopicId) {
    let request = FetchRequest {
        max_bytes: 1 << 20,
        topics: vec![FetchTopic {
            topic: name.to_string(),
            topic_id: id,
            partitions: vec![FetchPartition {
                partition_max_bytes: 1 << 20,
                ..FetchPartition::default()
            }],
        }],
        ..FetchRequest::default()
    };
    let port = client.any_port();
    let version = any_version::<FetchRequest>(FETCH_BY_ID);
    // Without an answer it is not known to be there either.
    if let Ok(answer) = client.call(port, version, &request).await {
        let code = answer.responses[0].partitions[0].error_code;
        let code = ErrorCode::from_code(code).expect("a known code");
        assert_eq!(code, ErrorCode::UnknownTopicId, "{name} {id:?} was deleted");
    }
}

/// Creates topics, has them written and read, and deletes them while that goes on. A name is used again, also while those
/// who use the topic that had it before have not noticed yet.
pub async fn create_and_delete(oracle: Oracle, topics: u64) {
    let mut client = Client::new(&oracle);
    let mut behind = Vec::new();
    for _ in 0..topics {
        let name = format!("deletable-{}", below(2));
        let partitions = create_topic(&mut client, &name, 1 + below(3) as i32, Promise::Everything).await;
        let id = partitions[0].1.topic;
        let producing = rt::spawn(produce(
            oracle.clone(),
            Kind::Idempotent,
            partitions.clone(),
            1000,
        ));
        let consuming = rt::spawn(consumer::consume(
            oracle.clone(),
            partitions,
            Sessions::Yes,
            Default::default(),
        ));
        rt::sleep(Duration::from_millis(below(300))).await;
        delete_topic(&mut client, &name, id).await;
        behind.extend([producing, consuming]);
        if below(2) == 0 {
            knock_at_deleted(&mut client, &name, id).await;
        }
    }
    for task in behind {
        task.await;
    }
}
