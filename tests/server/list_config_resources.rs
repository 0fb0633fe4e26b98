use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::{ListConfigResourcesRequest, MetadataRequest};

use crate::fixture::client::Client;
use crate::server::Server;
use crate::steps::{create_topic, error, eventually, new_topic};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

fn list(client: &mut Client, types: &[i8]) -> Vec<(i8, String)> {
    let request = ListConfigResourcesRequest {
        resource_types: types.to_vec(),
    };
    let answer = client.call(&request, 1);
    assert_eq!(error(answer.error_code), ErrorCode::None);
    let named = |one: corelane::wire::messages::list_config_resources::ConfigResource| {
        (one.resource_type, one.resource_name)
    };
    answer.config_resources.into_iter().map(named).collect()
}

#[test]
fn topics_and_nodes_are_listed_by_type() {
    let server = Server::start();
    let mut client = server.client();
    let names = [server.topic("listed-b"), server.topic("listed-a")];
    for name in &names {
        create_topic(&server, new_topic(name, 1));
    }
    let nodes = client.call(&MetadataRequest::default(), 12).brokers;
    let nodes: Vec<_> = nodes
        .iter()
        .map(|node| (BROKER, node.node_id.to_string()))
        .collect();
    eventually(&server, || {
        let topics = list(&mut client, &[TOPIC]);
        topics.iter().all(|(kind, _)| *kind == TOPIC)
            && names
                .iter()
                .all(|name| topics.iter().filter(|(_, one)| one == name).count() == 1)
    });
    assert_eq!(list(&mut client, &[BROKER]), nodes);
    let both = list(&mut client, &[TOPIC, BROKER]);
    assert!(both.contains(&nodes[0]) && both.contains(&(TOPIC, names[0].clone())));
    let all = list(&mut client, &[]);
    assert!(both.iter().all(|one| all.contains(one)));
    assert_eq!(list(&mut client, &[GROUP, CLIENT_METRICS]), []);
}

#[test]
fn version_0_asks_for_client_metrics() {
    let server = Server::start();
    let answer = server.client().call(&ListConfigResourcesRequest::default(), 0);
    assert_eq!(error(answer.error_code), ErrorCode::None);
    assert!(answer.config_resources.is_empty());
}

#[test]
fn unknown_types_are_refused() {
    let server = Server::start();
    for types in [vec![99], vec![BROKER, 1], vec![0]] {
        let request = ListConfigResourcesRequest {
            resource_types: types,
        };
        let answer = server.client().call(&request, 1);
        assert_eq!(error(answer.error_code), ErrorCode::UnsupportedVersion);
        assert!(answer.config_resources.is_empty());
    }
}
