use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::AlterConfigsRequest;
use corelane::wire::messages::alter_configs::{AlterConfigsResource, AlterableConfig};

use crate::describe_configs::{TOPIC, config};
use crate::fixture::client::Client;
use crate::server::Server;
use crate::steps::{create_topic, error, eventually, new_topic_with};

fn resource(name: &str, values: &[(&str, Option<&str>)]) -> AlterConfigsResource {
    let config = |(name, value): &(&str, Option<&str>)| AlterableConfig {
        name: name.to_string(),
        value: value.map(str::to_string),
    };
    AlterConfigsResource {
        resource_type: TOPIC,
        resource_name: name.to_string(),
        configs: values.iter().map(config).collect(),
    }
}

fn alter(client: &mut Client, resources: Vec<AlterConfigsResource>, version: i16) -> Vec<ErrorCode> {
    let request = AlterConfigsRequest {
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

#[test]
fn what_is_not_named_is_unset() {
    let server = Server::start();
    let mut client = server.client();
    for version in 0..=2 {
        let name = server.topic("replaced");
        create_topic(
            &server,
            new_topic_with(&name, 1, &[("segment.bytes", "2000000"), ("flush.ms", "1")]),
        );
        assert_eq!(
            alter(
                &mut client,
                vec![resource(&name, &[("flush.ms", Some("5000"))])],
                version
            ),
            [ErrorCode::None]
        );
        eventually(&server, || {
            config(&mut client, TOPIC, &name, "flush.ms").value.as_deref() == Some("5000")
        });
        assert_eq!(
            config(&mut client, TOPIC, &name, "segment.bytes").config_source,
            5
        );
        assert_eq!(
            alter(&mut client, vec![resource(&name, &[])], version),
            [ErrorCode::None]
        );
        eventually(&server, || {
            config(&mut client, TOPIC, &name, "flush.ms").config_source == 5
        });
    }
}

#[test]
fn wrong_changes_are_refused() {
    let server = Server::start();
    let (name, missing) = (server.topic("kept"), server.topic("missing"));
    create_topic(&server, new_topic_with(&name, 1, &[("flush.ms", "1")]));
    let mut client = server.client();
    let answers = alter(
        &mut client,
        vec![
            resource(&name, &[("nonsense", Some("1"))]),
            resource(&missing, &[]),
        ],
        2,
    );
    assert_eq!(
        answers,
        [ErrorCode::InvalidConfig, ErrorCode::UnknownTopicOrPartition]
    );
    assert_eq!(
        alter(&mut client, vec![resource(&name, &[("flush.ms", None)])], 2),
        [ErrorCode::InvalidRequest]
    );
    let valid = resource(&name, &[("flush.ms", Some("9"))]);
    if !server.is_foreign() {
        // Kafka does not answer this at all.
        let twice = vec![valid.clone(), valid.clone()];
        assert_eq!(alter(&mut client, twice, 2), [ErrorCode::InvalidRequest; 2]);
    }
    let answer = client.call(
        &AlterConfigsRequest {
            resources: vec![valid],
            validate_only: true,
        },
        2,
    );
    assert_eq!(answer.responses[0].error_code, 0);
    assert_eq!(
        config(&mut client, TOPIC, &name, "flush.ms").value.as_deref(),
        Some("1")
    );
}
