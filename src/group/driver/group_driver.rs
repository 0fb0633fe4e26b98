//! The face of the groups of one shard: what handlers ask, and what the shard says about its partitions.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::coordinator_driver::CoordinatorDriver;
use super::coordinator_loader::load;
use crate::base::ids::TopicId;
use crate::config::Settings;
use crate::group::coordinator_engine::CoordinatorEngine;
use crate::group::error::GroupError;
use crate::group::event::{Answer, Event};
use crate::group::group_partition::coordinator_partition;
use crate::group::request::{
    CommitRequest, FetchedOffset, GroupDescription, GroupListing, HeartbeatRequest, JoinAnswer, JoinRequest,
    LeaveRequest, OffsetDeleteRequest, Stability, SyncAnswer, SyncRequest,
};
use crate::group::settings::GroupSettings;
use crate::log::PartitionLog;
use crate::rt;

/// The coordinators of the partitions of `__consumer_offsets` that this shard leads.
///
/// Every request goes to the coordinator of its group's partition. Where there is none the answer is
/// [`GroupError::NotCoordinator`], while it loads [`GroupError::CoordinatorLoadInProgress`]. An answer that tells of
/// written state comes when that state is durable.
pub struct GroupDriver {
    settings: GroupSettings,
    coordinators: RefCell<BTreeMap<i32, Coordinator>>,
    /// How many partitions `__consumer_offsets` has; 0 while it does not exist.
    partition_count: Cell<i32>,
}

/// The coordinator of one partition.
#[derive(Clone)]
enum Coordinator {
    /// Its records are being read.
    Loading(Rc<PartitionLog>),
    /// Its records could not be read; the reason was logged. Stays so until the server starts again.
    Failed(Rc<PartitionLog>),
    /// It serves.
    Active(Rc<CoordinatorDriver>),
}

impl Coordinator {
    fn log(&self) -> &Rc<PartitionLog> {
        match self {
            Coordinator::Loading(log) | Coordinator::Failed(log) => log,
            Coordinator::Active(driver) => driver.log(),
        }
    }
}

impl GroupDriver {
    /// A driver that leads no partition yet.
    pub fn new(settings: &Settings) -> Rc<GroupDriver> {
        GroupDriver::with(GroupSettings::from(settings))
    }

    pub(super) fn with(settings: GroupSettings) -> Rc<GroupDriver> {
        let (coordinators, partition_count) = (RefCell::default(), Cell::new(0));
        Rc::new(GroupDriver {
            settings,
            coordinators,
            partition_count,
        })
    }

    /// This shard leads the partition of `__consumer_offsets`, which has so many. Loads its groups; said again of a
    /// partition that is led already it changes nothing but the number.
    pub fn lead(self: &Rc<Self>, partition: i32, partition_count: i32, log: Rc<PartitionLog>) {
        self.partition_count.set(partition_count);
        if self
            .coordinators
            .borrow()
            .get(&partition)
            .is_some_and(|led| Rc::ptr_eq(led.log(), &log))
        {
            return;
        }
        self.resign(partition);
        let coordinator = if log.log_start() == log.log_end() {
            // Nothing to read: a new topic serves at once.
            Coordinator::Active(CoordinatorDriver::start(log, &self.settings, Default::default()))
        } else {
            rt::spawn(self.clone().load(partition, log.clone()));
            Coordinator::Loading(log)
        };
        self.coordinators.borrow_mut().insert(partition, coordinator);
    }

    async fn load(self: Rc<Self>, partition: i32, log: Rc<PartitionLog>) {
        let loaded = load(&log).await;
        let mut coordinators = self.coordinators.borrow_mut();
        match coordinators.get(&partition) {
            Some(Coordinator::Loading(current)) if Rc::ptr_eq(current, &log) => {}
            // The partition went away meanwhile.
            _ => return,
        }
        let coordinator = match loaded {
            Ok(stored) => {
                tracing::info!(
                    partition,
                    groups = stored.groups().count(),
                    offsets = stored.offsets().len(),
                    "a group coordinator has loaded"
                );
                Coordinator::Active(CoordinatorDriver::start(log, &self.settings, stored))
            }
            Err(error) => {
                tracing::error!(topic = %log.topic_name(), partition, %error, "a group coordinator cannot load");
                Coordinator::Failed(log)
            }
        };
        coordinators.insert(partition, coordinator);
    }

    /// This shard no longer leads the partition: whoever waits is told so.
    pub fn resign(&self, partition: i32) {
        let coordinator = self.coordinators.borrow_mut().remove(&partition);
        if let Some(Coordinator::Active(driver)) = coordinator {
            driver.end();
        }
    }

    /// A topic was deleted: all offsets for it go, in the background.
    pub fn topic_deleted(&self, topic: &str, topic_id: TopicId) {
        let topic: Rc<str> = topic.into();
        for driver in self.active() {
            rt::spawn(driver.forget_topic(topic.clone(), topic_id));
        }
    }

    /// The shard stops: whoever waits is told so. What was answered is durable; nothing else is lost.
    pub fn shutdown(&self) {
        let partitions: Vec<i32> = self.coordinators.borrow().keys().copied().collect();
        partitions
            .into_iter()
            .for_each(|partition| self.resign(partition));
    }

    /// JoinGroup. Waits for the join phase to end. `fresh_uuid` is set here.
    pub async fn join(&self, mut join: JoinRequest) -> JoinAnswer {
        let member_id = join.member_id.clone();
        join.fresh_uuid = random_uuid();
        let answer = match self.named(&join.group) {
            Ok(driver) => driver.ask(|request| Event::Join(request, join)).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(Answer::Join(answer)) => answer,
            Ok(other) => unreachable!("{other:?} to a join"),
            Err(error) => JoinAnswer::refused(error, member_id),
        }
    }

    /// SyncGroup. Waits for the leader's assignment.
    pub async fn sync(&self, sync: SyncRequest) -> Result<SyncAnswer, GroupError> {
        match self
            .named(&sync.group)?
            .ask(|request| Event::Sync(request, sync))
            .await?
        {
            Answer::Sync(result) => result,
            other => unreachable!("{other:?} to a sync"),
        }
    }

    /// Heartbeat. While the coordinator loads any member may be one, so all are told to go on.
    pub async fn heartbeat(&self, heartbeat: HeartbeatRequest) -> Result<(), GroupError> {
        let driver = match self.named(&heartbeat.group) {
            Err(GroupError::CoordinatorLoadInProgress) => return Ok(()),
            driver => driver?,
        };
        match driver.ask(|request| Event::Heartbeat(request, heartbeat)).await? {
            Answer::Heartbeat(result) => result,
            other => unreachable!("{other:?} to a heartbeat"),
        }
    }

    /// LeaveGroup. A result per member, in the request's order.
    pub async fn leave(&self, leave: LeaveRequest) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        match self
            .named(&leave.group)?
            .ask(|request| Event::Leave(request, leave))
            .await?
        {
            Answer::Leave(results) => results,
            other => unreachable!("{other:?} to a leave"),
        }
    }

    /// OffsetCommit. A result per partition, in the request's order. The empty group id is allowed.
    pub async fn commit_offsets(
        &self,
        commit: CommitRequest,
    ) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        match self
            .coordinator(&commit.group)?
            .ask(|request| Event::CommitOffsets(request, commit))
            .await?
        {
            Answer::Partitions(results) => results,
            other => unreachable!("{other:?} to a commit"),
        }
    }

    /// OffsetDelete. A result per partition, in the request's order.
    pub async fn delete_offsets(
        &self,
        delete: OffsetDeleteRequest,
    ) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        match self
            .named(&delete.group)?
            .ask(|request| Event::DeleteOffsets(request, delete))
            .await?
        {
            Answer::Partitions(results) => results,
            other => unreachable!("{other:?} to a deletion of offsets"),
        }
    }

    /// DeleteGroups, one group. The empty group id is allowed.
    pub async fn delete_group(&self, group: Rc<str>) -> Result<(), GroupError> {
        match self
            .coordinator(&group)?
            .ask(|request| Event::DeleteGroup(request, group))
            .await?
        {
            Answer::Deleted(result) => result,
            other => unreachable!("{other:?} to a deletion"),
        }
    }

    /// What the group committed for each of the partitions (topic, its id if known, index), in that order.
    pub async fn fetch_offsets(
        &self,
        group: &Rc<str>,
        partitions: &[(Rc<str>, TopicId, i32)],
        stability: Stability,
    ) -> Result<Vec<FetchedOffset>, GroupError> {
        let fetch = |engine: &CoordinatorEngine| {
            let fetched = partitions
                .iter()
                .map(|(topic, id, partition)| engine.fetch_offset(group, topic, *id, *partition, stability));
            fetched.collect()
        };
        self.coordinator(group)?.query_durable(fetch).await
    }

    /// All the group committed, by topic and partition. The id is the topic's at the time of the commit, if it was known.
    pub async fn fetch_all_offsets(
        &self,
        group: &Rc<str>,
        stability: Stability,
    ) -> Result<Vec<(Rc<str>, TopicId, i32, FetchedOffset)>, GroupError> {
        self.coordinator(group)?
            .query_durable(|engine| engine.fetch_all_offsets(group, stability))
            .await
    }

    /// DescribeGroups, one group; `None` if it does not exist. The empty group id is allowed.
    pub fn describe(&self, group: &str) -> Result<Option<GroupDescription>, GroupError> {
        self.coordinator(group)?.query(|engine| engine.describe(group))
    }

    /// All groups of this shard. Refused while any of them are being loaded.
    pub fn list(&self) -> Result<Vec<GroupListing>, GroupError> {
        let mut groups = Vec::new();
        for coordinator in self.coordinators.borrow().values() {
            match coordinator {
                Coordinator::Loading(_) => return Err(GroupError::CoordinatorLoadInProgress),
                Coordinator::Failed(_) => {}
                // One that has ended lists nothing.
                Coordinator::Active(driver) => {
                    let _ = driver.query(|engine| groups.extend(engine.list()));
                }
            }
        }
        Ok(groups)
    }

    fn active(&self) -> Vec<Rc<CoordinatorDriver>> {
        let coordinators = self.coordinators.borrow();
        let active = coordinators.values().filter_map(|coordinator| match coordinator {
            Coordinator::Active(driver) => Some(driver.clone()),
            _ => None,
        });
        active.collect()
    }

    /// The coordinator of a group that must have a name.
    fn named(&self, group: &str) -> Result<Rc<CoordinatorDriver>, GroupError> {
        if group.is_empty() {
            Err(GroupError::InvalidGroupId)
        } else {
            self.coordinator(group)
        }
    }

    fn coordinator(&self, group: &str) -> Result<Rc<CoordinatorDriver>, GroupError> {
        if self.partition_count.get() == 0 {
            return Err(GroupError::NotCoordinator);
        }
        let partition = coordinator_partition(group, self.partition_count.get());
        match self.coordinators.borrow().get(&partition) {
            None | Some(Coordinator::Failed(_)) => Err(GroupError::NotCoordinator),
            Some(Coordinator::Loading(_)) => Err(GroupError::CoordinatorLoadInProgress),
            Some(Coordinator::Active(driver)) => Ok(driver.clone()),
        }
    }
}

/// A random UUID (version 4) in the usual form.
fn random_uuid() -> String {
    let mut bytes = [0; 16];
    rt::random_bytes(&mut bytes);
    let id = u128::from_be_bytes(TopicId::from_random(bytes).0);
    let part = |shift: u32, bits: u32| (id >> shift) & ((1 << bits) - 1);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        part(96, 32),
        part(80, 16),
        part(64, 16),
        part(48, 16),
        part(0, 48)
    )
}
