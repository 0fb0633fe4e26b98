//! What the sink answers. Hot path of the sink: Produce, without allocation.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use bytes::BytesMut;

use super::frame::PRODUCE_VERSIONS;
use crate::wire::api::ApiKey;
use crate::wire::codec::{Message, Reader, Response, Writer};
use crate::wire::errors::ErrorCode;
use crate::wire::frame::{LENGTH_BYTES, response_frame};
use crate::wire::header::{RequestHeaderView, write_response_header};
use crate::wire::messages::api_versions::ApiVersion;
use crate::wire::messages::create_topics::CreatableTopicResult;
use crate::wire::messages::delete_topics::DeletableTopicResult;
use crate::wire::messages::list_offsets::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use crate::wire::messages::metadata::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use crate::wire::messages::{
    ApiVersionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest,
    DeleteTopicsResponse, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest, MetadataResponse,
};
use crate::wire::produce_view::ProduceView;
use crate::wire::records::batches;
use crate::wire::topic_ref::TopicRef;

/// The one node there is.
const NODE: i32 = 1;

/// What is answered, with the newest version of each: those that name topics.
const SERVED: [(ApiKey, i16); 6] = [
    (ApiKey::Produce, *PRODUCE_VERSIONS.end()),
    (ApiKey::ApiVersions, 3),
    (ApiKey::Metadata, 9),
    (ApiKey::CreateTopics, 6),
    (ApiKey::DeleteTopics, 5),
    (ApiKey::ListOffsets, 6),
];

/// The sink's few words, and the topics it was told to make.
pub struct SinkAnswers {
    host: String,
    port: u16,
    /// Partitions of each topic.
    topics: BTreeMap<String, i32>,
}

impl SinkAnswers {
    /// Of a sink that is reached there.
    pub fn new(host: &str, port: u16) -> SinkAnswers {
        SinkAnswers {
            host: host.to_string(),
            port,
            topics: BTreeMap::new(),
        }
    }

    /// Appends the answer to a request, given its frame without the length.
    ///
    /// # Errors
    /// When the request is not understood.
    pub fn answer(&mut self, frame: &[u8], out: &mut BytesMut) -> anyhow::Result<()> {
        let mut reader = Reader::of_slice(frame);
        let header = RequestHeaderView::read(&mut reader)?;
        let served = SERVED.iter().find(|(api, _)| api.key() == header.api_key);
        let (api, newest) = served.with_context(|| format!("API {} is not served", header.api_key))?;
        let (version, id) = (header.api_version, header.correlation_id);
        ensure!(
            header.known_api().is_some() && version <= *newest,
            "{api:?} is not served in version {version}"
        );
        match api {
            ApiKey::Produce => produce(reader, frame, version, id, out),
            ApiKey::ApiVersions => put(&api_versions(), version, id, out),
            ApiKey::Metadata => {
                let request = MetadataRequest::decode(&mut reader, version)?;
                put(&self.metadata(request), version, id, out)
            }
            ApiKey::CreateTopics => {
                let request = CreateTopicsRequest::decode(&mut reader, version)?;
                put(&self.create_topics(request), version, id, out)
            }
            ApiKey::DeleteTopics => {
                let request = DeleteTopicsRequest::decode(&mut reader, version)?;
                put(&self.delete_topics(request), version, id, out)
            }
            ApiKey::ListOffsets => {
                let request = ListOffsetsRequest::decode(&mut reader, version)?;
                put(&list_offsets(request), version, id, out)
            }
            _ => bail!("{api:?} is not served"),
        }
    }

    fn metadata(&self, request: MetadataRequest) -> MetadataResponse {
        let names: Vec<String> = match request.topics {
            None => self.topics.keys().cloned().collect(),
            Some(topics) => topics.into_iter().filter_map(|topic| topic.name).collect(),
        };
        let partition = |partition_index| MetadataResponsePartition {
            partition_index,
            leader_id: NODE,
            replica_nodes: vec![NODE],
            isr_nodes: vec![NODE],
            ..MetadataResponsePartition::default()
        };
        let topic = |name: String| match self.topics.get(&name) {
            Some(partitions) => MetadataResponseTopic {
                name: Some(name),
                partitions: (0..*partitions).map(partition).collect(),
                ..MetadataResponseTopic::default()
            },
            None => MetadataResponseTopic {
                error_code: ErrorCode::UnknownTopicOrPartition.code(),
                name: Some(name),
                ..MetadataResponseTopic::default()
            },
        };
        MetadataResponse {
            brokers: vec![MetadataResponseBroker {
                node_id: NODE,
                host: self.host.clone(),
                port: i32::from(self.port),
                ..MetadataResponseBroker::default()
            }],
            controller_id: NODE,
            topics: names.into_iter().map(topic).collect(),
            ..MetadataResponse::default()
        }
    }

    fn create_topics(&mut self, request: CreateTopicsRequest) -> CreateTopicsResponse {
        let mut response = CreateTopicsResponse::default();
        for topic in request.topics {
            self.topics
                .insert(topic.name.clone(), topic.num_partitions.max(1));
            response.topics.push(CreatableTopicResult {
                name: topic.name,
                ..CreatableTopicResult::default()
            });
        }
        response
    }

    fn delete_topics(&mut self, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
        let mut response = DeleteTopicsResponse::default();
        for name in request.topic_names {
            self.topics.remove(&name);
            response.responses.push(DeletableTopicResult {
                name: Some(name),
                ..DeletableTopicResult::default()
            });
        }
        response
    }
}

fn put(response: &impl Response, version: i16, id: i32, out: &mut BytesMut) -> anyhow::Result<()> {
    out.extend_from_slice(&response_frame(response, version, id)?);
    Ok(())
}

fn api_versions() -> ApiVersionsResponse {
    let version = |(api, newest): &(ApiKey, i16)| ApiVersion {
        api_key: api.key(),
        min_version: api.versions().first,
        max_version: *newest,
    };
    ApiVersionsResponse {
        api_keys: SERVED.iter().map(version).collect(),
        ..ApiVersionsResponse::default()
    }
}

/// Every log is empty, always.
fn list_offsets(request: ListOffsetsRequest) -> ListOffsetsResponse {
    let topic = |topic: crate::wire::messages::list_offsets::ListOffsetsTopic| ListOffsetsTopicResponse {
        name: topic.name,
        partitions: topic
            .partitions
            .iter()
            .map(|partition| ListOffsetsPartitionResponse {
                partition_index: partition.partition_index,
                offset: 0,
                ..ListOffsetsPartitionResponse::default()
            })
            .collect(),
    };
    ListOffsetsResponse {
        topics: request.topics.into_iter().map(topic).collect(),
        ..ListOffsetsResponse::default()
    }
}

fn produce(
    mut reader: Reader<'_>,
    frame: &[u8],
    version: i16,
    id: i32,
    out: &mut BytesMut,
) -> anyhow::Result<()> {
    ensure!(
        PRODUCE_VERSIONS.contains(&version),
        "Produce is not served in version {version}"
    );
    let view = ProduceView::read(&mut reader, version)?;
    let begin = out.len();
    let mut w = Writer::onto(std::mem::take(out));
    w.i32(0);
    write_response_header(&mut w, ApiKey::Produce, version, id);
    w.nullable_count(Some(view.topic_count), true)?;
    let mut topic = None;
    for partition in view.partitions() {
        if topic != Some(partition.topic_index) {
            if topic.is_some() {
                w.unsigned_varint(0); // tags of the topic before
            }
            topic = Some(partition.topic_index);
            let TopicRef::Name(name) = partition.topic else {
                bail!("a topic without a name");
            };
            w.nullable_str(Some(name), true)?;
            let same =
                |other: &crate::wire::produce_view::ProducePartition<'_>| Some(other.topic_index) == topic;
            let count = match view.topic_count {
                1 => view.partition_count,
                _ => view.partitions().filter(same).count(),
            };
            w.nullable_count(Some(count), true)?;
        }
        let records = partition.records.map_or(&[][..], |range| &frame[range]);
        let whole = batches(records).all(|batch| batch.is_ok_and(|batch| batch.check_crc().is_ok()));
        w.i32(partition.index);
        w.i16(match whole {
            true => 0,
            false => ErrorCode::CorruptMessage.code(),
        });
        w.i64(0); // base offset
        w.i64(-1); // append time
        w.i64(0); // log start offset
        w.nullable_count(Some(0), true)?; // errors of single records
        w.nullable_str(None, true)?; // what went wrong
        w.unsigned_varint(0);
    }
    if topic.is_some() {
        w.unsigned_varint(0);
    }
    w.i32(0); // throttle time
    w.unsigned_varint(0);
    let length = i32::try_from(w.position() - begin - LENGTH_BYTES)?;
    w.written_mut()[begin..begin + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    *out = w.into_inner();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::produce_load::acknowledged;
    use crate::wire::frame::request_frame;
    use crate::wire::messages::ProduceRequest;
    use crate::wire::messages::produce::{PartitionProduceData, TopicProduceData};
    use crate::wire::records::{BatchBuilder, Compression};

    #[test]
    fn batches_are_counted_and_damaged_ones_refused() {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.append(1_700_000_000_000, None, Some(b"value"), &[]);
        let good = builder.build().expect("a batch").freeze();
        let mut bad = good.to_vec();
        *bad.last_mut().expect("bytes") ^= 1;
        let topic = |name: &str, batches: [&[u8]; 2]| TopicProduceData {
            name: name.to_string(),
            partition_data: (0..)
                .zip(batches)
                .map(|(index, batch)| PartitionProduceData {
                    index,
                    records: Some(bytes::Bytes::copy_from_slice(batch)),
                })
                .collect(),
            ..TopicProduceData::default()
        };
        for version in PRODUCE_VERSIONS {
            for (batches, expected) in [([&good[..], &good], Ok(4)), ([&good[..], &bad], Err((1, 2)))] {
                let request = ProduceRequest {
                    acks: -1,
                    topic_data: vec![topic("a", batches), topic("b", batches)],
                    ..ProduceRequest::default()
                };
                let frame = request_frame(&request, version, 7, None).expect("a request");
                let mut out = BytesMut::new();
                let mut sink = SinkAnswers::new("127.0.0.1", 9092);
                // The second answer stands behind the first.
                for _ in 0..2 {
                    sink.answer(&frame[4..], &mut out).expect("an answer");
                }
                let half = out.len() / 2;
                for answer in [&out[..half], &out[half..]] {
                    assert_eq!(answer[..4], (half as i32 - 4).to_be_bytes());
                    assert_eq!(acknowledged(&answer[4..]), Some(expected));
                }
            }
        }
    }
}
