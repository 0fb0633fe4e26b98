//! Sends records.
//!
//! Records are collected by partition; a *round* sends what is there, one request to each leader with one batch per
//! partition, and while its answers are on the way the next round fills. So there is never more than one batch of a
//! partition in flight: order is kept whatever is sent again, and the broker can tell a repetition by its sequence number.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::connection::Ticket;
use super::{AutoCreate, ClientError, ClusterClient};
use crate::base::ids::{NodeId, ProducerEpoch, ProducerId};
use crate::base::partitioner::partition_of_key;
use crate::wire::messages::init_producer_id::InitProducerIdRequest;
use crate::wire::messages::produce::{
    PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData,
};
use crate::wire::records::{BatchBuilder, Compression};

/// A round is sent when it holds this much, even if no batch is full: bounds the memory when there are many partitions,
/// and the request.
const MAX_ROUND_BYTES: usize = 16 * 1024 * 1024;

/// When a record counts as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// When it is on its way.
    None,
    /// When the leader has it.
    Leader,
    /// When all replicas in sync have it.
    All,
}

impl Acks {
    fn number(self) -> i16 {
        match self {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }
}

/// How to send.
#[derive(Clone, Debug)]
pub struct ProducerOptions {
    /// The topic.
    pub topic: String,
    /// One partition for all records; else the key decides, and records without a key fill one partition after the other.
    pub partition: Option<i32>,
    /// Codec of the batches.
    pub compression: Compression,
    /// When a record counts as sent.
    pub acks: Acks,
    /// Whether batches carry sequence numbers, so that none is written twice.
    pub idempotent: bool,
    /// How large a batch may be before compression.
    pub batch_bytes: usize,
}

/// A record to send.
#[derive(Clone, Debug)]
pub struct OutRecord<'a> {
    /// In ms since 1970.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value, none for a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}

/// What was acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Records.
    pub records: u64,
    /// Size of the batches, compressed, in bytes.
    pub bytes: u64,
}

/// Sends to one topic.
#[derive(Debug)]
pub struct Producer<'c> {
    client: &'c mut ClusterClient,
    options: ProducerOptions,
    identity: Option<(ProducerId, ProducerEpoch)>,
    lanes: Vec<Lane>,
    sticky: usize,
    collected_bytes: usize,
    first_collected: Option<Instant>,
    in_flight: Option<Round>,
    sent: BTreeMap<i32, Sent>,
}

/// What waits to be sent to one partition.
#[derive(Debug)]
struct Lane {
    builder: BatchBuilder,
    next_sequence: i32,
}

#[derive(Debug)]
struct Batch {
    index: i32,
    records: usize,
    bytes: Bytes,
}

/// Requests that are not answered yet.
#[derive(Debug, Default)]
struct Round {
    requests: Vec<(NodeId, Option<Ticket>, Vec<Batch>)>,
    unsent: Vec<(Batch, ClientError)>,
}

impl<'c> Producer<'c> {
    /// Looks at the topic, which this may make if the broker is set so, and gets a producer id if one is needed.
    pub fn new(client: &'c mut ClusterClient, options: ProducerOptions) -> Result<Producer<'c>, ClientError> {
        client.require_topics(&[&options.topic], AutoCreate::Allowed)?;
        let partitions = client.cluster().topics[options.topic.as_str()].partitions.len();
        if let Some(index) = options
            .partition
            .filter(|index| !(0..partitions as i32).contains(index))
        {
            let code = crate::wire::errors::ErrorCode::UnknownTopicOrPartition.code();
            ClientError::check(
                format!("partition {}-{index} (of {partitions})", options.topic),
                code,
            )?;
        }
        let identity = if options.idempotent {
            Some(init_producer_id(client)?)
        } else {
            None
        };
        let lanes = (0..partitions)
            .map(|_| Lane {
                builder: BatchBuilder::new(options.compression),
                next_sequence: 0,
            })
            .collect();
        Ok(Producer {
            client,
            options,
            identity,
            lanes,
            sticky: 0,
            collected_bytes: 0,
            first_collected: None,
            in_flight: None,
            sent: BTreeMap::new(),
        })
    }

    /// What each partition has acknowledged so far.
    pub fn sent(&self) -> &BTreeMap<i32, Sent> {
        &self.sent
    }

    /// Takes a record; sends when enough are there. An error may be about records before this one.
    pub fn append(&mut self, record: &OutRecord<'_>) -> Result<(), ClientError> {
        let bound = BatchBuilder::record_bytes_bound(record.key, record.value, record.headers);
        let lane = self.lane_of(record);
        let filled = self.lanes[lane].builder.size_bytes() + bound > self.options.batch_bytes;
        if (filled && !self.lanes[lane].builder.is_empty()) || self.collected_bytes + bound > MAX_ROUND_BYTES
        {
            self.flush()?;
        }
        let lane = self.lane_of(record);
        let builder = &mut self.lanes[lane].builder;
        builder.append(record.timestamp_ms, record.key, record.value, record.headers);
        self.collected_bytes += bound;
        self.first_collected.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// How long the oldest record that is not on its way has waited.
    pub fn oldest_age(&self) -> Option<Duration> {
        self.first_collected.map(|since| since.elapsed())
    }

    /// Sends what is there, after the answers to what was sent before.
    pub fn flush(&mut self) -> Result<(), ClientError> {
        self.settle()?;
        if self.first_collected.take().is_some() {
            let batches = self.take_batches()?;
            self.in_flight = Some(self.send_round(batches));
            self.sticky = (self.sticky + 1) % self.lanes.len();
        }
        Ok(())
    }

    /// Sends what is there and waits for all answers.
    pub fn finish(&mut self) -> Result<(), ClientError> {
        self.flush()?;
        self.settle()
    }

    fn lane_of(&self, record: &OutRecord<'_>) -> usize {
        match (self.options.partition, record.key) {
            (Some(index), _) => index as usize,
            (None, Some(key)) => partition_of_key(key, self.lanes.len()),
            (None, None) => self.sticky,
        }
    }

    fn take_batches(&mut self) -> Result<Vec<Batch>, ClientError> {
        self.collected_bytes = 0;
        let mut batches = Vec::new();
        for (index, lane) in self
            .lanes
            .iter_mut()
            .enumerate()
            .filter(|(_, lane)| !lane.builder.is_empty())
        {
            let records = lane.builder.len();
            if let Some((id, epoch)) = self.identity {
                lane.builder.set_producer(id, epoch, lane.next_sequence);
                // Sequences wrap to 0 behind the largest.
                lane.next_sequence = lane.next_sequence.wrapping_add(records as i32) & i32::MAX;
            }
            let bytes = lane.builder.build().map_err(|error| ClientError::Protocol {
                address: format!("partition {}-{index}", self.options.topic),
                detail: error.to_string(),
            })?;
            batches.push(Batch {
                index: index as i32,
                records,
                bytes: bytes.freeze(),
            });
        }
        Ok(batches)
    }

    /// Sends one request to each leader. What cannot be sent is in the round with the reason.
    fn send_round(&mut self, batches: Vec<Batch>) -> Round {
        let mut round = Round::default();
        let mut by_leader: BTreeMap<NodeId, Vec<Batch>> = BTreeMap::new();
        for batch in batches {
            match self.client.cluster().leader(&self.options.topic, batch.index) {
                Some(leader) => by_leader.entry(leader).or_default().push(batch),
                None => {
                    let what = format!("partition {}-{}", self.options.topic, batch.index);
                    round.unsent.push((batch, ClientError::NoNode { what }));
                }
            }
        }
        for (node, batches) in by_leader {
            let request = self.request(&batches);
            let acks = self.options.acks;
            let sent = self.client.node(node).and_then(|connection| match acks {
                Acks::None => connection.send(&request, i16::MAX).map(|_| None),
                _ => connection.send(&request, i16::MAX).map(Some),
            });
            match sent {
                Ok(ticket) => round.requests.push((node, ticket, batches)),
                Err(error) => {
                    self.client.forget(node);
                    round
                        .unsent
                        .extend(batches.into_iter().map(|batch| (batch, error.clone())));
                }
            }
        }
        round
    }

    /// Waits for the answers to what is in flight, and sends again what failed but may succeed.
    fn settle(&mut self) -> Result<(), ClientError> {
        let Some(mut round) = self.in_flight.take() else {
            return Ok(());
        };
        let mut deadline = self.client.deadline();
        loop {
            let failed = self.receive_round(round)?;
            let Some((_, error)) = failed.first() else {
                return Ok(());
            };
            if !deadline.pause() {
                return Err(error.clone());
            }
            // Leaders may have moved. If nobody answers, the next attempt fails in the same way.
            let _ = self.client.refresh(&[&self.options.topic], AutoCreate::Denied);
            round = self.send_round(failed.into_iter().map(|(batch, _)| batch).collect());
        }
    }

    /// Reads the answers of a round, and gives what should be sent again. An error is final.
    fn receive_round(&mut self, round: Round) -> Result<Vec<(Batch, ClientError)>, ClientError> {
        let mut failed = round.unsent;
        let mut refused = None;
        for (node, ticket, batches) in round.requests {
            let Some(ticket) = ticket else {
                batches.iter().for_each(|batch| self.count(batch));
                continue;
            };
            let answer = self
                .client
                .node(node)
                .and_then(|c| c.receive::<ProduceRequest>(ticket));
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) => {
                    self.client.forget(node);
                    failed.extend(batches.into_iter().map(|batch| (batch, error.clone())));
                    continue;
                }
            };
            for batch in batches {
                match self.result_of(&batch, &answer) {
                    Ok(()) => self.count(&batch),
                    Err(error) if error.is_retriable() => failed.push((batch, error)),
                    // The others are heard first, so that what they took is counted.
                    Err(error) => refused = refused.or(Some(error)),
                }
            }
        }
        refused.map_or(Ok(failed), Err)
    }

    fn result_of(&self, batch: &Batch, answer: &ProduceResponse) -> Result<(), ClientError> {
        let what = format!("partition {}-{}", self.options.topic, batch.index);
        let mut partitions = answer
            .responses
            .iter()
            .flat_map(|topic| &topic.partition_responses);
        let Some(partition) = partitions.find(|partition| partition.index == batch.index) else {
            return Err(ClientError::Protocol {
                address: what,
                detail: "no answer for it".to_owned(),
            });
        };
        ClientError::check_with(what, partition.error_code, partition.error_message.as_deref())
    }

    fn count(&mut self, batch: &Batch) {
        let sent = self.sent.entry(batch.index).or_default();
        sent.records += batch.records as u64;
        sent.bytes += batch.bytes.len() as u64;
    }

    fn request(&self, batches: &[Batch]) -> ProduceRequest {
        ProduceRequest {
            transactional_id: None,
            acks: self.options.acks.number(),
            timeout_ms: self.client.options().timeout.as_millis() as i32,
            topic_data: vec![TopicProduceData {
                name: self.options.topic.clone(),
                topic_id: self.client.cluster().topic_id(&self.options.topic),
                partition_data: batches
                    .iter()
                    .map(|batch| PartitionProduceData {
                        index: batch.index,
                        records: Some(batch.bytes.clone()),
                    })
                    .collect(),
            }],
        }
    }
}

fn init_producer_id(client: &mut ClusterClient) -> Result<(ProducerId, ProducerEpoch), ClientError> {
    client.retry(|client| {
        let request = InitProducerIdRequest {
            transactional_id: None,
            // Only counts with a transactional id; brokers want it positive all the same.
            transaction_timeout_ms: 60_000,
            ..Default::default()
        };
        let response = client.call_any(&request)?;
        ClientError::check("producer id", response.error_code)?;
        Ok((
            ProducerId(response.producer_id),
            ProducerEpoch(response.producer_epoch),
        ))
    })
}
