//! The state that the records of one partition of `__consumer_offsets` add up to.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{OffsetTable, RecordOrigin, StoredGroup, StoredRecord, TransactionEnd};
use crate::base::ids::ProducerId;

/// Groups and offsets as written. [`StoredState::apply`] is the only way to change it, live and in replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredState {
    groups: BTreeMap<Rc<str>, StoredGroup>,
    offsets: OffsetTable,
}

impl StoredState {
    /// Takes in one record, in the order of the log.
    pub fn apply(&mut self, origin: RecordOrigin, record: StoredRecord) {
        match record {
            StoredRecord::Group {
                group,
                value: Some(value),
            } => {
                self.groups.insert(group, value);
            }
            StoredRecord::Group { group, value: None } => {
                self.groups.remove(&group);
            }
            StoredRecord::Offset { key, value: None } => self.offsets.remove(&key),
            StoredRecord::Offset {
                key,
                value: Some(value),
            } => match origin.transaction {
                None => self.offsets.put(key, origin.offset, value),
                Some(producer) => self.offsets.put_pending(producer, key, origin.offset, value),
            },
        }
    }

    /// Takes in a transaction marker.
    pub fn apply_transaction_end(&mut self, producer: ProducerId, end: TransactionEnd) {
        self.offsets.end_transaction(producer, end);
    }

    /// The group's last written generation.
    pub fn group(&self, group: &str) -> Option<&StoredGroup> {
        self.groups.get(group)
    }

    /// All groups that were written, by id.
    pub fn groups(&self) -> impl Iterator<Item = (&Rc<str>, &StoredGroup)> {
        self.groups.iter()
    }

    /// The committed offsets.
    pub fn offsets(&self) -> &OffsetTable {
        &self.offsets
    }
}
