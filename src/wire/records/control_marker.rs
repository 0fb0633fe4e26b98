//! The records that end a transaction.

use super::Record;

/// How the transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkerKind {
    /// Its records count for nothing.
    Abort,
    /// Its records are there.
    Commit,
}

/// The one record of a control batch that ends a transaction (KIP-98): the key holds version and kind, the value version
/// and coordinator epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlMarker {
    /// How the transaction ended.
    pub kind: MarkerKind,
    /// Epoch of the transaction coordinator that wrote the marker.
    pub coordinator_epoch: i32,
}

impl ControlMarker {
    /// Reads a record of a control batch. `None` if it is no transaction marker, or a malformed one.
    pub fn from_record(record: &Record<'_>) -> Option<ControlMarker> {
        let &[version_high, _, kind_high, kind, ..] = record.key? else {
            return None;
        };
        if version_high & 0x80 != 0 {
            return None;
        }
        let kind = match i16::from_be_bytes([kind_high, kind]) {
            0 => MarkerKind::Abort,
            1 => MarkerKind::Commit,
            _ => return None,
        };
        let epoch: [u8; 4] = record.value?.get(2..6)?.try_into().ok()?;
        Some(ControlMarker {
            kind,
            coordinator_epoch: i32::from_be_bytes(epoch),
        })
    }

    /// The record's key.
    pub fn key(&self) -> [u8; 4] {
        match self.kind {
            MarkerKind::Abort => [0, 0, 0, 0],
            MarkerKind::Commit => [0, 0, 0, 1],
        }
    }

    /// The record's value.
    pub fn value(&self) -> [u8; 6] {
        let epoch = self.coordinator_epoch.to_be_bytes();
        [0, 0, epoch[0], epoch[1], epoch[2], epoch[3]]
    }
}
