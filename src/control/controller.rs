//! Carries out changes of the cluster: plan, write, then publish.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::base::ids::{DirectoryId, ShardId, TopicId};
use crate::metadata::{
    self, ClusterImage, Command, CommandError, CommandErrorKind, MetadataLog, MetadataLogError, Outcome,
    Plan, Record, TopicRemains, Versions, WentOffline,
};
use crate::rt;

/// A change a shard has asked for.
pub(super) struct Change {
    pub(super) shard: ShardId,
    pub(super) id: u64,
    pub(super) command: Command,
}

/// An answer, and the version of the image that every shard must serve by before it is sent.
pub(super) struct Answer {
    pub(super) shard: ShardId,
    pub(super) id: u64,
    pub(super) answer: Result<Outcome, CommandError>,
    version: u64,
}

/// The cluster's one writer.
pub(super) struct Controller {
    image: Arc<ClusterImage>,
    log: MetadataLog,
    waiting: VecDeque<Answer>,
    /// Topics that were deleted, with the version of the image that has them no more, until every shard has given up its part.
    undeleted: Vec<(u64, TopicRemains)>,
}

impl Controller {
    pub(super) fn new(log: MetadataLog, image: ClusterImage) -> Controller {
        Controller {
            image: Arc::new(image),
            log,
            waiting: VecDeque::new(),
            undeleted: Vec::new(),
        }
    }

    /// The newest image whose records are durable.
    pub(super) fn image(&self) -> &Arc<ClusterImage> {
        &self.image
    }

    /// Carries out changes in order and makes them durable with one write. Says whether there is a new image. The
    /// answers come from [`Controller::answers_up_to`]. `make_room` frees what is reserved on a full disk, if it still can.
    pub(super) fn carry_out(&mut self, changes: Vec<Change>, make_room: &mut impl FnMut() -> bool) -> bool {
        let before = self.image.version();
        let mut image = ClusterImage::clone(&self.image);
        let mut records = Vec::new();
        let mut answers = Vec::with_capacity(changes.len());
        let mut deleted = Vec::new();
        for Change { shard, id, command } in changes {
            let answer = match metadata::plan(&image, command, &mut random_topic_id) {
                Ok(plan) => {
                    let Plan {
                        records: more,
                        image: next,
                        outcome,
                    } = plan;
                    records.extend(more);
                    let remains = topics_deleted(&image, &outcome);
                    deleted.extend(remains.into_iter().map(|topic| (next.version(), topic)));
                    image = next;
                    Ok(outcome)
                }
                Err(refused) => Err(refused),
            };
            // What found nothing to do has seen the changes before it, and so must whoever gets its answer.
            let version = image.version();
            answers.push(Answer {
                shard,
                id,
                answer,
                version,
            });
        }
        if records.is_empty() {
            // It may have wishes for partitions to come, which are nobody else's business.
            self.image = Arc::new(image);
            self.waiting.extend(answers);
            return false;
        }
        let versions = Versions {
            before,
            after: image.version(),
        };
        let mut written = self.log.append(versions, &records);
        if matches!(&written, Err(error) if error.is_no_room()) && make_room() {
            written = self.log.append(versions, &records);
        }
        if let Err(error) = written {
            // All were planned on one another: none of them has happened.
            self.waiting.extend(answers.into_iter().map(|answer| Answer {
                answer: Err(storage_error(&error)),
                version: before,
                ..answer
            }));
            return false;
        }
        self.waiting.extend(answers);
        self.image = Arc::new(image);
        self.undeleted.extend(deleted);
        self.snapshot_if_due();
        true
    }

    /// Something can't be used any more. Says whether there is a new image: it waits for no write, for the disk of the metadata
    /// may be what has failed.
    pub(super) fn note_offline(&mut self, what: &WentOffline) -> bool {
        let next = self.image.with_offline(what);
        let changed = next.is_some();
        if let Some(next) = next {
            self.image = Arc::new(next);
        }
        changed
    }

    /// Notes that these data directories have nothing any more of topics that were deleted. Before the shards are started. If it can't
    /// be noted they are looked through again at the next start.
    pub(super) fn settle_deletions(&mut self, cleared: &[DirectoryId]) {
        let owed = |directory: &&DirectoryId| self.image.deletions_owed(**directory).next().is_some();
        let settled = cleared.iter().filter(owed).copied();
        let records: Vec<_> = settled
            .map(|directory| Record::DeletionsSettled { directory })
            .collect();
        if records.is_empty() {
            return;
        }
        let next = self.image.after(&records).expect("it fits every image");
        let versions = Versions {
            before: self.image.version(),
            after: next.version(),
        };
        match self.log.append(versions, &records) {
            Ok(()) => self.image = Arc::new(next),
            Err(error) => tracing::warn!(%error, "it can't be noted that deletions are done"),
        }
    }

    /// Whether changes were carried out that are not answered yet.
    pub(super) fn owes_answers(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// A shard could not give up all it had of these topics, which were deleted: the next start is to do it.
    pub(super) fn keep_owing(&mut self, topics: &[TopicId]) {
        for (version, topic) in &mut self.undeleted {
            if topics.contains(&topic.id) {
                *version = u64::MAX;
            }
        }
    }

    /// Takes out the answers that may be sent when every shard serves by this version.
    pub(super) fn answers_up_to(&mut self, version: u64) -> Vec<Answer> {
        self.undeleted.retain(|(deleted, _)| *deleted > version);
        // Answers wait in the order of their versions.
        let ready = self
            .waiting
            .iter()
            .take_while(|answer| answer.version <= version)
            .count();
        self.waiting.drain(..ready).collect()
    }

    fn snapshot_if_due(&mut self) {
        if !self.log.snapshot_is_due() {
            return;
        }
        // What it says of deletions is all that is left of them: the log before it goes.
        let undeleted = self.undeleted.iter().map(|(_, topic)| topic);
        if let Err(error) = self.log.take_snapshot(&self.image.owing(undeleted)) {
            match error.is_no_room() {
                true => {
                    tracing::warn!(%error, "no snapshot of the metadata for want of room; the log grows on")
                }
                false => tracing::error!(%error, "no snapshot of the metadata; the log grows on"),
            }
        }
    }
}

/// What is left of the topics that a change has deleted, by the image before it.
fn topics_deleted(before: &ClusterImage, outcome: &Outcome) -> Vec<TopicRemains> {
    let Outcome::TopicsDeleted(outcomes) = outcome else {
        return Vec::new();
    };
    let deleted = outcomes.iter().flatten();
    deleted.filter_map(|topic| before.remains(&topic.id)).collect()
}

fn random_topic_id() -> TopicId {
    let mut bytes = [0; 16];
    rt::random_bytes(&mut bytes);
    TopicId::from_random(bytes)
}

fn storage_error(error: &MetadataLogError) -> CommandError {
    if error.is_no_room() {
        tracing::error!(%error, "a change of the cluster finds no room on the disk");
        let message = "the disk of this server is full, down to what is reserved for changes like this one";
        return CommandError::new(CommandErrorKind::Storage, message);
    }
    tracing::error!(%error, "the cluster can't be changed until the server is started again");
    let message = "the metadata log of this server can't be written; its log says why";
    CommandError::new(CommandErrorKind::Storage, message)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::StaticSettings;
    use crate::metadata::{Mode, NewTopic, TopicSelector, plan_start};
    use crate::rt::disk::blocking;
    use crate::rt::sim;

    const DATA_DIR: &str = "/data";

    /// A log that is replaced by a snapshot with each change.
    fn open() -> Controller {
        blocking::create_dir_all(DATA_DIR).expect("no faults");
        let mut fixed = StaticSettings::default();
        let setting = "metadata.log.max.record.bytes.between.snapshots=1";
        fixed.add_assignment(setting).expect("a good setting");
        let loaded = MetadataLog::open(Path::new(DATA_DIR), Arc::new(fixed)).expect("no damage");
        Controller::new(loaded.log, loaded.image)
    }

    fn change(controller: &mut Controller, command: Command) {
        let change = Change {
            shard: ShardId(0),
            id: 0,
            command,
        };
        assert!(
            controller.carry_out(vec![change], &mut || false),
            "it changes something"
        );
    }

    fn create(controller: &mut Controller, name: &str) -> TopicId {
        let topic = NewTopic {
            name: name.to_string(),
            partitions: 2,
            replication_factor: -1,
            assignments: Vec::new(),
            configs: Vec::new(),
        };
        let mode = Mode::Apply;
        let topics = vec![topic];
        change(controller, Command::CreateTopics { topics, mode });
        controller.image().topic_by_name(name).expect("created").id()
    }

    fn delete(controller: &mut Controller, name: &str) {
        let topics = vec![TopicSelector::Name(name.to_string())];
        change(controller, Command::DeleteTopics { topics });
    }

    /// What a start would find owed if the power went now.
    fn owed_at_a_start() -> Vec<String> {
        let image = open().image;
        let owed = image.deletions_owed(DirectoryId::HOME);
        let mut names: Vec<_> = owed
            .map(|topic| format!("{} {}", topic.name, topic.partitions))
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_snapshot_says_what_the_shards_have_not_given_up_yet() {
        sim::check_seeds(
            "a_snapshot_says_what_the_shards_have_not_given_up",
            0..1,
            |_| async {
                let mut controller = open();
                let online = [DirectoryId::HOME];
                let (records, image) = plan_start(controller.image(), 0, 1, &online, || "sim".to_string())
                    .expect("a first start");
                let versions = Versions {
                    before: 0,
                    after: image.version(),
                };
                controller.log.append(versions, &records).expect("no faults");
                controller.image = Arc::new(image);
                create(&mut controller, "one");
                let two = create(&mut controller, "two");
                delete(&mut controller, "one");
                assert_eq!(owed_at_a_start(), ["one 2"]);
                // Some shard is still behind.
                let before = controller.image().version() - 1;
                controller.answers_up_to(before);
                create(&mut controller, "three");
                assert_eq!(owed_at_a_start(), ["one 2"]);
                controller.answers_up_to(controller.image().version());
                create(&mut controller, "four");
                assert_eq!(owed_at_a_start(), [""; 0]);
                // A shard that could not.
                delete(&mut controller, "two");
                controller.keep_owing(&[two]);
                controller.answers_up_to(controller.image().version());
                delete(&mut controller, "three");
                controller.answers_up_to(controller.image().version());
                create(&mut controller, "five");
                assert_eq!(owed_at_a_start(), ["two 2"]);
            },
        );
    }
}
