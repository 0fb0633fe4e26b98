//! Runs the coordinator of one partition of `__consumer_offsets`.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

use crate::base::ids::{Offset, TopicId};
use crate::base::time::{Monotonic, WallMs};
use crate::group::coordinator_engine::CoordinatorEngine;
use crate::group::error::GroupError;
use crate::group::event::{After, Answer, Command, Event, Now, RequestId};
use crate::group::settings::GroupSettings;
use crate::group::stored::{StoredRecord, StoredState, to_batches};
use crate::log::{AppendError, AppendOrigin, PartitionLog};
use crate::rt;
use crate::rt::sync::{Event as Signal, oneshot};

/// A coordinator that has loaded. Ends when its log stops, or when the shard no longer leads the partition.
pub(super) struct CoordinatorDriver {
    log: Rc<PartitionLog>,
    /// None when it has ended.
    engine: RefCell<Option<CoordinatorEngine>>,
    waiting: RefCell<HashMap<RequestId, oneshot::Sender<PendingAnswer>>>,
    next_request: Cell<u64>,
    /// What the timer task sleeps for; it is woken for anything earlier.
    sleeps_until: Cell<Option<Monotonic>>,
    earlier_deadline: Signal,
}

/// An answer, and the end of the log up to which records have to be durable before it may be sent.
struct PendingAnswer {
    answer: Answer,
    durable_until: Option<Offset>,
}

/// Whether an event made records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrote {
    Nothing,
    Records,
}

impl CoordinatorDriver {
    /// Takes a loaded state over, and keeps its time.
    pub fn start(
        log: Rc<PartitionLog>,
        settings: &GroupSettings,
        stored: StoredState,
    ) -> Rc<CoordinatorDriver> {
        let (engine, commands) = CoordinatorEngine::load(settings.clone(), stored, now());
        assert!(
            commands.is_empty(),
            "nobody waits for a coordinator that was not there"
        );
        let driver = Rc::new(CoordinatorDriver {
            log,
            engine: RefCell::new(Some(engine)),
            waiting: RefCell::default(),
            next_request: Cell::new(0),
            sleeps_until: Cell::new(None),
            earlier_deadline: Signal::new(),
        });
        rt::spawn(keep_time(Rc::downgrade(&driver)));
        rt::spawn(expire(
            Rc::downgrade(&driver),
            settings.offsets_retention_check_interval,
        ));
        driver
    }

    /// The log it writes to.
    pub fn log(&self) -> &Rc<PartitionLog> {
        &self.log
    }

    /// Sends an event and waits for its answer, which may take long.
    pub async fn ask(&self, event: impl FnOnce(RequestId) -> Event) -> Result<Answer, GroupError> {
        let request = RequestId(self.next_request.replace(self.next_request.get() + 1));
        let (sender, receiver) = oneshot::channel();
        self.waiting.borrow_mut().insert(request, sender);
        if self.perform(event(request)).is_none() {
            self.waiting.borrow_mut().remove(&request);
            return Err(GroupError::NotCoordinator);
        }
        let Some(PendingAnswer {
            answer,
            durable_until,
        }) = receiver.await
        else {
            return Err(GroupError::NotCoordinator);
        };
        match durable_until {
            Some(end) => self.wait_durable(end).await.map(|()| answer),
            None => Ok(answer),
        }
    }

    /// Looks something up.
    pub fn query<T>(&self, look: impl FnOnce(&CoordinatorEngine) -> T) -> Result<T, GroupError> {
        self.engine
            .borrow()
            .as_ref()
            .map(look)
            .ok_or(GroupError::NotCoordinator)
    }

    /// Looks something up, and gives it away when all it may tell of is durable.
    pub async fn query_durable<T>(
        &self,
        look: impl FnOnce(&CoordinatorEngine) -> T,
    ) -> Result<T, GroupError> {
        let found = self.query(look)?;
        self.wait_durable(self.log.log_end()).await?;
        Ok(found)
    }

    /// A topic was deleted: the offsets for it go, group by group.
    pub async fn forget_topic(self: Rc<Self>, topic: Rc<str>, topic_id: TopicId) {
        let Ok(groups) = self.query(|engine| engine.groups_with_topic(&topic)) else {
            return;
        };
        for group in groups {
            let forget = || Event::ForgetTopic {
                group: group.clone(),
                topic: topic.clone(),
                topic_id,
            };
            while self.perform(forget()) == Some(Wrote::Records) {
                rt::yield_if_needed().await;
            }
            rt::yield_if_needed().await;
        }
    }

    /// Ends the coordinator: whoever waits is told that it is not here any more.
    pub fn end(&self) {
        let Some(engine) = self.engine.borrow_mut().take() else {
            return;
        };
        for command in engine.unload(now()) {
            match command {
                Command::Answer {
                    request,
                    answer,
                    after,
                } => self.hand_over(request, answer, after),
                Command::Append(_) => unreachable!("who goes away writes nothing"),
            }
        }
        self.waiting.borrow_mut().clear();
        // The timer task looks up, and ends.
        self.earlier_deadline.notify_all();
    }

    async fn wait_durable(&self, end: Offset) -> Result<(), GroupError> {
        let durable = self.log.wait_durable(end).await;
        durable.map_err(|stopped| {
            // What the engine holds may not be on disk, so nothing it says counts any more.
            tracing::warn!(topic = %self.log.topic_name(), partition = self.log.id().partition, %stopped,
                "a group coordinator ends: its log stopped");
            self.end();
            GroupError::NotCoordinator
        })
    }

    /// Has the engine handle an event and whatever is due, and does what it wants done. `None` if the coordinator has
    /// ended. Does not suspend: the order of events is the order of their records.
    fn perform(&self, event: Event) -> Option<Wrote> {
        let now = now();
        let mut guard = self.engine.borrow_mut();
        let engine = guard.as_mut()?;
        let wrote = self.perform_one(engine, event, now);
        while engine.next_deadline().is_some_and(|at| at <= now.monotonic) {
            self.perform_one(engine, Event::Tick, now);
        }
        let is_earlier = match (engine.next_deadline(), self.sleeps_until.get()) {
            (Some(next), Some(sleeps_until)) => next < sleeps_until,
            (next, None) => next.is_some(),
            (None, _) => false,
        };
        drop(guard);
        if is_earlier {
            self.earlier_deadline.notify_all();
        }
        Some(wrote)
    }

    fn perform_one(&self, engine: &mut CoordinatorEngine, event: Event, now: Now) -> Wrote {
        let mut wrote = Wrote::Nothing;
        let mut next = Some(event);
        while let Some(event) = next.take() {
            for command in engine.on_event(event, now) {
                match command {
                    Command::Answer {
                        request,
                        answer,
                        after,
                    } => self.hand_over(request, answer, after),
                    Command::Append(records) => {
                        let report = self.append(&records, now);
                        if matches!(report, Event::Appended { .. }) {
                            wrote = Wrote::Records;
                        }
                        next = Some(report);
                    }
                }
            }
        }
        wrote
    }

    fn append(&self, records: &[StoredRecord], now: Now) -> Event {
        let max_batch_bytes = self.log.config().max_message_bytes;
        let Ok(batches) = to_batches(records, now.wall.0, max_batch_bytes) else {
            return Event::AppendRefused(GroupError::RecordTooLarge);
        };
        match self.log.append(batches, AppendOrigin::Coordinator) {
            Ok(appended) => Event::Appended {
                first_offset: appended.base_offset,
            },
            Err(error) => Event::AppendRefused(refusal(&error)),
        }
    }

    fn hand_over(&self, request: RequestId, answer: Answer, after: After) {
        let durable_until = match after {
            After::Nothing => None,
            After::Durable => Some(self.log.log_end()),
        };
        if let Some(sender) = self.waiting.borrow_mut().remove(&request) {
            // Whoever asked may be gone with its connection.
            let _ = sender.send(PendingAnswer {
                answer,
                durable_until,
            });
        }
    }
}

/// What a refused append means to a client. All are retried by clients but the one where that could not help.
fn refusal(error: &AppendError) -> GroupError {
    match error {
        AppendError::Stopped(_) => GroupError::NotCoordinator,
        AppendError::TooLarge { .. } | AppendError::LargerThanSegment { .. } => GroupError::RecordTooLarge,
        AppendError::Overloaded | AppendError::DiskFull { .. } => GroupError::CoordinatorNotAvailable,
        error => {
            // The topic's configs were set to something its own records do not fit.
            tracing::warn!(%error, "a group's records were refused");
            GroupError::CoordinatorNotAvailable
        }
    }
}

/// Ticks whenever a deadline is due. One timer per coordinator, whatever the number of members.
async fn keep_time(driver: Weak<CoordinatorDriver>) {
    loop {
        let Some(strong) = driver.upgrade() else {
            return;
        };
        let Ok(next) = strong.query(CoordinatorEngine::next_deadline) else {
            return;
        };
        let earlier = strong.earlier_deadline.wait();
        strong.sleeps_until.set(next);
        drop(strong);
        match next {
            None => earlier.await,
            Some(at) => {
                let left = at.since(rt::now());
                // Woken early or in time: either way something may be due, or the sleep was for nothing.
                let _ = rt::timeout(left, earlier).await;
            }
        }
        let Some(strong) = driver.upgrade() else {
            return;
        };
        if strong.perform(Event::Tick).is_none() {
            return;
        }
    }
}

/// Looks for what has expired, from time to time.
async fn expire(driver: Weak<CoordinatorDriver>, interval: Duration) {
    loop {
        rt::sleep(interval).await;
        let Some(strong) = driver.upgrade() else {
            return;
        };
        let Ok(groups) = strong.query(CoordinatorEngine::group_ids) else {
            return;
        };
        for group in groups {
            while strong.perform(Event::ExpireOffsets(group.clone())) == Some(Wrote::Records) {
                rt::yield_if_needed().await;
            }
            rt::yield_if_needed().await;
        }
    }
}

fn now() -> Now {
    Now {
        monotonic: rt::now(),
        wall: WallMs(rt::wall_ms()),
    }
}
