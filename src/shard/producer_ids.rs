//! Hands out producer ids from blocks that the controller reserved for this shard (KIP-730).

use std::cell::RefCell;
use std::ops::Range;

use crate::base::ids::ProducerId;

/// The unused part of this shard's block. An id is never handed out twice, not even after a restart:
/// the block is durable in the metadata log before the first of its ids is used, and what is left of it
/// at a restart is forgotten.
#[derive(Default)]
pub struct ProducerIds {
    block: RefCell<Range<i64>>,
}

impl ProducerIds {
    /// The next id, `None` if the block is used up.
    pub fn take(&self) -> Option<ProducerId> {
        self.block.borrow_mut().next().map(ProducerId)
    }

    /// Puts a new block in place. Of two blocks that arrive for two askers at once, the first is
    /// used up before the second counts; what can't be kept is forgotten, as at a restart.
    pub fn refill(&self, block: Range<i64>) {
        let mut current = self.block.borrow_mut();
        if current.is_empty() {
            *current = block;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_handed_out_once() {
        let ids = ProducerIds::default();
        assert_eq!(ids.take(), None);
        ids.refill(7..9);
        ids.refill(100..200);
        assert_eq!(
            (ids.take(), ids.take(), ids.take()),
            (Some(ProducerId(7)), Some(ProducerId(8)), None)
        );
        ids.refill(200..201);
        assert_eq!(ids.take(), Some(ProducerId(200)));
    }
}
