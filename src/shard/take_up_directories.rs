//! What the metadata says of the data directories, told to them.

use crate::base::ids::{DirectoryId, TopicPartition};
use crate::log::DataDirs;
use crate::metadata::{ClusterImage, TopicImage};

/// Sees that the directories are those of this server, clears away what is left of topics that were deleted, and looks for partitions
/// that are not where they belong. Gives the directories that have nothing of deleted topics any more. Before any shard is
/// started. Blocks.
pub fn take_up_directories(data_dirs: &DataDirs, image: &ClusterImage) -> Result<Vec<DirectoryId>, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let claimed = data_dirs.claim(image.cluster_id(), image.server().server_id);
    claimed.map_err(|error| text(&error))?;
    let remains = |directory: DirectoryId| {
        let is_in = move |topic: &TopicImage| {
            (0..topic.partition_count()).any(|partition| topic.directory(partition) == directory)
        };
        let owed = image.deletions_owed(directory);
        // An import may have brought it again, with its id: that is not what was deleted.
        let owed = owed.filter(move |topic| !image.topic(&topic.id).is_some_and(|topic| is_in(topic)));
        owed.map(|topic| (topic.id, &*topic.name, topic.partitions))
    };
    let cleared = data_dirs.clear_away(remains).map_err(|error| text(&error))?;
    let partitions = image.topics().flat_map(|topic| {
        (0..topic.partition_count()).map(|partition| {
            let id = TopicPartition {
                topic: topic.id(),
                partition,
            };
            (id, &**topic.name(), topic.directory(partition))
        })
    });
    data_dirs.settle(partitions).map_err(|error| text(&error))?;
    Ok(cleared)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use super::*;
    use crate::base::ids::TopicId;
    use crate::log::file_names::{PARTITION_METADATA, partition_dir};
    use crate::log::partition_metadata;
    use crate::metadata::{ImportedTopic, MetadataLog, Record, Versions, plan_import, plan_start};
    use crate::rt::disk::blocking;
    use crate::rt::sim::disk::FaultPlan;
    use crate::rt::{self, sim};

    const DATA_DIR: &str = "/data";
    const PARTITIONS: u32 = 3;
    const TOPIC: TopicId = TopicId([7; 16]);

    struct Server {
        log: MetadataLog,
        image: ClusterImage,
        data_dirs: Arc<DataDirs>,
    }

    impl Server {
        /// What a server does before it starts shards, but that it does not note what is cleared.
        fn start() -> Result<(Server, Vec<DirectoryId>), String> {
            let text = |error: &dyn std::fmt::Display| error.to_string();
            blocking::create_dir_all(DATA_DIR).map_err(|error| text(&error))?;
            let founded = MetadataLog::is_in(DATA_DIR.as_ref());
            let data_dirs = DataDirs::open(&[DATA_DIR.into()], founded).map_err(|error| text(&error))?;
            let loaded =
                MetadataLog::open(Path::new(DATA_DIR), Arc::default()).map_err(|error| text(&error))?;
            let online = data_dirs.online_ids();
            let planned = plan_start(&loaded.image, 0, 1, &online, || "sim".to_string());
            let (records, _) = planned.map_err(|error| text(&error))?;
            let mut server = Server {
                log: loaded.log,
                image: loaded.image,
                data_dirs,
            };
            server.append(&records)?;
            let cleared = take_up_directories(&server.data_dirs, &server.image)?;
            Ok((server, cleared))
        }

        fn append(&mut self, records: &[Record]) -> Result<(), String> {
            let image = self.image.after(records).expect("they fit");
            let versions = Versions {
                before: self.image.version(),
                after: image.version(),
            };
            let appended = self.log.append(versions, records);
            appended.map_err(|error| error.to_string())?;
            self.image = image;
            Ok(())
        }

        fn settle(&mut self, cleared: &[DirectoryId]) -> Result<(), String> {
            let settled = |directory: &DirectoryId| Record::DeletionsSettled {
                directory: *directory,
            };
            self.append(&cleared.iter().map(settled).collect::<Vec<_>>())
        }

        /// The topic, with a segment in each of its partitions.
        fn import(&mut self) {
            for partition in 0..PARTITIONS as i32 {
                let dir = dir(partition);
                blocking::create_dir_all(&dir).expect("no faults");
                let owner = partition_metadata::encode(TOPIC);
                let files = [
                    (PARTITION_METADATA, &owner[..]),
                    ("00000000000000000000.log", b"records"),
                ];
                for (name, bytes) in files {
                    blocking::write_file_atomic(dir.join(name), bytes).expect("no faults");
                }
            }
            blocking::sync_dir(DATA_DIR).expect("no faults");
            let topic = ImportedTopic {
                id: TOPIC,
                name: "gone".to_string(),
                partitions: PARTITIONS,
                configs: Vec::new(),
                newest_epoch: None,
                newest_producer: None,
            };
            let (records, _) = plan_import(&self.image, topic).expect("a new topic");
            self.append(&records).expect("no faults");
        }

        fn delete(&mut self) {
            let deleted = Record::TopicDeleted { id: TOPIC };
            self.append(&[deleted]).expect("no faults");
        }
    }

    fn dir(partition: i32) -> PathBuf {
        Path::new(DATA_DIR).join(partition_dir("gone", partition))
    }

    /// Partitions whose directories have their names.
    fn present() -> Vec<i32> {
        let all = 0..PARTITIONS as i32;
        all.filter(|partition| blocking::read_dir(dir(*partition)).is_ok())
            .collect()
    }

    async fn in_a_process(work: impl Future<Output = ()> + 'static) -> sim::Exit {
        sim::exited(sim::spawn_process("server", work)).await
    }

    #[test]
    fn a_crash_at_any_operation_of_a_start_leaves_nothing_of_a_deleted_topic_for_ever() {
        const NAME: &str = "a_crash_at_any_operation_of_a_start_leaves_nothing_of_a_deleted_topic";
        sim::check_seeds(NAME, 0..120, |seed| async move {
            in_a_process(async {
                let (mut server, _) = Server::start().expect("no faults");
                server.import();
                // Then the power goes, before any shard has heard of it.
                server.delete();
            })
            .await;
            let crash = FaultPlan {
                crash_at_op: Some(1 + seed % 40),
                ..FaultPlan::default()
            };
            sim::disk::of("server").set_faults(crash);
            in_a_process(async {
                if let Ok((mut server, cleared)) = Server::start() {
                    let _ = server.settle(&cleared);
                }
                // The power goes at the next wait, if it has to.
                rt::yield_now().await;
            })
            .await;
            sim::disk::of("server").set_faults(FaultPlan::default());
            let last = in_a_process(async {
                let (mut server, cleared) = Server::start().expect("a crash is no damage");
                assert_eq!(present(), [0; 0]);
                server.settle(&cleared).expect("no faults");
                assert_eq!(server.image.deletions_owed(DirectoryId::HOME).count(), 0);
            });
            assert_eq!(last.await, sim::Exit::Finished);
        });
    }

    #[test]
    fn what_could_not_be_looked_at_is_looked_at_again() {
        sim::check_seeds(
            "what_could_not_be_looked_at_is_looked_at_again",
            0..1,
            |_| async {
                let done = in_a_process(async {
                    let (mut server, _) = Server::start().expect("no faults");
                    server.import();
                    server.delete();
                    sim::disk::set_faults(FaultPlan {
                        read_error: 1.0,
                        only_paths_with: Some("gone-1".to_string()),
                        ..FaultPlan::default()
                    });
                    drop(server);
                    let (server, cleared) = Server::start().expect("one partition stops no start");
                    assert_eq!((present(), cleared), (vec![1], vec![]));
                    sim::disk::set_faults(FaultPlan::default());
                    drop(server);
                    let (_, cleared) = Server::start().expect("no faults");
                    assert_eq!((present(), cleared), (vec![], vec![DirectoryId::HOME]));
                });
                assert_eq!(done.await, sim::Exit::Finished);
            },
        );
    }

    #[test]
    fn what_was_imported_again_stays() {
        sim::check_seeds("what_was_imported_again_stays", 0..1, |_| async {
            let done = in_a_process(async {
                let (mut server, _) = Server::start().expect("no faults");
                server.import();
                server.delete();
                drop(server);
                let (mut server, _) = Server::start().expect("no faults");
                assert_eq!(present(), [0; 0]);
                // That it is gone was not noted.
                assert_eq!(server.image.deletions_owed(DirectoryId::HOME).count(), 1);
                server.import();
                drop(server);
                Server::start().expect("no faults");
                assert_eq!(present(), [0, 1, 2]);
            });
            assert_eq!(done.await, sim::Exit::Finished);
        });
    }
}
