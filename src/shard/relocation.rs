//! Moves partitions between data directories, while they are in use.
//!
//! One task per shard, one partition at a time. A move copies all there is, and again what has come meanwhile, until that is little;
//! then the partition is paused, the rest is copied, and the controller is asked to note where the partition is now: when that is
//! durable, it is there. Then the copy is taken up, and the old files go. What a crash or a stop leaves of that,
//! the next start ends or begins again: see [`DataDirs::settle`](crate::log::DataDirs::settle).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::ids::{DirectoryId, Offset, TopicPartition};
use crate::log::{FutureLog, MoveError, PartitionLog, ShardLog};
use crate::metadata::{Command, GROUP_METADATA_TOPIC};
use crate::rt::sync::Event;
use crate::shard::control_client::ChangeError;
use crate::shard::lane::Shard;
use crate::shard::partition_table::PartitionSlot;

/// A move that is wanted, or under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// Where the partition is to go.
    pub to: DirectoryId,
    /// Bytes of batches that were copied.
    pub bytes: u64,
    /// Up to where the copy has all records.
    pub end: Offset,
}

/// What is to be moved.
#[derive(Default)]
pub struct Relocations {
    wanted: RefCell<BTreeMap<TopicPartition, Relocation>>,
    something: Event,
    closed: Cell<bool>,
}

impl Relocations {
    /// The move of a partition, if it has not ended.
    pub fn of(&self, partition: TopicPartition) -> Option<Relocation> {
        self.wanted.borrow().get(&partition).copied()
    }

    /// Ends the task after the step it is in.
    pub fn close(&self) {
        self.closed.set(true);
        self.something.notify_all();
    }

    /// Wants a partition elsewhere; what was wanted before is given up.
    fn want(&self, partition: TopicPartition, to: DirectoryId) {
        let mut wanted = self.wanted.borrow_mut();
        if wanted.get(&partition).is_some_and(|before| before.to == to) {
            return;
        }
        let relocation = Relocation {
            to,
            bytes: 0,
            end: Offset::ZERO,
        };
        wanted.insert(partition, relocation);
        self.something.notify_all();
    }

    fn give_up(&self, partition: TopicPartition) {
        self.wanted.borrow_mut().remove(&partition);
    }

    /// A move has ended, if it is still the one that is wanted.
    fn ended(&self, partition: TopicPartition, to: DirectoryId) {
        let mut wanted = self.wanted.borrow_mut();
        if wanted.get(&partition).is_some_and(|now| now.to == to) {
            wanted.remove(&partition);
        }
    }

    fn first(&self) -> Option<(TopicPartition, DirectoryId)> {
        let wanted = self.wanted.borrow();
        wanted
            .iter()
            .next()
            .map(|(partition, relocation)| (*partition, relocation.to))
    }

    fn progress(&self, partition: TopicPartition, future: &FutureLog) {
        if let Some(relocation) = self.wanted.borrow_mut().get_mut(&partition) {
            relocation.bytes = future.size_bytes();
            relocation.end = future.end();
        }
    }

    /// Whether a move is to be given up.
    fn is_over(&self, partition: TopicPartition, to: DirectoryId) -> bool {
        self.closed.get() || self.of(partition).is_none_or(|now| now.to != to)
    }
}

impl Shard {
    /// Has a partition of this shard moved to a data directory, which is there. One that is there already stays, and is not moved
    /// elsewhere if that was wanted.
    pub fn relocate(&self, partition: TopicPartition, to: DirectoryId) {
        let image = self.image();
        let here = image
            .topic(&partition.topic)
            .map(|topic| topic.directory(partition.partition));
        if here == Some(to) {
            self.relocations.give_up(partition);
        } else {
            self.relocations.want(partition, to);
        }
    }
}

/// Why a move ended without the partition being elsewhere.
enum Unmoved {
    Log(MoveError),
    Change(ChangeError),
    Offline(String),
}

impl From<MoveError> for Unmoved {
    fn from(e: MoveError) -> Unmoved {
        Unmoved::Log(e)
    }
}

/// Moves what is to be moved until [`Relocations::close`]. Begins with what the life before has not ended.
pub async fn run_relocations(shard: Rc<Shard>) {
    let relocations = &shard.relocations;
    for (partition, to) in shard.data_dirs().unfinished_moves() {
        if shard.partition(partition).is_some() {
            relocations.want(*partition, *to);
        }
    }
    loop {
        let woken = relocations.something.wait();
        if relocations.closed.get() {
            return;
        }
        let Some((partition, to)) = relocations.first() else {
            woken.await;
            continue;
        };
        match relocate(&shard, partition, to).await {
            Ok(()) => {
                tracing::info!(topic = %partition.topic, partition = partition.partition, directory = %to, "a partition is in another data directory now")
            }
            Err(Unmoved::Log(MoveError::Over) | Unmoved::Change(ChangeError::ShuttingDown)) => {}
            Err(Unmoved::Log(error)) => {
                if let Some(log) = shard.logs.of_directory(to) {
                    log.suspect();
                }
                unmoved(partition, to, &error.to_string());
            }
            Err(Unmoved::Change(error)) => unmoved(partition, to, &format!("{error:?}")),
            Err(Unmoved::Offline(reason)) => {
                tracing::error!(topic = %partition.topic, partition = partition.partition, directory = %to, %reason, "a partition is offline: it was moved, and can't be taken up");
            }
        }
        if !relocations.closed.get() {
            relocations.ended(partition, to);
        }
    }
}

fn unmoved(partition: TopicPartition, to: DirectoryId, reason: &str) {
    tracing::error!(topic = %partition.topic, partition = partition.partition, directory = %to, reason, "a partition could not be moved to another data directory, and stays");
}

async fn relocate(shard: &Rc<Shard>, partition: TopicPartition, to: DirectoryId) -> Result<(), Unmoved> {
    let image = shard.image();
    let from = image
        .topic(&partition.topic)
        .map(|topic| topic.directory(partition.partition));
    let (Some(from), Some(PartitionSlot::Online(source))) = (from, shard.partition(&partition)) else {
        return Err(MoveError::Over.into());
    };
    let (Some(old), Some(new)) = (shard.logs.of_directory(from), shard.logs.of_directory(to)) else {
        return Err(MoveError::Over.into());
    };
    if from == to {
        return Ok(());
    }
    let mut future = new.begin_move(source.clone()).await?;
    let over = || shard.relocations.is_over(partition, to) || source.stopped().is_some();
    let copied = copy(shard, &mut future, to, &over).await;
    let pause = match copied {
        Ok(pause) => pause,
        // A stop ends it for now: the next start begins it again, because the copy is there.
        Err(e) if shard.relocations.closed.get() => return Err(e.into()),
        Err(e) => {
            future.discard().await;
            return Err(e.into());
        }
    };
    let command = Command::MovePartition {
        partition,
        directory: to,
    };
    match shard.control.submit(command).await {
        Ok(_) => {}
        Err(ChangeError::ShuttingDown) => {
            // It may have been noted: whichever directory the next start is told, it has everything.
            pause.keep();
            return Err(Unmoved::Change(ChangeError::ShuttingDown));
        }
        Err(refused) => {
            drop(pause);
            future.discard().await;
            return Err(Unmoved::Change(refused));
        }
    }
    pause.keep();
    take_over(shard, &source, future, (&old, &new)).await
}

async fn copy(
    shard: &Shard,
    future: &mut FutureLog,
    to: DirectoryId,
    over: &dyn Fn() -> bool,
) -> Result<crate::log::Pause, MoveError> {
    loop {
        let rate = shard.settings().replica_alter_log_dirs_io_max_bytes_per_second;
        let close_behind = future.catch_up(rate as f64, over).await?;
        shard.relocations.progress(future.id(), future);
        if over() {
            return Err(MoveError::Over);
        }
        if close_behind {
            return future.complete(to, over).await;
        }
    }
}

/// The metadata names the new directory: the copy is the partition.
async fn take_over(
    shard: &Rc<Shard>,
    source: &Rc<PartitionLog>,
    future: FutureLog,
    (old, new): (&ShardLog, &ShardLog),
) -> Result<(), Unmoved> {
    let id = source.id();
    let is_current =
        || matches!(shard.partition(&id), Some(PartitionSlot::Online(log)) if Rc::ptr_eq(&log, source));
    let spec = || {
        let image = shard.image();
        let topic = image.topic(&id.topic)?;
        let mut specs = shard.own_partitions(&image, topic).into_iter();
        specs
            .find(|(_, spec)| spec.partition == id.partition)
            .map(|(_, spec)| spec)
    };
    let Some(current) = spec().filter(|_| is_current()) else {
        // Deleted meanwhile.
        future.discard().await;
        return Err(MoveError::Over.into());
    };
    let adopted = new.adopt(future, &current).await;
    if !is_current() {
        if let Err(error) = new.delete_partition(id).await {
            tracing::error!(topic = %id.topic, partition = id.partition, %error, "could not delete partition");
        }
        return Err(MoveError::Over.into());
    }
    let (slot, outcome) = match adopted {
        Ok(log) => {
            if let Some(now) = spec() {
                log.set_config(now.config);
            }
            (PartitionSlot::Online(log), Ok(()))
        }
        Err(error) => (PartitionSlot::Offline, Err(Unmoved::Offline(error.to_string()))),
    };
    if outcome.is_err() {
        shard.note_offline(id);
    }
    shard.partitions.borrow_mut().insert(id, slot);
    shard.tell_offline_partitions().await;
    let image = shard.image();
    if let Some(topic) = image.topic(&id.topic)
        && &**topic.name() == GROUP_METADATA_TOPIC
    {
        shard.lead_group_partitions(&image, topic);
    }
    if outcome.is_ok()
        && let Err(error) = old.let_go(id).await
    {
        tracing::error!(topic = %id.topic, partition = id.partition, %error, "what is left of a moved partition stays until the next start");
    }
    outcome
}
