//! The control thread with shards that only follow its image, in the simulation.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::base::ids::{DirectoryId, ShardId};
use crate::config::StaticSettings;
use crate::metadata::{
    ClusterImage, Command, CommandErrorKind, InternalTopic, MetadataLog, Mode, NewTopic, Outcome,
    TopicSelector,
};
use crate::rt::disk::blocking;
use crate::rt::sim::disk::FaultPlan;
use crate::rt::sim::{self, Exit, disk};
use crate::rt::{self, RuntimeUnavailable, ShardThread, mailbox};
use crate::shard::message::{MessageCounters, ToControl, ToShard};
use crate::shard::{ChangeError, ControlClient};

const DATA_DIR: &str = "/data";

/// Where a shard breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Break {
    Never,
    InRecovery(u16),
    WhileServing(u16),
}

/// What is seen of a server from outside.
#[derive(Default)]
struct Seen {
    /// Per shard, the image it serves by.
    images: Vec<Option<Arc<ClusterImage>>>,
    /// Names of topics whose creation was answered with success, and not deleted since.
    created: Vec<String>,
    /// Names whose creation or deletion was asked for and not answered.
    unknown: Vec<String>,
    refused: Vec<CommandErrorKind>,
    steps: Vec<&'static str>,
    /// Names of topics that were told as deleted before.
    cleared_away: Vec<String>,
    shut_down: usize,
}

type Shared = Arc<Mutex<Seen>>;

struct FollowingLanes {
    seen: Shared,
    breaks: Break,
    changes: u64,
}

impl Lanes for FollowingLanes {
    fn directories(&self) -> Vec<DirectoryId> {
        vec![DirectoryId::HOME]
    }

    fn metadata_loaded(&mut self, image: &ClusterImage) -> Result<Vec<DirectoryId>, String> {
        let owed = image.deletions_owed(DirectoryId::HOME);
        let names = owed.map(|topic| topic.name.to_string());
        self.seen.lock().unwrap().cleared_away.extend(names);
        Ok(self.directories())
    }

    fn start(&mut self, start: LaneStart) -> Result<ShardThread, RuntimeUnavailable> {
        let (seen, breaks, changes) = (self.seen.clone(), self.breaks, self.changes);
        rt::spawn_shard(format!("shard-{}", start.id), None, move || {
            follow(start, seen, breaks, changes)
        })
    }

    fn make_room_for_metadata(&mut self) -> bool {
        false
    }

    fn all_recovered(&mut self) -> Result<(), String> {
        self.seen.lock().unwrap().steps.push("recovered");
        Ok(())
    }

    fn all_serving(&mut self, _image: &ClusterImage) {
        self.seen.lock().unwrap().steps.push("serving");
    }

    fn all_stopped(&mut self) -> Result<(), String> {
        self.seen.lock().unwrap().steps.push("stopped");
        Ok(())
    }
}

fn below(limit: u64) -> u64 {
    rt::random_u64() % limit
}

async fn random_pause() {
    rt::sleep(Duration::from_micros(below(2000))).await;
}

/// A shard has given up all it had of deleted topics.
fn applied(shard: ShardId, version: u64) -> ToControl {
    ToControl::ImageApplied {
        shard,
        version,
        undeleted: Vec::new(),
    }
}

/// A shard that has no partitions: it asks for some changes and applies images with delay.
async fn follow(start: LaneStart, seen: Shared, breaks: Break, changes: u64) {
    let LaneStart {
        id,
        image,
        mut inbox,
        control,
    } = start;
    random_pause().await;
    let failed = |reason: &str| ToControl::Failed {
        shard: id,
        reason: reason.to_string(),
    };
    if breaks == Break::InRecovery(id.0) {
        control.send(failed("bad disk")).await;
        return;
    }
    control
        .send(ToControl::Recovered {
            shard: id,
            offline: Vec::new(),
        })
        .await;
    match inbox.recv().await {
        Some(ToShard::Serve(_)) => {}
        Some(ToShard::Shutdown) => {
            seen.lock().unwrap().shut_down += 1;
            control.send(ToControl::Stopped { shard: id }).await;
            return;
        }
        other => panic!("{other:?}"),
    }
    seen.lock().unwrap().images[usize::from(id.0)] = Some(image);
    random_pause().await;
    control.send(ToControl::Serving { shard: id }).await;
    if breaks == Break::WhileServing(id.0) {
        random_pause().await;
        control.send(failed("worn out")).await;
        return;
    }
    let client = Rc::new(ControlClient::new(id, control.clone()));
    for number in 0..changes {
        drop(rt::spawn(ask(client.clone(), seen.clone(), number)));
    }
    while let Some(message) = inbox.recv().await {
        match message {
            ToShard::NewImage(image) => {
                random_pause().await;
                let version = image.version();
                seen.lock().unwrap().images[usize::from(id.0)] = Some(image);
                control.send(applied(id, version)).await;
            }
            ToShard::ChangeAnswer { id, answer } => client.answer(id, answer),
            ToShard::Shutdown => break,
            other => panic!("{other:?}"),
        }
    }
    client.close();
    seen.lock().unwrap().shut_down += 1;
    control.send(ToControl::Stopped { shard: id }).await;
}

/// Creates a topic and deletes it again, now and then; checks that all shards know when the answer comes.
async fn ask(client: Rc<ControlClient>, seen: Shared, number: u64) {
    rt::sleep(Duration::from_micros(below(20_000))).await;
    let name = format!("topic-{}-{number}-{:x}", client.shard(), rt::random_u64());
    let topic = NewTopic {
        name: name.clone(),
        partitions: 1 + below(4) as i32,
        replication_factor: -1,
        assignments: Vec::new(),
        configs: Vec::new(),
    };
    let create = Command::CreateTopics {
        topics: vec![topic],
        mode: Mode::Apply,
    };
    seen.lock().unwrap().unknown.push(name.clone());
    match client.submit(create).await {
        Ok(Outcome::TopicsCreated(created)) => {
            let id = created[0].as_ref().expect("a new name").id;
            let mut seen = seen.lock().unwrap();
            for image in &seen.images {
                let image = image.as_ref().expect("serving");
                assert_eq!(
                    image.topic_by_name(&name).map(|topic| topic.id()),
                    Some(id),
                    "every shard has it"
                );
            }
            seen.unknown.retain(|unknown| *unknown != name);
            seen.created.push(name.clone());
        }
        Ok(other) => panic!("{other:?}"),
        Err(ChangeError::Refused(error)) => {
            let mut seen = seen.lock().unwrap();
            seen.refused.push(error.kind);
            return;
        }
        Err(ChangeError::ShuttingDown) => {
            // It has not happened.
            seen.lock().unwrap().unknown.retain(|unknown| *unknown != name);
            return;
        }
        Err(ChangeError::TooMany) => panic!("not so many were asked for"),
    }
    if below(3) > 0 {
        return;
    }
    let delete = Command::DeleteTopics {
        topics: vec![TopicSelector::Name(name.clone())],
    };
    {
        let mut seen = seen.lock().unwrap();
        seen.created.retain(|created| *created != name);
        seen.unknown.push(name.clone());
    }
    match client.submit(delete).await {
        Ok(Outcome::TopicsDeleted(_)) => {
            let mut seen = seen.lock().unwrap();
            let gone = |image: &Option<Arc<ClusterImage>>| {
                image.as_ref().expect("serving").topic_by_name(&name).is_none()
            };
            assert!(seen.images.iter().all(gone), "no shard has it");
            seen.unknown.retain(|unknown| *unknown != name);
        }
        Err(ChangeError::ShuttingDown) => {
            // It has not happened.
            let mut seen = seen.lock().unwrap();
            seen.unknown.retain(|unknown| *unknown != name);
            seen.created.push(name);
        }
        _ => {}
    }
}

/// One server's life. `stop` ends it.
async fn serve(
    shards: u16,
    breaks: Break,
    changes: u64,
    seen: Shared,
    stop: mailbox::Receiver<StopRequest>,
) -> Result<(), ControlError> {
    let started = blocking::create_dir_all(DATA_DIR).and_then(|()| blocking::sync_dir("/"));
    if let Err(error) = started {
        return Err(ControlError::Step(error.to_string()));
    }
    let mut fixed = StaticSettings::default();
    fixed
        .add_assignment("metadata.log.max.record.bytes.between.snapshots=2000")
        .expect("a good setting");
    let options = ControlOptions {
        fixed: Arc::new(fixed),
        data_dir: DATA_DIR.into(),
        shards,
        counters: Arc::new(MessageCounters::default()),
    };
    seen.lock().unwrap().images = vec![None; usize::from(shards)];
    let mut lanes = FollowingLanes {
        seen,
        breaks,
        changes,
    };
    run_control(options, &mut lanes, stop).await
}

/// A server that is stopped after a while, and what came of it.
async fn run_server(shards: u16, breaks: Break, changes: u64, seen: &Shared) -> Result<(), ControlError> {
    let result = Rc::new(RefCell::new(None));
    let (stopper, stop) = mailbox::channel(1);
    let server = sim::spawn_process("server", {
        let (result, seen) = (result.clone(), seen.clone());
        async move {
            let outcome = serve(shards, breaks, changes, seen, stop).await;
            *result.borrow_mut() = Some(outcome);
        }
    });
    rt::sleep(Duration::from_millis(500)).await;
    // A server that has failed is gone already.
    let _ = stopper.try_send(StopRequest);
    assert_eq!(sim::exited(server).await, Exit::Finished);
    result.take().expect("a result")
}

/// What the metadata on the server's disk says.
async fn stored_image() -> ClusterImage {
    let found = Rc::new(RefCell::new(None));
    let reader = sim::spawn_process("server", {
        let found = found.clone();
        async move {
            let loaded = MetadataLog::open(Path::new(DATA_DIR), Arc::default()).expect("no damage");
            *found.borrow_mut() = Some(loaded.image);
        }
    });
    sim::exited(reader).await;
    found.take().expect("read")
}

/// Every change that was answered is there, and nothing that nobody asked for.
fn check_stored(image: &ClusterImage, seen: &Shared) {
    let seen = seen.lock().unwrap();
    for name in &seen.created {
        assert!(image.topic_by_name(name).is_some(), "{name} was answered");
    }
    for topic in image.topics() {
        let name = topic.name().to_string();
        assert!(
            seen.created.contains(&name) || seen.unknown.contains(&name),
            "{name} was deleted"
        );
    }
}

#[test]
fn changes_are_answered_when_every_shard_serves_by_them() {
    sim::check_seeds(
        "changes_are_answered_when_every_shard_serves_by_them",
        0..40,
        |seed| async move {
            let seen = Shared::default();
            run_server(1 + seed as u16 % 4, Break::Never, 25, &seen)
                .await
                .expect("an orderly life");
            {
                let seen = seen.lock().unwrap();
                assert_eq!(seen.steps, ["recovered", "serving", "stopped"]);
                assert_eq!(seen.unknown, [""; 0], "everything was answered before the stop");
                assert_eq!(seen.refused, []);
                assert!(seen.created.len() > 10);
            }
            check_stored(&stored_image().await, &seen);
            // The same data with another number of shards.
            let nothing_more = Shared::default();
            run_server(3, Break::Never, 0, &nothing_more)
                .await
                .expect("an orderly life");
            let image = stored_image().await;
            assert_eq!((image.server().epoch, image.server().shards), (2, 3));
            check_stored(&image, &seen);
        },
    );
}

#[test]
fn what_is_not_answered_at_a_stop_has_not_happened() {
    sim::check_seeds(
        "what_is_not_answered_at_a_stop_has_not_happened",
        0..80,
        |seed| async move {
            let seen = Shared::default();
            let (stopper, stop) = mailbox::channel(1);
            let server = sim::spawn_process("server", {
                let seen = seen.clone();
                async move {
                    let shards = 1 + seed as u16 % 3;
                    let ended = serve(shards, Break::Never, 40, seen, stop).await;
                    ended.expect("an orderly life");
                }
            });
            // In the midst of the changes.
            rt::sleep(Duration::from_micros(5_000 + below(20_000))).await;
            let _ = stopper.try_send(StopRequest);
            assert_eq!(sim::exited(server).await, Exit::Finished);
            check_stored(&stored_image().await, &seen);
        },
    );
}

#[test]
fn a_crash_loses_no_answered_change() {
    sim::check_seeds("a_crash_loses_no_answered_change", 0..150, |seed| async move {
        let seen = Shared::default();
        let plan = FaultPlan {
            crash_at_op: Some(5 + seed),
            ..FaultPlan::default()
        };
        disk::of("server").set_faults(plan);
        let (stopper, stop) = mailbox::channel(1);
        let server = sim::spawn_process("server", {
            let seen = seen.clone();
            async move {
                let _ = serve(2, Break::Never, 40, seen, stop).await;
                // The power goes at the next wait, if it has to.
                rt::yield_now().await;
            }
        });
        rt::sleep(Duration::from_millis(500)).await;
        let _ = stopper.try_send(StopRequest);
        sim::exited(server).await;
        disk::of("server").set_faults(FaultPlan::default());
        check_stored(&stored_image().await, &seen);
    });
}

#[test]
fn a_failing_disk_refuses_changes_and_loses_none() {
    sim::check_seeds(
        "a_failing_disk_refuses_changes_and_loses_none",
        0..40,
        |_| async {
            let seen = Shared::default();
            run_server(2, Break::Never, 5, &seen)
                .await
                .expect("an orderly life");
            let faults = FaultPlan {
                sync_error: 0.2,
                write_error: 0.2,
                only_paths_with: Some(".log".to_string()),
                ..FaultPlan::default()
            };
            let again = Arc::new(Mutex::new(Seen {
                created: seen.lock().unwrap().created.clone(),
                ..Seen::default()
            }));
            disk::of("server").set_faults(faults);
            let outcome = run_server(2, Break::Never, 20, &again).await;
            disk::of("server").set_faults(FaultPlan::default());
            if outcome.is_ok() {
                let seen = again.lock().unwrap();
                assert!(seen.refused.iter().all(|kind| *kind == CommandErrorKind::Storage));
                assert_eq!(seen.steps, ["recovered", "serving", "stopped"]);
            }
            // What was refused may have happened, as with every write that fails.
            again
                .lock()
                .unwrap()
                .unknown
                .extend(seen.lock().unwrap().created.clone());
            check_stored(&stored_image().await, &again);
        },
    );
}

#[test]
fn when_a_shard_fails_the_others_stop_in_order() {
    sim::check_seeds(
        "when_a_shard_fails_the_others_stop_in_order",
        0..20,
        |seed| async move {
            let shard = seed as u16 % 3;
            for (breaks, why) in [
                (Break::InRecovery(shard), "bad disk"),
                (Break::WhileServing(shard), "worn out"),
            ] {
                let seen = Shared::default();
                let error = run_server(3, breaks, 3, &seen).await.expect_err("a shard failed");
                assert_eq!(error.to_string(), format!("shard {shard} failed: {why}"));
                let seen = seen.lock().unwrap();
                assert_eq!(seen.shut_down, 2);
                assert!(!seen.steps.contains(&"stopped"));
            }
        },
    );
}

#[test]
fn a_stop_before_the_server_serves_is_orderly_too() {
    sim::check_seeds(
        "a_stop_before_the_server_serves_is_orderly_too",
        0..40,
        |_| async {
            let seen = Shared::default();
            let (stopper, stop) = mailbox::channel(1);
            let server = sim::spawn_process("server", {
                let seen = seen.clone();
                async move {
                    serve(2, Break::Never, 0, seen, stop)
                        .await
                        .expect("an orderly life")
                }
            });
            rt::sleep(Duration::from_micros(below(6000))).await;
            stopper.try_send(StopRequest).expect("room for one");
            assert_eq!(sim::exited(server).await, Exit::Finished);
            let seen = seen.lock().unwrap();
            assert_eq!(seen.steps.last(), Some(&"stopped"));
            assert_eq!(seen.shut_down, 2);
        },
    );
}

#[test]
fn what_exists_already_is_answered_when_every_shard_has_it() {
    sim::check_seeds(
        "what_exists_already_is_answered_when_every_shard_has_it",
        0..40,
        |_| async {
            /// Many askers for one internal topic: one creation, and no answer before all shards have it.
            async fn ensure(client: Rc<ControlClient>, images: Shared) {
                let topic = InternalTopic::ConsumerOffsets;
                let outcome = client
                    .submit(Command::EnsureInternalTopic { topic })
                    .await
                    .expect("room");
                let Outcome::InternalTopicReady(id) = outcome else {
                    panic!("{outcome:?}")
                };
                for image in &images.lock().unwrap().images {
                    assert!(image.as_ref().expect("serving").topic(&id).is_some());
                }
            }
            struct Ensuring(FollowingLanes);
            impl Lanes for Ensuring {
                fn directories(&self) -> Vec<DirectoryId> {
                    self.0.directories()
                }
                fn metadata_loaded(&mut self, image: &ClusterImage) -> Result<Vec<DirectoryId>, String> {
                    self.0.metadata_loaded(image)
                }

                fn start(&mut self, start: LaneStart) -> Result<ShardThread, RuntimeUnavailable> {
                    let seen = self.0.seen.clone();
                    rt::spawn_shard(format!("shard-{}", start.id), None, move || async move {
                        let LaneStart {
                            id,
                            image,
                            mut inbox,
                            control,
                        } = start;
                        let recovered = ToControl::Recovered {
                            shard: id,
                            offline: Vec::new(),
                        };
                        control.send(recovered).await;
                        let client = Rc::new(ControlClient::new(id, control.clone()));
                        seen.lock().unwrap().images[usize::from(id.0)] = Some(image);
                        while let Some(message) = inbox.recv().await {
                            match message {
                                ToShard::Serve(_) => {
                                    control.send(ToControl::Serving { shard: id }).await;
                                    for _ in 0..4 {
                                        drop(rt::spawn(ensure(client.clone(), seen.clone())));
                                    }
                                }
                                ToShard::NewImage(image) => {
                                    random_pause().await;
                                    let version = image.version();
                                    seen.lock().unwrap().images[usize::from(id.0)] = Some(image);
                                    control.send(applied(id, version)).await;
                                }
                                ToShard::ChangeAnswer { id, answer } => client.answer(id, answer),
                                ToShard::MetricsRequest => panic!("nobody asks"),
                                ToShard::Shutdown => break,
                            }
                        }
                        control.send(ToControl::Stopped { shard: id }).await;
                    })
                }

                fn make_room_for_metadata(&mut self) -> bool {
                    false
                }

                fn all_recovered(&mut self) -> Result<(), String> {
                    self.0.all_recovered()
                }

                fn all_serving(&mut self, image: &ClusterImage) {
                    self.0.all_serving(image);
                }

                fn all_stopped(&mut self) -> Result<(), String> {
                    self.0.all_stopped()
                }
            }
            let seen = Shared::default();
            seen.lock().unwrap().images = vec![None; 2];
            let lanes = FollowingLanes {
                seen: seen.clone(),
                breaks: Break::Never,
                changes: 0,
            };
            let (stopper, stop) = mailbox::channel(1);
            let server = sim::spawn_process("server", async move {
                blocking::create_dir_all(DATA_DIR).expect("no faults");
                let options = ControlOptions {
                    fixed: Arc::default(),
                    data_dir: DATA_DIR.into(),
                    shards: 2,
                    counters: Arc::default(),
                };
                run_control(options, &mut Ensuring(lanes), stop)
                    .await
                    .expect("an orderly life");
            });
            rt::sleep(Duration::from_millis(200)).await;
            stopper.try_send(StopRequest).expect("room for one");
            sim::exited(server).await;
            assert_eq!(stored_image().await.topic_count(), 1);
            assert_eq!(seen.lock().unwrap().images.len(), 2);
        },
    );
}
