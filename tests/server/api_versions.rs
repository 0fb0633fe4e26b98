use corelane::wire::api::ApiKey;
use corelane::wire::codec::{Message, Reader, Writer};
use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::{ApiVersionsRequest, ApiVersionsResponse, MetadataRequest};

use crate::server::Server;
use crate::steps::error;

fn named(name: &str, version: &str) -> ApiVersionsRequest {
    ApiVersionsRequest {
        client_software_name: name.to_string(),
        client_software_version: version.to_string(),
        ..ApiVersionsRequest::default()
    }
}

#[test]
fn every_version_tells_what_is_served() {
    let server = Server::start();
    let mut client = server.client();
    for version in 0..=4 {
        let request = if version < 3 {
            ApiVersionsRequest::default()
        } else {
            named("test", "1.0")
        };
        let answer = client.call(&request, version);
        assert_eq!(answer.error_code, 0);
        let range = |api: ApiKey| {
            let found = answer.api_keys.iter().find(|one| one.api_key == api.key());
            found.map(|one| (one.min_version, one.max_version))
        };
        assert_eq!(range(ApiKey::Produce), Some((0, 13)));
        assert_eq!(range(ApiKey::Metadata), Some((0, 13)));
        assert_eq!(range(ApiKey::InitProducerId), Some((0, 5)));
        assert!(range(ApiKey::ApiVersions).is_some());
    }
}

#[test]
fn a_client_must_name_itself_well() {
    let server = Server::start();
    let mut client = server.client();
    for bad in [
        named("a b", "1"),
        named("", "1"),
        named("a", ""),
        named("a", "-1"),
    ] {
        let answer = client.call(&bad, 3);
        assert_eq!(error(answer.error_code), ErrorCode::InvalidRequest);
        assert!(answer.api_keys.is_empty());
    }
}

#[test]
fn a_version_to_come_is_answered_in_version_0() {
    let server = Server::start();
    let mut client = server.client();
    let mut writer = Writer::new();
    writer.i16(ApiKey::ApiVersions.key());
    writer.i16(99);
    writer.i32(7);
    writer.raw(&[0xff, 0xff, 0, 1, 2, 3]);
    let body = writer.into_bytes();
    client.send(&(body.len() as i32).to_be_bytes());
    client.send(&body);
    let answer = client.receive().expect("an answer");
    let mut reader = Reader::of_slice(&answer);
    assert_eq!(reader.i32(), Ok(7));
    let answer = ApiVersionsResponse::decode(&mut reader, 0).expect("version 0");
    assert_eq!(error(answer.error_code), ErrorCode::UnsupportedVersion);
    let [own] = &answer.api_keys[..] else {
        panic!("only ApiVersions itself: {answer:?}");
    };
    assert_eq!((own.api_key, own.min_version), (ApiKey::ApiVersions.key(), 0));
    // The connection goes on.
    assert_eq!(client.call(&ApiVersionsRequest::default(), 0).error_code, 0);
}

#[test]
fn who_means_another_cluster_or_node_is_told() {
    let server = Server::start();
    if server.is_foreign() {
        return; // Version 5 came after Kafka 4.3.
    }
    let metadata = server.client().call(&MetadataRequest::default(), 12);
    for (node, address) in metadata.brokers.iter().zip(server.addresses()) {
        let mut client = crate::fixture::client::Client::connect(address);
        let mut check = |cluster_id: Option<&str>, node_id: i32, expected: ErrorCode| {
            let request = ApiVersionsRequest {
                cluster_id: cluster_id.map(str::to_string),
                node_id,
                ..named("test", "1")
            };
            let answer = client.call(&request, 5);
            assert_eq!(error(answer.error_code), expected);
            assert_eq!(answer.api_keys.is_empty(), expected != ErrorCode::None);
        };
        check(None, -1, ErrorCode::None);
        check(metadata.cluster_id.as_deref(), node.node_id, ErrorCode::None);
        check(Some("another"), node.node_id, ErrorCode::RebootstrapRequired);
        check(None, node.node_id + 7, ErrorCode::RebootstrapRequired);
    }
}
