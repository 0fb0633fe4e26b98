use std::time::{Duration, Instant};

use corelane::wire::frame::request_frame;
use corelane::wire::messages::fetch::{FetchPartition, FetchTopic};
use corelane::wire::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};
use corelane::wire::messages::{
    ApiVersionsRequest, FetchRequest, IncrementalAlterConfigsRequest, MetadataRequest,
};

use crate::fixture::client::Client;
use crate::server::Server;
use crate::steps::{create_topic, leader, new_topic, topic_id};

/// A long poll that nobody waits for any more holds its connection's place no longer.
#[test]
fn a_peer_that_goes_while_its_request_waits_is_noticed() {
    let server = Server::start();
    if server.is_foreign() {
        return;
    }
    let name = server.topic("long-poll");
    create_topic(&server, new_topic(&name, 1));
    let mut waiting = leader(&server, &name, 0);
    let metadata = waiting.call(&MetadataRequest::default(), 12);
    let topic = metadata
        .topics
        .iter()
        .find(|one| one.name.as_deref() == Some(&name));
    let leader_id = topic.expect("it was created").partitions[0].leader_id;
    let node = metadata.brokers.iter().find(|node| node.node_id == leader_id);
    let node = node.expect("the leader is a node");
    let address = format!("{}:{}", node.host, node.port);

    // From now on there is one place, and this client has it.
    let one_connection = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: 4,
            resource_name: String::new(),
            configs: vec![AlterableConfig {
                name: "max.connections".to_string(),
                config_operation: 0,
                value: Some("1".to_string()),
            }],
        }],
        validate_only: false,
    };
    assert_eq!(waiting.call(&one_connection, 1).responses[0].error_code, 0);
    let long_poll = FetchRequest {
        max_wait_ms: i32::MAX,
        min_bytes: 1_000_000,
        max_bytes: 2_000_000,
        topics: vec![FetchTopic {
            topic_id: topic_id(&mut waiting, &name),
            partitions: vec![FetchPartition {
                partition_max_bytes: 1_000_000,
                ..FetchPartition::default()
            }],
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    };
    waiting.send(&request_frame(&long_poll, 13, 7, None).expect("a request"));
    drop(waiting);

    // The server closes connections that have no place without a word.
    let ask = request_frame(&ApiVersionsRequest::default(), 0, 1, None).expect("a request");
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let mut next = Client::connect(&address);
        if next.try_send(&ask).is_ok() && next.receive().is_some() {
            return;
        }
        assert!(Instant::now() < deadline, "the place was not given back");
        std::thread::sleep(Duration::from_millis(20));
    }
}
