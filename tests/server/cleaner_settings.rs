//! What compaction may use, changed while the server runs.

use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};
use corelane::wire::messages::{IncrementalAlterConfigsRequest, MetadataRequest};
use corelane::wire::records::{BatchBuilder, Compression, batches};

use crate::describe_configs::{BROKER, config};
use crate::fixture::{Broker, Options};
use crate::server::Server;
use crate::steps::{create_topic, error, leader, new_topic_with, until};
use crate::topic_configs::{read, send};

const BACKOFF: &str = "log.cleaner.backoff.ms";
/// Nothing is looked at again before the test is over.
const A_DAY: &str = "86400000";

/// Sets a setting of all brokers, or takes it back.
fn set(server: &Server, name: &str, value: Option<&str>) -> ErrorCode {
    let change = AlterableConfig {
        name: name.to_string(),
        config_operation: i8::from(value.is_none()),
        value: value.map(str::to_string),
    };
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: BROKER,
            resource_name: String::new(),
            configs: vec![change],
        }],
        validate_only: false,
    };
    error(server.client().call(&request, 1).responses[0].error_code)
}

#[test]
fn the_cleaner_follows_settings_that_are_changed_at_run_time() {
    let mut broker = Broker::start(Options::shards(2).set(BACKOFF, A_DAY));
    let server = Server::of(&broker);
    let configs = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "1048576"),
        ("min.cleanable.dirty.ratio", "0.0"),
    ];
    create_topic(&server, new_topic_with("compacted", 1, &configs));
    let offsets = |server: &Server| -> Vec<i64> {
        let mut client = leader(server, "compacted", 0);
        let (mut found, mut next) = (Vec::new(), 0);
        loop {
            let bytes = read(&mut client, "compacted", next);
            if bytes.is_empty() {
                return found;
            }
            for batch in batches(&bytes).map_while(Result::ok) {
                found.push(batch.header().base_offset.0);
                next = batch.header().next_offset().0;
            }
        }
    };
    // One segment for each.
    let fill = |server: &Server| {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.append(1_700_000_000_000, Some(b"key"), Some(&vec![7; 700_000]), &[]);
        let batch = builder.build().expect("a batch");
        let (code, _) = send(&mut leader(server, "compacted", 0), "compacted", batch);
        assert_eq!(code, ErrorCode::None);
    };
    (0..4).for_each(|_| fill(&server));

    let shown = |server: &Server, key: &str| {
        let mut client = server.client();
        let nodes = client.call(&MetadataRequest::default(), 12).brokers;
        let node = config(&mut client, BROKER, &nodes[0].node_id.to_string(), key);
        (node.value.expect("a value"), node.config_source, node.read_only)
    };
    assert_eq!(shown(&server, BACKOFF), (A_DAY.to_string(), 4, false));
    assert_eq!(set(&server, BACKOFF, Some("20")), ErrorCode::None);
    assert_eq!(shown(&server, BACKOFF), ("20".to_string(), 3, false));
    // The newest of those that are in closed segments, and what is in the last.
    until(|| offsets(&server) == [2, 3]);
    // And again and again, not only when something is changed.
    fill(&server);
    until(|| offsets(&server) == [3, 4]);

    let others = [
        ("log.cleaner.dedupe.buffer.size", "1048576", "1000"),
        ("log.cleaner.io.max.bytes.per.second", "1000000", "1"),
    ];
    for (name, value, bad) in others {
        assert_eq!(set(&server, name, Some(bad)), ErrorCode::InvalidConfig, "{name}");
        assert_eq!(set(&server, name, Some(value)), ErrorCode::None, "{name}");
        assert_eq!(shown(&server, name), (value.to_string(), 3, false));
    }
    fill(&server);
    until(|| offsets(&server) == [4, 5]);

    // What was set counts after a restart, too, and not before what the file says once it is taken back.
    broker.sigkill_and_restart(2);
    let server = Server::of(&broker);
    assert_eq!(shown(&server, BACKOFF), ("20".to_string(), 3, false));
    fill(&server);
    until(|| offsets(&server) == [5, 6]);
    assert_eq!(set(&server, BACKOFF, None), ErrorCode::None);
    assert_eq!(shown(&server, BACKOFF), (A_DAY.to_string(), 4, false));
    broker.stop();
}
