//! The log on a simulated disk: crashes at every operation, failing writes, damage.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::*;
use crate::base::ids::{DirectoryId, NodeId, TopicId};
use crate::metadata::*;
use crate::rt;
use crate::rt::sim::{self, Exit, disk};
use crate::security::{ScramCredential, ScramMechanism};

const DATA_DIR: &str = "/data";

fn fixed(snapshot_after_bytes: u64) -> Arc<StaticSettings> {
    let mut fixed = StaticSettings::default();
    let setting = format!("metadata.log.max.record.bytes.between.snapshots={snapshot_after_bytes}");
    fixed.add_assignment(&setting).expect("a good setting");
    Arc::new(fixed)
}

fn open(snapshot_after_bytes: u64) -> Result<LoadedMetadata, MetadataLogError> {
    io("create", Path::new(DATA_DIR), blocking::create_dir_all(DATA_DIR))?;
    io("sync", Path::new("/"), blocking::sync_dir("/"))?;
    MetadataLog::open(Path::new(DATA_DIR), fixed(snapshot_after_bytes))
}

fn random_topic_id() -> TopicId {
    let mut bytes = [0; 16];
    rt::random_bytes(&mut bytes);
    TopicId::from_random(bytes)
}

fn below(limit: u64) -> u64 {
    rt::random_u64() % limit
}

/// Any command; many of them are refused.
fn random_command() -> Command {
    let name = format!("topic.{}", below(12));
    let mode = if below(8) == 0 {
        Mode::ValidateOnly
    } else {
        Mode::Apply
    };
    match below(8) {
        0..=2 => {
            let configs = vec![("retention.ms".to_string(), Some(below(1000).to_string()))];
            let assignments = match below(3) {
                0 => vec![ReplicaAssignment {
                    partition: 0,
                    replicas: vec![NodeId(below(3) as i32)],
                }],
                _ => Vec::new(),
            };
            let partitions = if assignments.is_empty() {
                1 + below(5) as i32
            } else {
                -1
            };
            let topic = NewTopic {
                name,
                partitions,
                replication_factor: -1,
                assignments,
                configs,
            };
            Command::CreateTopics {
                topics: vec![topic],
                mode,
            }
        }
        3 => Command::DeleteTopics {
            topics: vec![TopicSelector::Name(name)],
        },
        4 => {
            let topics = vec![NewPartitions {
                topic: name,
                total: 1 + below(9) as i32,
                assignments: None,
            }];
            Command::CreatePartitions { topics, mode }
        }
        5 => {
            let (resource, config) = match below(3) {
                0 => (ConfigResource::Topic(name), "segment.ms"),
                1 => (ConfigResource::DefaultBroker, "log.roll.ms"),
                _ => (ConfigResource::Broker(NodeId(below(2) as i32)), "log.roll.ms"),
            };
            let (operation, value) = match below(3) {
                0 => (ConfigOperation::Delete, None),
                _ => (ConfigOperation::Set, Some((1 + below(9)).to_string())),
            };
            let changes = ConfigChanges::Incremental(vec![ConfigChange {
                name: config.to_string(),
                operation,
                value,
            }]);
            Command::AlterConfigs {
                resources: vec![ConfigAlteration { resource, changes }],
                mode,
            }
        }
        6 => {
            let user = format!("user {}", below(3));
            let mechanism = ScramMechanism::ALL[below(2) as usize];
            let (mut deletions, mut upsertions) = (Vec::new(), Vec::new());
            if below(3) == 0 {
                deletions.push(ScramDeletion {
                    user,
                    mechanism: Some(mechanism),
                });
            } else {
                let salt = below(1000).to_le_bytes().to_vec();
                let credential = ScramCredential::derive(mechanism, salt, b"salted", 4096);
                upsertions.push(ScramUpsertion {
                    user,
                    credential: Some((mechanism, credential)),
                });
            }
            Command::AlterScramCredentials {
                deletions,
                upsertions,
            }
        }
        _ => Command::AllocateProducerIds,
    }
}

/// An image as if the data directory had seen all deletions.
fn owing_nothing(image: &ClusterImage) -> ClusterImage {
    let mut image = image.clone();
    let directory = DirectoryId::HOME;
    let settled = image.apply(&Record::DeletionsSettled { directory });
    settled.expect("it fits every image");
    image
}

/// What a server has told its clients, seen from outside.
#[derive(Clone, Default)]
struct Told {
    /// The last image whose records are known to be durable.
    acknowledged: Rc<RefCell<Option<ClusterImage>>>,
    /// The image whose records are being written.
    pending: Rc<RefCell<Option<ClusterImage>>>,
    snapshots: Rc<Cell<usize>>,
}

impl Told {
    /// What is found at a start must be what was told, or what was being written. From then on it is told.
    fn check(&self, found: &ClusterImage) {
        // A replay says of deletions that they are owed.
        let found = &owing_nothing(found);
        let told = match &*self.acknowledged.borrow() {
            Some(image) => owing_nothing(image) == *found,
            None => found.version() == 0,
        };
        let pending = self
            .pending
            .borrow()
            .as_ref()
            .is_some_and(|image| owing_nothing(image) == *found);
        assert!(
            told || pending,
            "found version {}, told {:?}, was writing {:?}",
            found.version(),
            self.acknowledged.borrow().as_ref().map(ClusterImage::version),
            self.pending.borrow().as_ref().map(ClusterImage::version),
        );
        *self.acknowledged.borrow_mut() = Some(found.clone());
        *self.pending.borrow_mut() = None;
    }

    fn write(
        &self,
        log: &mut MetadataLog,
        before: &ClusterImage,
        records: &[Record],
        after: ClusterImage,
    ) -> bool {
        *self.pending.borrow_mut() = Some(after.clone());
        let versions = Versions {
            before: before.version(),
            after: after.version(),
        };
        if log.append(versions, records).is_err() {
            return false;
        }
        *self.acknowledged.borrow_mut() = Some(after.clone());
        if log.snapshot_is_due() {
            if log.take_snapshot(&after).is_err() {
                return false;
            }
            self.snapshots.set(self.snapshots.get() + 1);
        }
        true
    }
}

/// One run of a server: it starts, and carries out commands until it has done so many, or its disk fails it.
fn serve(told: &Told, commands: usize) {
    let Ok(LoadedMetadata {
        mut log, mut image, ..
    }) = open(1500)
    else {
        return;
    };
    told.check(&image);
    let (records, started) =
        plan_start(&image, 0, 2, &[DirectoryId::HOME], || "sim".to_string()).expect("the same server");
    if !told.write(&mut log, &image, &records, started.clone()) {
        return;
    }
    image = started;
    for _ in 0..commands {
        let Ok(plan) = plan(&image, random_command(), &mut random_topic_id) else {
            continue;
        };
        if plan.records.is_empty() {
            continue;
        }
        if !told.write(&mut log, &image, &plan.records, plan.image.clone()) {
            return;
        }
        image = plan.image;
    }
}

/// Starts once more without faults and checks what is there.
async fn check_after(told: &Told) {
    disk::of("server").set_faults(disk::FaultPlan::default());
    let told = told.clone();
    let server = sim::spawn_process("server", async move {
        let loaded = open(1500).unwrap_or_else(|error| panic!("a crash is no damage: {error}"));
        told.check(&loaded.image);
    });
    assert_eq!(sim::exited(server).await, Exit::Finished);
}

#[test]
fn what_is_replayed_is_what_was_live() {
    sim::check_seeds("what_is_replayed_is_what_was_live", 0..50, |_| async {
        let told = Told::default();
        for _ in 0..3 {
            let server = sim::spawn_process("server", {
                let told = told.clone();
                async move { serve(&told, 60) }
            });
            assert_eq!(sim::exited(server).await, Exit::Finished);
            check_after(&told).await;
        }
        assert!(
            told.snapshots.get() > 0,
            "snapshots were taken: {}",
            told.snapshots.get()
        );
    });
}

#[test]
fn a_crash_at_any_operation_loses_nothing_that_was_told() {
    // A run of this length makes about 150 operations; each is crashed into by several seeds.
    sim::check_seeds(
        "a_crash_at_any_operation_loses_nothing_that_was_told",
        0..600,
        |seed| async move {
            let told = Told::default();
            // The second crash meets what the first has left.
            for crash_at in [seed % 150 + 1, seed / 150 * 7 + 1] {
                let plan = disk::FaultPlan {
                    crash_at_op: Some(crash_at),
                    ..disk::FaultPlan::default()
                };
                disk::of("server").set_faults(plan);
                let server = sim::spawn_process("server", {
                    let told = told.clone();
                    async move {
                        serve(&told, 60);
                        // The power goes at the next wait, if it has to.
                        rt::yield_now().await;
                    }
                });
                sim::exited(server).await;
                check_after(&told).await;
            }
        },
    );
}

#[test]
fn after_a_failed_write_nothing_more_is_taken_and_nothing_told_is_lost() {
    sim::check_seeds("after_a_failed_write_nothing_more_is_taken", 0..200, |_| async {
        let told = Told::default();
        let faults = disk::FaultPlan {
            write_error: 0.03,
            sync_error: 0.03,
            ..disk::FaultPlan::default()
        };
        disk::of("server").set_faults(faults);
        let server = sim::spawn_process("server", {
            let told = told.clone();
            async move { serve(&told, 60) }
        });
        sim::exited(server).await;
        // A server that starts now may find what never reached the disk. What it tells must hold all the same when the
        // machine loses power on top of it.
        check_after(&told).await;
        let server = sim::spawn_process("server", std::future::pending());
        sim::kill(server);
        sim::exited(server).await;
        check_after(&told).await;
    });
}

#[test]
fn a_poisoned_log_says_why() {
    sim::check_seeds("a_poisoned_log_says_why", 0..1, |_| async {
        let LoadedMetadata { mut log, image, .. } = open(1 << 20).expect("an empty disk");
        let (records, started) =
            plan_start(&image, 0, 1, &[DirectoryId::HOME], || "sim".to_string()).expect("a first start");
        let versions = Versions {
            before: 0,
            after: started.version(),
        };
        disk::set_faults(disk::FaultPlan {
            write_error: 1.0,
            ..disk::FaultPlan::default()
        });
        let first = log
            .append(versions, &records)
            .expect_err("the disk fails")
            .to_string();
        assert!(
            first.starts_with("could not write to /data/metadata/00000000000000000001.log:"),
            "{first}"
        );
        disk::set_faults(disk::FaultPlan::default());
        let second = log.append(versions, &records).expect_err("poisoned").to_string();
        assert!(
            second.contains("takes no more changes") && second.contains("00000000000000000001.log"),
            "{second}"
        );
        assert!(!log.snapshot_is_due());
    });
}

#[test]
fn a_flipped_bit_is_refused_or_was_in_the_last_batch() {
    sim::check_seeds(
        "a_flipped_bit_is_refused_or_was_in_the_last_batch",
        0..1,
        |_| async {
            let mut batches = Vec::new();
            let LoadedMetadata {
                mut log, mut image, ..
            } = open(1 << 20).expect("an empty disk");
            let (records, started) =
                plan_start(&image, 0, 1, &[DirectoryId::HOME], || "sim".to_string()).expect("a first start");
            let mut next = Some((records, started));
            while batches.len() < 4 {
                if let Some((records, after)) = next.take() {
                    log.append(
                        Versions {
                            before: image.version(),
                            after: after.version(),
                        },
                        &records,
                    )
                    .expect("no faults");
                    image = after;
                    batches.push(image.clone());
                }
                next = plan(&image, random_command(), &mut random_topic_id)
                    .ok()
                    .filter(|plan| !plan.records.is_empty())
                    .map(|plan| (plan.records, plan.image));
            }
            let path = "/data/metadata/00000000000000000001.log";
            let whole = disk::of("main").read(path).expect("there");
            let mut last_batch_from = None;
            for position in 0..whole.len() {
                let mut flipped = whole.clone();
                flipped[position] ^= 1 << (position % 8);
                match open_with(&flipped) {
                    Ok(loaded) => {
                        assert_eq!(
                            owing_nothing(&loaded.image),
                            batches[2],
                            "only the last batch may be gone"
                        );
                        let from = *last_batch_from.get_or_insert(position);
                        assert_eq!(loaded.torn_bytes, (whole.len() - from) as u64);
                    }
                    Err(error @ MetadataLogError::Damaged { .. }) => {
                        assert_eq!(
                            last_batch_from, None,
                            "behind that everything is the last batch: {error}"
                        );
                        let text = error.to_string();
                        assert!(text.contains(path) && text.contains("damaged at byte"), "{text}");
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            assert!(last_batch_from.is_some());
            let loaded = open_with(&whole).expect("as it was written");
            assert_eq!(owing_nothing(&loaded.image), batches[3]);
        },
    );
}

/// Opens a directory in which there is nothing but a first log with these bytes.
fn open_with(log: &[u8]) -> Result<LoadedMetadata, MetadataLogError> {
    let dir = Path::new(DATA_DIR).join(METADATA_DIR);
    blocking::remove_dir_all(&dir)
        .and_then(|()| blocking::create_dir_all(&dir))
        .expect("no faults");
    let mut file = AppendFile::open(log_path(&dir, 1)).expect("no faults");
    file.append(log).expect("no faults");
    open(1 << 20)
}

#[test]
fn a_damaged_snapshot_is_refused() {
    sim::check_seeds("a_damaged_snapshot_is_refused", 0..20, |_| async {
        let told = Told::default();
        while told.snapshots.get() == 0 {
            serve(&told, 60);
        }
        let disk = disk::of("main");
        let files = disk.files_below("/data/metadata").expect("there");
        let snapshot = files
            .iter()
            .find(|file| file.ends_with(".snapshot"))
            .expect("one was taken");
        assert_eq!(files.len(), 2, "what a snapshot replaces is removed: {files:?}");
        disk.flip_random_bit(snapshot).expect("there");
        let error = open(1500).err().expect("damaged").to_string();
        assert!(error.contains(snapshot.as_str()), "{error}");
    });
}

#[test]
fn a_missing_log_is_noticed() {
    sim::check_seeds("a_missing_log_is_noticed", 0..1, |_| async {
        let dir = Path::new(DATA_DIR).join(METADATA_DIR);
        let LoadedMetadata { mut log, image, .. } = open(1 << 20).expect("an empty disk");
        let (records, started) =
            plan_start(&image, 0, 1, &[DirectoryId::HOME], || "sim".to_string()).expect("a first start");
        log.append(
            Versions {
                before: 0,
                after: started.version(),
            },
            &records,
        )
        .expect("no faults");
        drop(AppendFile::open(log_path(&dir, 7)).expect("no faults"));
        let error = open(1 << 20)
            .err()
            .expect("versions 2 to 6 are missing")
            .to_string();
        assert!(
            error.contains("begins with version 7, but 1 is what there is before"),
            "{error}"
        );
    });
}

/// Makes records durable, and gives the image they lead to.
fn append(log: &mut MetadataLog, image: &ClusterImage, records: &[Record]) -> ClusterImage {
    let after = image.after(records).expect("they fit");
    let versions = Versions {
        before: image.version(),
        after: after.version(),
    };
    log.append(versions, records).expect("no faults");
    after
}

#[test]
fn a_deletion_is_owed_until_a_start_has_seen_to_it() {
    sim::check_seeds(
        "a_deletion_is_owed_until_a_start_has_seen_to_it",
        0..1,
        |_| async {
            let home = DirectoryId::HOME;
            let owed = |loaded: &LoadedMetadata| {
                let owed = loaded.image.deletions_owed(home);
                owed.map(|topic| (topic.name.to_string(), topic.partitions))
                    .collect::<Vec<_>>()
            };
            let mut loaded = open(1 << 20).expect("an empty disk");
            let (records, _) =
                plan_start(&loaded.image, 0, 1, &[home], || "sim".to_string()).expect("a first start");
            let image = append(&mut loaded.log, &loaded.image, &records);
            let topic = NewTopic {
                name: "gone".to_string(),
                partitions: 3,
                replication_factor: -1,
                assignments: Vec::new(),
                configs: Vec::new(),
            };
            let create = Command::CreateTopics {
                topics: vec![topic],
                mode: Mode::Apply,
            };
            let planned = plan(&image, create, &mut random_topic_id).expect("a good topic");
            let image = append(&mut loaded.log, &image, &planned.records);
            let delete = Command::DeleteTopics {
                topics: vec![TopicSelector::Name("gone".to_string())],
            };
            let planned = plan(&image, delete, &mut random_topic_id).expect("it is there");
            append(&mut loaded.log, &image, &planned.records);
            drop(loaded);
            // Starts that end before they have cleared anything away, and before they have noted anything.
            for _ in 0..3 {
                let loaded = open(1 << 20).expect("no damage");
                assert_eq!(owed(&loaded), [("gone".to_string(), 3)]);
            }
            let mut loaded = open(1 << 20).expect("no damage");
            let settled = Record::DeletionsSettled { directory: home };
            append(&mut loaded.log, &loaded.image, &[settled]);
            drop(loaded);
            assert_eq!(owed(&open(1 << 20).expect("no damage")), []);
        },
    );
}
