//! Deletes topics.

use std::collections::{BTreeSet, HashSet};

use crate::base::ids::{DirectoryId, TopicId};
use crate::metadata::command::TopicSelector;
use crate::metadata::command_error::{CommandError, CommandErrorKind};
use crate::metadata::outcome::{DeletedTopic, Outcome};
use crate::metadata::record::Record;
use crate::metadata::topic_image::TopicImage;

use super::draft::Draft;
use super::repeated;

pub(super) fn plan(draft: &mut Draft, topics: Vec<TopicSelector>) -> Outcome {
    let allowed = draft.image.cluster_layers().settings().delete_topic_enable;
    let found: Vec<Option<TopicId>> = topics.iter().map(|topic| find(draft, topic)).collect();
    // A topic may be meant twice, by its name and by its id.
    let repeated: HashSet<TopicId> = repeated(found.iter().flatten().copied());
    let outcomes = topics
        .iter()
        .zip(found)
        .map(|(topic, id)| {
            let refuse = |kind, message: String| Err(CommandError::new(kind, message));
            if !allowed {
                let message = "deleting topics is switched off here by delete.topic.enable=false".to_string();
                return refuse(CommandErrorKind::TopicDeletionDisabled, message);
            }
            let Some(id) = id else {
                return match topic {
                    TopicSelector::Name(name) => refuse(
                        CommandErrorKind::UnknownTopic,
                        format!("there is no topic '{name}'"),
                    ),
                    TopicSelector::Id(id) => refuse(
                        CommandErrorKind::UnknownTopicId,
                        format!("there is no topic with the id {id}"),
                    ),
                };
            };
            if repeated.contains(&id) {
                let message = format!("topic {id} is in the request more than once");
                return refuse(CommandErrorKind::InvalidRequest, message);
            }
            let topic = draft.image.topic(&id).expect("found above").clone();
            let name = topic.name().clone();
            owe_to_missing(draft, &topic);
            draft.record(Record::TopicDeleted { id });
            Ok(DeletedTopic { id, name })
        })
        .collect();
    Outcome::TopicsDeleted(outcomes)
}

/// Notes it for the data directories that have something of a topic and are not there to give it up.
fn owe_to_missing(draft: &mut Draft, topic: &TopicImage) {
    let partitions = 0..topic.partition_count();
    let directories: BTreeSet<DirectoryId> = partitions.map(|partition| topic.directory(partition)).collect();
    for directory in directories {
        let works = draft.image.directories_online().contains(&directory)
            && !draft.image.directories_failed().contains(&directory);
        if !works {
            draft.record(Record::DeletionOwed {
                directory,
                id: topic.id(),
                name: topic.name().to_string(),
                partitions: topic.partition_count(),
            });
        }
    }
}

fn find(draft: &Draft, topic: &TopicSelector) -> Option<TopicId> {
    match topic {
        TopicSelector::Name(name) => draft.image.topic_by_name(name).map(|topic| topic.id()),
        TopicSelector::Id(id) => draft.image.topic(id).map(|topic| topic.id()),
    }
}
