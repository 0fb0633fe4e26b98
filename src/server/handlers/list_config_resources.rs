//! ListConfigResources (key 74), versions 0 and 1 (KIP-1142): the names of all that has configs.
//!
//! - v0 was ListClientMetricsResources and asks for nothing else. There are no client metrics here, so its list is empty.
//! - v1 on: topics and nodes, or those of these that the client asks for; no types asked for means all.
//! - A type that is none of Kafka's is UNSUPPORTED_VERSION, for the whole request.
//! - Nodes have no configs of their loggers here, and neither client metrics nor groups have configs: nothing is listed of these.

use crate::metadata::ClusterImage;
use crate::server::context::RequestContext;
use crate::server::handlers::config_resource::{BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, TOPIC};
use crate::wire::errors::ErrorCode;
use crate::wire::messages::list_config_resources::ConfigResource;
use crate::wire::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};

/// Every type that a client may ask for from version 1 on.
const TYPES: [i8; 5] = [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];

/// Answers with the names, topics first.
pub async fn handle(cx: &RequestContext, request: ListConfigResourcesRequest) -> ListConfigResourcesResponse {
    let types = match (cx.api_version, request.resource_types.is_empty()) {
        (0, _) => vec![CLIENT_METRICS],
        (_, true) => TYPES.to_vec(),
        (_, false) => request.resource_types,
    };
    if types.iter().any(|one| !TYPES.contains(one)) {
        return ListConfigResourcesResponse {
            error_code: ErrorCode::UnsupportedVersion.code(),
            ..ListConfigResourcesResponse::default()
        };
    }
    ListConfigResourcesResponse {
        config_resources: resources(&cx.shard().image(), &types),
        ..ListConfigResourcesResponse::default()
    }
}

fn resources(image: &ClusterImage, types: &[i8]) -> Vec<ConfigResource> {
    let resource = |resource_name, resource_type| ConfigResource { resource_name, resource_type };
    let mut resources = Vec::new();
    if types.contains(&TOPIC) {
        resources.extend(image.topics_by_name().iter().map(|topic| resource(topic.name().to_string(), TOPIC)));
    }
    if types.contains(&BROKER) {
        resources.extend(image.nodes().map(|node| resource(node.0.to_string(), BROKER)));
    }
    resources
}
