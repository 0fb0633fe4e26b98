//! Kafka's `.txnindex`: the transactions that were aborted by a marker in this segment, for readers of committed records.
//!
//! Entries of 34 bytes, big endian: version i16 (0), producer id i64, first offset i64, last offset i64 (the marker's), last stable
//! offset i64 (after it).

use crate::base::ids::{Offset, ProducerId};

/// Size of an entry in the file.
const ENTRY_BYTES: usize = 34;

/// A transaction that was aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Who wrote it.
    pub producer_id: ProducerId,
    /// Where its records begin.
    pub first_offset: Offset,
    /// Its marker.
    pub last_offset: Offset,
    /// Where the first transaction began that was open when it ended, or behind the marker.
    pub last_stable: Offset,
}

impl AbortedTransaction {
    /// Renders a file.
    pub fn encode_all(entries: &[AbortedTransaction]) -> Vec<u8> {
        let mut out = Vec::with_capacity(entries.len() * ENTRY_BYTES);
        for entry in entries {
            out.extend_from_slice(&[0, 0]);
            for field in [
                entry.producer_id.0,
                entry.first_offset.0,
                entry.last_offset.0,
                entry.last_stable.0,
            ] {
                out.extend_from_slice(&field.to_be_bytes());
            }
        }
        out
    }

    /// Reads a file. `None` if it can't be one: offsets in an entry are in order, and markers rise.
    pub fn parse_all(bytes: &[u8]) -> Option<Vec<AbortedTransaction>> {
        let (chunks, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() {
            return None;
        }
        let mut entries: Vec<AbortedTransaction> = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let field = |at: usize| {
                let mut bytes = [0; 8];
                bytes.copy_from_slice(&chunk[at..at + 8]);
                i64::from_be_bytes(bytes)
            };
            let entry = AbortedTransaction {
                producer_id: ProducerId(field(2)),
                first_offset: Offset(field(10)),
                last_offset: Offset(field(18)),
                last_stable: Offset(field(26)),
            };
            let in_order = 0 <= entry.first_offset.0
                && entry.first_offset <= entry.last_offset
                && entries
                    .last()
                    .is_none_or(|last| last.last_offset < entry.last_offset);
            if chunk[..2] != [0, 0] || !in_order {
                return None;
            }
            entries.push(entry);
        }
        Some(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(first: i64, last: i64) -> AbortedTransaction {
        AbortedTransaction {
            producer_id: ProducerId(7),
            first_offset: Offset(first),
            last_offset: Offset(last),
            last_stable: Offset(last + 1),
        }
    }

    #[test]
    fn goes_both_ways_and_damage_is_refused() {
        let entries = [entry(3, 5), entry(4, 9)];
        let bytes = AbortedTransaction::encode_all(&entries);
        let mut golden = vec![0, 0];
        golden.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 3]);
        golden.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6]);
        assert_eq!(bytes[..ENTRY_BYTES], golden);
        assert_eq!(AbortedTransaction::parse_all(&bytes), Some(entries.to_vec()));
        assert_eq!(AbortedTransaction::parse_all(&[]), Some(Vec::new()));
        let falling = AbortedTransaction::encode_all(&[entry(4, 9), entry(3, 5)]);
        let inside_out = AbortedTransaction::encode_all(&[entry(6, 5)]);
        let mut other_version = bytes.clone();
        other_version[1] = 1;
        for bad in [&bytes[..40], &falling, &inside_out, &other_version] {
            assert_eq!(AbortedTransaction::parse_all(bad), None);
        }
    }
}
