//! Adds partitions to topics.

use std::sync::Arc;

use crate::base::limits::MAX_PARTITIONS_PER_COMMAND;
use crate::metadata::command::NewPartitions;
use crate::metadata::command_error::{CommandError, CommandErrorKind};
use crate::metadata::outcome::Outcome;
use crate::metadata::record::Record;
use crate::metadata::topic_image::{PartitionRun, Slots, TopicImage};

use super::create_topics::check_room;
use super::draft::Draft;
use super::placement::{choose_directories, chosen_slot};
use super::repeated;

pub(super) fn plan(draft: &mut Draft, topics: Vec<NewPartitions>) -> Result<Outcome, CommandError> {
    let repeated = repeated(topics.iter().map(|topic| topic.topic.clone()));
    let outcomes = topics
        .into_iter()
        .map(|topic| {
            if repeated.contains(&topic.topic) {
                let message = format!("topic '{}' is in the request more than once", topic.topic);
                return Err(CommandError::new(CommandErrorKind::InvalidRequest, message));
            }
            plan_one(draft, topic)
        })
        .collect();
    Ok(Outcome::PartitionsCreated(outcomes))
}

fn plan_one(draft: &mut Draft, asked: NewPartitions) -> Result<(), CommandError> {
    let refuse = |kind, message: String| Err(CommandError::new(kind, message));
    let Some(topic) = draft.image.topic_by_name(&asked.topic).cloned() else {
        return refuse(
            CommandErrorKind::UnknownTopic,
            format!("there is no topic '{}'", asked.topic),
        );
    };
    if topic.is_internal() {
        // Groups find their coordinator by the number of partitions: it would look for them elsewhere.
        let message = format!(
            "the number of partitions of the internal topic '{}' can't change",
            asked.topic
        );
        return refuse(CommandErrorKind::InvalidRequest, message);
    }
    let present = topic.partition_count();
    if asked.total == present {
        return refuse(
            CommandErrorKind::InvalidPartitions,
            format!("Topic already has {present} partition(s)."),
        );
    }
    if asked.total < present {
        let message = format!(
            "The topic {} currently has {present} partition(s); {} would not be an increase.",
            asked.topic, asked.total
        );
        return refuse(CommandErrorKind::InvalidPartitions, message);
    }
    let added = asked.total - present;
    if added as usize > MAX_PARTITIONS_PER_COMMAND {
        let message = format!(
            "a request may create {MAX_PARTITIONS_PER_COMMAND} partitions, this one asks for {added}"
        );
        return refuse(CommandErrorKind::PolicyViolation, message);
    }
    check_room(draft, added as u32)?;
    let slots = plan_slots(draft, &topic, added as u32, &asked)?;
    let run = PartitionRun {
        count: added as u32,
        created_epoch: draft.image.server().epoch,
    };
    draft.record(Record::PartitionsCreated {
        id: topic.id(),
        run,
        slots,
    });
    choose_directories(draft, topic.id(), present..asked.total);
    Ok(())
}

fn plan_slots(
    draft: &Draft,
    topic: &Arc<TopicImage>,
    added: u32,
    asked: &NewPartitions,
) -> Result<Slots, CommandError> {
    let present = topic.partition_count() as u32;
    let mut present_slots = (0..present).map(|partition| topic.slot(partition));
    let Some(assignments) = &asked.assignments else {
        return Ok(match &topic.slots {
            Slots::From(first) => Slots::From(*first),
            Slots::Chosen(slots) => {
                let next = slots.last().map_or(0, |last| last.wrapping_add(1));
                let new = (0..added).map(|n| next.wrapping_add(n));
                Slots::Chosen(slots.iter().copied().chain(new).collect())
            }
        });
    };
    if assignments.len() != added as usize {
        return Err(CommandError::new(
            CommandErrorKind::InvalidReplicaAssignment,
            format!(
                "{added} partition(s) would be added, but {} are assigned",
                assignments.len()
            ),
        ));
    }
    let mut slots: Vec<u32> = present_slots.by_ref().collect();
    for replicas in assignments {
        slots.push(chosen_slot(&draft.image, replicas)?);
    }
    Ok(Slots::Chosen(slots))
}
