//! AlterConfigs (key 33), versions 0 to 2: replaces the configs of topics and brokers.
//!
//! - What is named is set, and whatever else was set on the resource is unset. That is its trap, and why
//!   IncrementalAlterConfigs took its place; old clients still send it.
//! - Errors, resources, `validate_only` and what is not done: as in `incremental_alter_configs`.

use crate::metadata::ConfigChanges;
use crate::server::context::RequestContext;
use crate::server::handlers::change::Refusal;
use crate::server::handlers::config_changes::{WantedChanges, change_configs};
use crate::wire::errors::ErrorCode;
use crate::wire::messages::alter_configs::{AlterConfigsResource, AlterConfigsResourceResponse};
use crate::wire::messages::{AlterConfigsRequest, AlterConfigsResponse};

/// Has the configs replaced and says what came of each resource.
pub async fn handle(cx: &RequestContext, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let AlterConfigsRequest { resources, validate_only } = request;
    let names: Vec<(i8, String)> =
        resources.iter().map(|resource| (resource.resource_type, resource.resource_name.clone())).collect();
    let wanted = resources.into_iter().map(wanted).collect();
    let results = change_configs(cx, wanted, validate_only).await;
    AlterConfigsResponse {
        responses: names.into_iter().zip(results).map(response).collect(),
        ..AlterConfigsResponse::default()
    }
}

fn wanted(resource: AlterConfigsResource) -> WantedChanges {
    let values = resource.configs.into_iter().map(|config| (config.name, config.value)).collect();
    WantedChanges {
        resource_type: resource.resource_type,
        resource_name: resource.resource_name,
        changes: Ok(ConfigChanges::Replace(values)),
    }
}

fn response(((resource_type, resource_name), result): ((i8, String), Result<(), Refusal>)) -> AlterConfigsResourceResponse {
    let (error_code, error_message) = match result {
        Ok(()) => (ErrorCode::None, None),
        Err(refusal) => (refusal.code, refusal.message),
    };
    AlterConfigsResourceResponse { error_code: error_code.code(), error_message, resource_type, resource_name }
}
