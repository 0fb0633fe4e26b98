//! What a producer has collected and not sent yet, as the accumulator of Kafka's producer: batches by partition, and for each
//! node whether it is time to send it what there is.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::wire::records::{BatchBuilder, Compression};

/// What a request may have: `max.request.size` of Kafka's producer.
const MAX_REQUEST_BYTES: usize = 1 << 20;

/// How a producer collects.
#[derive(Clone, Copy, Debug)]
pub struct Collecting {
    /// A batch with so many bytes is full.
    pub batch_bytes: usize,
    /// A batch so old is sent.
    pub linger: Duration,
    /// Codec of the batches.
    pub compression: Compression,
}

/// Batches of one producer.
pub struct Accumulator {
    how: Collecting,
    /// The node that leads each partition.
    node_of: Rc<[usize]>,
    /// Oldest first. All but the last are full.
    batches: Vec<VecDeque<Batch>>,
    nodes: Vec<Node>,
}

struct Batch {
    builder: BatchBuilder,
    begun: Instant,
    /// When each of its records was due.
    due: Vec<Instant>,
    payload_bytes: usize,
}

#[derive(Default)]
struct Node {
    /// Partitions that have a batch.
    partitions: Vec<i32>,
    ready: bool,
}

/// What an added record changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// The node it will go to.
    pub node: usize,
    /// It began a batch, whose age is to be watched.
    pub began: bool,
    /// The node has become ready by it.
    pub ready: bool,
}

/// A batch on its way.
pub struct Departing {
    /// Where to.
    pub partition: i32,
    /// The batch, with its CRC.
    pub batch: Bytes,
    /// When each of its records was due.
    pub due: Vec<Instant>,
    /// Bytes of their keys and values.
    pub payload_bytes: usize,
}

impl Accumulator {
    /// Nothing collected. `node_of` names the node, by number, that leads each partition.
    pub fn new(how: Collecting, node_of: Rc<[usize]>, nodes: usize) -> Accumulator {
        Accumulator {
            how,
            batches: node_of.iter().map(|_| VecDeque::new()).collect(),
            node_of,
            nodes: (0..nodes).map(|_| Node::default()).collect(),
        }
    }

    /// Adds a record at `now`, which was due at `due`.
    pub fn add(
        &mut self,
        partition: i32,
        (key, value): (Option<&[u8]>, &[u8]),
        due: Instant,
        now: Instant,
        now_ms: i64,
    ) -> Added {
        let number = self.node_of[partition as usize];
        let node = &mut self.nodes[number];
        let batches = &mut self.batches[partition as usize];
        let bound = BatchBuilder::record_bytes_bound(key, Some(value), &[]);
        let fits = |batch: &Batch| batch.builder.size_bytes() + bound <= self.how.batch_bytes;
        let began = !batches.back().is_some_and(fits);
        if began {
            if batches.is_empty() {
                node.partitions.push(partition);
            }
            batches.push_back(Batch {
                builder: BatchBuilder::new(self.how.compression),
                begun: now,
                due: Vec::new(),
                payload_bytes: 0,
            });
        }
        let more_than_one = batches.len() > 1;
        let batch = batches.back_mut().expect("there or just put there");
        batch.builder.append(now_ms, key, Some(value), &[]);
        batch.due.push(due);
        batch.payload_bytes += key.map_or(0, <[u8]>::len) + value.len();
        let full = more_than_one || batch.builder.size_bytes() >= self.how.batch_bytes;
        let ready = full && !node.ready;
        node.ready |= full;
        Added {
            node: number,
            began,
            ready,
        }
    }

    /// A batch of this node may have become old: true when the node becomes ready by it.
    pub fn look_for_old(&mut self, node: usize, now: Instant) -> bool {
        if self.nodes[node].ready {
            return false;
        }
        self.nodes[node].ready = self.has_old(node, now);
        self.nodes[node].ready
    }

    /// Whether there is something to send now.
    pub fn is_ready(&self, node: usize) -> bool {
        self.nodes[node].ready
    }

    /// Takes the first batch of each of a node's partitions, full or not, as far as they fit into a request: first those that
    /// have had one for longest. Gives them in the order of the partitions.
    ///
    /// # Errors
    /// When a batch can't be compressed.
    pub fn drain(&mut self, node: usize, now: Instant) -> anyhow::Result<Vec<Departing>> {
        let mut departing: Vec<Departing> = Vec::new();
        let mut bytes = 0;
        let mut with_more = Vec::new();
        for partition in std::mem::take(&mut self.nodes[node].partitions) {
            let batches = &mut self.batches[partition as usize];
            let size = batches.front().map_or(0, |batch| batch.builder.size_bytes());
            if bytes > 0 && bytes + size > MAX_REQUEST_BYTES {
                self.nodes[node].partitions.push(partition);
                continue;
            }
            bytes += size;
            let mut first = batches.pop_front().expect("a partition that has a batch");
            if !batches.is_empty() {
                with_more.push(partition);
            }
            departing.push(Departing {
                partition,
                batch: first.builder.build()?.freeze(),
                due: first.due,
                payload_bytes: first.payload_bytes,
            });
        }
        self.nodes[node].partitions.append(&mut with_more);
        departing.sort_unstable_by_key(|departing| departing.partition);
        self.nodes[node].ready = self.has_old(node, now);
        Ok(departing)
    }

    /// Records in batches that are full or old, and not sent.
    pub fn overdue(&self, now: Instant) -> usize {
        let ready = |batches: &&VecDeque<Batch>| self.is_old_or_full(batches, now);
        let records = |batches: &VecDeque<Batch>| batches.iter().map(|batch| batch.due.len()).sum::<usize>();
        self.batches.iter().filter(ready).map(records).sum()
    }

    fn has_old(&self, node: usize, now: Instant) -> bool {
        let mut partitions = self.nodes[node].partitions.iter();
        partitions.any(|partition| self.is_old_or_full(&self.batches[*partition as usize], now))
    }

    fn is_old_or_full(&self, batches: &VecDeque<Batch>, now: Instant) -> bool {
        let Some(first) = batches.front() else {
            return false;
        };
        batches.len() > 1
            || first.builder.size_bytes() >= self.how.batch_bytes
            || now.saturating_duration_since(first.begun) >= self.how.linger
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::records::BatchView;

    /// Four partitions, led by two nodes in turn. Batches take two records of 100 bytes.
    fn accumulator() -> Accumulator {
        let how = Collecting {
            batch_bytes: 350,
            linger: Duration::from_millis(5),
            compression: Compression::None,
        };
        Accumulator::new(how, Rc::from([0, 1, 0, 1]), 2)
    }

    fn add(accumulator: &mut Accumulator, partition: i32, at: Instant) -> Added {
        accumulator.add(partition, (Some(b"key"), &[7; 100]), at, at, 1_700_000_000_000)
    }

    #[test]
    fn a_full_batch_takes_along_what_else_its_node_is_sent() {
        let mut accumulator = accumulator();
        let now = Instant::now();
        for partition in [2, 0, 1] {
            let added = add(&mut accumulator, partition, now);
            assert!(added.began && !added.ready);
        }
        assert!(!add(&mut accumulator, 2, now).began);
        assert!(!accumulator.is_ready(0), "it is not known yet that no more fits");
        let added = add(&mut accumulator, 2, now);
        assert_eq!((added.node, added.began, added.ready), (0, true, true));
        assert_eq!(accumulator.overdue(now), 3);

        let departing = accumulator.drain(0, now).expect("no compression");
        let sent: Vec<(i32, usize)> = departing.iter().map(|d| (d.partition, d.due.len())).collect();
        assert_eq!(sent, [(0, 1), (2, 2)]);
        let batch = BatchView::parse(&departing[1].batch).expect("a batch");
        batch.check_crc().expect("its CRC is right");
        assert_eq!(batch.records().expect("not compressed").count(), 2);
        assert!(!accumulator.is_ready(0), "what is left is neither full nor old");
        assert_eq!(accumulator.drain(0, now).expect("no compression").len(), 1);
        assert_eq!(accumulator.drain(0, now).expect("no compression").len(), 0);
    }

    #[test]
    fn what_does_not_fit_into_a_request_goes_with_the_next() {
        let mut accumulator = accumulator();
        let now = Instant::now();
        let large = vec![7; MAX_REQUEST_BYTES / 2];
        for partition in [2, 0, 2] {
            accumulator.add(partition, (None, &large), now, now, 0);
        }
        let mut drained = || {
            let departing = accumulator.drain(0, now).expect("no compression");
            let partitions = departing.iter().map(|d| d.partition);
            (partitions.collect::<Vec<_>>(), accumulator.is_ready(0))
        };
        assert_eq!(drained(), (vec![2], true));
        assert_eq!(
            drained(),
            (vec![0], true),
            "it has waited longer than the second of the other"
        );
        assert_eq!(drained(), (vec![2], false));
    }

    #[test]
    fn a_record_does_not_wait_longer_than_it_lingers() {
        let mut accumulator = accumulator();
        let now = Instant::now();
        let later = now + Duration::from_millis(3);
        add(&mut accumulator, 1, now);
        add(&mut accumulator, 3, later);
        let at = |ms| now + Duration::from_millis(ms);
        assert!(!accumulator.look_for_old(1, at(4)));
        assert!(accumulator.look_for_old(1, at(5)));
        assert!(!accumulator.look_for_old(1, at(5)), "it is ready already");
        assert_eq!(accumulator.overdue(at(5)), 1);
        assert_eq!(
            accumulator.drain(1, at(5)).expect("no compression").len(),
            2,
            "both go in one request"
        );
        assert!(!accumulator.look_for_old(1, at(8)), "the other one has gone");
    }
}
