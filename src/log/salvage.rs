//! What a repair tells recovery, and hears from it. For `corelane storage repair`; a server uses none of it.
//!
//! A directory that is only looked at is recovered as a start would do it, and nothing on the disk changes. In one that is
//! repaired, recovery takes what there is of the partitions that are named: what is missing in between is passed over and noted.

use super::{Damage, DataDir};
use crate::base::ids::{Offset, TopicPartition};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a data directory is opened for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// Its partitions are taken up.
    #[default]
    Serve,
    /// They are looked at.
    Look,
}

/// Records of a partition that write-ahead logs have, one behind the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalSpan {
    /// Offset of the first.
    pub from: Offset,
    /// Behind the last.
    pub to: Offset,
    /// Whether they are as they were written.
    pub whole: bool,
    /// The file.
    pub path: PathBuf,
    /// The byte of the first frame.
    pub position: u64,
}

/// Offsets of acknowledged records that were passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// Whose.
    pub partition: TopicPartition,
    /// The first.
    pub from: Offset,
    /// Behind the last.
    pub to: Offset,
}

/// Shared by the threads of a tool.
#[derive(Debug, Default)]
pub(super) struct SalvageBook(Mutex<Notes>);

#[derive(Debug, Default)]
struct Notes {
    /// The partitions that are salvaged, and the offset below which no new record may come.
    floors: BTreeMap<TopicPartition, Offset>,
    spans: BTreeMap<TopicPartition, Vec<WalSpan>>,
    wal_damage: Vec<Damage>,
    passed_over: Vec<PassedOver>,
}

impl SalvageBook {
    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The floor of a partition that is salvaged.
    pub fn floor(&self, id: TopicPartition) -> Option<Offset> {
        self.lock().floors.get(&id).copied()
    }

    /// Notes what a write-ahead log has.
    pub fn span(&self, id: TopicPartition, span: WalSpan) {
        let mut notes = self.lock();
        let spans = notes.spans.entry(id).or_default();
        match spans.last_mut() {
            Some(last) if last.whole && span.whole && span.from <= last.to && span.from >= last.from => {
                last.to = last.to.max(span.to);
            }
            _ => spans.push(span),
        }
    }

    /// Notes that frames of a write-ahead log are damaged, and nobody knows whose records they held.
    pub fn wal_damage(&self, damage: Damage) {
        self.lock().wal_damage.push(damage);
    }

    /// Notes that records were passed over.
    pub fn passed_over(&self, passed_over: PassedOver) {
        self.lock().passed_over.push(passed_over);
    }
}

impl DataDir {
    /// Has recovery take what there is of a partition. New records get no offset below `floor`: such offsets were given to others.
    pub fn salvage(&self, id: TopicPartition, floor: Offset) {
        self.salvage.lock().floors.insert(id, floor);
    }

    /// A partition was salvaged, and its files end at the floor or behind.
    pub fn salvaged(&self, id: TopicPartition) {
        self.salvage.lock().floors.remove(&id);
    }

    /// What write-ahead logs have for a partition, as far as recovery has read them while looking.
    pub fn wal_spans(&self, id: TopicPartition) -> Vec<WalSpan> {
        self.salvage.lock().spans.get(&id).cloned().unwrap_or_default()
    }

    /// Damaged places in write-ahead logs of which nobody knows whose records were there, found while looking.
    pub fn wal_damage(&self) -> Vec<Damage> {
        self.salvage.lock().wal_damage.clone()
    }

    /// What was passed over while salvaging.
    pub fn passed_over(&self) -> Vec<PassedOver> {
        self.salvage.lock().passed_over.clone()
    }
}
