//! Kafka's `.timeindex`: 12-byte entries, timestamp (i64, ms) and offset relative to the segment's base (i32), big endian.

/// Size of an entry in the file.
const ENTRY_BYTES: usize = 12;

/// An entry: no record up to `relative_offset` has a larger timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampOffset {
    /// The largest timestamp so far, in ms.
    pub timestamp_ms: i64,
    /// Offset of the record with it (or of the last of its batch), less the segment's base offset.
    pub relative_offset: u32,
}

/// A segment's time index, read from its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeIndex {
    entries: Vec<TimestampOffset>,
}

impl TimeIndex {
    /// An index of entries in memory.
    pub fn of(entries: Vec<TimestampOffset>) -> TimeIndex {
        TimeIndex { entries }
    }

    /// Renders the file.
    pub fn encode(entries: &[TimestampOffset]) -> Vec<u8> {
        let mut out = Vec::with_capacity(entries.len() * ENTRY_BYTES);
        for entry in entries {
            out.extend_from_slice(&entry.timestamp_ms.to_be_bytes());
            out.extend_from_slice(&entry.relative_offset.to_be_bytes());
        }
        out
    }

    /// Reads the file. Timestamps must rise and offsets must not fall; Kafka's zero padding is skipped. `None` if it can't
    /// be a time index.
    pub fn parse(bytes: &[u8]) -> Option<TimeIndex> {
        if !bytes.len().is_multiple_of(ENTRY_BYTES) {
            return None;
        }
        let mut entries: Vec<TimestampOffset> = Vec::with_capacity(bytes.len() / ENTRY_BYTES);
        for chunk in bytes.as_chunks::<ENTRY_BYTES>().0 {
            let (timestamp, offset) = chunk.split_first_chunk::<8>().expect("an entry has 12 bytes");
            let entry = TimestampOffset {
                timestamp_ms: i64::from_be_bytes(*timestamp),
                relative_offset: u32::from_be_bytes([offset[0], offset[1], offset[2], offset[3]]),
            };
            match entries.last() {
                Some(_) if *chunk == [0; ENTRY_BYTES] => break,
                Some(last)
                    if entry.timestamp_ms <= last.timestamp_ms
                        || entry.relative_offset < last.relative_offset =>
                {
                    return None;
                }
                _ if entry.relative_offset > i32::MAX as u32 => return None,
                _ => entries.push(entry),
            }
        }
        Some(TimeIndex { entries })
    }

    /// The largest timestamp of the segment and its offset, if the file has one.
    pub fn last(&self) -> Option<TimestampOffset> {
        self.entries.last().copied()
    }

    /// Relative offset from which a record with a timestamp of at least `target_ms` can be found.
    pub fn lookup(&self, target_ms: i64) -> u32 {
        lookup(&self.entries, target_ms)
    }

    /// The entries.
    pub fn entries(&self) -> &[TimestampOffset] {
        &self.entries
    }
}

/// The last entry below the target: what is before it is older than the target.
fn lookup(entries: &[TimestampOffset], target_ms: i64) -> u32 {
    let behind = entries.partition_point(|e| e.timestamp_ms < target_ms);
    behind.checked_sub(1).map_or(0, |i| entries[i].relative_offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_and_both_ways() {
        let entries: Vec<_> = (0..4)
            .map(|i| TimestampOffset {
                timestamp_ms: 258 + i64::from(i),
                relative_offset: i * 7,
            })
            .collect();
        let bytes = TimeIndex::encode(&entries);
        assert_eq!(bytes[..12], [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0]);
        let index = TimeIndex::parse(&bytes).unwrap();
        assert_eq!(index.entries(), entries);
        assert_eq!(index.last(), entries.last().copied());
        for (target, relative) in [(0, 0), (258, 0), (259, 0), (260, 7), (261, 14), (262, 21)] {
            assert_eq!(index.lookup(target), relative, "target {target}");
        }
        let mut padded = bytes.clone();
        padded.extend_from_slice(&[0; 36]);
        assert_eq!(TimeIndex::parse(&padded).unwrap().entries(), entries);
    }

    #[test]
    fn damage_is_refused() {
        let entry = |timestamp_ms, relative_offset| TimestampOffset {
            timestamp_ms,
            relative_offset,
        };
        for bad in [
            vec![entry(5, 1), entry(5, 2)],
            vec![entry(5, 2), entry(6, 1)],
            vec![entry(5, u32::MAX)],
        ] {
            assert_eq!(TimeIndex::parse(&TimeIndex::encode(&bad)), None, "{bad:?}");
        }
        assert_eq!(TimeIndex::parse(&[0; 13]), None);
    }
}
