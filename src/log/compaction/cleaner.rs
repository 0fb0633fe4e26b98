//! The task of a shard that compacts its partitions, one after the other, the dirtiest first.

use super::compact::{Outcome, Trouble, compact, find_dirt};
use super::select::dirtiest;
use super::throttle::Throttle;
use crate::base::ids::TopicPartition;
use crate::log::flusher::Partitions;
use crate::log::partition::{PartitionLog, SegmentIndex, SyncMode};
use crate::log::shard_context::ShardContext;
use crate::log::{CompactionLimits, LogError, ShardLogOptions};
use crate::rt::{self, sync::Budget, sync::Event};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;
use tracing::{error, info, warn};

/// What compaction keeps per shard.
pub(in crate::log) struct CompactionState {
    limits: Cell<CompactionLimits>,
    pub(super) throttle: Throttle,
    /// One partition at a time.
    turn: Budget,
    /// The shard is to stop, or the limits have changed.
    woken: Event,
    /// Partitions that have a damaged segment: they are left alone until the next start.
    damaged: RefCell<BTreeSet<TopicPartition>>,
}

impl CompactionState {
    pub fn new(options: &ShardLogOptions) -> CompactionState {
        CompactionState {
            limits: Cell::new(options.compaction),
            throttle: Throttle::new(options.compaction.bytes_per_second),
            turn: Budget::new(1),
            woken: Event::new(),
            damaged: RefCell::default(),
        }
    }

    /// Changes what may be used. A round begins at once, as with Kafka's cleaners, which are started anew then. What is being compacted is
    /// read and written at the new rate from now on; the memory counts from the next pass on.
    pub fn set_limits(&self, limits: CompactionLimits) {
        if self.limits.replace(limits) != limits {
            self.throttle.set_rate(limits.bytes_per_second);
            self.woken.notify_all();
        }
    }

    /// Memory for the map, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.limits.get().memory_bytes
    }

    /// Wakes the cleaner, so that it sees that the shard has stopped.
    pub fn wake(&self) {
        self.woken.notify_all();
    }
}

/// A shard's cleaner.
#[derive(Clone)]
pub(in crate::log) struct Cleaner {
    shard: Rc<ShardContext>,
    partitions: Partitions,
    closing: Rc<Cell<bool>>,
}

impl Cleaner {
    pub fn new(shard: Rc<ShardContext>, partitions: Partitions, closing: Rc<Cell<bool>>) -> Cleaner {
        Cleaner {
            shard,
            partitions,
            closing,
        }
    }

    /// Runs until the shard stops or closes.
    pub async fn run(self) {
        loop {
            let state = &self.shard.compaction;
            let woken = state.woken.wait();
            if self.over() {
                return;
            }
            let interval = Duration::from_millis(state.limits.get().interval_ms.max(1));
            let _ = rt::timeout(interval, woken).await;
            self.round().await;
        }
    }

    /// Compacts all partitions that are due.
    pub async fn round(&self) {
        let _turn = self.shard.compaction.turn.take(1).await;
        // One that could not be compacted, or had its turn, waits for the next round.
        let mut done: BTreeSet<TopicPartition> = BTreeSet::new();
        while !self.over() {
            let Some(partition) = self.dirtiest(&mut done).await else {
                return;
            };
            done.insert(partition.id);
            self.compact(&partition).await;
        }
    }

    fn over(&self) -> bool {
        self.closing.get() || self.shard.stopped().is_some()
    }

    async fn dirtiest(&self, done: &mut BTreeSet<TopicPartition>) -> Option<Rc<PartitionLog>> {
        let state = &self.shard.compaction;
        let candidates: Vec<Rc<PartitionLog>> = self
            .partitions
            .borrow()
            .values()
            .filter(|p| p.config.borrow().cleanup_policy.compacts())
            .filter(|p| !done.contains(&p.id) && !state.damaged.borrow().contains(&p.id))
            .cloned()
            .collect();
        let mut due = Vec::new();
        for partition in candidates {
            if self.over() {
                return None;
            }
            if partition.stopped().is_none() {
                close_segments(&partition).await;
                match find_dirt(&partition, rt::wall_ms()).await {
                    Ok(Some(dirt)) if dirt.is_due(&partition.config()) => due.push((partition, dirt)),
                    Ok(_) => {}
                    Err(e) => {
                        done.insert(partition.id);
                        self.note_failure(&partition, &e);
                    }
                }
            }
            rt::yield_if_needed().await;
        }
        dirtiest(due.into_iter()).map(|(partition, _)| partition)
    }

    async fn compact(&self, partition: &Rc<PartitionLog>) {
        let over = || self.over() || partition.stopped().is_some();
        let begun = rt::now();
        match compact(partition, &self.shard.compaction, &over).await {
            Ok(Outcome {
                passes,
                bytes_before,
                bytes_after,
            }) => {
                let seconds = rt::now().since(begun).as_secs_f64();
                info!(
                    ?partition,
                    passes, bytes_before, bytes_after, seconds, "compacted"
                );
            }
            Err(Trouble::Over) => {}
            Err(Trouble::Failed(e)) => self.note_failure(partition, &e),
        }
    }

    fn note_failure(&self, partition: &Rc<PartitionLog>, failure: &LogError) {
        if matches!(failure, LogError::Damaged(_)) {
            error!(?partition, error = %failure, "a partition is not compacted any more until the server is started again");
            self.shard.compaction.damaged.borrow_mut().insert(partition.id);
        } else if partition.stopped().is_none() {
            warn!(?partition, error = %failure, "a partition could not be compacted now");
        }
    }
}

/// Closes segments that are full already: the flusher would, a few seconds later.
async fn close_segments(partition: &Rc<PartitionLog>) {
    let full = {
        let state = partition.state.borrow();
        let before_last = state.segments.iter().rev().nth(1);
        before_last.is_some_and(|segment| matches!(segment.index, SegmentIndex::Building(_)))
    };
    if full {
        let _permit = partition.shard.segment_writes.take(1).await;
        // An error has stopped the partition and was logged there.
        let _ = partition.write_tail(SyncMode::Later).await;
    }
}
