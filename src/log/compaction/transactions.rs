//! What a batch's transaction says of it while a log is walked in order: pure. Kafka's `CleanedTransactionMetadata`.

use crate::base::ids::{Offset, ProducerId};
use crate::log::AbortedTransaction;
use crate::wire::records::{BatchHeader, MarkerKind};
use std::collections::{HashMap, HashSet};

/// What decides on a batch before its keys do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its records count: they are in no transaction, or in one that was committed.
    Counts,
    /// Its transaction was aborted.
    Aborted,
    /// It ends a transaction of which batches are left, or is another control batch.
    Marker,
    /// It ends a transaction of which nothing is left.
    MarkerOfNothing,
}

/// The transactions of a log, while its batches are walked. All of them have ended, for nothing from the last stable offset on is looked at.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    /// Those that were aborted and begin further on, the last first.
    ahead: Vec<AbortedTransaction>,
    /// Those that were aborted and have begun. A producer has one at a time.
    aborted: HashMap<ProducerId, Begun>,
    /// Producers of whose transaction, not aborted, a batch was met, but not its end.
    others: HashSet<ProducerId>,
}

#[derive(Debug)]
struct Begun {
    entry: AbortedTransaction,
    /// Whether a batch of it was met.
    is_left: bool,
}

impl Transactions {
    /// For a walk; `aborted` has all transactions that were aborted and have records or an end in what is walked.
    pub fn new(mut aborted: Vec<AbortedTransaction>) -> Transactions {
        aborted.sort_unstable_by_key(|one| std::cmp::Reverse(one.first_offset));
        Transactions {
            ahead: aborted,
            ..Transactions::default()
        }
    }

    /// A batch of records comes.
    pub fn records(&mut self, header: &BatchHeader) -> Standing {
        self.begin_until(header.last_offset());
        if !header.attributes.is_transactional() {
            return Standing::Counts;
        }
        match self.aborted.get_mut(&header.producer_id) {
            Some(begun) if header.base_offset <= begun.entry.last_offset => {
                begun.is_left = true;
                Standing::Aborted
            }
            _ => {
                self.others.insert(header.producer_id);
                Standing::Counts
            }
        }
    }

    /// A control batch comes, with the marker in it if it has one. Gives also what the index of aborted transactions has to say as
    /// long as the marker stays: readers would take what follows of the producer for aborted, too, if that told them of a transaction without an end.
    pub fn control(
        &mut self,
        header: &BatchHeader,
        marker: Option<MarkerKind>,
    ) -> (Standing, Option<AbortedTransaction>) {
        self.begin_until(header.last_offset());
        if header.record_count == 0 {
            // The marker has gone already.
            return (Standing::MarkerOfNothing, None);
        }
        if marker.is_none() {
            return (Standing::Marker, None);
        }
        let producer_id = header.producer_id;
        let others = self.others.remove(&producer_id);
        let aborted = self.aborted.remove(&producer_id);
        let standing = match others || aborted.as_ref().is_some_and(|begun| begun.is_left) {
            true => Standing::Marker,
            false => Standing::MarkerOfNothing,
        };
        let entry = aborted.map(|begun| begun.entry);
        (
            standing,
            entry.filter(|entry| entry.last_offset == header.last_offset()),
        )
    }

    fn begin_until(&mut self, offset: Offset) {
        while let Some(entry) = self.ahead.pop_if(|next| next.first_offset <= offset) {
            let is_left = false;
            self.aborted.insert(entry.producer_id, Begun { entry, is_left });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::ProducerEpoch;
    use crate::wire::records::{BatchBuilder, BatchView, Compression, ControlMarker, empty_batch};

    fn builder(producer: i64, base: i64) -> BatchBuilder {
        BatchBuilder::new(Compression::None)
            .base_offset(Offset(base))
            .producer(ProducerId(producer), ProducerEpoch(0), 0)
    }

    fn header(mut builder: BatchBuilder) -> BatchHeader {
        builder.append(1, Some(b"a"), None, &[]);
        builder.append(1, Some(b"b"), None, &[]);
        *BatchView::parse(&builder.build().unwrap()).unwrap().header()
    }

    /// A batch with two records of a transaction.
    fn records(producer: i64, base: i64) -> BatchHeader {
        header(builder(producer, base).transactional())
    }

    fn marker(producer: i64, offset: i64) -> BatchHeader {
        let mut builder = builder(producer, offset);
        let marker = ControlMarker {
            kind: MarkerKind::Commit,
            coordinator_epoch: 0,
        };
        builder.append_control(1, marker);
        *BatchView::parse(&builder.build().unwrap()).unwrap().header()
    }

    fn aborted(producer: i64, first: i64, last: i64) -> AbortedTransaction {
        AbortedTransaction {
            producer_id: ProducerId(producer),
            first_offset: Offset(first),
            last_offset: Offset(last),
            last_stable: Offset(last + 1),
        }
    }

    #[test]
    fn what_was_aborted_is_told_from_what_was_not() {
        let first = aborted(1, 2, 9);
        let mut walk = Transactions::new(vec![first, aborted(2, 20, 22)]);
        assert_eq!(walk.records(&header(builder(1, 0))), Standing::Counts);
        assert_eq!(walk.records(&records(1, 2)), Standing::Aborted);
        assert_eq!(walk.records(&records(2, 4)), Standing::Counts);
        assert_eq!(walk.records(&records(1, 6)), Standing::Aborted);
        let commit = walk.control(&marker(2, 8), Some(MarkerKind::Commit));
        assert_eq!(commit, (Standing::Marker, None));
        let abort = walk.control(&marker(1, 9), Some(MarkerKind::Abort));
        assert_eq!(abort, (Standing::Marker, Some(first)));
        // The next transactions of both.
        assert_eq!(walk.records(&records(1, 10)), Standing::Counts);
        assert_eq!(walk.records(&records(2, 20)), Standing::Aborted);
    }

    #[test]
    fn a_marker_may_go_when_no_batch_of_its_transaction_is_left() {
        let (one, two) = (aborted(1, 0, 9), aborted(1, 10, 12));
        let mut walk = Transactions::new(vec![two, one]);
        let abort = walk.control(&marker(1, 9), Some(MarkerKind::Abort));
        assert_eq!(abort, (Standing::MarkerOfNothing, Some(one)));
        assert_eq!(walk.records(&records(1, 10)), Standing::Aborted);
        let abort = walk.control(&marker(1, 12), Some(MarkerKind::Abort));
        assert_eq!(abort, (Standing::Marker, Some(two)));
        let commit = walk.control(&marker(1, 13), Some(MarkerKind::Commit));
        assert_eq!(commit, (Standing::MarkerOfNothing, None));
        // One that is not in the index: its batches are not known to be aborted, and it ends them all the same.
        assert_eq!(walk.records(&records(3, 14)), Standing::Counts);
        let abort = walk.control(&marker(3, 16), Some(MarkerKind::Abort));
        assert_eq!(abort, (Standing::Marker, None));
        assert_eq!(
            walk.control(&marker(3, 17), Some(MarkerKind::Commit)).0,
            Standing::MarkerOfNothing
        );
    }

    #[test]
    fn an_aborted_transaction_ends_even_where_its_marker_is_gone() {
        let mut walk = Transactions::new(vec![aborted(1, 0, 9)]);
        assert_eq!(walk.records(&records(1, 4)), Standing::Aborted);
        assert_eq!(walk.records(&records(1, 10)), Standing::Counts);
        let commit = walk.control(&marker(1, 12), Some(MarkerKind::Commit));
        assert_eq!(commit, (Standing::Marker, None));
    }

    #[test]
    fn other_control_batches_stay_and_empty_ones_are_nothing() {
        let mut walk = Transactions::default();
        assert_eq!(walk.records(&records(1, 0)), Standing::Counts);
        assert_eq!(walk.control(&marker(1, 2), None), (Standing::Marker, None));
        let mut builder = builder(1, 3);
        let commit = ControlMarker {
            kind: MarkerKind::Commit,
            coordinator_epoch: 0,
        };
        builder.append_control(1, commit);
        let bytes = builder.build().unwrap();
        let empty = empty_batch(&BatchView::parse(&bytes).unwrap());
        let empty = *BatchView::parse(&empty).unwrap().header();
        assert_eq!(walk.control(&empty, None), (Standing::MarkerOfNothing, None));
        // Neither has ended the transaction.
        let commit = walk.control(&marker(1, 5), Some(MarkerKind::Commit));
        assert_eq!(commit, (Standing::Marker, None));
    }
}
