//! Creates topics.

use std::collections::BTreeMap;

use crate::base::ids::TopicId;
use crate::base::limits::{MAX_PARTITIONS, MAX_PARTITIONS_PER_COMMAND};
use crate::config::Overrides;
use crate::metadata::command::{Mode, NewTopic};
use crate::metadata::command_error::{CommandError, CommandErrorKind};
use crate::metadata::internal_topic::is_internal;
use crate::metadata::outcome::{CreatedTopic, Outcome};
use crate::metadata::record::Record;
use crate::metadata::topic_image::{PartitionRun, Slots};
use crate::metadata::topic_name::check_topic_name;

use super::draft::Draft;
use super::placement::{check_replication_factor, choose_directories, chosen_slot};
use super::repeated;
use super::topic_overrides::{check_together, checked, invalid_config, topic_spec};

pub(super) fn plan(
    draft: &mut Draft,
    topics: Vec<NewTopic>,
    mode: Mode,
    new_id: &mut dyn FnMut() -> TopicId,
) -> Result<Outcome, CommandError> {
    let asked: usize = topics.iter().map(asked_partitions).sum();
    if asked > MAX_PARTITIONS_PER_COMMAND {
        return Err(CommandError::new(
            CommandErrorKind::PolicyViolation,
            format!(
                "a request may create {MAX_PARTITIONS_PER_COMMAND} partitions, this one asks for {asked}: split it"
            ),
        ));
    }
    let repeated = repeated(topics.iter().map(|topic| topic.name.clone()));
    let mut created = Vec::with_capacity(topics.len());
    for topic in topics {
        if repeated.contains(&topic.name) {
            let message = format!("topic '{}' is in the request more than once", topic.name);
            created.push(Err(CommandError::new(CommandErrorKind::InvalidRequest, message)));
            continue;
        }
        created.push(plan_one(draft, topic, mode, new_id));
    }
    Ok(Outcome::TopicsCreated(created))
}

/// Partitions a topic adds to the request, as far as the request says; the rest is checked later.
fn asked_partitions(topic: &NewTopic) -> usize {
    usize::try_from(topic.partitions)
        .unwrap_or(1)
        .max(topic.assignments.len())
}

fn plan_one(
    draft: &mut Draft,
    topic: NewTopic,
    mode: Mode,
    new_id: &mut dyn FnMut() -> TopicId,
) -> Result<CreatedTopic, CommandError> {
    check_name(draft, &topic.name)?;
    let overrides = check_configs(draft, &topic.configs)?;
    let (count, slots) = plan_partitions(draft, &topic)?;
    let id = match mode {
        Mode::Apply => new_id(),
        // Any id that no topic has will do for the draft: it is thrown away.
        Mode::ValidateOnly => TopicId((draft.image.topic_count() as u128 + 1).to_be_bytes()),
    };
    add_topic(draft, id, topic.name, count, slots, overrides.clone())?;
    let id = if mode == Mode::Apply { id } else { TopicId::ZERO };
    Ok(CreatedTopic {
        id,
        partitions: count as i32,
        replication_factor: 1,
        overrides,
    })
}

/// Adds a checked topic to the draft, if there is room for its partitions.
pub(super) fn add_topic(
    draft: &mut Draft,
    id: TopicId,
    name: String,
    count: u32,
    slots: Slots,
    overrides: Overrides,
) -> Result<(), CommandError> {
    check_room(draft, count)?;
    let next_slot = match slots {
        Slots::From(first) => first.wrapping_add(count),
        Slots::Chosen(_) => draft.image.next_slot(),
    };
    let runs = vec![PartitionRun {
        count,
        created_epoch: draft.image.server().epoch,
    }];
    draft.record(Record::TopicCreated {
        id,
        name,
        slots,
        runs,
        overrides,
        next_slot,
    });
    choose_directories(draft, id, 0..count as i32);
    Ok(())
}

/// Checks that the cluster may have so many more partitions.
pub(super) fn check_room(draft: &Draft, count: u32) -> Result<(), CommandError> {
    let present = draft.image.partition_count();
    if present + count as usize > MAX_PARTITIONS {
        return Err(CommandError::new(
            CommandErrorKind::PolicyViolation,
            format!(
                "a cluster may have {MAX_PARTITIONS} partitions; there are {present}, and {count} more are asked for"
            ),
        ));
    }
    Ok(())
}

pub(super) fn check_name(draft: &Draft, name: &str) -> Result<(), CommandError> {
    check_topic_name(name)?;
    if let Some(like) = draft.image.topic_with_like_name(name) {
        if *like.name == *name {
            let message = format!("Topic '{name}' already exists.");
            return Err(CommandError::new(CommandErrorKind::TopicAlreadyExists, message));
        }
        return Err(CommandError::new(
            CommandErrorKind::InvalidTopicName,
            format!(
                "topic '{name}' collides with the existing topic '{}': names may not differ only in '.' and '_'",
                like.name
            ),
        ));
    }
    if !is_internal(name) && is_internal(&name.replace('.', "_")) {
        return Err(CommandError::new(
            CommandErrorKind::InvalidTopicName,
            format!(
                "topic '{name}' would collide with an internal topic: names may not differ only in '.' and '_'"
            ),
        ));
    }
    Ok(())
}

pub(super) fn check_configs(
    draft: &Draft,
    configs: &[(String, Option<String>)],
) -> Result<Overrides, CommandError> {
    let mut overrides = Overrides::new();
    for (name, value) in configs {
        let Some(value) = value else {
            return Err(invalid_config(format!(
                "Null value not supported for topic configs: {name}"
            )));
        };
        overrides.insert(name.clone(), checked(topic_spec(name)?, value)?);
    }
    check_together(&draft.image, &overrides)?;
    Ok(overrides)
}

fn plan_partitions(draft: &Draft, topic: &NewTopic) -> Result<(u32, Slots), CommandError> {
    let refuse = |kind, message: &str| Err(CommandError::new(kind, message));
    let next_slot = draft.image.next_slot();
    if !topic.assignments.is_empty() {
        if topic.replication_factor != -1 {
            return refuse(
                CommandErrorKind::InvalidRequest,
                "the partitions are assigned by hand, so the replication factor must be -1",
            );
        }
        if topic.partitions != -1 {
            return refuse(
                CommandErrorKind::InvalidRequest,
                "the partitions are assigned by hand, so their number must be -1",
            );
        }
        return chosen_slots(draft, topic);
    }
    let settings = draft.image.cluster_layers().settings();
    match i32::from(topic.replication_factor) {
        -1 => check_replication_factor(settings.default_replication_factor)?,
        factor if factor > 0 => check_replication_factor(factor)?,
        _ => {
            return refuse(
                CommandErrorKind::InvalidReplicationFactor,
                "Replication factor must be larger than 0, or -1 to use the default value.",
            );
        }
    }
    let count = if topic.partitions == -1 {
        settings.num_partitions
    } else {
        topic.partitions
    };
    match u32::try_from(count) {
        Ok(count) if count > 0 => Ok((count, Slots::From(next_slot))),
        _ => refuse(
            CommandErrorKind::InvalidPartitions,
            "the number of partitions must be larger than 0, or -1 to use the default value",
        ),
    }
}

fn chosen_slots(draft: &Draft, topic: &NewTopic) -> Result<(u32, Slots), CommandError> {
    let refuse = |message: String| {
        Err(CommandError::new(
            CommandErrorKind::InvalidReplicaAssignment,
            message,
        ))
    };
    let mut by_partition = BTreeMap::new();
    for assignment in &topic.assignments {
        let slot = chosen_slot(&draft.image, &assignment.replicas)?;
        if by_partition.insert(assignment.partition, slot).is_some() {
            return refuse(format!(
                "partition {} is assigned more than once",
                assignment.partition
            ));
        }
    }
    if !by_partition.keys().copied().eq(0..by_partition.len() as i32) {
        return refuse("the assigned partitions must be numbered from 0 without a gap".to_string());
    }
    Ok((
        by_partition.len() as u32,
        Slots::Chosen(by_partition.into_values().collect()),
    ))
}
