//! When batches left for a partition, until all groups have read them: for the latency from producer to consumer.
//!
//! A partition is written over one connection only, and all batches have the same number of records. So the batch at an
//! offset is the one that left as that many'th, and nothing has to be read out of the records.

use std::collections::VecDeque;
use std::time::Instant;

/// Departures of all partitions of a topic.
pub struct Departures {
    partitions: Vec<Partition>,
}

struct Partition {
    /// Number of the first batch in `left_at`.
    first: u64,
    left_at: VecDeque<Instant>,
    /// The next batch each group will read.
    next: Vec<u64>,
}

impl Departures {
    /// Of a topic nobody has written to yet.
    pub fn new(partitions: usize, groups: usize) -> Departures {
        let partition = || Partition {
            first: 0,
            left_at: VecDeque::new(),
            next: vec![0; groups],
        };
        Departures {
            partitions: (0..partitions).map(|_| partition()).collect(),
        }
    }

    /// The next batch for a partition leaves, or should have left, at `at`.
    pub fn left(&mut self, partition: i32, at: Instant) {
        self.partitions[partition as usize].left_at.push_back(at);
    }

    /// A group got the next batch of a partition, the one numbered `batch` from 0: when did it leave? `None` when no
    /// such batch has left or another one was to come.
    pub fn arrived(&mut self, partition: i32, group: usize, batch: u64) -> Option<Instant> {
        let partition = &mut self.partitions[partition as usize];
        if partition.next[group] != batch {
            return None;
        }
        let left_at = *partition.left_at.get((batch - partition.first) as usize)?;
        partition.next[group] += 1;
        let read_by_all = *partition.next.iter().min().expect("a group at least");
        while partition.first < read_by_all {
            partition.left_at.pop_front();
            partition.first += 1;
        }
        Some(left_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_group_finds_when_a_batch_left() {
        let mut departures = Departures::new(2, 2);
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        departures.left(1, at(1));
        departures.left(1, at(2));
        assert_eq!(departures.arrived(1, 0, 0), Some(at(1)));
        assert_eq!(departures.arrived(1, 0, 0), None, "it has read that one");
        assert_eq!(departures.arrived(1, 0, 1), Some(at(2)));
        assert_eq!(
            departures.arrived(1, 1, 0),
            Some(at(1)),
            "the other group has not"
        );
        assert_eq!(
            departures.partitions[1].left_at.len(),
            1,
            "what all have read is forgotten"
        );
        assert_eq!(
            departures.arrived(0, 1, 0),
            None,
            "nothing has left for that partition"
        );
    }
}
