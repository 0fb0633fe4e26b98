//! IncrementalAlterConfigs (key 44), versions 0 and 1 (KIP-339): changes single configs of topics and brokers.
//!
//! - Set, delete, append to and subtract from lists; each resource for itself, all of its changes or none.
//! - A resource or a config that is in the request twice is INVALID_REQUEST; so is a value that is missing, and a setting that
//!   only a restart can change. Unknown configs and wrong values are INVALID_CONFIG.
//! - Deleting what is not set is fine, even what does not exist, as in Kafka.
//! - The empty broker name changes what holds for all nodes, a node's id what holds for that one.
//! - The answer comes when every shard follows the change. `validate_only` changes nothing.
//!
//! Not done: broker loggers, client metrics and groups as resources (INVALID_REQUEST).

use crate::metadata::{ConfigChange, ConfigChanges, ConfigOperation};
use crate::server::context::RequestContext;
use crate::server::handlers::change::Refusal;
use crate::server::handlers::config_changes::{WantedChanges, change_configs};
use crate::wire::errors::ErrorCode;
use crate::wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig,
};
use crate::wire::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

/// Has the configs changed and says what came of each resource.
pub async fn handle(
    cx: &RequestContext,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let IncrementalAlterConfigsRequest { resources, validate_only } = request;
    let names: Vec<(i8, String)> =
        resources.iter().map(|resource| (resource.resource_type, resource.resource_name.clone())).collect();
    let wanted = resources.into_iter().map(wanted).collect();
    let results = change_configs(cx, wanted, validate_only).await;
    IncrementalAlterConfigsResponse {
        responses: names.into_iter().zip(results).map(response).collect(),
        ..IncrementalAlterConfigsResponse::default()
    }
}

fn wanted(resource: AlterConfigsResource) -> WantedChanges {
    let changes: Result<Vec<ConfigChange>, Refusal> = resource.configs.into_iter().map(change).collect();
    WantedChanges {
        resource_type: resource.resource_type,
        resource_name: resource.resource_name,
        changes: changes.map(ConfigChanges::Incremental),
    }
}

fn change(config: AlterableConfig) -> Result<ConfigChange, Refusal> {
    let operation = match config.config_operation {
        0 => ConfigOperation::Set,
        1 => ConfigOperation::Delete,
        2 => ConfigOperation::Append,
        3 => ConfigOperation::Subtract,
        other => {
            let message = format!("Unknown operation {other} for config {}.", config.name);
            return Err(Refusal::new(ErrorCode::InvalidRequest, message));
        }
    };
    Ok(ConfigChange { name: config.name, operation, value: config.value })
}

fn response(((resource_type, resource_name), result): ((i8, String), Result<(), Refusal>)) -> AlterConfigsResourceResponse {
    let (error_code, error_message) = match result {
        Ok(()) => (ErrorCode::None, None),
        Err(refusal) => (refusal.code, refusal.message),
    };
    AlterConfigsResourceResponse { error_code: error_code.code(), error_message, resource_type, resource_name }
}
