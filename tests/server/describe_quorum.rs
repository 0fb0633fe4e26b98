use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::describe_quorum::{
    DescribeQuorumRequestPartitionData, DescribeQuorumRequestTopicData, DescribeQuorumResponsePartitionData,
};
use corelane::wire::messages::{DescribeQuorumRequest, DescribeQuorumResponse, MetadataRequest};

use crate::fixture::client::Client;
use crate::server::Server;
use crate::steps::{create_topic, error, new_topic};

fn describe(client: &mut Client, version: i16, topics: &[(&str, &[i32])]) -> DescribeQuorumResponse {
    let partition = |index: &i32| DescribeQuorumRequestPartitionData {
        partition_index: *index,
    };
    let topic = |(name, partitions): &(&str, &[i32])| DescribeQuorumRequestTopicData {
        topic_name: name.to_string(),
        partitions: partitions.iter().map(partition).collect(),
    };
    let request = DescribeQuorumRequest {
        topics: topics.iter().map(topic).collect(),
    };
    client.call(&request, version)
}

fn quorum(client: &mut Client, version: i16) -> DescribeQuorumResponsePartitionData {
    let mut answer = describe(client, version, &[("__cluster_metadata", &[0])]);
    assert_eq!(
        (error(answer.error_code), answer.topics.len()),
        (ErrorCode::None, 1)
    );
    let mut topic = answer.topics.remove(0);
    assert_eq!(
        (topic.topic_name.as_str(), topic.partitions.len()),
        ("__cluster_metadata", 1)
    );
    topic.partitions.remove(0)
}

#[test]
fn one_node_keeps_the_metadata() {
    let server = Server::start();
    let mut client = server.client();
    let metadata = client.call(&MetadataRequest::default(), 12);
    for version in 0..=2 {
        let state = quorum(&mut client, version);
        assert_eq!(
            (state.partition_index, error(state.error_code)),
            (0, ErrorCode::None)
        );
        assert_eq!(state.leader_id, metadata.controller_id);
        assert!(state.leader_epoch > 0 && state.high_watermark > 0);
        assert_eq!(state.current_voters.len(), 1);
        let voter = &state.current_voters[0];
        assert_eq!(voter.replica_id, state.leader_id);
        assert!(voter.log_end_offset >= state.high_watermark);
        let times = (voter.last_fetch_timestamp, voter.last_caught_up_timestamp);
        if version == 0 {
            assert_eq!(times, (-1, -1));
        } else {
            assert!(times.0 > 1_700_000_000_000 && times.1 == times.0, "{times:?}");
        }
        assert!(state.observers.is_empty());
    }
    let nodes = describe(&mut client, 2, &[("__cluster_metadata", &[0])]).nodes;
    assert_eq!(nodes.len(), 1);
    assert_eq!(
        (nodes[0].node_id, nodes[0].listeners.len()),
        (metadata.controller_id, 1)
    );
    if !server.is_foreign() {
        let listener = &nodes[0].listeners[0];
        assert_eq!(
            format!("{}:{}", listener.host, listener.port),
            server.addresses()[0]
        );
    }
}

#[test]
fn the_high_watermark_rises_with_each_change() {
    let server = Server::start();
    let mut client = server.client();
    let before = quorum(&mut client, 2).high_watermark;
    create_topic(&server, new_topic(&server.topic("change"), 1));
    assert!(quorum(&mut client, 2).high_watermark > before);
}

#[test]
fn nothing_else_has_a_quorum() {
    let server = Server::start();
    let mut client = server.client();
    let asked: [&[(&str, &[i32])]; 4] = [
        &[("__cluster_metadata", &[1])],
        &[("__cluster_metadata", &[0, 1])],
        &[("other", &[0])],
        &[("__cluster_metadata", &[0]), ("other", &[0])],
    ];
    for topics in asked {
        let answer = describe(&mut client, 2, topics);
        assert_eq!(error(answer.error_code), ErrorCode::None);
        let count: usize = topics.iter().map(|(_, partitions)| partitions.len()).sum();
        let results: Vec<_> = answer.topics.iter().flat_map(|topic| &topic.partitions).collect();
        assert_eq!(results.len(), count);
        for result in results {
            assert_eq!(error(result.error_code), ErrorCode::UnknownTopicOrPartition);
            assert!(result.error_message.is_some() && result.current_voters.is_empty());
        }
    }
}
