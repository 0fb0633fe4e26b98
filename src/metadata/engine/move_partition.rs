//! Notes that a partition is in another data directory.

use crate::base::ids::{DirectoryId, TopicPartition};
use crate::metadata::command_error::{CommandError, CommandErrorKind};
use crate::metadata::outcome::Outcome;
use crate::metadata::record::Record;

use super::draft::Draft;

pub(super) fn plan(
    draft: &mut Draft,
    partition: TopicPartition,
    directory: DirectoryId,
) -> Result<Outcome, CommandError> {
    let TopicPartition { topic: id, partition } = partition;
    let topic = draft.image.topic(&id);
    if topic.is_none_or(|topic| !(0..topic.partition_count()).contains(&partition)) {
        return Err(CommandError::new(
            CommandErrorKind::UnknownTopic,
            format!("there is no partition {partition} of a topic with the id {id}"),
        ));
    }
    if !draft.image.directories_online().contains(&directory)
        || draft.image.directories_failed().contains(&directory)
    {
        return Err(CommandError::new(
            CommandErrorKind::ResourceNotFound,
            format!("the data directory {directory} is not online"),
        ));
    }
    draft.record(Record::PartitionDirectories {
        id,
        directories: vec![(partition, directory)],
    });
    Ok(Outcome::PartitionMoved)
}
