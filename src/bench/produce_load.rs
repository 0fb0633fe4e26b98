//! The writing load: frames that were built before, sent again and again, as fast as answers come or by the clock.
//! Hot path of the generator: no allocation per request.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use anyhow::bail;

use super::answer::{Answer, error_name};
use super::connection::{Answered, Load, Outgoing, Progress};
use super::departures::Departures;
use super::meter::Meter;
use super::pace::Pace;
use super::writing::{MAX_FAILURES_IN_A_ROW, Writing};

/// A request that was built before.
pub struct ProduceFrame {
    /// The whole frame.
    pub frame: Rc<[u8]>,
    /// The partitions it has a batch for, one each.
    pub partitions: Vec<i32>,
}

/// Size of every batch of a load.
#[derive(Clone, Copy, Debug)]
pub struct BatchSize {
    /// Records in it.
    pub records: u64,
    /// Bytes of it with its header.
    pub bytes: u64,
}

/// Writes.
pub struct ProduceLoad {
    frames: Vec<ProduceFrame>,
    batch: BatchSize,
    turns: Vec<Turns>,
    left: u64,
    pace: Option<Pace>,
    departures: Option<Rc<RefCell<Departures>>>,
    written_records: Vec<u64>,
    /// The answer that is being read is a failure.
    failure: Option<i16>,
    failures_in_a_row: u32,
    /// What is counted.
    pub meter: Meter,
}

/// The frames a connection takes turns with, by index.
struct Turns {
    frames: Vec<usize>,
    next: usize,
}

impl ProduceLoad {
    /// `by_connection`: the frames each connection may send, by index. They start at different ones.
    pub fn new(
        frames: Vec<ProduceFrame>,
        batch: BatchSize,
        by_connection: Vec<Vec<usize>>,
        partitions: usize,
    ) -> ProduceLoad {
        let turns = by_connection
            .into_iter()
            .enumerate()
            .map(|(i, frames)| Turns {
                next: i % frames.len().max(1),
                frames,
            })
            .collect();
        ProduceLoad {
            frames,
            batch,
            turns,
            left: 0,
            pace: None,
            departures: None,
            failure: None,
            failures_in_a_row: 0,
            written_records: vec![0; partitions],
            meter: Meter::new(),
        }
    }

    /// Lets it send this many requests more as fast as answers come; `u64::MAX` for no end.
    pub fn set_requests_left(&mut self, left: u64) {
        self.left = left;
        self.pace = None;
    }

    /// Lets it send so many requests a second without end, from now on.
    fn set_pace(&mut self, requests_per_s: f64) {
        self.left = u64::MAX;
        self.pace = Some(Pace::new(requests_per_s, self.turns.len()));
    }

    /// Notes from now on when batches leave.
    pub fn set_departures(&mut self, departures: Rc<RefCell<Departures>>) {
        self.departures = Some(departures);
    }

    /// Bytes of record batches in a request.
    pub fn batch_bytes_per_request(&self) -> u64 {
        self.batch.bytes * self.frames[0].partitions.len() as u64
    }

    /// Records that were acknowledged, by partition.
    pub fn written_records(&self) -> &[u64] {
        &self.written_records
    }
}

impl Load for ProduceLoad {
    fn next(&mut self, connection: usize) -> Option<Outgoing> {
        if self.left == 0 {
            return None;
        }
        let turns = &mut self.turns[connection];
        let tag = *turns.frames.get(turns.next)?;
        let due = match &mut self.pace {
            None => None,
            Some(pace) => Some(pace.take(connection)?),
        };
        turns.next = (turns.next + 1) % turns.frames.len();
        self.left -= 1;
        let ProduceFrame { frame, partitions } = &self.frames[tag];
        if let Some(departures) = &self.departures {
            let mut departures = departures.borrow_mut();
            let left_at = due.unwrap_or_else(Instant::now);
            for partition in partitions {
                departures.left(*partition, left_at);
            }
        }
        Some(Outgoing {
            frame: Rc::clone(frame),
            tag,
            due,
        })
    }

    fn read(&mut self, _: usize, tag: usize, bytes: &[u8], left: usize) -> anyhow::Result<Progress> {
        if bytes.len() < left {
            return Ok(Progress::More);
        }
        match acknowledged(bytes) {
            Some(Ok(count)) if count == self.frames[tag].partitions.len() => self.failures_in_a_row = 0,
            Some(Err((partition, code))) => {
                self.failure = Some(code);
                self.failures_in_a_row += 1;
                if self.departures.is_some() || self.failures_in_a_row == MAX_FAILURES_IN_A_ROW {
                    bail!("partition {partition} was answered with {}", error_name(code));
                }
            }
            _ => bail!("the answer to a Produce is not one"),
        }
        Ok(Progress::Taken { read: left, skip: 0 })
    }

    fn answered(&mut self, _: usize, tag: usize, answer: Answered) {
        if let Some(code) = self.failure.take() {
            return self.meter.failed(code);
        }
        let partitions = &self.frames[tag].partitions;
        for partition in partitions {
            self.written_records[*partition as usize] += self.batch.records;
        }
        let count = partitions.len() as u64;
        self.meter.answered(
            answer.latency,
            self.batch.records * count,
            self.batch.bytes * count,
        );
    }

    fn release(&mut self, now: Instant) -> Option<usize> {
        self.pace.as_mut()?.release(now)
    }

    fn next_due(&self) -> Option<Instant> {
        self.pace.as_ref().map(Pace::next_due)
    }
}

impl Writing for ProduceLoad {
    fn go(&mut self, records_per_s: Option<f64>) {
        let records_per_request = self.batch.records * self.frames[0].partitions.len() as u64;
        match records_per_s {
            Some(rate) => self.set_pace(rate / records_per_request as f64),
            None => self.set_requests_left(u64::MAX),
        }
    }

    fn stop(&mut self) -> usize {
        let unsent = self.pace.as_ref().map_or(0, Pace::behind);
        self.set_requests_left(0);
        unsent
    }

    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }
}

/// Partitions in a Produce answer (versions 9 to 12), or the first that failed with its error code.
pub fn acknowledged(bytes: &[u8]) -> Option<Result<usize, (i32, i16)>> {
    let mut answer = Answer::new(bytes);
    answer.i32()?; // correlation id
    answer.pass_tags()?;
    let mut count = 0;
    for _ in 0..answer.compact_length()? {
        answer.pass_compact()?; // topic
        for _ in 0..answer.compact_length()? {
            let partition = answer.i32()?;
            let error = answer.i16()?;
            if error != 0 {
                return Some(Err((partition, error)));
            }
            answer.pass(3 * 8)?; // base offset, append time, log start offset
            for _ in 0..answer.compact_length()? {
                answer.i32()?; // index of a bad record
                answer.pass_compact()?;
                answer.pass_tags()?;
            }
            answer.pass_compact()?; // error message
            answer.pass_tags()?;
            count += 1;
        }
        answer.pass_tags()?;
    }
    Some(Ok(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame::response_frame;
    use crate::wire::messages::ProduceResponse;
    use crate::wire::messages::produce::{PartitionProduceResponse, TopicProduceResponse};

    fn answer(errors: &[i16], version: i16) -> Vec<u8> {
        let partition = |(index, error_code): (i32, &i16)| PartitionProduceResponse {
            index,
            error_code: *error_code,
            base_offset: 1_000_000,
            ..PartitionProduceResponse::default()
        };
        let topic = TopicProduceResponse {
            name: "topic".to_string(),
            partition_responses: (0..).zip(errors).map(partition).collect(),
            ..TopicProduceResponse::default()
        };
        let response = ProduceResponse {
            responses: vec![topic],
            ..ProduceResponse::default()
        };
        let frame = response_frame(&response, version, 1).expect("a response of this version");
        frame[4..].to_vec()
    }

    #[test]
    fn answers_of_all_versions_are_understood() {
        for version in crate::bench::frame::PRODUCE_VERSIONS {
            let good = answer(&[0, 0, 0], version);
            assert_eq!(acknowledged(&good), Some(Ok(3)));
            assert_eq!(acknowledged(&answer(&[0, 6, 0], version)), Some(Err((1, 6))));
            for end in 0..good.len() - 8 {
                assert_eq!(acknowledged(&good[..end]), None);
            }
        }
    }

    #[test]
    fn frames_are_sent_in_turns_as_long_as_there_are_requests_left() {
        let frame = |partition| ProduceFrame {
            frame: Rc::from([0u8]),
            partitions: vec![partition],
        };
        let batch = BatchSize {
            records: 10,
            bytes: 100,
        };
        let by_connection = vec![vec![0, 1], vec![0, 1]];
        let mut load = ProduceLoad::new(vec![frame(0), frame(1)], batch, by_connection, 2);
        assert!(load.next(0).is_none(), "nothing is asked for yet");
        load.set_requests_left(4);
        let mut tag = |connection| load.next(connection).map(|request| request.tag);
        assert_eq!([tag(0), tag(0), tag(0)], [Some(0), Some(1), Some(0)]);
        assert_eq!(
            [tag(1), tag(1)],
            [Some(1), None],
            "the other one starts further on"
        );
    }

    #[test]
    fn a_paced_load_sends_what_is_due_and_counts_from_then() {
        let frame = ProduceFrame {
            frame: Rc::from([0u8]),
            partitions: vec![0],
        };
        let batch = BatchSize {
            records: 1,
            bytes: 100,
        };
        let mut load = ProduceLoad::new(vec![frame], batch, vec![vec![0]], 1);
        load.set_pace(1000.0);
        assert!(load.next(0).is_none(), "nothing was released yet");
        let due = load.next_due().expect("a paced load");
        assert_eq!(load.release(due), Some(0));
        assert_eq!(load.next(0).expect("it is due").due, Some(due));
        assert!(load.next(0).is_none());
        load.set_requests_left(0);
        assert!(load.next_due().is_none(), "it was stopped");
    }
}
