//! DescribeConfigs (key 32), versions 1 to 4: the configs of topics and brokers, with where each value is from.
//!
//! - Topics: all configs that are followed, as they hold on this node. Unknown topics are UNKNOWN_TOPIC_OR_PARTITION,
//!   names no topic can have INVALID_TOPIC_EXCEPTION.
//! - Brokers: every setting of a node of this server; any of its nodes answers for all. The empty name is what admin
//!   requests have set for all brokers. An unknown node is INVALID_REQUEST.
//! - A node's `advertised.listeners` is told too: where this client reaches it.
//! - `configuration_keys`: null or none means all; names that do not exist are left out.
//! - v1 on: the source of a value and, if asked for, its synonyms: every value that was given, the one that holds first
//!   (KIP-226). v3 on: type and, if asked for, documentation (KIP-569).
//! - Values of sensitive settings are never told.
//!
//! Not done: broker loggers, client metrics and groups as resources (INVALID_REQUEST). One bad resource fails alone, where
//! Kafka fails the whole request for some.

use crate::base::ids::NodeId;
use crate::config::{DescribedSetting, SettingSynonym, Source, ValueKind};
use crate::metadata::{ClusterImage, ConfigResource};
use crate::server::context::RequestContext;
use crate::server::handlers::change::Refusal;
use crate::server::handlers::config_resource::{check_name, config_resource};
use crate::wire::errors::ErrorCode;
use crate::wire::messages::describe_configs::{
    DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use crate::wire::messages::{DescribeConfigsRequest, DescribeConfigsResponse};

/// What of a config is told besides its value.
#[derive(Clone, Copy)]
struct Include {
    synonyms: bool,
    documentation: bool,
}

/// Answers with the configs of each resource.
pub async fn handle(cx: &RequestContext, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let include = Include { synonyms: request.include_synonyms, documentation: request.include_documentation };
    let image = cx.shard().image();
    let result = |resource: DescribeConfigsResource| {
        let described = settings(cx, &image, &resource);
        result(resource, described, include)
    };
    DescribeConfigsResponse {
        results: request.resources.into_iter().map(result).collect(),
        ..DescribeConfigsResponse::default()
    }
}

fn settings(
    cx: &RequestContext,
    image: &ClusterImage,
    resource: &DescribeConfigsResource,
) -> Result<Vec<DescribedSetting>, Refusal> {
    match config_resource(resource.resource_type, &resource.resource_name)? {
        ConfigResource::Topic(name) => {
            check_name(&name)?;
            let unknown = || Refusal::bare(ErrorCode::UnknownTopicOrPartition);
            let topic = image.topic_by_name(&name).ok_or_else(unknown)?;
            Ok(image.layers(cx.shard().node_id).describe_topic(topic.overrides()))
        }
        ConfigResource::Broker(node) if image.has_node(node) => {
            let mut settings = image.layers(node).describe_broker();
            settings.push(advertised_listeners(cx, node));
            Ok(settings)
        }
        ConfigResource::Broker(node) => {
            Err(Refusal::new(ErrorCode::InvalidRequest, format!("There is no node {node}.")))
        }
        ConfigResource::DefaultBroker => Ok(image.layers(cx.shard().node_id).describe_broker_default()),
    }
}

/// Kafka's name for what each node's port and the settings of advertised names come to, which tools look for. It is
/// as this client was told it, so nobody can set it.
fn advertised_listeners(cx: &RequestContext, node: NodeId) -> DescribedSetting {
    let endpoint = cx.endpoint(node.shard());
    DescribedSetting {
        name: "advertised.listeners",
        value: Some(match endpoint.host.contains(':') {
            true => format!("PLAINTEXT://[{}]:{}", endpoint.host, endpoint.port),
            false => format!("PLAINTEXT://{}:{}", endpoint.host, endpoint.port),
        }),
        source: Source::StaticBroker,
        read_only: true,
        sensitive: false,
        kind: ValueKind::List,
        documentation: "Where clients reach this node, as this client was told it.".to_string(),
        synonyms: Vec::new(),
    }
}

fn result(
    resource: DescribeConfigsResource,
    described: Result<Vec<DescribedSetting>, Refusal>,
    include: Include,
) -> DescribeConfigsResult {
    let keys = resource.configuration_keys.unwrap_or_default();
    let (error_code, error_message, settings) = match described {
        Ok(settings) => (ErrorCode::None, None, settings),
        Err(refusal) => (refusal.code, refusal.message, Vec::new()),
    };
    let wanted = |setting: &DescribedSetting| keys.is_empty() || keys.iter().any(|key| key == setting.name);
    DescribeConfigsResult {
        error_code: error_code.code(),
        // Kafka says nothing with an empty string, not with null.
        error_message: Some(error_message.unwrap_or_default()),
        resource_type: resource.resource_type,
        resource_name: resource.resource_name,
        configs: settings.into_iter().filter(wanted).map(|setting| config(setting, include)).collect(),
    }
}

fn config(setting: DescribedSetting, include: Include) -> DescribeConfigsResourceResult {
    let synonyms = match include.synonyms {
        true => setting.synonyms.into_iter().map(synonym).collect(),
        false => Vec::new(),
    };
    DescribeConfigsResourceResult {
        name: setting.name.to_string(),
        value: setting.value,
        read_only: setting.read_only,
        config_source: setting.source.code(),
        is_sensitive: setting.sensitive,
        synonyms,
        config_type: setting.kind.code(),
        documentation: include.documentation.then_some(setting.documentation),
    }
}

fn synonym(synonym: SettingSynonym) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym {
        name: synonym.name.to_string(),
        value: synonym.value,
        source: synonym.source.code(),
    }
}
