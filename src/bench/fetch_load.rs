//! The reading load: each lane reads its partitions from where it is to their ends, one fetch at a time. Without an end it
//! follows what is written; with `repeat` it starts again at the beginning.

use std::cell::RefCell;
use std::rc::Rc;

use anyhow::{Context, bail, ensure};

use super::answer::{Answer, error_name};
use super::bench_topics::BenchTopics;
use super::connection::{Answered, Load, Outgoing, Progress};
use super::departures::Departures;
use super::meter::Meter;
use super::produce_load::BatchSize;

/// Where a lane is in a partition.
#[derive(Clone, Copy, Debug)]
pub struct PartitionCursor {
    /// Index of the partition.
    pub partition: i32,
    /// Offset of the first record to read.
    pub begin: i64,
    /// Offset of the next record to read.
    pub next: i64,
    /// Offset to stop at.
    pub end: i64,
}

impl PartitionCursor {
    /// A cursor at the beginning of what is to be read.
    pub fn new(partition: i32, begin: i64, end: i64) -> PartitionCursor {
        PartitionCursor {
            partition,
            begin,
            next: begin,
            end,
        }
    }
}

/// Makes the frame of a Fetch, version 12.
pub type BuildFetch = Box<dyn Fn(&[PartitionCursor]) -> Rc<[u8]>>;

/// Batches a lane got with an answer.
struct Arrival {
    partition: i32,
    first_batch: u64,
    batches: u64,
}

/// Partitions that are fetched together.
pub struct Lane {
    connection: usize,
    group: usize,
    cursors: Vec<PartitionCursor>,
    in_flight: bool,
    section: Section,
    read_bytes: u64,
    read_records: u64,
    arrivals: Vec<Arrival>,
}

/// Which part of its answer a lane expects next.
#[derive(Clone, Copy, Debug)]
enum Section {
    Top,
    Topic { left: usize },
    Partition { of: Topic, left: usize },
    PartitionEnd { of: Topic, left: usize },
    TopicEnd { left: usize },
    End,
}

/// The topic whose partitions are read.
#[derive(Clone, Copy, Debug)]
struct Topic {
    /// The number of its first partition.
    first_partition: i32,
    /// Topics behind it in the answer.
    left: usize,
}

/// Reads as fast as answers come.
pub struct FetchLoad {
    lanes: Vec<Lane>,
    batch: BatchSize,
    build: BuildFetch,
    partitions_per_topic: i32,
    repeat: bool,
    departures: Option<Rc<RefCell<Departures>>>,
    /// What is counted.
    pub meter: Meter,
}

impl Lane {
    /// Partitions to be read over a connection for a group.
    pub fn new(connection: usize, group: usize, cursors: Vec<PartitionCursor>) -> Lane {
        Lane {
            connection,
            group,
            cursors,
            in_flight: false,
            section: Section::Top,
            read_bytes: 0,
            read_records: 0,
            arrivals: Vec::new(),
        }
    }

    fn is_done(&self) -> bool {
        self.cursors.iter().all(|cursor| cursor.next >= cursor.end)
    }
}

impl FetchLoad {
    /// Batches all have the size `batch`.
    pub fn new(
        lanes: Vec<Lane>,
        batch: BatchSize,
        build: BuildFetch,
        partitions_per_topic: i32,
    ) -> FetchLoad {
        FetchLoad {
            lanes,
            batch,
            build,
            partitions_per_topic,
            repeat: false,
            departures: None,
            meter: Meter::new(),
        }
    }

    /// Whether to start again at the beginning when all was read.
    pub fn set_repeat(&mut self, repeat: bool) {
        self.repeat = repeat;
    }

    /// Counts from now on the latency from when a batch left its producer, instead of that of requests.
    pub fn set_departures(&mut self, departures: Rc<RefCell<Departures>>) {
        self.departures = Some(departures);
    }

    /// Sends nothing more.
    pub fn stop(&mut self) {
        self.repeat = false;
        for cursor in self.lanes.iter_mut().flat_map(|lane| &mut lane.cursors) {
            cursor.end = cursor.next;
        }
    }

    /// Starts again with other lanes.
    pub fn set_lanes(&mut self, lanes: Vec<Lane>) {
        assert!(self.lanes.iter().all(|lane| !lane.in_flight));
        self.lanes = lanes;
    }

    fn read_partition(
        &mut self,
        tag: usize,
        topic: Topic,
        bytes: &[u8],
    ) -> anyhow::Result<Option<(usize, usize)>> {
        let Some(part) = PartitionPart::read(bytes) else {
            return Ok(None);
        };
        let partition = topic.first_partition.saturating_add(part.partition);
        ensure!(
            part.error == 0,
            "partition {partition} was answered with {}",
            error_name(part.error)
        );
        let lane = &mut self.lanes[tag];
        let Some(cursor) = lane
            .cursors
            .iter_mut()
            .find(|cursor| cursor.partition == partition)
        else {
            bail!("an answer for partition {partition}, which nobody asked for");
        };
        if let Some((base_offset, batch_bytes)) = part.first_batch {
            ensure!(
                base_offset == cursor.next && batch_bytes == self.batch.bytes,
                "partition {partition}: asked for offset {}, got a batch of {batch_bytes} bytes at {base_offset}",
                cursor.next
            );
        }
        let batches = part.records_bytes as u64 / self.batch.bytes;
        let records = batches * self.batch.records;
        if self.departures.is_some() && batches > 0 {
            lane.arrivals.push(Arrival {
                partition,
                first_batch: cursor.next as u64 / self.batch.records,
                batches,
            });
        }
        cursor.next += records as i64;
        lane.read_records += records;
        // A batch that is cut off at the end is of no use to a consumer, so it does not count.
        lane.read_bytes += batches * self.batch.bytes;
        Ok(Some((part.header_bytes, part.records_bytes)))
    }
}

impl Load for FetchLoad {
    fn next(&mut self, connection: usize) -> Option<Outgoing> {
        let repeat = self.repeat;
        let ready =
            |lane: &Lane| lane.connection == connection && !lane.in_flight && (repeat || !lane.is_done());
        let tag = self.lanes.iter().position(ready)?;
        let lane = &mut self.lanes[tag];
        if lane.is_done() {
            for cursor in &mut lane.cursors {
                cursor.next = cursor.begin;
            }
        }
        let cursors: Vec<PartitionCursor> = lane
            .cursors
            .iter()
            .copied()
            .filter(|cursor| cursor.next < cursor.end)
            .collect();
        lane.in_flight = true;
        lane.section = Section::Top;
        lane.read_bytes = 0;
        lane.read_records = 0;
        Some(Outgoing {
            frame: (self.build)(&cursors),
            tag,
            due: None,
        })
    }

    fn read(&mut self, _: usize, tag: usize, bytes: &[u8], left: usize) -> anyhow::Result<Progress> {
        let (read, skip, section) = match self.lanes[tag].section {
            Section::Top => match read_top(bytes) {
                None => return Ok(Progress::More),
                Some(Err(code)) => bail!("a Fetch was answered with {}", error_name(code)),
                Some(Ok((read, topics))) => (read, 0, Section::of_topics(topics)),
            },
            Section::Topic { left } => {
                let Some((read, first, partitions)) = read_topic(bytes, self.partitions_per_topic) else {
                    return Ok(Progress::More);
                };
                let of = Topic {
                    first_partition: first.context("an answer for a topic nobody asked for")?,
                    left: left - 1,
                };
                (read, 0, of.section(partitions))
            }
            Section::Partition { of, left } => match self.read_partition(tag, of, bytes)? {
                None => return Ok(Progress::More),
                Some((read, skip)) => (read, skip, Section::PartitionEnd { of, left: left - 1 }),
            },
            Section::PartitionEnd { of, left } => match read_tags(bytes) {
                None => return Ok(Progress::More),
                Some(read) => (read, 0, of.section(left)),
            },
            Section::TopicEnd { left } => match read_tags(bytes) {
                None => return Ok(Progress::More),
                Some(read) => (read, 0, Section::of_topics(left)),
            },
            Section::End => (bytes.len(), left - bytes.len(), Section::End),
        };
        ensure!(read + skip <= left, "the answer to a Fetch is not one");
        self.lanes[tag].section = section;
        Ok(Progress::Taken { read, skip })
    }

    fn answered(&mut self, _: usize, tag: usize, answer: Answered) {
        let lane = &mut self.lanes[tag];
        lane.in_flight = false;
        let (records, bytes) = (lane.read_records, lane.read_bytes);
        let Some(departures) = &self.departures else {
            return self.meter.answered(answer.latency, records, bytes);
        };
        let mut departures = departures.borrow_mut();
        self.meter.transferred(records, bytes);
        for arrival in lane.arrivals.drain(..) {
            for batch in arrival.first_batch..arrival.first_batch + arrival.batches {
                let left_at = departures
                    .arrived(arrival.partition, lane.group, batch)
                    .expect("what is read was written, and each batch is read once");
                self.meter.timed(answer.at.saturating_duration_since(left_at));
            }
        }
    }
}

impl Section {
    fn of_topics(left: usize) -> Section {
        match left {
            0 => Section::End,
            left => Section::Topic { left },
        }
    }
}

impl Topic {
    fn section(self, partitions_left: usize) -> Section {
        match partitions_left {
            0 => Section::TopicEnd { left: self.left },
            left => Section::Partition { of: self, left },
        }
    }
}

/// Reads up to the first topic: bytes read and the number of topics, or the error of the whole answer.
fn read_top(bytes: &[u8]) -> Option<Result<(usize, usize), i16>> {
    let mut answer = Answer::new(bytes);
    answer.i32()?; // correlation id
    answer.pass_tags()?;
    answer.i32()?; // throttle time
    let error = answer.i16()?;
    if error != 0 {
        return Some(Err(error));
    }
    answer.i32()?; // session id
    let topics = answer.compact_length()?;
    Some(Ok((answer.position(), topics)))
}

/// Reads up to a topic's first partition: bytes read, the number of its first partition, and of its partitions.
fn read_topic(bytes: &[u8], partitions_per_topic: i32) -> Option<(usize, Option<i32>, usize)> {
    let mut answer = Answer::new(bytes);
    let length = answer.compact_length()?;
    let name = answer.rest().get(..length)?;
    let first = BenchTopics::first_partition(name, partitions_per_topic);
    answer.pass(length)?;
    let partitions = answer.compact_length()?;
    Some((answer.position(), first, partitions))
}

/// Reads tagged fields: bytes read.
fn read_tags(bytes: &[u8]) -> Option<usize> {
    let mut answer = Answer::new(bytes);
    answer.pass_tags()?;
    Some(answer.position())
}

/// A partition of a Fetch answer up to its records.
struct PartitionPart {
    partition: i32,
    error: i16,
    header_bytes: usize,
    records_bytes: usize,
    /// Base offset and size of the first batch, if it is there as a whole.
    first_batch: Option<(i64, u64)>,
}

/// Base offset and batch length, the two fields which that length does not count.
const BATCH_PREFIX_BYTES: usize = 12;

impl PartitionPart {
    fn read(bytes: &[u8]) -> Option<PartitionPart> {
        let mut answer = Answer::new(bytes);
        let partition = answer.i32()?;
        let error = answer.i16()?;
        answer.pass(3 * 8)?; // high watermark, last stable offset, log start offset
        for _ in 0..answer.compact_length()? {
            answer.pass(2 * 8)?; // aborted transaction
            answer.pass_tags()?;
        }
        answer.i32()?; // preferred read replica
        let records_bytes = answer.compact_length()?;
        let header_bytes = answer.position();
        let first_batch = if records_bytes > BATCH_PREFIX_BYTES {
            let base_offset = answer.i64()?;
            let behind = answer.i32()?;
            Some((base_offset, behind as u64 + BATCH_PREFIX_BYTES as u64))
        } else {
            None
        };
        Some(PartitionPart {
            partition,
            error,
            header_bytes,
            records_bytes,
            first_batch,
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::wire::frame::response_frame;
    use crate::wire::messages::FetchResponse;
    use crate::wire::messages::fetch::{FetchableTopicResponse, PartitionData};

    const BATCH: BatchSize = BatchSize {
        records: 10,
        bytes: 1000,
    };

    /// Records as far as the load looks at them: the base offset and length of a batch.
    fn records(base_offset: i64, bytes: usize) -> Bytes {
        let mut records = vec![0; bytes];
        records[..8].copy_from_slice(&base_offset.to_be_bytes());
        records[8..12].copy_from_slice(&(BATCH.bytes as i32 - 12).to_be_bytes());
        Bytes::from(records)
    }

    /// Each list of partitions is a topic's.
    fn answer(topics: Vec<Vec<PartitionData>>) -> Vec<u8> {
        let topic = |(index, partitions)| FetchableTopicResponse {
            topic: format!("bench-{index}"),
            partitions,
            ..FetchableTopicResponse::default()
        };
        let response = FetchResponse {
            responses: topics.into_iter().enumerate().map(topic).collect(),
            ..FetchResponse::default()
        };
        response_frame(&response, 12, 1).expect("a response of version 12")[4..].to_vec()
    }

    fn load(cursors: &[(i32, i64)]) -> FetchLoad {
        let cursor = |(partition, begin): &(i32, i64)| PartitionCursor::new(*partition, *begin, 100);
        let lane = Lane::new(0, 0, cursors.iter().map(cursor).collect());
        FetchLoad::new(vec![lane], BATCH, Box::new(|_| Rc::from([0u8])), 10)
    }

    /// Shows an answer as if `step` bytes came at a time.
    fn read_all(load: &mut impl Load, answer: &[u8], step: usize) -> anyhow::Result<()> {
        let (mut at, mut end) = (0, 0);
        while at < answer.len() {
            end = (end + step).clamp(at, answer.len());
            match load.read(0, 0, &answer[at..end], answer.len() - at)? {
                Progress::More => ensure!(end < answer.len(), "more than there is"),
                Progress::Taken { read, skip } => at += read + skip,
            }
        }
        Ok(())
    }

    #[test]
    fn answers_are_understood_in_pieces_of_any_size() {
        let partition = |partition_index, records| PartitionData {
            partition_index,
            records: Some(records),
            ..PartitionData::default()
        };
        let answer = answer(vec![
            vec![partition(3, records(20, 2000)), partition(5, Bytes::new())],
            // The last batch of the next one is cut off, which Kafka does.
            vec![partition(4, records(0, 3999))],
        ]);
        for step in [1, 7, 64, 10_000] {
            let mut load = load(&[(3, 20), (14, 0), (5, 70)]);
            assert!(load.next(0).is_some());
            read_all(&mut load, &answer, step).expect("a good answer");
            let next: Vec<i64> = load.lanes[0].cursors.iter().map(|cursor| cursor.next).collect();
            assert_eq!(next, [40, 30, 70]);
            assert_eq!((load.lanes[0].read_records, load.lanes[0].read_bytes), (50, 5000));
        }
    }

    #[test]
    fn errors_and_other_batches_are_noticed() {
        let mut data = PartitionData {
            partition_index: 3,
            records: Some(records(30, 1000)),
            ..Default::default()
        };
        let mut wrong_offset = load(&[(3, 20)]);
        assert!(wrong_offset.next(0).is_some());
        assert!(read_all(&mut wrong_offset, &answer(vec![vec![data.clone()]]), 50).is_err());
        data.error_code = 1;
        let mut failed = load(&[(3, 30)]);
        assert!(failed.next(0).is_some());
        assert!(read_all(&mut failed, &answer(vec![vec![data]]), 50).is_err());
    }
}
