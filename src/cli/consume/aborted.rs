//! Leaves out the records of aborted transactions, which is the reader's part of `read_committed` (KIP-98).

use std::collections::BTreeSet;

use crate::base::ids::ProducerId;
use crate::wire::records::{BatchView, ControlMarker, MarkerKind};

/// Which producers are in an aborted transaction, while the batches of one answer are walked in order.
#[derive(Debug)]
pub struct AbortedFilter {
    /// First offset and producer of the transactions that begin further on, the next one last.
    ahead: Vec<(i64, ProducerId)>,
    within: BTreeSet<ProducerId>,
}

impl AbortedFilter {
    /// From what the answer says: producer id and first offset of each aborted transaction.
    pub fn new(aborted: &[(i64, i64)]) -> AbortedFilter {
        let mut ahead: Vec<_> = aborted
            .iter()
            .map(|&(producer, first)| (first, ProducerId(producer)))
            .collect();
        ahead.sort_unstable_by(|a, b| b.cmp(a));
        AbortedFilter {
            ahead,
            within: BTreeSet::new(),
        }
    }

    /// Whether the batch's records count. Has to see every batch.
    pub fn admits(&mut self, batch: &BatchView<'_>) -> bool {
        let header = batch.header();
        while let Some((_, producer)) = self.ahead.pop_if(|(first, _)| *first <= header.last_offset().0) {
            self.within.insert(producer);
        }
        if !header.attributes.is_transactional() {
            return true;
        }
        if header.attributes.is_control() {
            if is_abort(batch) {
                self.within.remove(&header.producer_id);
            }
            return false;
        }
        !self.within.contains(&header.producer_id)
    }
}

fn is_abort(batch: &BatchView<'_>) -> bool {
    let marker = batch
        .records()
        .ok()
        .and_then(|mut records| records.next())
        .and_then(Result::ok);
    marker
        .and_then(|record| ControlMarker::from_record(&record))
        .is_some_and(|m| m.kind == MarkerKind::Abort)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{Offset, ProducerEpoch};
    use crate::wire::records::{BatchBuilder, Compression};

    fn batch(offset: i64, producer: i64) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Compression::None)
            .base_offset(Offset(offset))
            .producer(ProducerId(producer), ProducerEpoch(0), 0)
            .transactional();
        builder.append(0, None, Some(b"v"), &[]);
        builder.build().unwrap().to_vec()
    }

    fn marker(offset: i64, producer: i64, kind: MarkerKind) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Compression::None)
            .base_offset(Offset(offset))
            .producer(ProducerId(producer), ProducerEpoch(0), -1);
        builder.append_control(
            0,
            ControlMarker {
                kind,
                coordinator_epoch: 0,
            },
        );
        builder.build().unwrap().to_vec()
    }

    #[test]
    fn aborted_transactions_are_left_out() {
        // Producer 1 aborts what it wrote at 0, then commits 4; producer 2 commits all along.
        let batches = [
            (batch(0, 1), false),
            (batch(1, 2), true),
            (marker(2, 1, MarkerKind::Abort), false),
            (marker(3, 2, MarkerKind::Commit), false),
            (batch(4, 1), true),
            (marker(5, 1, MarkerKind::Commit), false),
        ];
        let mut filter = AbortedFilter::new(&[(1, 0)]);
        for (i, (bytes, admitted)) in batches.iter().enumerate() {
            assert_eq!(
                filter.admits(&BatchView::parse(bytes).unwrap()),
                *admitted,
                "batch {i}"
            );
        }
    }
}
