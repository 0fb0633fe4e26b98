//! Whole frames: requests that are built before the run, and the few answers that are decoded.

use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use bytes::Bytes;

use super::bench_topic::BenchTopic;
use super::fetch_load::{BuildFetch, PartitionCursor};
use super::workload::{Consumers, Workload};
use crate::wire::codec::{Message, Reader, Request};
use crate::wire::frame::request_frame;
use crate::wire::header::read_response_header;
use crate::wire::messages::fetch::{FetchPartition, FetchTopic};
use crate::wire::messages::produce::{PartitionProduceData, TopicProduceData};
use crate::wire::messages::{FetchRequest, ProduceRequest};
use crate::wire::records::{BatchBuilder, Compression};

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

/// A record batch of a workload and the number of records in it.
///
/// # Errors
/// When the batch can't be built.
pub fn record_batch(workload: &Workload) -> anyhow::Result<(Bytes, u64)> {
    let now_ms = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis() as i64;
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut value = vec![0; workload.records.bytes];
    let mut builder = BatchBuilder::new(Compression::None);
    loop {
        for chunk in value.chunks_mut(8) {
            // xorshift64: any bytes will do, as long as they don't compress or repeat.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            chunk.copy_from_slice(&random.to_le_bytes()[..chunk.len()]);
        }
        let bound = BatchBuilder::record_bytes_bound(None, Some(&value), &[]);
        if !builder.is_empty() && builder.size_bytes() + bound > workload.producers.batch_bytes {
            break;
        }
        builder.append(now_ms, None, Some(&value), &[]);
    }
    let records = builder.len() as u64;
    Ok((builder.build()?.freeze(), records))
}

/// A Produce request with the same batch for each of some partitions.
///
/// # Errors
/// When the request can't be said in this version.
pub fn produce(
    topic: &str,
    partitions: &[i32],
    batch: &Bytes,
    workload: &Workload,
    version: i16,
) -> anyhow::Result<Rc<[u8]>> {
    let partition_data = |index: &i32| PartitionProduceData {
        index: *index,
        records: Some(batch.clone()),
    };
    let request = ProduceRequest {
        acks: workload.producers.acks.code(),
        timeout_ms: PRODUCE_TIMEOUT_MS,
        topic_data: vec![TopicProduceData {
            name: topic.to_string(),
            partition_data: partitions.iter().map(partition_data).collect(),
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    };
    Ok(Rc::from(&encode(&request, version)?[..]))
}

/// Builds Fetch requests for a topic as a workload's consumers send them.
pub fn fetch_builder(topic: &BenchTopic, consumers: &Consumers) -> BuildFetch {
    let (name, consumers) = (topic.name.clone(), consumers.clone());
    Box::new(move |cursors: &[PartitionCursor]| fetch(&name, cursors, &consumers))
}

/// A Fetch request outside any session. It always can be said: there is nothing optional in it.
fn fetch(topic: &str, cursors: &[PartitionCursor], consumers: &Consumers) -> Rc<[u8]> {
    let partition = |cursor: &PartitionCursor| FetchPartition {
        partition: cursor.partition,
        fetch_offset: cursor.next,
        partition_max_bytes: consumers.partition_max_bytes,
        ..FetchPartition::default()
    };
    let request = FetchRequest {
        max_wait_ms: FETCH_WAIT_MS,
        min_bytes: 1,
        max_bytes: consumers.max_bytes,
        session_id: 0,
        session_epoch: -1,
        topics: vec![FetchTopic {
            topic: topic.to_string(),
            partitions: cursors.iter().map(partition).collect(),
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    };
    let frame = encode(&request, FETCH_VERSION).expect("a Fetch with names can be said in version 12");
    Rc::from(&frame[..])
}
