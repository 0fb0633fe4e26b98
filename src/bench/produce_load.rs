//! The writing load: frames that were built before, sent again and again.
//! Hot path of the generator: no allocation per request.

use std::rc::Rc;

use anyhow::bail;

use super::answer::{Answer, error_name};
use super::connection::{Answered, Load, Outgoing, Progress};
use super::meter::Meter;

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

/// Writes as fast as answers come.
pub struct ProduceLoad {
    frames: Vec<ProduceFrame>,
    batch: BatchSize,
    turns: Vec<Turns>,
    left: u64,
    written_records: Vec<u64>,
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
        meter: Meter,
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
            written_records: vec![0; partitions],
            meter,
        }
    }

    /// Lets it send this many requests more; `u64::MAX` for no end.
    pub fn set_requests_left(&mut self, left: u64) {
        self.left = left;
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
        turns.next = (turns.next + 1) % turns.frames.len();
        self.left -= 1;
        Some(Outgoing {
            frame: Rc::clone(&self.frames[tag].frame),
            tag,
        })
    }

    fn read(&mut self, _: usize, tag: usize, bytes: &[u8], left: usize) -> anyhow::Result<Progress> {
        if bytes.len() < left {
            return Ok(Progress::More);
        }
        match acknowledged(bytes) {
            Some(Ok(count)) if count == self.frames[tag].partitions.len() => {
                Ok(Progress::Taken { read: left, skip: 0 })
            }
            Some(Err((partition, code))) => {
                bail!("partition {partition} was answered with {}", error_name(code))
            }
            _ => bail!("the answer to a Produce is not one"),
        }
    }

    fn answered(&mut self, _: usize, tag: usize, answer: Answered) {
        let partitions = &self.frames[tag].partitions;
        for partition in partitions {
            self.written_records[*partition as usize] += self.batch.records;
        }
        let count = partitions.len() as u64;
        self.meter
            .answered(answer, self.batch.records * count, self.batch.bytes * count);
    }
}

/// Partitions in a Produce answer (versions 9 to 12), or the first that failed with its error code.
fn acknowledged(bytes: &[u8]) -> Option<Result<usize, (i32, i16)>> {
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
