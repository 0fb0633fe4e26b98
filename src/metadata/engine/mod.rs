//! Checks commands and turns them into records: pure, synchronous, nothing but the image and the command in.
//!
//! Items of a batch are planned one after the other on a draft of the image, so that each sees those before it.

mod alter_configs;
mod alter_scram_credentials;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod draft;
mod ensure_internal_topic;
mod import_topic;
mod move_partition;
mod placement;
mod producer_ids;
mod start_server;
#[cfg(test)]
mod tests;
mod topic_overrides;

use std::collections::HashSet;
use std::hash::Hash;

use crate::base::ids::TopicId;
use crate::metadata::cluster_image::ClusterImage;
use crate::metadata::command::{Command, Mode};
use crate::metadata::command_error::CommandError;
use crate::metadata::outcome::Outcome;
use crate::metadata::record::Record;
pub use import_topic::{ImportedTopic, plan_import};
pub use placement::check_replicas;
pub use start_server::{WrongServer, plan_directories, plan_start};

use draft::Draft;

/// A command that may be carried out: make the records durable, then publish the image and tell the outcome.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What to write, all or nothing. Empty: the command changes nothing that is stored.
    pub records: Vec<Record>,
    /// The image after it.
    pub image: ClusterImage,
    /// What to tell whoever asked.
    pub outcome: Outcome,
}

/// Plans a command. `new_id` gives ids for new topics: random ones that no topic has.
pub fn plan(
    image: &ClusterImage,
    command: Command,
    new_id: &mut dyn FnMut() -> TopicId,
) -> Result<Plan, CommandError> {
    if let Command::WantDirectory { wanted } = command {
        return Ok(Plan {
            records: Vec::new(),
            image: image.wanting(wanted),
            outcome: Outcome::DirectoryWanted,
        });
    }
    let mut draft = Draft::of(image);
    let (outcome, mode) = match command {
        Command::CreateTopics { topics, mode } => {
            (create_topics::plan(&mut draft, topics, mode, new_id)?, mode)
        }
        Command::DeleteTopics { topics } => (delete_topics::plan(&mut draft, topics), Mode::Apply),
        Command::CreatePartitions { topics, mode } => (create_partitions::plan(&mut draft, topics)?, mode),
        Command::AlterConfigs { resources, mode } => (alter_configs::plan(&mut draft, resources), mode),
        Command::AlterScramCredentials {
            deletions,
            upsertions,
        } => (
            alter_scram_credentials::plan(&mut draft, deletions, upsertions),
            Mode::Apply,
        ),
        Command::AllocateProducerIds => (producer_ids::plan(&mut draft)?, Mode::Apply),
        Command::MovePartition { partition, directory } => (
            move_partition::plan(&mut draft, partition, directory)?,
            Mode::Apply,
        ),
        Command::WantDirectory { .. } => unreachable!("it changes nothing that is stored"),
        Command::EnsureInternalTopic { topic } => (
            ensure_internal_topic::plan(&mut draft, topic, new_id)?,
            Mode::Apply,
        ),
    };
    let (records, image) = match mode {
        Mode::Apply => draft.finish(image),
        Mode::ValidateOnly => (Vec::new(), image.clone()),
    };
    Ok(Plan {
        records,
        image,
        outcome,
    })
}

/// Items that occur more than once; Kafka refuses all of them.
fn repeated<T: Hash + Eq + Clone>(items: impl Iterator<Item = T>) -> HashSet<T> {
    let mut seen = HashSet::new();
    items.filter(|item| !seen.insert(item.clone())).collect()
}
