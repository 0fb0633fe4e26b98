//! A producer with requests in flight, idempotent or plain, that tries again until everything is acknowledged.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::client::{Client, Due, any_version};
use super::oracle::{NewBatch, Oracle, below};
use crate::base::ids::{ProducerId, TopicId, TopicPartition};
use crate::rt;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::produce::{PartitionProduceData, PartitionProduceResponse, TopicProduceData};
use crate::wire::messages::{InitProducerIdRequest, ProduceRequest, ProduceResponse};

/// How many requests may be in flight: as many batches of a producer as the server remembers.
const MOST_IN_FLIGHT: u64 = 5;

/// The first version that names topics by id.
const TOPIC_IDS: i16 = 13;

/// A producer's errors that are there to be retried.
const RETRIABLE: &[ErrorCode] = &[
    ErrorCode::NotLeaderOrFollower,
    ErrorCode::KafkaStorageError,
    ErrorCode::RequestTimedOut,
];

/// What a producer writes to one partition.
struct Lane {
    name: String,
    partition: TopicPartition,
    /// Batches that were not acknowledged, in order.
    waiting: VecDeque<NewBatch>,
    /// Batches still to be made.
    left: u64,
    next_sequence: i32,
    /// Whether more than one batch may be in flight: the last one was acknowledged.
    flows: bool,
    /// Whether what is waiting has failed.
    failed: bool,
}

/// What producers are like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Idempotent,
    Plain,
}

/// Writes batches to partitions until all are acknowledged, or their topics are being deleted.
pub async fn produce(oracle: Oracle, kind: Kind, partitions: Vec<(String, TopicPartition)>, batches: u64) {
    let mut client = Client::new(&oracle);
    let id = match kind {
        Kind::Idempotent => Some(producer_id(&mut client).await),
        Kind::Plain => None,
    };
    let lanes = partitions.into_iter().map(|(name, partition)| Lane {
        name,
        partition,
        waiting: VecDeque::new(),
        left: batches,
        next_sequence: 0,
        flows: false,
        failed: false,
    });
    let mut producer = Producer {
        client,
        id,
        lanes: lanes.collect(),
    };
    producer.client.refresh_surely().await;
    while producer.round().await {
        if below(2) == 0 {
            rt::sleep(Duration::from_micros(below(20_000))).await;
        }
    }
}

/// Writes some batches to a compacted topic, each of which takes an entry of the index. Nothing goes wrong.
pub async fn produce_keyed_padding(
    client: &mut Client,
    name: &str,
    partition: TopicPartition,
    batches: usize,
) {
    let oracle = client.oracle.clone();
    for _ in 0..batches {
        let batch = oracle.make_padding(partition);
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: 5000,
            topic_data: vec![TopicProduceData {
                name: name.to_string(),
                topic_id: partition.topic,
                partition_data: vec![PartitionProduceData {
                    index: partition.partition,
                    records: Some(batch.bytes.clone()),
                }],
            }],
            ..ProduceRequest::default()
        };
        let port = client.leader(&partition).expect("a leader");
        let answer = client
            .call(port, any_version::<ProduceRequest>(0), &request)
            .await;
        let Ok(response) = answer else {
            panic!("no answer, and nothing is wrong");
        };
        let (_, answer) = flatten(response).remove(0);
        assert_eq!(answer.error_code, 0, "{name} {partition:?}, and nothing is wrong");
        oracle.acknowledged(partition, batch.number, answer.base_offset);
    }
}

async fn producer_id(client: &mut Client) -> ProducerId {
    loop {
        let request = InitProducerIdRequest {
            transaction_timeout_ms: 60_000,
            ..InitProducerIdRequest::default()
        };
        let port = client.any_port();
        let version = any_version::<InitProducerIdRequest>(0);
        match client.call(port, version, &request).await {
            Ok(answer) if answer.error_code == 0 => {
                client.oracle.got_producer_id(answer.producer_id);
                return ProducerId(answer.producer_id);
            }
            Ok(answer) => {
                let code = ErrorCode::from_code(answer.error_code);
                client.trouble(code).await;
            }
            Err(unanswered) => client.trouble(unanswered).await,
        }
    }
}

struct Producer {
    client: Client,
    id: Option<ProducerId>,
    lanes: Vec<Lane>,
}

/// A request that was sent: the lanes in it with their batches.
struct InFlight {
    due: Due,
    lanes: Vec<(usize, u64)>,
}

impl Producer {
    /// Sends what can be sent, to every leader, and takes the answers. False when there is nothing left to do.
    async fn round(&mut self) -> bool {
        let oracle = self.client.oracle.clone();
        self.lanes.retain(|lane| {
            oracle.is_live(lane.partition.topic) && (lane.left > 0 || !lane.waiting.is_empty())
        });
        if self.lanes.is_empty() {
            return false;
        }
        let mut by_leader: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
        let mut unknown = false;
        for (nth, lane) in self.lanes.iter_mut().enumerate() {
            lane.fill(&oracle, self.id);
            match self.client.leader(&lane.partition) {
                Some(port) => by_leader.entry(port).or_default().push(nth),
                None => unknown = true,
            }
        }
        let mut trouble = unknown.then_some("no leader".to_string());
        for (port, lanes) in by_leader {
            if let Err(what) = self.produce_to(port, lanes).await {
                trouble = Some(what);
            }
        }
        if let Some(what) = trouble {
            self.client.trouble(what).await;
            // Without an answer the next round tries with what is known.
            let _ = self.client.refresh().await;
        }
        true
    }

    async fn produce_to(&mut self, port: u16, lanes: Vec<usize>) -> Result<(), String> {
        let depth = 1 + below(MOST_IN_FLIGHT) as usize;
        // In any version that can name the topics.
        let by_id_only = lanes
            .iter()
            .any(|lane| self.lanes[*lane].name.starts_with("deletable"));
        let version = any_version::<ProduceRequest>(if by_id_only { TOPIC_IDS } else { 0 });
        if self.id.is_none() && below(12) == 0 {
            return self.produce_unasked(port, version, &lanes).await;
        }
        let acks = [-1, -1, 1][below(3) as usize];
        let mut in_flight = Vec::new();
        let mut trouble = None;
        for nth in 0..depth {
            let ready: Vec<usize> = lanes
                .iter()
                .copied()
                .filter(|lane| self.lanes[*lane].may_send(nth))
                .collect();
            if ready.is_empty() {
                break;
            }
            let request = self.request(&ready, nth, acks);
            let lanes = ready
                .iter()
                .map(|lane| (*lane, self.lanes[*lane].waiting[nth].number))
                .collect();
            match self.client.send(port, version, &request).await {
                Ok(due) => in_flight.push(InFlight { due, lanes }),
                Err(_) => {
                    self.unanswered(&lanes);
                    trouble = Some("could not send".to_string());
                    break;
                }
            }
        }
        let mut failed = BTreeSet::new();
        for InFlight { due, lanes } in in_flight {
            match self.client.receive::<ProduceRequest>(&due).await {
                Ok(response) => {
                    for (partition, answer) in flatten(response) {
                        let at = lanes
                            .iter()
                            .position(|(lane, _)| self.lanes[*lane].is(&partition, &answer));
                        let (lane, number) = lanes[at.expect("an answer for what was asked")];
                        if let Err(code) = self.answered(lane, number, &answer, failed.contains(&lane)) {
                            failed.insert(lane);
                            trouble = Some(format!("{code:?}"));
                        }
                    }
                }
                Err(_) => {
                    self.unanswered(&lanes);
                    trouble = Some("no answer".to_string());
                }
            }
        }
        if self.id.is_none() {
            // What failed is tried again as another batch, for nobody can tell the two apart.
            for lane in self.lanes.iter_mut().filter(|lane| lane.failed) {
                lane.left += lane.waiting.drain(..).count() as u64;
                lane.failed = false;
            }
        }
        match trouble {
            Some(what) => Err(what),
            None => Ok(()),
        }
    }

    /// Sends a batch of each lane without asking for an answer: nobody will know whether it was written.
    async fn produce_unasked(&mut self, port: u16, version: i16, lanes: &[usize]) -> Result<(), String> {
        let request = self.request(lanes, 0, 0);
        let sent = self.client.send(port, version, &request).await;
        for lane in lanes {
            self.lanes[*lane].waiting.pop_front();
        }
        sent.map(|_| ()).map_err(|_| "could not send".to_string())
    }

    fn request(&self, lanes: &[usize], nth: usize, acks: i16) -> ProduceRequest {
        let topic_data = lanes.iter().map(|lane| {
            let lane = &self.lanes[*lane];
            TopicProduceData {
                name: lane.name.clone(),
                topic_id: lane.partition.topic,
                partition_data: vec![PartitionProduceData {
                    index: lane.partition.partition,
                    records: Some(lane.waiting[nth].bytes.clone()),
                }],
            }
        });
        ProduceRequest {
            acks,
            timeout_ms: 5000,
            topic_data: topic_data.collect(),
            ..ProduceRequest::default()
        }
    }

    fn unanswered(&mut self, lanes: &[(usize, u64)]) {
        for (lane, _) in lanes {
            self.lanes[*lane].fail();
        }
    }

    fn answered(
        &mut self,
        lane: usize,
        number: u64,
        answer: &PartitionProduceResponse,
        after_failure: bool,
    ) -> Result<(), ErrorCode> {
        let code = ErrorCode::from_code(answer.error_code).expect("a known code");
        let oracle = &self.client.oracle;
        let lane = &mut self.lanes[lane];
        if code == ErrorCode::None {
            oracle.acknowledged(lane.partition, number, answer.base_offset);
            // A plain producer's later batches may be acknowledged after an earlier one has failed.
            lane.waiting.retain(|batch| batch.number != number);
            lane.flows = !after_failure;
            return Ok(());
        }
        lane.fail();
        let is_gone = !oracle.is_live(lane.partition.topic)
            && matches!(
                code,
                ErrorCode::UnknownTopicId | ErrorCode::UnknownTopicOrPartition
            );
        let is_consequence = after_failure && code == ErrorCode::OutOfOrderSequenceNumber;
        assert!(
            is_gone || is_consequence || RETRIABLE.contains(&code),
            "{:?} batch {number}: {code:?} {:?}",
            lane.partition,
            answer.error_message
        );
        if is_gone { Ok(()) } else { Err(code) }
    }
}

impl Lane {
    fn fill(&mut self, oracle: &Oracle, id: Option<ProducerId>) {
        while self.left > 0 && self.waiting.len() < MOST_IN_FLIGHT as usize {
            self.left -= 1;
            let batch = oracle.make_batch(self.partition, id.map(|id| (id, self.next_sequence)));
            self.next_sequence += batch.records;
            self.waiting.push_back(batch);
        }
    }

    fn fail(&mut self) {
        self.flows = false;
        self.failed = true;
    }

    /// Whether the batch at this place may be in flight with those before it.
    fn may_send(&self, nth: usize) -> bool {
        nth < self.waiting.len() && (nth == 0 || self.flows)
    }

    fn is(&self, topic: &(String, TopicId), answer: &PartitionProduceResponse) -> bool {
        let same_topic = topic.0 == self.name || topic.1 == self.partition.topic;
        same_topic && answer.index == self.partition.partition
    }
}

fn flatten(response: ProduceResponse) -> Vec<((String, TopicId), PartitionProduceResponse)> {
    let topics = response.responses.into_iter();
    topics
        .flat_map(|topic| {
            let id = (topic.name, topic.topic_id);
            topic
                .partition_responses
                .into_iter()
                .map(move |answer| (id.clone(), answer))
        })
        .collect()
}
