//! The life of the server, as the control thread leads it.
//!
//! 1. Load the metadata and note the start in it, which raises the leader epochs. The data directories are seen to be its own.
//!    What a crash has left of deleted topics is cleared away.
//! 2. Start the shards with the image. Each recovers its partitions, from segments and from everybody's old write-ahead
//!    logs, and says `Recovered`.
//! 3. When all have: old write-ahead logs go ([`Lanes::all_recovered`]), `Serve` is sent.
//! 4. When all say `Serving`: the server is ready. Changes are carried out.
//! 5. At a stop request no more changes are carried out, and when those that were are answered, `Shutdown` is sent: so a shard
//!    knows that what it has no answer to by then has not happened. When a shard has failed it is sent at once.
//! 6. When all have said `Stopped`, it is over.

use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use crate::base::ids::{ShardId, TopicId};
use crate::config::StaticSettings;
use crate::control::control_error::ControlError;
use crate::control::controller::{Change, Controller};
use crate::control::lanes::{LaneStart, Lanes};
use crate::control::roll::{Roll, Stage};
use crate::control::shard_link::ShardLink;
use crate::metadata::{LoadedMetadata, MetadataLog, Versions, WentOffline, plan_start};
use crate::rt::{self, ShardThread, mailbox};
use crate::shard::message::{ControlPort, MessageCounters, MessageKind, ShardPort, ToControl, ToShard};

/// Messages that wait for the control thread. A guess: the shards wait for room, so it bounds memory and nothing else.
const CONTROL_MAILBOX_MESSAGES: usize = 1024;

/// Messages that wait for a shard.
const SHARD_MAILBOX_MESSAGES: usize = 64;

/// What the control thread is told.
pub struct ControlOptions {
    /// The settings of this process.
    pub fixed: Arc<StaticSettings>,
    /// The directory with the metadata; it exists and is locked.
    pub data_dir: PathBuf,
    /// How many shards to start.
    pub shards: u16,
    /// Counts what crosses cores.
    pub counters: Arc<MessageCounters>,
}

/// Asks for an orderly stop.
#[derive(Clone, Copy, Debug)]
pub struct StopRequest;

/// Runs a server from its start to its end. Returns after the shards' threads have ended.
pub async fn run_control(
    options: ControlOptions,
    lanes: &mut impl Lanes,
    stop: mailbox::Receiver<StopRequest>,
) -> Result<(), ControlError> {
    let mut controller = load(&options, lanes)?;
    let cleared = lanes.metadata_loaded(controller.image());
    controller.settle_deletions(&cleared.map_err(ControlError::Step)?);
    let (sender, inbox) = mailbox::channel(CONTROL_MAILBOX_MESSAGES);
    let port = ControlPort::new(sender, options.counters.clone());
    let mut control = Control {
        roll: Roll::new(options.shards, controller.image().version()),
        controller,
        links: Vec::new(),
        inbox,
        stop,
        stopping: Stopping::No,
        failure: None,
    };
    let threads = control.start_shards(&options, lanes, &port);
    // Only shards send from now on: when all are gone the mailbox is closed.
    drop(port);
    control.run(lanes).await;
    for thread in threads {
        thread.join().await;
    }
    for kind in MessageKind::ALL {
        tracing::debug!(
            kind = kind.name(),
            count = options.counters.get(*kind),
            "messages between cores"
        );
    }
    match control.failure {
        Some(failure) => Err(failure),
        None => lanes.all_stopped().map_err(ControlError::Step),
    }
}

/// Reads the metadata and notes the start in it.
fn load(options: &ControlOptions, lanes: &mut impl Lanes) -> Result<Controller, ControlError> {
    let directories = lanes.directories();
    let open = || MetadataLog::open(&options.data_dir, options.fixed.clone());
    let loaded = match open() {
        Err(error) if error.is_no_room() && lanes.make_room_for_metadata() => open(),
        loaded => loaded,
    };
    let LoadedMetadata {
        mut log,
        image,
        torn_bytes,
    } = loaded.map_err(ControlError::Metadata)?;
    if torn_bytes > 0 {
        tracing::warn!(
            torn_bytes,
            "dropped a change of the metadata that a crash had left half written"
        );
    }
    let server_id = options.fixed.settings().server_id;
    let (records, started) = plan_start(&image, server_id, options.shards, &directories, random_cluster_id)
        .map_err(ControlError::WrongServer)?;
    let versions = Versions {
        before: image.version(),
        after: started.version(),
    };
    let appended = match log.append(versions, &records) {
        Err(error) if error.is_no_room() && lanes.make_room_for_metadata() => log.append(versions, &records),
        appended => appended,
    };
    appended.map_err(ControlError::Metadata)?;
    Ok(Controller::new(log, started))
}

fn random_cluster_id() -> String {
    let mut bytes = [0; 16];
    rt::random_bytes(&mut bytes);
    TopicId::from_random(bytes).to_string()
}

struct Control {
    controller: Controller,
    roll: Roll,
    links: Vec<ShardLink>,
    inbox: mailbox::Receiver<ToControl>,
    stop: mailbox::Receiver<StopRequest>,
    stopping: Stopping,
    failure: Option<ControlError>,
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopping {
    /// Nobody has asked for it.
    No,
    /// Changes that were carried out are still to be answered.
    Answering,
    /// `Shutdown` was sent.
    Told,
}

impl Control {
    /// Starts all shards, or as many as can be before one can't.
    fn start_shards(
        &mut self,
        options: &ControlOptions,
        lanes: &mut impl Lanes,
        port: &ControlPort,
    ) -> Vec<ShardThread> {
        let mut threads = Vec::new();
        for id in (0..options.shards).map(ShardId) {
            let (sender, inbox) = mailbox::channel(SHARD_MAILBOX_MESSAGES);
            self.links
                .push(ShardLink::new(ShardPort::new(sender, options.counters.clone())));
            let image = self.controller.image().clone();
            let start = LaneStart {
                id,
                image,
                inbox,
                control: port.clone(),
            };
            // A thread that could not be started has its number on the roll all the same.
            let started = if self.failure.is_some() {
                None
            } else {
                Some(lanes.start(start))
            };
            match started {
                Some(Ok(thread)) => {
                    // A shard says `Failed` and ends, and it is this thread that knows what to do then.
                    thread.expect_end();
                    threads.push(thread);
                }
                Some(Err(error)) => {
                    self.roll.reached(id, Stage::Ended);
                    self.fail(ControlError::Runtime(error));
                }
                None => self.roll.reached(id, Stage::Ended),
            }
        }
        threads
    }

    /// Handles messages until every shard has said its last word.
    async fn run(&mut self, lanes: &mut impl Lanes) {
        let mut messages = Vec::new();
        while !self.roll.all_at(Stage::Ended) {
            match self.next().await {
                Next::Stop => {
                    self.stopping = Stopping::Answering;
                    self.shut_down_when_answered();
                }
                Next::Message(first) => {
                    // All that is there is handled together: changes share one write.
                    messages.push(first);
                    self.inbox.drain(&mut messages);
                    self.handle(&mut messages, lanes);
                }
            }
        }
    }

    async fn next(&mut self) -> Next {
        let Control {
            inbox,
            stop,
            stopping,
            ..
        } = self;
        let mut message = pin!(inbox.recv());
        let mut request = pin!(stop.recv());
        poll_fn(|cx| {
            if *stopping == Stopping::No
                && let Poll::Ready(Some(StopRequest)) = request.as_mut().poll(cx)
            {
                return Poll::Ready(Next::Stop);
            }
            match message.as_mut().poll(cx) {
                Poll::Ready(Some(message)) => Poll::Ready(Next::Message(message)),
                Poll::Ready(None) => panic!("a shard is gone without a last word"),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    fn handle(&mut self, messages: &mut Vec<ToControl>, lanes: &mut impl Lanes) {
        let mut changes = Vec::new();
        let mut publish = false;
        for message in messages.drain(..) {
            match message {
                ToControl::Change { shard, id, command } if self.stopping == Stopping::No => {
                    changes.push(Change { shard, id, command });
                }
                // `Shutdown` will say that it has not happened.
                ToControl::Change { .. } => {}
                ToControl::ImageApplied {
                    shard,
                    version,
                    undeleted,
                } => {
                    self.controller.keep_owing(&undeleted);
                    self.roll.applied(shard, version);
                }
                ToControl::Recovered { shard, offline } => {
                    if !offline.is_empty() {
                        let offline_partitions = offline.len();
                        tracing::warn!(%shard, offline_partitions, "partitions stay offline; each was logged with its reason");
                        self.controller.note_offline(&WentOffline::Partitions(offline));
                    }
                    self.recovered(shard, lanes);
                }
                // Whoever stops needs no other image.
                ToControl::WentOffline { what, .. } => {
                    publish |= self.controller.note_offline(&what) && self.stopping != Stopping::Told;
                }
                ToControl::Serving { shard } => self.serving(shard, lanes),
                // Nobody asks for metrics yet.
                ToControl::Metrics { .. } => {}
                ToControl::Stopped { shard } => {
                    self.roll.reached(shard, Stage::Ended);
                    if self.stopping != Stopping::Told {
                        let reason = "it stopped although nobody told it to".to_string();
                        self.fail(ControlError::ShardFailed { shard, reason });
                    }
                }
                ToControl::Failed { shard, reason } => {
                    self.roll.reached(shard, Stage::Ended);
                    self.fail(ControlError::ShardFailed { shard, reason });
                }
            }
        }
        if !changes.is_empty() {
            let changed = self
                .controller
                .carry_out(changes, &mut || lanes.make_room_for_metadata());
            publish |= changed;
        }
        if publish {
            for link in &self.links {
                link.publish(self.controller.image());
            }
        }
        for answer in self.controller.answers_up_to(self.roll.applied_by_all()) {
            let message = ToShard::ChangeAnswer {
                id: answer.id,
                answer: answer.answer,
            };
            self.links[usize::from(answer.shard.0)].send(message);
        }
        self.shut_down_when_answered();
    }

    fn recovered(&mut self, shard: ShardId, lanes: &mut impl Lanes) {
        self.roll.reached(shard, Stage::Recovered);
        if !self.roll.all_at(Stage::Recovered) || self.stopping != Stopping::No {
            return;
        }
        match lanes.all_recovered() {
            Ok(()) => {
                // Some may have failed since the metadata was loaded.
                let online = lanes.directories();
                let taken_up = self.controller.image().directories_online().to_vec();
                for failed in taken_up.into_iter().filter(|one| !online.contains(one)) {
                    self.controller.note_offline(&WentOffline::Directory(failed));
                }
                let image = self.controller.image().clone();
                self.send_to_all(|| ToShard::Serve(image.clone()));
            }
            Err(reason) => self.fail(ControlError::Step(reason)),
        }
    }

    fn serving(&mut self, shard: ShardId, lanes: &mut impl Lanes) {
        self.roll.reached(shard, Stage::Serving);
        if self.roll.all_at(Stage::Serving) && self.stopping == Stopping::No {
            lanes.all_serving(self.controller.image());
        }
    }

    /// Stops the server because of a failure. The first one is what is told.
    fn fail(&mut self, failure: ControlError) {
        tracing::error!(error = %failure, "the server stops");
        self.failure.get_or_insert(failure);
        self.shut_down();
    }

    fn shut_down_when_answered(&mut self) {
        if self.stopping == Stopping::Answering && !self.controller.owes_answers() {
            self.shut_down();
        }
    }

    fn shut_down(&mut self) {
        if self.stopping != Stopping::Told {
            self.stopping = Stopping::Told;
            self.send_to_all(|| ToShard::Shutdown);
        }
    }

    fn send_to_all(&self, message: impl Fn() -> ToShard) {
        self.links.iter().for_each(|link| link.send(message()));
    }
}

/// What the control thread wakes for.
enum Next {
    Message(ToControl),
    Stop,
}
