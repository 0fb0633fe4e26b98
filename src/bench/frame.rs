//! Whole frames: requests that are built before the run, and the few answers that are decoded.

use std::rc::Rc;

use anyhow::Context;
use bytes::Bytes;

use super::bench_topics::BenchTopics;
use super::fetch_load::{BuildFetch, PartitionCursor};
use super::workload::{Acks, Consumers};
use crate::wire::codec::{Message, Reader, Request};
use crate::wire::frame::request_frame;
use crate::wire::header::read_response_header;
use crate::wire::messages::fetch::{FetchPartition, FetchTopic};
use crate::wire::messages::produce::{PartitionProduceData, TopicProduceData};
use crate::wire::messages::{FetchRequest, ProduceRequest};

/// How the program names itself to the broker.
const CLIENT_ID: &str = "corelane-bench";

/// Answers come in order per connection, so all requests have the same correlation id: a frame can be sent again as it is.
const CORRELATION_ID: i32 = 1;

/// The Produce versions whose answers `produce_load` reads. Newer ones name topics by id.
pub const PRODUCE_VERSIONS: std::ops::RangeInclusive<i16> = 9..=12;

/// The Fetch version whose answers `fetch_load` reads.
pub const FETCH_VERSION: i16 = 12;

/// What a produce request may take on the broker.
const PRODUCE_TIMEOUT_MS: i32 = 30_000;

/// `fetch.max.wait.ms` of Kafka's consumer.
const FETCH_WAIT_MS: i32 = 500;

/// A request with its header and length.
///
/// # Errors
/// When the request can't be said in this version.
pub fn encode<R: Request>(request: &R, version: i16) -> anyhow::Result<Bytes> {
    request_frame(request, version, CORRELATION_ID, Some(CLIENT_ID))
        .with_context(|| format!("{:?} {version}", R::API))
}

/// The body of an answer, given its frame without the length.
///
/// # Errors
/// When it is not the answer to such a request.
pub fn decode_answer<R: Request>(frame: &[u8], version: i16) -> anyhow::Result<R::Response> {
    let mut reader = Reader::of_slice(frame);
    read_response_header(&mut reader, R::API, version)?;
    R::Response::decode(&mut reader, version).with_context(|| format!("the answer to {:?} {version}", R::API))
}

/// A Produce request with the same batch for each of some partitions.
///
/// # Errors
/// When the request can't be said in this version.
pub fn produce(
    topics: &BenchTopics,
    partitions: &[i32],
    batch: &Bytes,
    acks: Acks,
    version: i16,
) -> anyhow::Result<Rc<[u8]>> {
    let batches: Vec<(i32, Bytes)> = partitions
        .iter()
        .map(|partition| (*partition, batch.clone()))
        .collect();
    produce_batches(topics, &batches, acks, version)
}

/// A Produce request with batches for some partitions, those of one topic next to each other.
///
/// # Errors
/// When the request can't be said in this version.
pub fn produce_batches(
    topics: &BenchTopics,
    batches: &[(i32, Bytes)],
    acks: Acks,
    version: i16,
) -> anyhow::Result<Rc<[u8]>> {
    let mut topic_data: Vec<TopicProduceData> = Vec::new();
    for (number, batch) in batches {
        let (name, index) = topics.of(*number);
        if topic_data.last().is_none_or(|topic| topic.name != name) {
            topic_data.push(TopicProduceData {
                name: name.to_string(),
                ..TopicProduceData::default()
            });
        }
        let topic = topic_data.last_mut().expect("just put there");
        topic.partition_data.push(PartitionProduceData {
            index,
            records: Some(batch.clone()),
        });
    }
    let request = ProduceRequest {
        acks: acks.code(),
        timeout_ms: PRODUCE_TIMEOUT_MS,
        topic_data,
        ..ProduceRequest::default()
    };
    Ok(Rc::from(&encode(&request, version)?[..]))
}

/// Builds Fetch requests as a workload's consumers send them, outside any session.
pub fn fetch_builder(topics: Rc<BenchTopics>, consumers: &Consumers) -> BuildFetch {
    let consumers = consumers.clone();
    Box::new(move |cursors: &[PartitionCursor]| fetch(&topics, cursors, &consumers))
}

/// It always can be said: there is nothing optional in it.
fn fetch(topics: &BenchTopics, cursors: &[PartitionCursor], consumers: &Consumers) -> Rc<[u8]> {
    let mut asked: Vec<FetchTopic> = Vec::new();
    for cursor in cursors {
        let (name, partition) = topics.of(cursor.partition);
        if asked.last().is_none_or(|topic| topic.topic != name) {
            asked.push(FetchTopic {
                topic: name.to_string(),
                ..FetchTopic::default()
            });
        }
        let topic = asked.last_mut().expect("just put there");
        topic.partitions.push(FetchPartition {
            partition,
            fetch_offset: cursor.next,
            partition_max_bytes: consumers.partition_max_bytes,
            ..FetchPartition::default()
        });
    }
    let request = FetchRequest {
        max_wait_ms: FETCH_WAIT_MS,
        min_bytes: 1,
        max_bytes: consumers.max_bytes,
        session_id: 0,
        session_epoch: -1,
        topics: asked,
        ..FetchRequest::default()
    };
    let frame = encode(&request, FETCH_VERSION).expect("a Fetch with names can be said in version 12");
    Rc::from(&frame[..])
}
