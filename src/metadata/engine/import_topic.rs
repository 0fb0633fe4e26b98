//! Takes up a topic whose partitions are in the data directories already, with the id it has.

use crate::base::ids::{LeaderEpoch, ProducerId, TopicId};
use crate::metadata::cluster_image::ClusterImage;
use crate::metadata::command_error::{CommandError, CommandErrorKind};
use crate::metadata::record::Record;
use crate::metadata::topic_image::{PartitionRun, Slots};

use super::create_topics::{check_configs, check_name, check_room};
use super::draft::Draft;
use super::placement::choose_directories;

/// A topic that comes from another cluster.
#[derive(Clone, Debug)]
pub struct ImportedTopic {
    /// Its id, which it keeps.
    pub id: TopicId,
    /// Its name.
    pub name: String,
    /// Number of its partitions.
    pub partitions: u32,
    /// Configs of its own.
    pub configs: Vec<(String, Option<String>)>,
    /// The newest leader epoch any of its partitions had there, `None` if there was none.
    pub newest_epoch: Option<LeaderEpoch>,
    /// The largest producer id that has written to it, or that was handed out there.
    pub newest_producer: Option<ProducerId>,
}

/// Largest leader epoch that is believed: a million restarts a day for years are below it, and what is added to it stays far from the
/// end of the numbers.
const MAX_EPOCH: u32 = 1 << 30;

/// Records that make the topic exist, from the next start of the server on.
///
/// Its leader epochs go on above those it had: clients that know it take lower ones for old news. They count from the server's epoch,
/// which is raised where it is not high enough; epochs may skip. Producer ids that have written to it are given to nobody else.
/// Its partitions are placed as those of a new topic are: the same image gives the same places.
pub fn plan_import(
    image: &ClusterImage,
    topic: ImportedTopic,
) -> Result<(Vec<Record>, ClusterImage), CommandError> {
    assert!(
        image.version() > 0,
        "there is a server before a topic comes to it"
    );
    let mut draft = Draft::of(image);
    check_name(&draft, &topic.name)?;
    let refuse = |kind, message: String| Err(CommandError::new(kind, message));
    if let Some(present) = image.topic(&topic.id) {
        let message = format!("topic '{}' has the id {} here", present.name(), topic.id);
        return refuse(CommandErrorKind::TopicAlreadyExists, message);
    }
    let overrides = check_configs(&draft, &topic.configs)?;
    check_room(&draft, topic.partitions)?;
    let epochs_had = match topic.newest_epoch.map(|epoch| u32::try_from(epoch.0)) {
        Some(Ok(epoch)) if epoch > MAX_EPOCH => {
            let message = format!("a leader epoch of {epoch} can't be gone on from");
            return refuse(CommandErrorKind::InvalidRequest, message);
        }
        Some(Ok(epoch)) => epoch,
        _ => 0,
    };
    // The next start raises the server's epoch by one, so the topic's will be one more than what it had.
    let server = image.server();
    let created_epoch = server.epoch.saturating_sub(epochs_had);
    let server_epoch = created_epoch.saturating_add(epochs_had);
    if server_epoch > server.epoch {
        draft.record(Record::ServerStarted {
            server_epoch,
            shards: server.shards,
        });
    }
    let next_producer_id = topic.newest_producer.map_or(0, |id| id.0.saturating_add(1));
    if next_producer_id > image.next_producer_id() {
        draft.record(Record::ProducerIdsAllocated { next_producer_id });
    }
    let first = image.next_slot();
    draft.record(Record::TopicCreated {
        id: topic.id,
        name: topic.name,
        slots: Slots::From(first),
        runs: vec![PartitionRun {
            count: topic.partitions,
            created_epoch,
        }],
        overrides,
        next_slot: first.wrapping_add(topic.partitions),
    });
    choose_directories(&mut draft, topic.id, 0..topic.partitions as i32);
    Ok(draft.finish(image))
}
