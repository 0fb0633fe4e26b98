//! What has configs, as the config requests name it.

use crate::base::ids::NodeId;
use crate::metadata::ConfigResource;
use crate::metadata::topic_name::check_topic_name;
use crate::server::handlers::change::{Refusal, error_code};
use crate::wire::errors::ErrorCode;

/// Code of Kafka's ConfigResource type for topics.
pub const TOPIC: i8 = 2;
/// For nodes.
pub const BROKER: i8 = 4;
/// For the loggers of a node.
pub const BROKER_LOGGER: i8 = 8;
/// For subscriptions to clients' metrics (KIP-714).
pub const CLIENT_METRICS: i8 = 16;
/// For groups (KIP-848).
pub const GROUP: i8 = 32;

/// The resource that a request means by a type and a name. The empty name is that of all brokers.
pub fn config_resource(resource_type: i8, name: &str) -> Result<ConfigResource, Refusal> {
    let refuse = |message: String| Err(Refusal::new(ErrorCode::InvalidRequest, message));
    match resource_type {
        TOPIC => Ok(ConfigResource::Topic(name.to_string())),
        BROKER if name.is_empty() => Ok(ConfigResource::DefaultBroker),
        BROKER => match name.parse() {
            Ok(id) => Ok(ConfigResource::Broker(NodeId(id))),
            Err(_) => refuse(format!("Node id must be an integer, but it is: {name}")),
        },
        BROKER_LOGGER => refuse("The levels of loggers can't be seen or changed here.".to_string()),
        CLIENT_METRICS => refuse("Client metrics subscriptions are not served.".to_string()),
        GROUP => refuse("Groups have no configs of their own here.".to_string()),
        other => refuse(format!("Unknown resource type {other}.")),
    }
}

/// Checks that a topic could have this name.
pub fn check_name(topic: &str) -> Result<(), Refusal> {
    check_topic_name(topic).map_err(|error| Refusal {
        code: error_code(error.kind),
        message: Some(error.message),
    })
}
