//! The writing load of producers that build their records as they go: each record becomes due, is collected by partition,
//! and leaves with its batch; its latency counts from when it was due.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::bail;

use super::accumulator::{Accumulator, Collecting};
use super::answer::error_name;
use super::bench_topics::BenchTopics;
use super::connection::{Answered, Load, Outgoing, Progress};
use super::frame;
use super::meter::Meter;
use super::pace::Pace;
use super::produce_load::acknowledged;
use super::record_source::RecordSource;
use super::workload::{Acks, Workload};
use super::writing::{MAX_FAILURES_IN_A_ROW, Writing};
use crate::base::partitioner::partition_of_key;

/// What one producer holds, sent or not, before it takes no more records; those that are due wait meanwhile. Kafka's
/// `buffer.memory` is 32 MiB, but there each producer has a process of its own.
const BUFFER_BYTES: usize = 4 << 20;

/// Producers with a connection to each node: connection = producer x nodes + node.
pub struct LiveLoad {
    topics: Rc<BenchTopics>,
    version: i16,
    acks: Acks,
    source: RecordSource,
    producers: Vec<Producer>,
    nodes: usize,
    batch_bytes: usize,
    linger: Duration,
    stopped: bool,
    pace: Option<Pace>,
    /// Batches in the order in which they become old: when, and the connection.
    lingering: VecDeque<(Instant, usize)>,
    /// Connections that have become ready and have not been told.
    woken: VecDeque<usize>,
    /// Requests in flight, by tag.
    sent: Vec<Option<Sent>>,
    free: Vec<usize>,
    failure: Option<i16>,
    failures_in_a_row: u32,
    next_topic: usize,
    meter: Meter,
}

struct Producer {
    accumulator: Accumulator,
    buffered_bytes: usize,
    /// Where records without keys go, and how many bytes more do.
    sticky: i32,
    sticky_left: usize,
}

struct Sent {
    partitions: usize,
    due: Vec<Instant>,
    batch_bytes: usize,
    /// Bytes of keys and values: so much room there is again when it is answered.
    payload_bytes: usize,
}

impl LiveLoad {
    /// `nodes` are those that lead the topics' partitions, in the order in which each producer's connections go to them.
    ///
    /// # Errors
    /// When there is no source of records.
    pub fn new(
        workload: &Workload,
        topics: Rc<BenchTopics>,
        nodes: &[&str],
        version: i16,
    ) -> anyhow::Result<LiveLoad> {
        let asked = &workload.producers;
        let linger = Duration::from_secs_f64(asked.linger_ms.unwrap_or(0.0) / 1e3);
        let how = Collecting {
            batch_bytes: asked.batch_bytes,
            linger,
            compression: asked.compression.into(),
        };
        let number = |leader: &String| nodes.iter().position(|node| node == leader);
        let node_of: Option<Rc<[usize]>> = topics.leaders.iter().map(number).collect();
        let node_of = node_of.expect("a leader is one of the nodes");
        let producers = (0..asked.connections).map(|i| Producer {
            accumulator: Accumulator::new(how, Rc::clone(&node_of), nodes.len()),
            buffered_bytes: 0,
            sticky: (i % topics.leaders.len()) as i32,
            sticky_left: asked.batch_bytes,
        });
        Ok(LiveLoad {
            version,
            acks: asked.acks,
            source: RecordSource::new(&workload.records)?,
            producers: producers.collect(),
            nodes: nodes.len(),
            batch_bytes: asked.batch_bytes,
            linger,
            topics,
            stopped: true,
            pace: None,
            lingering: VecDeque::new(),
            woken: VecDeque::new(),
            sent: Vec::new(),
            free: Vec::new(),
            failure: None,
            failures_in_a_row: 0,
            next_topic: 0,
            meter: Meter::new(),
        })
    }

    /// Makes a record of a producer and adds it to what is collected.
    fn add(&mut self, producer: usize, due: Instant, now: Instant) {
        let now_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis() as i64;
        let per_topic = self.topics.partitions_per_topic();
        let (key, value) = self.source.next();
        let collecting = &mut self.producers[producer];
        let partition = match key {
            Some(key) => {
                let topic = self.next_topic as i32;
                self.next_topic =
                    (self.next_topic + 1) % (self.topics.leaders.len() / per_topic as usize).max(1);
                topic * per_topic + partition_of_key(key, per_topic as usize) as i32
            }
            None => {
                if collecting.sticky_left < value.len() {
                    collecting.sticky = (collecting.sticky + 1) % self.topics.leaders.len() as i32;
                    collecting.sticky_left = self.batch_bytes;
                }
                collecting.sticky_left = collecting.sticky_left.saturating_sub(value.len());
                collecting.sticky
            }
        };
        collecting.buffered_bytes += key.map_or(0, <[u8]>::len) + value.len();
        let added = collecting
            .accumulator
            .add(partition, (key, value), due, now, now_ms);
        let connection = producer * self.nodes + added.node;
        if added.began {
            self.lingering.push_back((now + self.linger, connection));
        }
        if added.ready {
            self.woken.push_back(connection);
        }
    }

    /// Takes the records that are due for a producer, as far as there is room.
    fn take_due(&mut self, producer: usize, now: Instant) {
        while self.producers[producer].buffered_bytes < BUFFER_BYTES {
            let Some(due) = self.pace.as_mut().and_then(|pace| pace.take(producer)) else {
                return;
            };
            self.add(producer, due, now);
        }
    }

    /// Without a rate: makes records until there is a request for the connection, or no room.
    fn make_ready(&mut self, producer: usize, node: usize, now: Instant) {
        while !self.producers[producer].accumulator.is_ready(node)
            && self.producers[producer].buffered_bytes < BUFFER_BYTES
        {
            self.add(producer, now, now);
        }
    }

    fn request(&mut self, producer: usize, node: usize, now: Instant) -> Outgoing {
        let departing = self.producers[producer]
            .accumulator
            .drain(node, now)
            .expect("compressing in memory does not fail");
        let batches: Vec<_> = departing.iter().map(|d| (d.partition, d.batch.clone())).collect();
        let frame = frame::produce_batches(&self.topics, &batches, self.acks, self.version)
            .expect("a Produce with names can be said in versions that name topics");
        let batch_bytes = batches.iter().map(|(_, batch)| batch.len()).sum();
        let departing_bytes = departing.iter().map(|d| d.payload_bytes).sum();
        let due: Vec<Instant> = departing.into_iter().flat_map(|d| d.due).collect();
        let sent = Sent {
            partitions: batches.len(),
            batch_bytes,
            payload_bytes: departing_bytes,
            due,
        };
        let tag = self.free.pop().unwrap_or(self.sent.len());
        if tag == self.sent.len() {
            self.sent.push(None);
        }
        let oldest = sent.due.iter().min().copied();
        self.sent[tag] = Some(sent);
        Outgoing {
            frame,
            tag,
            due: oldest,
        }
    }
}

impl Load for LiveLoad {
    fn next(&mut self, connection: usize) -> Option<Outgoing> {
        if self.stopped {
            return None;
        }
        let (producer, node) = (connection / self.nodes, connection % self.nodes);
        let now = Instant::now();
        if self.pace.is_some() {
            self.take_due(producer, now);
        } else {
            self.make_ready(producer, node, now);
        }
        let ready = self.producers[producer].accumulator.is_ready(node);
        ready.then(|| self.request(producer, node, now))
    }

    fn read(&mut self, _: usize, tag: usize, bytes: &[u8], left: usize) -> anyhow::Result<Progress> {
        if bytes.len() < left {
            return Ok(Progress::More);
        }
        let asked = self.sent[tag].as_ref().map(|sent| sent.partitions);
        match acknowledged(bytes) {
            Some(Ok(count)) if Some(count) == asked => self.failures_in_a_row = 0,
            Some(Err((partition, code))) => {
                self.failure = Some(code);
                self.failures_in_a_row += 1;
                if self.failures_in_a_row == MAX_FAILURES_IN_A_ROW {
                    bail!("partition {partition} was answered with {}", error_name(code));
                }
            }
            _ => bail!("the answer to a Produce is not one"),
        }
        Ok(Progress::Taken { read: left, skip: 0 })
    }

    fn answered(&mut self, connection: usize, tag: usize, answer: Answered) {
        let sent = self.sent[tag].take().expect("a request in flight");
        self.free.push(tag);
        self.producers[connection / self.nodes].buffered_bytes -= sent.payload_bytes;
        if let Some(code) = self.failure.take() {
            return self.meter.failed(code);
        }
        self.meter
            .transferred(sent.due.len() as u64, sent.batch_bytes as u64);
        for due in sent.due {
            self.meter.timed(answer.at.saturating_duration_since(due));
        }
    }

    fn release(&mut self, now: Instant) -> Option<usize> {
        if self.stopped {
            return None;
        }
        while self.woken.is_empty()
            && let Some(producer) = self.pace.as_mut().and_then(|pace| pace.release(now))
        {
            self.take_due(producer, now);
        }
        while self.woken.is_empty()
            && let Some((_, connection)) = self.lingering.pop_front_if(|(old_at, _)| *old_at <= now)
        {
            let (producer, node) = (connection / self.nodes, connection % self.nodes);
            if self.producers[producer].accumulator.look_for_old(node, now) {
                self.woken.push_back(connection);
            }
        }
        self.woken.pop_front()
    }

    fn next_due(&self) -> Option<Instant> {
        if self.stopped {
            return None;
        }
        let record = self.pace.as_ref().map(Pace::next_due);
        let old = self.lingering.front().map(|(old_at, _)| *old_at);
        record.into_iter().chain(old).min()
    }
}

impl Writing for LiveLoad {
    fn go(&mut self, records_per_s: Option<f64>) {
        self.stopped = false;
        self.pace = records_per_s.map(|rate| Pace::new(rate, self.producers.len()));
    }

    fn stop(&mut self) -> usize {
        let now = Instant::now();
        let overdue = self.producers.iter().map(|p| p.accumulator.overdue(now));
        let unsent = overdue.sum::<usize>() + self.pace.as_ref().map_or(0, Pace::behind);
        self.stopped = true;
        if self.pace.is_some() { unsent } else { 0 }
    }

    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }
}
