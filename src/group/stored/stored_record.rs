//! One record of `__consumer_offsets`.

use std::rc::Rc;

use super::{CommittedOffset, StoredGroup};
use crate::base::ids::{Offset, ProducerId};

/// A change of the stored state. A value of `None` is a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredRecord {
    /// The group's current generation (key version 2).
    Group {
        group: Rc<str>,
        value: Option<StoredGroup>,
    },
    /// A committed offset (key versions 0 and 1).
    Offset {
        key: OffsetKey,
        value: Option<CommittedOffset>,
    },
}

/// Which offset a record is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OffsetKey {
    /// The group.
    pub group: Rc<str>,
    /// The topic's name.
    pub topic: Rc<str>,
    /// The partition's index.
    pub partition: i32,
}

/// Where a record stands in the log and who wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordOrigin {
    /// The record's offset in its partition of `__consumer_offsets`.
    pub offset: Offset,
    /// The transaction's producer, for records of a transactional batch.
    pub transaction: Option<ProducerId>,
}

impl StoredRecord {
    /// A tombstone for an offset.
    pub fn offset_tombstone(key: OffsetKey) -> StoredRecord {
        StoredRecord::Offset { key, value: None }
    }

    /// A tombstone for a group. The group's offsets have tombstones of their own.
    pub fn group_tombstone(group: &Rc<str>) -> StoredRecord {
        StoredRecord::Group {
            group: group.clone(),
            value: None,
        }
    }

    /// The group the record is about.
    pub fn group(&self) -> &Rc<str> {
        match self {
            StoredRecord::Group { group, .. } => group,
            StoredRecord::Offset { key, .. } => &key.group,
        }
    }
}
