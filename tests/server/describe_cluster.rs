use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::{DescribeClusterRequest, MetadataRequest};

use crate::server::Server;
use crate::steps::error;

#[test]
fn every_version_tells_what_metadata_tells() {
    let server = Server::start();
    let mut client = server.client();
    let metadata = client.call(&MetadataRequest::default(), 12);
    for version in 0..=2 {
        for asked in [false, true] {
            let request = DescribeClusterRequest {
                include_cluster_authorized_operations: asked,
                ..Default::default()
            };
            let answer = client.call(&request, version);
            assert_eq!((answer.error_code, answer.error_message), (0, None));
            assert_eq!(Some(answer.cluster_id), metadata.cluster_id);
            let nodes: Vec<_> = answer
                .brokers
                .iter()
                .map(|broker| (broker.broker_id, &broker.host, broker.port, &broker.rack))
                .collect();
            let known: Vec<_> = metadata
                .brokers
                .iter()
                .map(|broker| (broker.node_id, &broker.host, broker.port, &broker.rack))
                .collect();
            assert_eq!(nodes, known);
            assert!(nodes.iter().any(|node| node.0 == answer.controller_id));
            assert_eq!(
                answer.cluster_authorized_operations,
                if asked { 8096 } else { i32::MIN }
            );
        }
    }
}

#[test]
fn only_brokers_are_here() {
    let server = Server::start();
    let mut client = server.client();
    for (endpoint_type, expected) in [
        (2, ErrorCode::MismatchedEndpointType),
        (0, ErrorCode::UnsupportedEndpointType),
        (7, ErrorCode::UnsupportedEndpointType),
    ] {
        let answer = client.call(
            &DescribeClusterRequest {
                endpoint_type,
                ..Default::default()
            },
            1,
        );
        assert_eq!(error(answer.error_code), expected);
        assert!(answer.error_message.is_some() && answer.brokers.is_empty());
    }
}

#[test]
fn fenced_brokers_may_be_asked_for() {
    let server = Server::start();
    let request = DescribeClusterRequest {
        include_fenced_brokers: true,
        ..Default::default()
    };
    let answer = server.client().call(&request, 2);
    assert!(!answer.brokers.is_empty() && answer.brokers.iter().all(|broker| !broker.is_fenced));
}
