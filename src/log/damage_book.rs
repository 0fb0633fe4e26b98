//! What reads have found damaged: said once for each place, counted each time.

use super::Damage;
use super::partition::PartitionLog;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::PathBuf;
use tracing::error;

/// Most places remembered. Behind that a place may be told again.
const MOST_PLACES: usize = 1024;

/// One per shard and directory.
#[derive(Debug, Default)]
pub(super) struct DamageBook {
    reads: Cell<u64>,
    told: RefCell<BTreeSet<(PathBuf, u64)>>,
}

impl DamageBook {
    /// A read has met damage.
    pub fn note(&self, partition: &PartitionLog, damage: &Damage) {
        self.reads.set(self.reads.get() + 1);
        let mut told = self.told.borrow_mut();
        if told.len() >= MOST_PLACES {
            told.clear();
        }
        if told.insert((damage.path.clone(), damage.position)) {
            error!(
                topic = %partition.topic_name(),
                partition = partition.id().partition,
                offset = damage.offset.map(|offset| offset.0),
                file = %damage.path.display(),
                position = damage.position,
                what = damage.what,
                "records on disk are damaged, and are not given to consumers"
            );
        }
    }

    /// How many reads have.
    pub fn reads(&self) -> u64 {
        self.reads.get()
    }
}
