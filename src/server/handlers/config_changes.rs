//! What IncrementalAlterConfigs and AlterConfigs have in common: checking the resources, and having them changed.

use crate::metadata::{Command, ConfigAlteration, ConfigChanges, ConfigResource, Mode, Outcome};
use crate::server::context::RequestContext;
use crate::server::handlers::change::{Refusal, for_each, submit_within};
use crate::server::handlers::config_resource::{check_name, config_resource};

/// How long the change may take, in milliseconds. These requests carry no timeout of their own; clients wait 30 s and more.
const CHANGE_WITHIN_MS: i32 = 30_000;

/// The changes a request wants for one resource.
pub struct WantedChanges {
    /// Kafka's code of the resource's type.
    pub resource_type: i8,
    /// The resource's name.
    pub resource_name: String,
    /// The changes, or why they make no sense.
    pub changes: Result<ConfigChanges, Refusal>,
}

/// Has the configs changed, each resource for itself. The results are in the order of the resources.
pub async fn change_configs(
    cx: &RequestContext,
    wanted: Vec<WantedChanges>,
    validate_only: bool,
) -> Vec<Result<(), Refusal>> {
    let mut refused = Vec::with_capacity(wanted.len());
    let mut resources = Vec::with_capacity(wanted.len());
    for one in wanted {
        match alteration(one) {
            Ok(alteration) => {
                resources.push(alteration);
                refused.push(None);
            }
            Err(refusal) => refused.push(Some(refusal)),
        }
    }
    let count = resources.len();
    let mode = if validate_only {
        Mode::ValidateOnly
    } else {
        Mode::Apply
    };
    let answer = submit_within(cx, Command::AlterConfigs { resources, mode }, CHANGE_WITHIN_MS).await;
    let mut results = for_each(answer, count, |outcome| match outcome {
        Outcome::ConfigsAltered(items) => Some(items),
        _ => None,
    })
    .into_iter();
    let result = |refusal: Option<Refusal>| match refusal {
        Some(refusal) => Err(refusal),
        None => results.next().expect("as many results as resources were sent"),
    };
    refused.into_iter().map(result).collect()
}

fn alteration(wanted: WantedChanges) -> Result<ConfigAlteration, Refusal> {
    let resource = config_resource(wanted.resource_type, &wanted.resource_name)?;
    match &resource {
        // The empty name is refused with a reason of its own.
        ConfigResource::Topic(name) if !name.is_empty() => check_name(name)?,
        _ => {}
    }
    Ok(ConfigAlteration {
        resource,
        changes: wanted.changes?,
    })
}
