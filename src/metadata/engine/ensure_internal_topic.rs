//! Creates an internal topic where it is missing.

use crate::base::ids::TopicId;
use crate::metadata::command_error::CommandError;
use crate::metadata::internal_topic::InternalTopic;
use crate::metadata::outcome::Outcome;
use crate::metadata::topic_image::Slots;

use super::create_topics::add_topic;
use super::draft::Draft;

pub(super) fn plan(
    draft: &mut Draft,
    topic: InternalTopic,
    new_id: &mut dyn FnMut() -> TopicId,
) -> Result<Outcome, CommandError> {
    if let Some(present) = draft.image.topic_by_name(topic.name()) {
        return Ok(Outcome::InternalTopicReady(present.id()));
    }
    let settings = draft.image.cluster_layers().settings();
    let count = u32::try_from(topic.partitions(&settings)).expect("at least 1 by its declaration");
    let id = new_id();
    let slots = Slots::From(draft.image.next_slot());
    add_topic(
        draft,
        id,
        topic.name().to_string(),
        count,
        slots,
        topic.configs(&settings),
    )?;
    Ok(Outcome::InternalTopicReady(id))
}
