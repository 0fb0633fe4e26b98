//! Changes configs of topics and brokers.

use std::collections::HashSet;

use crate::base::ids::{NodeId, TopicId};
use crate::config::accepted_names::accepted_spec;
use crate::config::nearest_name::nearest_name;
use crate::config::setting_spec::split_list;
use crate::config::{Overrides, Scope, SettingSpec, Settings, Update, ValueKind};
use crate::metadata::command::{
    ConfigAlteration, ConfigChange, ConfigChanges, ConfigOperation, ConfigResource,
};
use crate::metadata::command_error::{CommandError, CommandErrorKind};
use crate::metadata::outcome::Outcome;
use crate::metadata::record::Record;

use super::draft::Draft;
use super::repeated;
use super::topic_overrides::{check_together, checked, invalid_config, topic_spec};

pub(super) fn plan(draft: &mut Draft, resources: Vec<ConfigAlteration>) -> Outcome {
    let repeated = repeated(resources.iter().map(|one| one.resource.clone()));
    let outcomes = resources
        .into_iter()
        .map(|one| {
            if repeated.contains(&one.resource) {
                return Err(invalid_request("Each resource must appear at most once."));
            }
            plan_one(draft, one)
        })
        .collect();
    Outcome::ConfigsAltered(outcomes)
}

/// Whose overrides change.
#[derive(Clone, Copy)]
enum Target {
    Topic(TopicId),
    Broker(Option<NodeId>),
}

fn plan_one(draft: &mut Draft, alteration: ConfigAlteration) -> Result<(), CommandError> {
    let target = find_target(draft, &alteration.resource)?;
    let before = match target {
        Target::Topic(id) => draft.image.topic(&id).expect("found").overrides().clone(),
        Target::Broker(node) => draft.image.broker_overrides(node).clone(),
    };
    let after = match alteration.changes {
        ConfigChanges::Incremental(changes) => changed(target, &before, changes)?,
        ConfigChanges::Replace(values) => replaced(target, values)?,
    };
    if let Target::Topic(_) = target {
        check_together(&draft.image, &after)?;
    }
    let names: HashSet<&String> = before.keys().chain(after.keys()).collect();
    let mut names: Vec<&String> = names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .collect();
    names.sort_unstable();
    for name in names {
        let (name, value) = (name.clone(), after.get(name).cloned());
        draft.record(match target {
            Target::Topic(id) => Record::TopicConfigSet { id, name, value },
            Target::Broker(node) => Record::BrokerConfigSet { node, name, value },
        });
    }
    Ok(())
}

fn find_target(draft: &Draft, resource: &ConfigResource) -> Result<Target, CommandError> {
    match resource {
        ConfigResource::Topic(name) if name.is_empty() => {
            Err(invalid_request("Default topic resources are not allowed."))
        }
        ConfigResource::Topic(name) => match draft.image.topic_by_name(name) {
            Some(topic) => Ok(Target::Topic(topic.id())),
            None => Err(CommandError::new(
                CommandErrorKind::UnknownTopic,
                format!("there is no topic '{name}'"),
            )),
        },
        ConfigResource::Broker(node) if draft.image.has_node(*node) => Ok(Target::Broker(Some(*node))),
        ConfigResource::Broker(node) => Err(invalid_request(format!("there is no node {node}"))),
        ConfigResource::DefaultBroker => Ok(Target::Broker(None)),
    }
}

fn changed(
    target: Target,
    before: &Overrides,
    changes: Vec<ConfigChange>,
) -> Result<Overrides, CommandError> {
    if let Some(name) = repeated(changes.iter().map(|change| change.name.clone()))
        .iter()
        .next()
    {
        return Err(invalid_request(format!(
            "config {name} is changed more than once"
        )));
    }
    let mut after = before.clone();
    for ConfigChange {
        name,
        operation,
        value,
    } in changes
    {
        if operation == ConfigOperation::Delete {
            // As in Kafka, there is nothing wrong with deleting what nobody has set.
            after.remove(&name);
            continue;
        }
        let Some(value) = value else {
            return Err(invalid_request(format!("Null value not supported for : {name}")));
        };
        let spec = changeable_spec(target, &name)?;
        let value = match operation {
            ConfigOperation::Append => list_change(spec, before, |items| append(items, &value))?,
            ConfigOperation::Subtract => list_change(spec, before, |items| subtract(items, &value))?,
            ConfigOperation::Set | ConfigOperation::Delete => value,
        };
        after.insert(name, checked(spec, &value)?);
    }
    Ok(after)
}

fn replaced(target: Target, values: Vec<(String, Option<String>)>) -> Result<Overrides, CommandError> {
    if let Some(name) = repeated(values.iter().map(|(name, _)| name.clone()))
        .iter()
        .next()
    {
        return Err(invalid_request(format!("config {name} is set more than once")));
    }
    let mut after = Overrides::new();
    for (name, value) in values {
        let Some(value) = value else {
            return Err(invalid_request(format!("Null value not supported for : {name}")));
        };
        let spec = changeable_spec(target, &name)?;
        after.insert(name, checked(spec, &value)?);
    }
    Ok(after)
}

/// The declaration of a config that admin requests may set.
fn changeable_spec(target: Target, name: &str) -> Result<&'static SettingSpec, CommandError> {
    if let Target::Topic(_) = target {
        return topic_spec(name);
    }
    let Some(spec) = Settings::spec(name).or_else(|| accepted_spec(name)) else {
        let nearest = nearest_name(name, Settings::SPECS.iter().map(|spec| spec.name));
        return Err(invalid_config(match nearest {
            Some(nearest) => format!("there is no broker setting {name}; did you mean {nearest}?"),
            None => format!("there is no broker setting {name}"),
        }));
    };
    assert_eq!(spec.scope, Scope::Broker);
    match spec.update {
        Update::Dynamic => Ok(spec),
        Update::Restart => Err(invalid_request(format!(
            "{name} can't be changed while the server runs: set it in the settings file or with --set {name}=..., and \
             start the server anew"
        ))),
    }
}

/// The list that a change leaves behind; it starts from what is set, else from the default.
fn list_change(
    spec: &SettingSpec,
    before: &Overrides,
    change: impl FnOnce(&mut Vec<String>),
) -> Result<String, CommandError> {
    if spec.kind != ValueKind::List {
        return Err(invalid_config(format!(
            "{} is no list: it can be set and deleted, not appended to or subtracted from",
            spec.name
        )));
    }
    let present = before
        .get(spec.name)
        .map(String::as_str)
        .or(spec.default)
        .unwrap_or("");
    let mut items: Vec<String> = split_list(present).into_iter().map(str::to_string).collect();
    change(&mut items);
    Ok(items.join(","))
}

fn append(items: &mut Vec<String>, value: &str) {
    for item in split_list(value) {
        if !items.iter().any(|present| present == item) {
            items.push(item.to_string());
        }
    }
}

fn subtract(items: &mut Vec<String>, value: &str) {
    let taken = split_list(value);
    items.retain(|item| !taken.contains(&item.as_str()));
}

fn invalid_request(message: impl Into<String>) -> CommandError {
    CommandError::new(CommandErrorKind::InvalidRequest, message)
}
