//! What reading and writing messages costs: the views of the hot path, and plain structs beside them.

use std::hint::black_box;

use bytes::Bytes;
use corelane::base::ids::TopicId;
use corelane::wire::codec::{Message, Reader};
use corelane::wire::fetch_response::FetchResponseWriter;
use corelane::wire::fetch_view::FetchView;
use corelane::wire::frame::response_frame;
use corelane::wire::messages::fetch::{FetchPartition, FetchTopic, PartitionData};
use corelane::wire::messages::metadata::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use corelane::wire::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, TopicProduceData, TopicProduceResponse,
};
use corelane::wire::messages::{FetchRequest, MetadataResponse, ProduceRequest, ProduceResponse};
use corelane::wire::produce_view::ProduceView;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Partitions in each message: what a client of a busy topic has in one request.
const PARTITIONS: i32 = 12;

fn produce(c: &mut Criterion) {
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            topic_id: TopicId([7; 16]),
            partition_data: (0..PARTITIONS)
                .map(|index| PartitionProduceData {
                    index,
                    records: Some(Bytes::from(vec![1; 16 * 1024])),
                })
                .collect(),
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    };
    let frame = request.to_bytes(13).expect("valid");
    let mut group = c.benchmark_group("produce request");
    group.throughput(Throughput::Elements(PARTITIONS as u64));
    group.bench_function("view", |b| {
        b.iter(|| {
            let view = ProduceView::read(&mut Reader::of_slice(&frame), 13).expect("valid");
            for partition in view.partitions() {
                black_box(partition.records);
            }
        });
    });
    group.bench_function("plain", |b| {
        b.iter(|| black_box(ProduceRequest::from_bytes(&frame, 13)));
    });
    group.finish();
    let response = ProduceResponse {
        responses: vec![TopicProduceResponse {
            topic_id: TopicId([7; 16]),
            partition_responses: (0..PARTITIONS)
                .map(|index| PartitionProduceResponse {
                    index,
                    base_offset: 1 << 32,
                    ..PartitionProduceResponse::default()
                })
                .collect(),
            ..TopicProduceResponse::default()
        }],
        ..ProduceResponse::default()
    };
    let mut group = c.benchmark_group("produce response");
    group.throughput(Throughput::Elements(PARTITIONS as u64));
    group.bench_function("encode", |b| {
        b.iter(|| black_box(response_frame(&response, 13, 1)));
    });
    group.finish();
}

fn fetch(c: &mut Criterion) {
    let request = FetchRequest {
        topics: vec![FetchTopic {
            topic_id: TopicId([7; 16]),
            partitions: (0..PARTITIONS)
                .map(|partition| FetchPartition {
                    partition,
                    fetch_offset: 1 << 40,
                    ..FetchPartition::default()
                })
                .collect(),
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    };
    let frame = request.to_bytes(17).expect("valid");
    let mut group = c.benchmark_group("fetch");
    group.throughput(Throughput::Elements(PARTITIONS as u64));
    group.bench_function("request view", |b| {
        b.iter(|| {
            let view = FetchView::read(&mut Reader::of_slice(&frame), 17).expect("valid");
            view.partitions().for_each(|partition| {
                black_box(partition);
            });
        });
    });
    group.bench_function("request plain", |b| {
        b.iter(|| black_box(FetchRequest::from_bytes(&frame, 17)));
    });
    let records = Bytes::from(vec![1; 64 * 1024]);
    group.bench_function("response", |b| {
        b.iter(|| {
            let mut writer = FetchResponseWriter::begin(17, 1, 0, 0, 5, 1).expect("valid");
            writer
                .topic("", TopicId([7; 16]), PARTITIONS as usize)
                .expect("valid");
            for partition_index in 0..PARTITIONS {
                let data = PartitionData {
                    partition_index,
                    high_watermark: 1 << 40,
                    ..PartitionData::default()
                };
                writer
                    .partition(&data, [records.clone()], records.len())
                    .expect("valid");
            }
            black_box(writer.finish(&[])).expect("valid")
        });
    });
    group.finish();
}

fn metadata(c: &mut Criterion) {
    let response = MetadataResponse {
        brokers: vec![
            MetadataResponseBroker {
                host: "127.0.0.1".to_owned(),
                ..MetadataResponseBroker::default()
            };
            8
        ],
        topics: (0..100)
            .map(|n| MetadataResponseTopic {
                name: Some(format!("topic-{n}")),
                partitions: vec![
                    MetadataResponsePartition {
                        replica_nodes: vec![1],
                        isr_nodes: vec![1],
                        ..MetadataResponsePartition::default()
                    };
                    PARTITIONS as usize
                ],
                ..MetadataResponseTopic::default()
            })
            .collect(),
        ..MetadataResponse::default()
    };
    let frame = response.to_bytes(13).expect("valid");
    let mut group = c.benchmark_group("metadata response");
    group.throughput(Throughput::Elements(100 * PARTITIONS as u64));
    group.bench_function("encode", |b| {
        b.iter(|| black_box(response_frame(&response, 13, 1)))
    });
    group.bench_function("decode", |b| {
        b.iter(|| black_box(MetadataResponse::from_bytes(&frame, 13)));
    });
    group.finish();
}

criterion_group!(benches, produce, fetch, metadata);
criterion_main!(benches);
