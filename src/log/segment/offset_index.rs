//! Kafka's `.index`: 8-byte entries, offset relative to the segment's base (i32) and file position (i32), big endian.

use crate::base::ids::Offset;

/// Size of an entry in the file.
const ENTRY_BYTES: usize = 8;

/// An entry: the batch that begins at `position` holds records up to `offset` (Kafka notes a batch's last offset).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OffsetPosition {
    /// Offset less the segment's base offset.
    pub relative_offset: u32,
    /// Byte in the `.log` file at which the batch begins.
    pub position: u32,
}

/// A segment's offset index, read from its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetIndex {
    entries: Vec<OffsetPosition>,
}

impl OffsetIndex {
    /// Renders the file.
    pub fn encode(entries: &[OffsetPosition]) -> Vec<u8> {
        let mut out = Vec::with_capacity(entries.len() * ENTRY_BYTES);
        for entry in entries {
            out.extend_from_slice(&entry.relative_offset.to_be_bytes());
            out.extend_from_slice(&entry.position.to_be_bytes());
        }
        out
    }

    /// Reads the file of a segment of `log_bytes`. Entries must rise and lie inside; Kafka's zero padding at the end is
    /// skipped. `None` if the file can't be this segment's index: it is rebuilt then.
    pub fn parse(bytes: &[u8], log_bytes: u64) -> Option<OffsetIndex> {
        if !bytes.len().is_multiple_of(ENTRY_BYTES) {
            return None;
        }
        let mut entries: Vec<OffsetPosition> = Vec::with_capacity(bytes.len() / ENTRY_BYTES);
        for chunk in bytes.as_chunks::<ENTRY_BYTES>().0 {
            let entry = OffsetPosition {
                relative_offset: u32::from_be_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]),
                position: u32::from_be_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]),
            };
            match entries.last() {
                _ if *chunk == [0; ENTRY_BYTES] => break,
                Some(last)
                    if entry.relative_offset <= last.relative_offset || entry.position <= last.position =>
                {
                    return None;
                }
                _ if u64::from(entry.position) >= log_bytes || entry.relative_offset > i32::MAX as u32 => {
                    return None;
                }
                _ => entries.push(entry),
            }
        }
        Some(OffsetIndex { entries })
    }

    /// Where to begin reading for `target`: the last entry whose batch begins at or before it. `None`: at the beginning.
    pub fn lookup(&self, base: Offset, target: Offset) -> Option<OffsetPosition> {
        lookup(&self.entries, base, target)
    }

    /// The entries.
    pub fn entries(&self) -> &[OffsetPosition] {
        &self.entries
    }
}

/// The file position to begin reading at for `target`. An entry carries its batch's *last* offset, so the batch of an
/// entry at or below the target begins at or before it too.
pub(super) fn lookup(entries: &[OffsetPosition], base: Offset, target: Offset) -> Option<OffsetPosition> {
    let behind = entries.partition_point(|e| base.0 + i64::from(e.relative_offset) <= target.0);
    behind.checked_sub(1).map(|i| entries[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<OffsetPosition> {
        (1..5)
            .map(|i| OffsetPosition {
                relative_offset: i * 10,
                position: i * 4096,
            })
            .collect()
    }

    #[test]
    fn golden() {
        let bytes = OffsetIndex::encode(&[OffsetPosition {
            relative_offset: 9,
            position: 4097,
        }]);
        assert_eq!(bytes, [0, 0, 0, 9, 0, 0, 16, 1]);
    }

    #[test]
    fn lookup_begins_at_or_before_the_target() {
        let index = OffsetIndex::parse(&OffsetIndex::encode(&entries()), 1 << 20).unwrap();
        for (target, position) in [
            (100, 0),
            (109, 0),
            (110, 4096),
            (119, 4096),
            (120, 8192),
            (1000, 16384),
        ] {
            let found = index
                .lookup(Offset(100), Offset(target))
                .map_or(0, |e| e.position);
            assert_eq!(found, position, "target {target}");
        }
        assert_eq!(OffsetIndex::default().lookup(Offset(0), Offset(7)), None);
    }

    #[test]
    fn padding_is_skipped_and_damage_refused() {
        let good = OffsetIndex::encode(&entries());
        let mut padded = good.clone();
        padded.extend_from_slice(&[0; 800]);
        assert_eq!(OffsetIndex::parse(&padded, 1 << 20).unwrap().entries(), entries());
        assert_eq!(OffsetIndex::parse(&good[..30], 1 << 20), None);
        assert_eq!(OffsetIndex::parse(&good, 16384), None);
        let mut bad = good.clone();
        bad[8..16].copy_from_slice(&good[0..8]);
        assert_eq!(OffsetIndex::parse(&bad, 1 << 20), None);
        assert_eq!(OffsetIndex::parse(&[0x80, 0, 0, 0, 0, 0, 0, 1], 1 << 20), None);
    }
}
