//! Hot path: produce, commit and fetch. The last batches of a partition, in memory.
//!
//! A batch is here from its append until it is in its segment, and longer while the shard's tail budget has room, so
//! that consumers at the tail never touch the disk.

use crate::base::ids::Offset;
use bytes::Bytes;
use std::collections::VecDeque;

/// A whole batch in memory.
#[derive(Clone, Debug)]
pub(in crate::log) struct TailBatch {
    /// Offset of its first record.
    pub base: Offset,
    /// Offset behind its last record.
    pub end: Offset,
    /// The segment it belongs to, by its base offset.
    pub segment: Offset,
    /// Where it ends in the stream of all bytes appended since the log was opened.
    pub stream_end: u64,
    /// Its bytes.
    pub bytes: Bytes,
}

/// A place between two batches: an offset, and how many bytes were appended before it since the log was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::log) struct TailMark {
    /// Offset of the next record.
    pub offset: Offset,
    /// Bytes appended before it.
    pub stream: u64,
}

/// The batches in memory, oldest first, without gaps, up to the log's end.
#[derive(Debug)]
pub(in crate::log) struct Tail {
    batches: VecDeque<TailBatch>,
    end: TailMark,
}

impl Tail {
    /// An empty tail at the log's end.
    pub fn new(end: Offset) -> Tail {
        Tail {
            batches: VecDeque::new(),
            end: TailMark {
                offset: end,
                stream: 0,
            },
        }
    }

    /// Where the log ends.
    pub fn end(&self) -> TailMark {
        self.end
    }

    /// The first offset in memory, or the log's end.
    pub fn first_offset(&self) -> Offset {
        self.batches.front().map_or(self.end.offset, |b| b.base)
    }

    /// Adds a batch at the end.
    pub fn push(&mut self, end: Offset, segment: Offset, bytes: Bytes) {
        let stream_end = self.end.stream + bytes.len() as u64;
        self.batches.push_back(TailBatch {
            base: self.end.offset,
            end,
            segment,
            stream_end,
            bytes,
        });
        self.end = TailMark {
            offset: end,
            stream: stream_end,
        };
    }

    /// The log goes on at a later offset.
    pub fn skip_to(&mut self, offset: Offset) {
        self.end.offset = offset;
    }

    /// The batches that end after `offset`: from the one that holds it on.
    pub fn after(&self, offset: Offset) -> impl Iterator<Item = &TailBatch> {
        self.batches.range(self.count_until(offset)..)
    }

    /// How many batches end at or before `offset`. Commits and consumers ask for what is near the end, so the search goes
    /// back from there, in steps that double: of 100,000 small batches in memory it touches the few it wants.
    fn count_until(&self, offset: Offset) -> usize {
        let is_until = |b: &TailBatch| b.end <= offset;
        let (mut low, mut high, mut step) = (self.batches.len(), self.batches.len(), 1);
        while low > 0 && !is_until(&self.batches[low - 1]) {
            high = low - 1;
            low = high.saturating_sub(step);
            step *= 2;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if is_until(&self.batches[middle]) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Forgets batches that end at or before `mark`; gives the bytes freed.
    pub fn evict_until(&mut self, mark: TailMark) -> usize {
        let mut freed = 0;
        while self.batches.front().is_some_and(|b| b.stream_end <= mark.stream) {
            freed += self.batches.pop_front().expect("there is a front").bytes.len();
        }
        // A burst should not hold memory for ever.
        if self.batches.capacity() > 64 && self.batches.len() < self.batches.capacity() / 4 {
            self.batches.shrink_to(self.batches.len() * 2);
        }
        freed
    }

    /// Forgets batches that end at or before `offset`; gives the bytes freed.
    pub fn evict_before(&mut self, offset: Offset) -> usize {
        match self
            .count_until(offset)
            .checked_sub(1)
            .map(|i| self.batches[i].stream_end)
        {
            Some(stream) => self.evict_until(TailMark { offset, stream }),
            None => 0,
        }
    }

    /// Bytes in memory.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.batches.front().map_or(0, |b| {
            (self.end.stream - (b.stream_end - b.bytes.len() as u64)) as usize
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_found_and_evicted_by_place() {
        let mut tail = Tail::new(Offset(10));
        for i in 0..5 {
            tail.push(
                Offset(10 + (i + 1) * 3),
                Offset(0),
                Bytes::from(vec![i as u8; 100]),
            );
        }
        assert_eq!((tail.first_offset(), tail.bytes()), (Offset(10), 500));
        assert_eq!(
            tail.end(),
            TailMark {
                offset: Offset(25),
                stream: 500
            }
        );
        let bases = |offset| tail.after(Offset(offset)).map(|b| b.base.0).collect::<Vec<_>>();
        assert_eq!(bases(0), [10, 13, 16, 19, 22]);
        assert_eq!(bases(15), [13, 16, 19, 22]);
        assert_eq!(bases(16), [16, 19, 22]);
        assert!(bases(25).is_empty());
        assert_eq!(
            tail.evict_until(TailMark {
                offset: Offset(16),
                stream: 200
            }),
            200
        );
        assert_eq!((tail.first_offset(), tail.bytes()), (Offset(16), 300));
        assert_eq!(tail.evict_before(Offset(18)), 0);
        assert_eq!(tail.evict_before(Offset(19)), 100);
        assert_eq!((tail.first_offset(), tail.bytes()), (Offset(19), 200));
        assert_eq!(tail.evict_until(tail.end()), 200);
        assert_eq!((tail.first_offset(), tail.bytes()), (Offset(25), 0));
    }

    #[test]
    fn every_offset_is_found_in_a_tail_of_any_length() {
        for length in 0..40 {
            let mut tail = Tail::new(Offset(0));
            for i in 0..length {
                tail.push(Offset((i + 1) * 2), Offset(0), Bytes::from_static(b"x"));
            }
            for offset in 0..=length * 2 + 1 {
                let found = tail.after(Offset(offset)).map(|b| b.base.0);
                let expected = (0..length).map(|i| i * 2).filter(|base| base + 2 > offset);
                assert!(found.eq(expected), "offset {offset} of {length} batches");
            }
        }
    }
}
