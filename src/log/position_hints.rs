//! Hot path: fetch. Where reads from disk ended, because the next ones begin there.

use crate::base::ids::{Offset, TopicPartition};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

/// How many are kept. A consumer needs one per partition it catches up on.
const HINTS: usize = 4096;

/// A batch's place in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatchPlace {
    /// The segment's base.
    pub segment: Offset,
    /// The segment's version.
    pub version: u32,
    /// The byte at which the batch begins.
    pub position: u64,
    /// How many pieces the next read reads ahead.
    pub ahead_pieces: u64,
}

/// The places of batches that will probably be read next.
#[derive(Debug, Default)]
pub(super) struct PositionHints(RefCell<Inner>);

#[derive(Debug, Default)]
struct Inner {
    places: BTreeMap<(TopicPartition, Offset), BatchPlace>,
    order: VecDeque<(TopicPartition, Offset)>,
}

impl PositionHints {
    /// Where the batch that begins with `offset` is, if a read ended before it.
    pub fn get(&self, partition: TopicPartition, offset: Offset) -> Option<BatchPlace> {
        self.0.borrow().places.get(&(partition, offset)).copied()
    }

    /// Notes where a read ended.
    pub fn put(&self, partition: TopicPartition, offset: Offset, place: BatchPlace) {
        let mut inner = self.0.borrow_mut();
        if inner.places.insert((partition, offset), place).is_none() {
            inner.order.push_back((partition, offset));
        }
        if inner.order.len() > HINTS
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.places.remove(&oldest);
        }
    }
}
