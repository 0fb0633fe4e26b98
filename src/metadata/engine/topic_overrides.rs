//! Checks configs that are set on topics.

use crate::config::nearest_name::nearest_name;
use crate::config::{Overrides, SettingSpec, TopicConfig};
use crate::metadata::cluster_image::ClusterImage;
use crate::metadata::command_error::{CommandError, CommandErrorKind};

pub(super) fn invalid_config(message: impl Into<String>) -> CommandError {
    CommandError::new(CommandErrorKind::InvalidConfig, message)
}

/// The declaration of a topic config.
pub(super) fn topic_spec(name: &str) -> Result<&'static SettingSpec, CommandError> {
    TopicConfig::spec(name).ok_or_else(|| {
        let nearest = nearest_name(name, TopicConfig::SPECS.iter().map(|spec| spec.name));
        invalid_config(unknown(name, nearest))
    })
}

/// What is said of a config that does not exist. Begins as Kafka's message does.
pub(super) fn unknown(name: &str, nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("Unknown topic config name: {name}; did you mean {nearest}?"),
        None => format!("Unknown topic config name: {name}"),
    }
}

/// A checked value in its one form.
pub(super) fn checked(spec: &SettingSpec, value: &str) -> Result<String, CommandError> {
    spec.normalize(value)
        .map_err(|invalid| invalid_config(invalid.to_string()))
}

/// Looks for configs that don't go together, with what the broker settings add.
pub(super) fn check_together(image: &ClusterImage, overrides: &Overrides) -> Result<(), CommandError> {
    let config = image.cluster_layers().topic_config(overrides);
    let (min, max) = (config.min_compaction_lag_ms, config.max_compaction_lag_ms);
    if min > max {
        return Err(invalid_config(format!(
            "min.compaction.lag.ms ({min}) is larger than max.compaction.lag.ms ({max}): raise the one or lower the other"
        )));
    }
    Ok(())
}
