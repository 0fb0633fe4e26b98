//! Records that go by themselves, and settings that are changed while the server runs.

use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::IncrementalAlterConfigsRequest;
use corelane::wire::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};

use crate::delete_records::earliest;
use crate::describe_configs::TOPIC;
use crate::fixture::{Broker, Options};
use crate::server::Server;
use crate::steps::{create_topic, error, leader, new_topic_with, produce, until};

pub fn alter(server: &Server, topic: &str, name: &str, value: &str) {
    let config = AlterableConfig {
        name: name.to_string(),
        config_operation: 0,
        value: Some(value.to_string()),
    };
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: TOPIC,
            resource_name: topic.to_string(),
            configs: vec![config],
        }],
        validate_only: false,
    };
    let answer = server.client().call(&request, 1);
    assert_eq!(
        error(answer.responses[0].error_code),
        ErrorCode::None,
        "{answer:?}"
    );
}

#[test]
fn old_records_go_by_a_retention_that_is_changed_at_run_time() {
    let mut broker = Broker::start(Options::shards(2).set("log.retention.check.interval.ms", 20));
    let server = Server::of(&broker);
    let keep = [("retention.ms", "-1"), ("file.delete.delay.ms", "0")];
    for topic in ["old", "kept"] {
        create_topic(&server, new_topic_with(topic, 1, &keep));
    }
    let long_ago_ms = 1_000;
    for topic in ["old", "kept"] {
        produce(&server, topic, 0, &[long_ago_ms, long_ago_ms + 1]);
    }
    alter(&server, "kept", "cleanup.policy", "");
    for topic in ["kept", "old"] {
        alter(&server, topic, "retention.ms", "3600000");
    }
    let mut client = leader(&server, "old", 0);
    until(|| earliest(&mut client, "old") == 2);
    let dir = broker.data_dir().join("old-0");
    let files = |suffix: &str| {
        let entries = std::fs::read_dir(&dir).expect("the partition's directory");
        let names = entries.map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name")
        });
        names.filter(|name| name.ends_with(suffix)).collect::<Vec<_>>()
    };
    until(|| files(".log") == ["00000000000000000002.log"] && files(".deleted").is_empty());
    // Nothing is deleted by an empty policy; the other topic shows that it was looked at.
    let mut client = leader(&server, "kept", 0);
    assert_eq!(earliest(&mut client, "kept"), 0);

    broker.sigkill_and_restart(1);
    let server = Server::of(&broker);
    assert_eq!(earliest(&mut leader(&server, "old", 0), "old"), 2);
    assert_eq!(earliest(&mut leader(&server, "kept", 0), "kept"), 0);
    assert_eq!(produce(&server, "old", 0, &[long_ago_ms]), 2);
    broker.stop();
}
