use std::time::{Duration, Instant, SystemTime};

use corelane::base::ids::{ProducerEpoch, ProducerId};
use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::describe_producers::{PartitionResponse, ProducerState, TopicRequest};
use corelane::wire::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};
use corelane::wire::messages::{DescribeProducersRequest, IncrementalAlterConfigsRequest};
use corelane::wire::records::{BatchBuilder, Compression};

use crate::fixture::client::Client;
use crate::produce::produce_request;
use crate::server::Server;
use crate::steps::{create_topic, error, leader, new_topic};

fn describe(client: &mut Client, topic: &str, partition: i32) -> PartitionResponse {
    let request = DescribeProducersRequest {
        topics: vec![TopicRequest {
            name: topic.to_string(),
            partition_indexes: vec![partition],
        }],
    };
    let mut answer = client.call(&request, 0);
    assert_eq!((answer.topics.len(), answer.topics[0].name.as_str()), (1, topic));
    let result = answer.topics[0].partitions.remove(0);
    assert_eq!(result.partition_index, partition);
    result
}

/// Writes two records as an idempotent producer.
fn produce_as(client: &mut Client, topic: &str, id: i64, epoch: i16, sequence: i32, timestamp_ms: i64) {
    let mut builder =
        BatchBuilder::new(Compression::None).producer(ProducerId(id), ProducerEpoch(epoch), sequence);
    for later_ms in [0, 1] {
        builder.append(timestamp_ms + later_ms, None, Some(b"value"), &[]);
    }
    let mut request = produce_request(topic, 0, -1);
    request.topic_data[0].partition_data[0].records = Some(builder.build().expect("a batch").freeze());
    let answer = client.call(&request, 9);
    assert_eq!(
        error(answer.responses[0].partition_responses[0].error_code),
        ErrorCode::None
    );
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("after 1970");
    i64::try_from(since.as_millis()).expect("before the year 292278994")
}

#[test]
fn each_producer_is_told_with_what_it_wrote_last() {
    let server = Server::start();
    let name = server.topic("producers");
    create_topic(&server, new_topic(&name, 1));
    let mut client = leader(&server, &name, 0);
    assert_eq!(describe(&mut client, &name, 0), PartitionResponse::default());
    let now_ms = now_ms();
    produce_as(&mut client, &name, 5_000_001, 3, 0, now_ms);
    produce_as(&mut client, &name, 5_000_002, 0, 0, now_ms);
    produce_as(&mut client, &name, 5_000_001, 3, 2, now_ms + 10);
    let mut told = describe(&mut client, &name, 0);
    assert_eq!(error(told.error_code), ErrorCode::None);
    told.active_producers.sort_by_key(|one| one.producer_id);
    let producer = |producer_id, producer_epoch, last_sequence, last_timestamp| ProducerState {
        producer_id,
        producer_epoch,
        last_sequence,
        last_timestamp,
        coordinator_epoch: -1,
        current_txn_start_offset: -1,
    };
    assert_eq!(
        told.active_producers,
        [
            producer(5_000_001, 3, 3, now_ms + 11),
            producer(5_000_002, 0, 1, now_ms + 1)
        ]
    );
}

#[test]
fn only_the_leader_knows() {
    let server = Server::start();
    let name = server.topic("elsewhere");
    create_topic(&server, new_topic(&name, 1));
    for (topic, partition) in [(name.as_str(), 1), (name.as_str(), -1), ("not-there", 0)] {
        let told = describe(&mut server.client(), topic, partition);
        assert_eq!(error(told.error_code), ErrorCode::UnknownTopicOrPartition);
    }
    let mut codes: Vec<_> = server
        .addresses()
        .iter()
        .map(|address| error(describe(&mut Client::connect(address), &name, 0).error_code))
        .collect();
    codes.sort_unstable();
    if !server.is_foreign() {
        assert_eq!(codes, [ErrorCode::None, ErrorCode::NotLeaderOrFollower]);
    }
}

/// `producer.id.expiration.ms` may change while the server runs.
#[test]
fn a_producer_is_forgotten_when_it_has_been_silent_for_long() {
    let server = Server::start_with(&[("log.flush.offset.checkpoint.interval.ms", "20")]);
    if server.is_foreign() {
        // Kafka looks for silent producers every ten minutes.
        return;
    }
    let name = server.topic("silent");
    create_topic(&server, new_topic(&name, 1));
    let mut client = leader(&server, &name, 0);
    produce_as(&mut client, &name, 7, 0, 0, now_ms() - 60_000);
    assert_eq!(describe(&mut client, &name, 0).active_producers.len(), 1);
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: 4,
            resource_name: String::new(),
            configs: vec![AlterableConfig {
                name: "producer.id.expiration.ms".to_string(),
                config_operation: 0,
                value: Some("1000".to_string()),
            }],
        }],
        validate_only: false,
    };
    assert_eq!(client.call(&request, 1).responses[0].error_code, 0);
    let deadline = Instant::now() + Duration::from_secs(30);
    while !describe(&mut client, &name, 0).active_producers.is_empty() {
        assert!(Instant::now() < deadline, "it is still remembered");
        std::thread::sleep(Duration::from_millis(10));
    }
}
