use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};
use corelane::wire::messages::{IncrementalAlterConfigsRequest, MetadataRequest};

use crate::describe_configs::{BROKER, TOPIC, config, describe};
use crate::fixture::client::Client;
use crate::server::Server;
use crate::steps::{create_topic, error, eventually, new_topic};

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

type Change<'a> = (&'a str, i8, Option<&'a str>);

fn resource(resource_type: i8, name: &str, changes: &[Change]) -> AlterConfigsResource {
    let change = |(name, config_operation, value): &Change| AlterableConfig {
        name: name.to_string(),
        config_operation: *config_operation,
        value: value.map(str::to_string),
    };
    AlterConfigsResource {
        resource_type,
        resource_name: name.to_string(),
        configs: changes.iter().map(change).collect(),
    }
}

fn alter(client: &mut Client, resources: Vec<AlterConfigsResource>, version: i16) -> Vec<ErrorCode> {
    let request = IncrementalAlterConfigsRequest {
        resources,
        validate_only: false,
    };
    client
        .call(&request, version)
        .responses
        .iter()
        .map(|one| error(one.error_code))
        .collect()
}

fn value(client: &mut Client, resource_type: i8, name: &str, key: &str) -> (Option<String>, i8) {
    let config = config(client, resource_type, name, key);
    (config.value, config.config_source)
}

#[track_caller]
fn check_value(server: &Server, topic: &str, key: &str, expected: (&str, i8)) {
    let mut client = server.client();
    let expected = (Some(expected.0.to_string()), expected.1);
    eventually(server, || value(&mut client, TOPIC, topic, key) == expected);
}

#[test]
fn every_version_sets_and_deletes() {
    let server = Server::start();
    let name = server.topic("set");
    create_topic(&server, new_topic(&name, 2));
    let mut client = server.client();
    for version in 0..=1 {
        let set = resource(
            TOPIC,
            &name,
            &[
                ("retention.ms", SET, Some("5000")),
                ("segment.bytes", SET, Some("2000000")),
            ],
        );
        assert_eq!(alter(&mut client, vec![set], version), [ErrorCode::None]);
        check_value(&server, &name, "retention.ms", ("5000", 1));
        check_value(&server, &name, "segment.bytes", ("2000000", 1));
        let delete = resource(
            TOPIC,
            &name,
            &[("retention.ms", DELETE, None), ("nonsense", DELETE, None)],
        );
        assert_eq!(alter(&mut client, vec![delete], version), [ErrorCode::None]);
        check_value(&server, &name, "retention.ms", ("604800000", 5));
        check_value(&server, &name, "segment.bytes", ("2000000", 1));
    }
}

#[test]
fn lists_grow_and_shrink() {
    let server = Server::start();
    let name = server.topic("list");
    create_topic(&server, new_topic(&name, 1));
    let mut client = server.client();
    let mut change = |operation, value| {
        let change = resource(TOPIC, &name, &[("cleanup.policy", operation, Some(value))]);
        assert_eq!(alter(&mut client, vec![change], 1), [ErrorCode::None]);
    };
    change(APPEND, "compact");
    check_value(&server, &name, "cleanup.policy", ("delete,compact", 1));
    change(APPEND, "compact");
    check_value(&server, &name, "cleanup.policy", ("delete,compact", 1));
    change(SUBTRACT, "delete");
    check_value(&server, &name, "cleanup.policy", ("compact", 1));
    let not_a_list = resource(TOPIC, &name, &[("retention.ms", APPEND, Some("5"))]);
    assert_eq!(
        alter(&mut client, vec![not_a_list], 1),
        [ErrorCode::InvalidConfig]
    );
}

#[test]
fn each_resource_succeeds_or_fails_as_a_whole() {
    let server = Server::start();
    let (good, bad) = (server.topic("good"), server.topic("bad"));
    create_topic(&server, new_topic(&good, 1));
    create_topic(&server, new_topic(&bad, 1));
    let mut client = server.client();
    let missing = server.topic("missing");
    let one = |name: &str, changes: &[Change]| resource(TOPIC, name, changes);
    let answers = alter(
        &mut client,
        vec![
            one(&good, &[("retention.ms", SET, Some("7"))]),
            one(
                &bad,
                &[("segment.ms", SET, Some("8")), ("nonsense", SET, Some("1"))],
            ),
            one(&missing, &[("retention.ms", SET, Some("1"))]),
            one("a b", &[("retention.ms", SET, Some("1"))]),
            one("", &[("retention.ms", SET, Some("1"))]),
            resource(1, "x", &[]),
        ],
        1,
    );
    assert_eq!(
        answers,
        [
            ErrorCode::None,
            ErrorCode::InvalidConfig,
            ErrorCode::UnknownTopicOrPartition,
            ErrorCode::InvalidTopicException,
            ErrorCode::InvalidRequest,
            ErrorCode::InvalidRequest,
        ]
    );
    check_value(&server, &good, "retention.ms", ("7", 1));
    check_value(&server, &bad, "segment.ms", ("604800000", 5));
}

#[test]
fn what_can_not_be_meant_is_refused() {
    let server = Server::start();
    let name = server.topic("twice");
    create_topic(&server, new_topic(&name, 1));
    let mut client = server.client();
    let one = |changes: &[Change]| resource(TOPIC, &name, changes);
    let set: Change = ("retention.ms", SET, Some("1"));
    assert_eq!(
        alter(&mut client, vec![one(&[set]), one(&[set])], 1),
        [ErrorCode::InvalidRequest; 2]
    );
    for changes in [
        &[("retention.ms", SET, None)][..],
        &[set, ("retention.ms", SET, Some("2"))],
    ] {
        assert_eq!(
            alter(&mut client, vec![one(changes)], 1),
            [ErrorCode::InvalidRequest]
        );
    }
    if !server.is_foreign() {
        // Kafka answers both with UNKNOWN_SERVER_ERROR.
        assert_eq!(
            alter(&mut client, vec![one(&[("retention.ms", SET, Some("x"))])], 1),
            [ErrorCode::InvalidConfig]
        );
        assert_eq!(
            alter(&mut client, vec![one(&[("retention.ms", 7, Some("1"))])], 1),
            [ErrorCode::InvalidRequest]
        );
    }
    check_value(&server, &name, "retention.ms", ("604800000", 5));
    assert!(alter(&mut client, Vec::new(), 1).is_empty());
}

#[test]
fn validating_changes_nothing() {
    let server = Server::start();
    let name = server.topic("checked");
    create_topic(&server, new_topic(&name, 1));
    let mut client = server.client();
    for (key, expected) in [
        ("retention.ms", ErrorCode::None),
        ("nonsense", ErrorCode::InvalidConfig),
    ] {
        let resources = vec![resource(TOPIC, &name, &[(key, SET, Some("1"))])];
        let answer = client.call(
            &IncrementalAlterConfigsRequest {
                resources,
                validate_only: true,
            },
            1,
        );
        assert_eq!(error(answer.responses[0].error_code), expected);
        assert_eq!(
            (
                answer.responses[0].resource_type,
                &answer.responses[0].resource_name
            ),
            (TOPIC, &name)
        );
    }
    check_value(&server, &name, "retention.ms", ("604800000", 5));
}

#[test]
fn settings_of_brokers() {
    let server = Server::start();
    if server.is_foreign() {
        return; // These settings would stay.
    }
    let name = server.topic("inherits");
    create_topic(&server, new_topic(&name, 1));
    let mut client = server.client();
    let nodes = client.call(&MetadataRequest::default(), 12).brokers;
    let node = nodes[0].node_id.to_string();
    let key = "log.retention.ms";

    let for_all = resource(BROKER, "", &[(key, SET, Some("123456"))]);
    assert_eq!(alter(&mut client, vec![for_all], 1), [ErrorCode::None]);
    assert_eq!(
        value(&mut client, BROKER, &node, key),
        (Some("123456".to_string()), 3)
    );
    assert_eq!(
        value(&mut client, TOPIC, &name, "retention.ms"),
        (Some("123456".to_string()), 3)
    );
    let defaults = describe(&mut client, BROKER, "", None);
    assert_eq!(
        defaults.configs.len(),
        1,
        "what was set for all, and nothing else"
    );

    let for_one = resource(BROKER, &node, &[(key, SET, Some("7"))]);
    assert_eq!(alter(&mut client, vec![for_one], 1), [ErrorCode::None]);
    assert_eq!(value(&mut client, BROKER, &node, key), (Some("7".to_string()), 2));
    assert_eq!(
        value(&mut client, BROKER, &nodes[1].node_id.to_string(), key),
        (Some("123456".to_string()), 3)
    );

    for (name, key) in [(&*node, "num.partitions"), ("7777", key), ("x", key)] {
        let refused = resource(BROKER, name, &[(key, SET, Some("2"))]);
        assert_eq!(alter(&mut client, vec![refused], 1), [ErrorCode::InvalidRequest]);
    }
}
