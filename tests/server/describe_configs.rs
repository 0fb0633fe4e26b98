use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::describe_configs::{
    DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResult,
};
use corelane::wire::messages::{DescribeConfigsRequest, MetadataRequest, MetadataResponse};

use crate::fixture::client::Client;
use crate::server::Server;
use crate::steps::{create_topic, error, new_topic_with};

pub const TOPIC: i8 = 2;
pub const BROKER: i8 = 4;

/// Everything there is to know of the configs of one resource.
pub fn describe(
    client: &mut Client,
    resource_type: i8,
    name: &str,
    keys: Option<&[&str]>,
) -> DescribeConfigsResult {
    let resource = DescribeConfigsResource {
        resource_type,
        resource_name: name.to_string(),
        configuration_keys: keys.map(|keys| keys.iter().map(|key| key.to_string()).collect()),
    };
    let request = DescribeConfigsRequest {
        resources: vec![resource],
        include_synonyms: true,
        include_documentation: true,
    };
    client.call(&request, 4).results.remove(0)
}

/// A config of a resource.
#[track_caller]
pub fn config(
    client: &mut Client,
    resource_type: i8,
    name: &str,
    key: &str,
) -> DescribeConfigsResourceResult {
    let mut result = describe(client, resource_type, name, Some(&[key]));
    assert_eq!(
        error(result.error_code),
        ErrorCode::None,
        "{:?}",
        result.error_message
    );
    assert_eq!(result.configs.len(), 1, "{key} is told");
    result.configs.remove(0)
}

/// Names, values and sources of a config's synonyms.
fn synonyms(config: &DescribeConfigsResourceResult) -> Vec<(&str, Option<&str>, i8)> {
    config
        .synonyms
        .iter()
        .map(|one| (one.name.as_str(), one.value.as_deref(), one.source))
        .collect()
}

fn node_id(client: &mut Client) -> String {
    client.call(&MetadataRequest::default(), 12).brokers[0]
        .node_id
        .to_string()
}

#[test]
fn configs_of_a_topic() {
    let server = Server::start();
    let name = server.topic("configs");
    create_topic(
        &server,
        new_topic_with(
            &name,
            1,
            &[("segment.bytes", "2000000"), ("cleanup.policy", "compact")],
        ),
    );
    let mut client = server.client();

    let segment = config(&mut client, TOPIC, &name, "segment.bytes");
    assert_eq!(
        (segment.value.as_deref(), segment.config_source),
        (Some("2000000"), 1)
    );
    assert_eq!(
        (segment.read_only, segment.is_sensitive, segment.config_type),
        (false, false, 3)
    );
    assert!(
        segment
            .documentation
            .as_deref()
            .is_some_and(|text| !text.is_empty())
    );
    assert_eq!(
        synonyms(&segment),
        [
            ("segment.bytes", Some("2000000"), 1),
            ("log.segment.bytes", Some("1073741824"), 5)
        ]
    );

    let size = config(&mut client, TOPIC, &name, "max.message.bytes");
    assert_eq!(
        (size.value.as_deref(), size.config_source, size.config_type),
        (Some("1048588"), 5, 3)
    );
    let retention = config(&mut client, TOPIC, &name, "retention.ms");
    assert_eq!(
        (
            retention.value.as_deref(),
            retention.config_source,
            retention.config_type
        ),
        (Some("604800000"), 5, 5)
    );
    let types = [
        ("cleanup.policy", 7),
        ("preallocate", 1),
        ("compression.type", 2),
        ("min.cleanable.dirty.ratio", 6),
    ];
    for (key, expected) in types {
        assert_eq!(
            config(&mut client, TOPIC, &name, key).config_type,
            expected,
            "{key}"
        );
    }

    for all in [None, Some(&[][..])] {
        let result = describe(&mut client, TOPIC, &name, all);
        assert_eq!(
            (result.resource_type, result.resource_name.as_str()),
            (TOPIC, &*name)
        );
        assert!(result.configs.len() > 20);
    }
    let some = describe(&mut client, TOPIC, &name, Some(&["nonsense", "retention.ms"]));
    assert_eq!(some.configs.len(), 1, "what does not exist is left out");
}

#[test]
fn every_version_tells_what_it_can() {
    let server = Server::start();
    let name = server.topic("versions");
    create_topic(&server, new_topic_with(&name, 1, &[("retention.ms", "1000")]));
    let mut client = server.client();
    for version in 1..=4 {
        for asked in [false, true] {
            let resource = DescribeConfigsResource {
                resource_type: TOPIC,
                resource_name: name.clone(),
                configuration_keys: Some(vec!["retention.ms".to_string()]),
            };
            let request = DescribeConfigsRequest {
                resources: vec![resource],
                include_synonyms: asked,
                include_documentation: asked && version >= 3,
            };
            let result = client.call(&request, version).results.remove(0);
            assert_eq!(
                (result.error_code, result.error_message.as_deref()),
                (0, Some(""))
            );
            let config = &result.configs[0];
            assert_eq!((config.value.as_deref(), config.config_source), (Some("1000"), 1));
            assert_eq!(!config.synonyms.is_empty(), asked);
            assert_eq!(config.config_type, if version >= 3 { 5 } else { 0 });
            assert_eq!(config.documentation.is_some(), asked && version >= 3);
        }
    }
}

#[test]
fn topics_that_are_not_there() {
    let server = Server::start();
    let mut client = server.client();
    let mut check = |name: &str, expected: ErrorCode| {
        let result = describe(&mut client, TOPIC, name, None);
        assert_eq!(error(result.error_code), expected, "{name}");
        assert!(result.configs.is_empty());
    };
    check(&server.topic("missing"), ErrorCode::UnknownTopicOrPartition);
    check("a b", ErrorCode::InvalidTopicException);
    check("", ErrorCode::InvalidTopicException);
}

#[test]
fn settings_of_a_broker() {
    let server = Server::start_with(&[("num.partitions", "4")]);
    let mut client = server.client();
    let node = node_id(&mut client);
    let partitions = config(&mut client, BROKER, &node, "num.partitions");
    assert_eq!(
        (partitions.value.as_deref(), partitions.config_source),
        (Some("4"), 4)
    );
    assert!(partitions.read_only);
    assert_eq!(
        synonyms(&partitions),
        [("num.partitions", Some("4"), 4), ("num.partitions", Some("1"), 5)]
    );
    let size = config(&mut client, BROKER, &node, "message.max.bytes");
    assert_eq!(
        (size.value.as_deref(), size.config_source, size.read_only),
        (Some("1048588"), 5, false)
    );
    let creation = config(&mut client, BROKER, &node, "auto.create.topics.enable");
    assert_eq!(
        (
            creation.value.as_deref(),
            creation.read_only,
            creation.config_type
        ),
        (Some("true"), true, 1)
    );
    // Where the node is reached, as tools look for it: the address that Metadata tells as well.
    let metadata: MetadataResponse = client.call(&MetadataRequest::default(), 12);
    let broker = metadata
        .brokers
        .iter()
        .find(|broker| broker.node_id.to_string() == node);
    let broker = broker.expect("the node is in the metadata");
    let listeners = config(&mut client, BROKER, &node, "advertised.listeners");
    assert_eq!(
        (listeners.value, listeners.config_source, listeners.read_only),
        (
            Some(format!("PLAINTEXT://{}:{}", broker.host, broker.port)),
            4,
            true
        )
    );
    assert!(listeners.synonyms.is_empty());
}

#[test]
fn resources_that_do_not_exist() {
    let server = Server::start();
    let mut client = server.client();
    for (resource_type, name) in [(BROKER, "7777"), (BROKER, "x"), (1, "x"), (3, "x"), (99, "x")] {
        let result = describe(&mut client, resource_type, name, None);
        assert_eq!(error(result.error_code), ErrorCode::InvalidRequest);
        assert_eq!(
            (result.resource_type, result.resource_name.as_str()),
            (resource_type, name)
        );
    }
}
