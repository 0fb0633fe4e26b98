//! Hot path: produce. What each producer wrote last to a partition, and whether its next batch fits.

use crate::base::ids::{Offset, ProducerEpoch, ProducerId};
use crate::log::AppendError;
use crate::wire::records::BatchHeader;
use std::collections::HashMap;

/// How many batches of a producer are remembered. Kafka's number, because Java's producer has at most five requests in
/// flight; a client may retry any of them.
pub const REMEMBERED_BATCHES: usize = 5;

/// A batch that is in the log, for recognising it when it comes again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RememberedBatch {
    /// Sequence number of its last record.
    pub last_sequence: i32,
    /// Offset of its last record.
    pub last_offset: Offset,
    /// Last offset less first; the same for the sequence numbers.
    pub offset_delta: i32,
    /// The largest timestamp in it, in ms.
    pub timestamp_ms: i64,
}

impl RememberedBatch {
    /// Offset of its first record.
    pub fn base_offset(&self) -> Offset {
        self.last_offset.plus(-i64::from(self.offset_delta))
    }

    /// Sequence number of its first record: sequences go from `i32::MAX` to 0.
    pub fn base_sequence(&self) -> i32 {
        self.last_sequence.wrapping_sub(self.offset_delta) & i32::MAX
    }
}

/// What is known of one producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerState {
    /// Its generation: an older one is fenced.
    pub epoch: ProducerEpoch,
    /// Epoch of the coordinator that wrote its last transaction marker, -1 for none.
    pub coordinator_epoch: i32,
    /// Where its open transaction began.
    pub current_txn_first_offset: Option<Offset>,
    /// Largest timestamp of its last batch, in ms.
    pub last_timestamp_ms: i64,
    batches: [RememberedBatch; REMEMBERED_BATCHES],
    count: u8,
}

impl ProducerState {
    /// A producer with nothing written in its epoch.
    pub fn new(epoch: ProducerEpoch) -> ProducerState {
        ProducerState {
            epoch,
            coordinator_epoch: -1,
            current_txn_first_offset: None,
            last_timestamp_ms: -1,
            batches: [RememberedBatch::default(); REMEMBERED_BATCHES],
            count: 0,
        }
    }

    /// The last batches, oldest first.
    pub fn batches(&self) -> &[RememberedBatch] {
        &self.batches[..usize::from(self.count)]
    }

    /// Sequence number of the last record, -1 if nothing is known.
    pub fn last_sequence(&self) -> i32 {
        self.batches().last().map_or(-1, |b| b.last_sequence)
    }

    /// Adds a batch, forgetting the oldest.
    pub fn push(&mut self, batch: RememberedBatch) {
        let count = usize::from(self.count);
        if count == REMEMBERED_BATCHES {
            self.batches.rotate_left(1);
            self.batches[count - 1] = batch;
        } else {
            self.batches[count] = batch;
            self.count += 1;
        }
        self.last_timestamp_ms = batch.timestamp_ms;
    }
}

/// What to do with a batch of an idempotent producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is next: append it.
    Append,
    /// It is in the log already: answer what was answered then.
    Duplicate(RememberedBatch),
}

/// The producers of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProducerTable {
    producers: HashMap<ProducerId, ProducerState>,
}

impl ProducerTable {
    /// Whether a producer's batch is next, a duplicate, or an error: `ProducerFenced`, `OutOfOrderSequence`.
    ///
    /// As Kafka 4: a batch of the epoch known that has the sequence range of one of the last five is a duplicate. A
    /// producer not known here may begin anywhere, because its state may have gone with deleted records; a new epoch
    /// begins at 0.
    pub fn check(&self, header: &BatchHeader) -> Result<Verdict, AppendError> {
        let Some(state) = self.producers.get(&header.producer_id) else {
            return Ok(Verdict::Append);
        };
        if header.producer_epoch < state.epoch {
            return Err(AppendError::ProducerFenced {
                producer_id: header.producer_id,
                epoch: header.producer_epoch,
                current: state.epoch,
            });
        }
        let out_of_order = |last_sequence| AppendError::OutOfOrderSequence {
            producer_id: header.producer_id,
            sequence: header.base_sequence,
            last_sequence,
        };
        if header.producer_epoch > state.epoch {
            return if header.base_sequence == 0 {
                Ok(Verdict::Append)
            } else {
                Err(out_of_order(-1))
            };
        }
        let last_sequence = header.last_sequence();
        let same = |b: &&RememberedBatch| {
            b.base_sequence() == header.base_sequence && b.last_sequence == last_sequence
        };
        if let Some(batch) = state.batches().iter().find(same) {
            return Ok(Verdict::Duplicate(*batch));
        }
        let last = state.last_sequence();
        // -1 is "nothing known in this epoch" (only a marker was written): then 0 comes first, as -1 + 1.
        if header.base_sequence == last.wrapping_add(1) & i32::MAX {
            Ok(Verdict::Append)
        } else {
            Err(out_of_order(last))
        }
    }

    /// Notes a batch that is in the log now. Batches without a producer are ignored.
    pub fn record(&mut self, header: &BatchHeader, base_offset: Offset) {
        if !header.has_producer() || header.attributes.is_control() {
            return;
        }
        let state = self
            .producers
            .entry(header.producer_id)
            .or_insert_with(|| ProducerState::new(header.producer_epoch));
        if state.epoch != header.producer_epoch {
            let coordinator_epoch = state.coordinator_epoch;
            *state = ProducerState::new(header.producer_epoch);
            state.coordinator_epoch = coordinator_epoch;
        }
        state.push(RememberedBatch {
            last_sequence: header.last_sequence(),
            last_offset: base_offset.plus(i64::from(header.last_offset_delta)),
            offset_delta: header.last_offset_delta,
            timestamp_ms: header.max_timestamp,
        });
    }

    /// Forgets producers whose last timestamp is before `before_ms`.
    pub fn expire(&mut self, before_ms: i64) {
        self.producers
            .retain(|_, s| s.last_timestamp_ms >= before_ms || s.current_txn_first_offset.is_some());
    }

    /// Puts a producer's state in place, when it comes from a snapshot.
    pub fn insert(&mut self, id: ProducerId, state: ProducerState) {
        self.producers.insert(id, state);
    }

    /// The state of one producer.
    #[cfg(test)]
    pub fn get(&self, id: ProducerId) -> Option<&ProducerState> {
        self.producers.get(&id)
    }

    /// All producers, in no order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (ProducerId, &ProducerState)> {
        self.producers.iter().map(|(id, state)| (*id, state))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::records::{BatchBuilder, BatchHeader, Compression};

    fn batch(epoch: i16, base_sequence: i32, records: usize) -> BatchHeader {
        let mut builder =
            BatchBuilder::new(Compression::None).producer(ProducerId(7), ProducerEpoch(epoch), base_sequence);
        for i in 0..records {
            builder.append(1000 + i as i64, None, Some(b"v"), &[]);
        }
        BatchHeader::parse(&builder.build().unwrap()).unwrap()
    }

    #[test]
    fn the_last_five_are_recognised_and_answered_with_their_offset() {
        let mut table = ProducerTable::default();
        for i in 0..6 {
            let header = batch(0, i * 3, 3);
            assert_eq!(table.check(&header).unwrap(), Verdict::Append);
            table.record(&header, Offset(100 + i64::from(i) * 3));
        }
        for i in 1..6 {
            let Verdict::Duplicate(found) = table.check(&batch(0, i * 3, 3)).unwrap() else {
                panic!("batch {i}")
            };
            assert_eq!(found.base_offset(), Offset(100 + i64::from(i) * 3));
            assert_eq!(found.timestamp_ms, 1002);
        }
        // The sixth last is forgotten, half a batch is none, a gap is one.
        for (sequence, records) in [(0, 3), (3, 2), (19, 1)] {
            let error = table.check(&batch(0, sequence, records)).unwrap_err();
            assert!(
                matches!(
                    error,
                    AppendError::OutOfOrderSequence {
                        last_sequence: 17,
                        ..
                    }
                ),
                "{error:?}"
            );
        }
    }

    #[test]
    fn epochs_fence_and_begin_at_zero() {
        let mut table = ProducerTable::default();
        // A producer not known here may begin anywhere.
        assert_eq!(table.check(&batch(3, 41, 1)).unwrap(), Verdict::Append);
        table.record(&batch(3, 41, 1), Offset(0));
        assert!(matches!(
            table.check(&batch(2, 42, 1)),
            Err(AppendError::ProducerFenced {
                current: ProducerEpoch(3),
                ..
            })
        ));
        assert!(matches!(
            table.check(&batch(4, 42, 1)),
            Err(AppendError::OutOfOrderSequence { .. })
        ));
        assert_eq!(table.check(&batch(4, 0, 1)).unwrap(), Verdict::Append);
        table.record(&batch(4, 0, 1), Offset(1));
        // The same sequence range in another epoch is another batch.
        assert!(matches!(
            table.check(&batch(3, 41, 1)),
            Err(AppendError::ProducerFenced { .. })
        ));
        assert_eq!(table.get(ProducerId(7)).unwrap().batches().len(), 1);
    }

    #[test]
    fn sequences_wrap() {
        let mut table = ProducerTable::default();
        let before = batch(0, i32::MAX - 1, 4);
        table.record(&before, Offset(10));
        let state = table.get(ProducerId(7)).unwrap();
        assert_eq!(
            (state.batches()[0].base_sequence(), state.last_sequence()),
            (i32::MAX - 1, 1)
        );
        assert!(matches!(table.check(&before).unwrap(), Verdict::Duplicate(_)));
        assert_eq!(table.check(&batch(0, 2, 1)).unwrap(), Verdict::Append);

        table.record(&batch(1, i32::MAX, 1), Offset(14));
        assert_eq!(table.check(&batch(1, 0, 1)).unwrap(), Verdict::Append);
    }

    #[test]
    fn idle_producers_are_forgotten() {
        let mut table = ProducerTable::default();
        table.record(&batch(0, 0, 1), Offset(0));
        table.expire(1000);
        assert!(!table.is_empty());
        table.expire(1001);
        assert!(table.is_empty());
    }
}
