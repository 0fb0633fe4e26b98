//! Kafka's producer snapshot, version 1: `<offset>.snapshot` holds the producers as they were before that offset.
//!
//! Kafka's fields, big endian: version i16 = 1, CRC-32C u32 of all that follows, number of entries i32, then per
//! producer: id i64, epoch i16, last sequence i32, last offset i64, offset delta i32, timestamp i64, coordinator epoch
//! i32, first offset of the open transaction i64 (-1 for none).
//!
//! Kafka remembers one batch per producer there, so that a retry of an earlier one fails after its restart. What Kafka
//! ignores, bytes behind its last entry, holds ours: the magic `CLB5`, and for each producer above in the same order
//! a count u8 of older batches, oldest first, each last sequence i32, last offset i64, offset delta i32, timestamp i64.

use super::{ProducerState, ProducerTable, REMEMBERED_BATCHES, RememberedBatch};
use crate::base::ids::{Offset, ProducerEpoch, ProducerId};

const VERSION: i16 = 1;
const HEADER_BYTES: usize = 6;
const ENTRY_BYTES: usize = 46;
const OLDER_MAGIC: &[u8; 4] = b"CLB5";

/// A snapshot that can't be used: the state is rebuilt from the log instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MalformedSnapshot {
    /// What is wrong.
    pub what: &'static str,
}

/// Renders the file.
pub fn encode_snapshot(table: &ProducerTable) -> Vec<u8> {
    let mut producers: Vec<_> = table.iter().collect();
    producers.sort_by_key(|(id, _)| *id);
    let mut out = Vec::with_capacity(HEADER_BYTES + 8 + producers.len() * (ENTRY_BYTES + 1));
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(producers.len() as i32).to_be_bytes());
    for (id, state) in &producers {
        let last = state.batches().last();
        out.extend_from_slice(&id.0.to_be_bytes());
        out.extend_from_slice(&state.epoch.0.to_be_bytes());
        out.extend_from_slice(&state.last_sequence().to_be_bytes());
        out.extend_from_slice(&last.map_or(-1, |b| b.last_offset.0).to_be_bytes());
        out.extend_from_slice(&last.map_or(0, |b| b.offset_delta).to_be_bytes());
        out.extend_from_slice(&state.last_timestamp_ms.to_be_bytes());
        out.extend_from_slice(&state.coordinator_epoch.to_be_bytes());
        out.extend_from_slice(&state.current_txn_first_offset.map_or(-1, |o| o.0).to_be_bytes());
    }
    out.extend_from_slice(OLDER_MAGIC);
    for (_, state) in &producers {
        let older = &state.batches()[..state.batches().len().saturating_sub(1)];
        out.push(older.len() as u8);
        for batch in older {
            out.extend_from_slice(&batch.last_sequence.to_be_bytes());
            out.extend_from_slice(&batch.last_offset.0.to_be_bytes());
            out.extend_from_slice(&batch.offset_delta.to_be_bytes());
            out.extend_from_slice(&batch.timestamp_ms.to_be_bytes());
        }
    }
    let crc = crc32c::crc32c(&out[HEADER_BYTES..]);
    out[2..HEADER_BYTES].copy_from_slice(&crc.to_be_bytes());
    out
}

/// Reads the file, Kafka's or ours.
pub fn decode_snapshot(bytes: &[u8]) -> Result<ProducerTable, MalformedSnapshot> {
    let mut fields = Fields { bytes };
    if fields.i16()? != VERSION {
        return Err(MalformedSnapshot {
            what: "the version is not 1",
        });
    }
    if fields.u32()? != crc32c::crc32c(fields.bytes) {
        return Err(MalformedSnapshot {
            what: "the checksum does not match",
        });
    }
    let count = usize::try_from(fields.i32()?).unwrap_or(usize::MAX);
    if count > fields.bytes.len() / ENTRY_BYTES {
        return Err(MalformedSnapshot {
            what: "there are fewer entries than it says",
        });
    }
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let id = ProducerId(fields.i64()?);
        let mut state = ProducerState::new(ProducerEpoch(fields.i16()?));
        let (last_sequence, last_offset, offset_delta) = (fields.i32()?, fields.i64()?, fields.i32()?);
        let timestamp_ms = fields.i64()?;
        state.coordinator_epoch = fields.i32()?;
        state.current_txn_first_offset = Some(fields.i64()?).filter(|o| *o >= 0).map(Offset);
        let last = (last_sequence >= 0).then_some(RememberedBatch {
            last_sequence,
            last_offset: Offset(last_offset),
            offset_delta,
            timestamp_ms,
        });
        state.last_timestamp_ms = timestamp_ms;
        entries.push((id, state, last));
    }
    let ours = fields.bytes.starts_with(OLDER_MAGIC);
    if ours {
        fields.bytes = &fields.bytes[OLDER_MAGIC.len()..];
    }
    let mut table = ProducerTable::default();
    for (id, mut state, last) in entries {
        let older = if ours { fields.u8()? } else { 0 };
        if usize::from(older) >= REMEMBERED_BATCHES {
            return Err(MalformedSnapshot {
                what: "too many batches of a producer",
            });
        }
        for _ in 0..older {
            state.push(RememberedBatch {
                last_sequence: fields.i32()?,
                last_offset: Offset(fields.i64()?),
                offset_delta: fields.i32()?,
                timestamp_ms: fields.i64()?,
            });
        }
        if let Some(last) = last {
            state.push(last);
        }
        table.insert(id, state);
    }
    Ok(table)
}

struct Fields<'a> {
    bytes: &'a [u8],
}

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], MalformedSnapshot> {
        let (field, rest) = self.bytes.split_first_chunk().ok_or(MalformedSnapshot {
            what: "it is cut off",
        })?;
        self.bytes = rest;
        Ok(*field)
    }

    fn u8(&mut self) -> Result<u8, MalformedSnapshot> {
        Ok(self.take::<1>()?[0])
    }

    fn i16(&mut self) -> Result<i16, MalformedSnapshot> {
        Ok(i16::from_be_bytes(self.take()?))
    }

    fn i32(&mut self) -> Result<i32, MalformedSnapshot> {
        Ok(i32::from_be_bytes(self.take()?))
    }

    fn u32(&mut self) -> Result<u32, MalformedSnapshot> {
        Ok(u32::from_be_bytes(self.take()?))
    }

    fn i64(&mut self) -> Result<i64, MalformedSnapshot> {
        Ok(i64::from_be_bytes(self.take()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> ProducerTable {
        let mut table = ProducerTable::default();
        for (id, batches) in [(1, 1), (5, 5), (9, 3)] {
            let mut state = ProducerState::new(ProducerEpoch(2));
            for b in 0..batches {
                state.push(RememberedBatch {
                    last_sequence: b * 10 + 9,
                    last_offset: Offset(i64::from(b) * 100 + 9),
                    offset_delta: 9,
                    timestamp_ms: 1_700_000_000_000 + i64::from(b),
                });
            }
            table.insert(ProducerId(id), state);
        }
        let mut marked = ProducerState::new(ProducerEpoch(0));
        marked.coordinator_epoch = 4;
        table.insert(ProducerId(11), marked);
        table
    }

    #[test]
    fn goes_both_ways() {
        for table in [ProducerTable::default(), table()] {
            assert_eq!(decode_snapshot(&encode_snapshot(&table)).unwrap(), table);
        }
    }

    #[test]
    fn golden() {
        let mut table = ProducerTable::default();
        let mut state = ProducerState::new(ProducerEpoch(1));
        state.push(RememberedBatch {
            last_sequence: 2,
            last_offset: Offset(3),
            offset_delta: 1,
            timestamp_ms: 4,
        });
        table.insert(ProducerId(5), state);
        let mut expected = vec![0, 1, 0, 0, 0, 0, 0, 0, 0, 1];
        expected.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 5, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3]);
        expected.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]);
        expected.extend_from_slice(&[0xff; 8]);
        let kafkas = expected.len();
        expected.extend_from_slice(b"CLB5\0");
        let crc = crc32c::crc32c(&expected[6..]);
        expected[2..6].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(encode_snapshot(&table), expected);

        // Kafka's own file ends behind its entries.
        let mut short = expected[..kafkas].to_vec();
        let crc = crc32c::crc32c(&short[6..]);
        short[2..6].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(decode_snapshot(&short).unwrap(), table);
    }

    #[test]
    fn damage_is_refused() {
        let good = encode_snapshot(&table());
        for end in 0..good.len() {
            assert!(decode_snapshot(&good[..end]).is_err());
        }
        for i in 0..good.len() {
            let mut bad = good.clone();
            bad[i] ^= 0x10;
            assert!(decode_snapshot(&bad).is_err(), "byte {i}");
        }
        // A count that the bytes can't hold is an error before any allocation.
        let mut huge = vec![0, 1, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff];
        let crc = crc32c::crc32c(&huge[6..]);
        huge[2..6].copy_from_slice(&crc.to_be_bytes());
        assert!(decode_snapshot(&huge).is_err());
    }
}
