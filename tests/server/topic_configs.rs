//! Topic configs that change what is stored, set at run time.

use bytes::{Bytes, BytesMut};
use corelane::base::ids::{ProducerEpoch, ProducerId};
use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::fetch::{FetchPartition, FetchTopic};
use corelane::wire::messages::produce::{PartitionProduceData, TopicProduceData};
use corelane::wire::messages::{FetchRequest, ProduceRequest};
use corelane::wire::records::{BatchBuilder, BatchView, Compression, TimestampType, batches};

use crate::fixture::client::Client;
use crate::fixture::{Broker, Options};
use crate::retention::alter;
use crate::server::Server;
use crate::steps::{create_topic, error, eventually, leader, new_topic, new_topic_with};

/// Error and base offset.
pub fn send(client: &mut Client, topic: &str, batch: BytesMut) -> (ErrorCode, i64) {
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: topic.to_string(),
            partition_data: vec![PartitionProduceData {
                index: 0,
                records: Some(batch.freeze()),
            }],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    };
    let answer = client.call(&request, 9);
    let partition = &answer.responses[0].partition_responses[0];
    (error(partition.error_code), partition.base_offset)
}

/// All that the log has from an offset on.
pub fn read(client: &mut Client, topic: &str, offset: i64) -> Bytes {
    let request = FetchRequest {
        max_wait_ms: 0,
        max_bytes: 10 << 20,
        topics: vec![FetchTopic {
            topic: topic.to_string(),
            partitions: vec![FetchPartition {
                fetch_offset: offset,
                partition_max_bytes: 10 << 20,
                ..FetchPartition::default()
            }],
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    };
    let mut answer = client.call(&request, 12);
    let data = answer.responses.remove(0).partitions.remove(0);
    assert_eq!(error(data.error_code), ErrorCode::None);
    data.records.unwrap_or_default()
}

/// Timestamp, key and value of each record of a batch.
fn records(batch: &BatchView<'_>) -> Vec<(i64, i64, Vec<u8>, Vec<u8>)> {
    let open = batch.open(10 << 20).expect("it can be decompressed");
    let record = |record: corelane::wire::records::Record<'_>| {
        let (key, value) = (record.key.unwrap_or_default(), record.value.unwrap_or_default());
        (record.offset.0, record.timestamp_ms, key.to_vec(), value.to_vec())
    };
    open.records().map(|one| record(one.expect("a record"))).collect()
}

fn batch_of(compression: Compression, sequence: i32) -> BytesMut {
    let mut builder = BatchBuilder::new(compression).producer(ProducerId(500), ProducerEpoch(0), sequence);
    for i in 0..40 {
        let value: Vec<u8> = (0..2000).map(|b| (b / 9 + i) as u8).collect();
        builder.append(
            1_700_000_000_000 + i % 7,
            Some(format!("key {i}").as_bytes()),
            Some(&value),
            &[],
        );
    }
    builder.build().expect("a batch")
}

#[test]
fn batches_get_the_compression_that_the_topic_is_told() {
    let server = Server::start();
    let name = server.topic("recompressed");
    create_topic(&server, new_topic_with(&name, 1, &[("retention.ms", "-1")]));
    let mut client = leader(&server, &name, 0);
    let mut sequence = 0;
    for (told, codec) in [
        ("gzip", Some(Compression::Gzip)),
        ("zstd", Some(Compression::Zstd)),
        ("lz4", Some(Compression::Lz4)),
        ("snappy", Some(Compression::Snappy)),
        ("uncompressed", Some(Compression::None)),
        ("producer", None),
    ] {
        alter(&server, &name, "compression.type", told);
        for sent in Compression::ALL {
            let original = batch_of(sent, sequence);
            let (code, base_offset) = send(&mut client, &name, original.clone());
            assert_eq!(code, ErrorCode::None);
            // Sent again, it is known.
            assert_eq!(send(&mut client, &name, original.clone()), (code, base_offset));
            let bytes = read(&mut client, &name, base_offset);
            let stored = batches(&bytes).next().expect("a batch").expect("a whole batch");
            stored.check_crc().expect("its checksum");
            assert_eq!(
                stored.compression(),
                codec.unwrap_or(sent),
                "{told}, sent as {sent}"
            );
            let header = stored.header();
            assert_eq!(
                (header.base_offset.0, header.base_sequence),
                (base_offset, sequence)
            );
            assert_eq!((header.producer_id, header.record_count), (ProducerId(500), 40));
            let original = BatchView::parse(&original).expect("a batch");
            let expected = records(&original).into_iter().map(|mut record| {
                record.0 += base_offset;
                record
            });
            assert_eq!(
                records(&stored),
                expected.collect::<Vec<_>>(),
                "{told}, sent as {sent}"
            );
            sequence += 40;
        }
    }
    // The broker's time goes with it.
    alter(&server, &name, "compression.type", "gzip");
    alter(&server, &name, "message.timestamp.type", "LogAppendTime");
    let (code, base_offset) = send(&mut client, &name, batch_of(Compression::Zstd, sequence));
    assert_eq!(code, ErrorCode::None);
    let bytes = read(&mut client, &name, base_offset);
    let stored = batches(&bytes).next().expect("a batch").expect("a whole batch");
    stored.check_crc().expect("its checksum");
    assert_eq!(stored.compression(), Compression::Gzip);
    assert_eq!(
        stored.header().attributes.timestamp_type(),
        TimestampType::LogAppendTime
    );
    assert!(stored.header().max_timestamp > 1_700_000_001_000);
}

#[test]
fn a_level_changes_the_size() {
    let server = Server::start();
    let name = server.topic("levels");
    create_topic(
        &server,
        new_topic_with(&name, 1, &[("compression.type", "zstd"), ("retention.ms", "-1")]),
    );
    let mut client = leader(&server, &name, 0);
    let mut sequence = 0;
    let mut size = |server: &Server, level: &str| {
        alter(server, &name, "compression.zstd.level", level);
        let (code, base_offset) = send(&mut client, &name, batch_of(Compression::None, sequence));
        assert_eq!(code, ErrorCode::None);
        sequence += 40;
        read(&mut client, &name, base_offset).len()
    };
    let fast = size(&server, "-100");
    let small = size(&server, "19");
    assert!(small < fast, "{small} {fast}");
}

#[test]
fn what_is_refused_follows_the_configs() {
    let server = Server::start();
    let name = server.topic("refused");
    create_topic(&server, new_topic(&name, 1));
    let mut client = leader(&server, &name, 0);
    let now_ms = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    let now_ms = now_ms.as_millis() as i64;
    let mut check = |timestamp_ms: i64, expected| {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.append(timestamp_ms, None, Some(&[1; 500]), &[]);
        let batch = builder.build().expect("a batch");
        eventually(&server, || send(&mut client, &name, batch.clone()).0 == expected);
    };
    let hour_ms = 3_600_000;
    check(now_ms, ErrorCode::None);
    check(now_ms - 9 * hour_ms, ErrorCode::None);
    check(now_ms + 2 * hour_ms, ErrorCode::InvalidTimestamp);
    alter(&server, &name, "message.timestamp.after.max.ms", "36000000");
    check(now_ms + 2 * hour_ms, ErrorCode::None);
    alter(&server, &name, "message.timestamp.before.max.ms", "3600000");
    check(now_ms - 9 * hour_ms, ErrorCode::InvalidTimestamp);
    alter(&server, &name, "max.message.bytes", "500");
    check(now_ms, ErrorCode::MessageTooLarge);
    alter(&server, &name, "max.message.bytes", "5000");
    check(now_ms, ErrorCode::None);
}

#[test]
fn a_preallocated_segment_has_its_room_at_once() {
    use std::os::unix::fs::MetadataExt;
    // A megabyte is the smallest segment; the flush interval of the log is some seconds, a full tail is sooner.
    let mut broker = Broker::start(Options::shards(1));
    let server = Server::of(&broker);
    let configs = [
        ("preallocate", "true"),
        ("segment.bytes", "8388608"),
        ("retention.ms", "-1"),
    ];
    create_topic(&server, new_topic_with("roomy", 1, &configs));
    let mut client = leader(&server, "roomy", 0);
    let mut builder = BatchBuilder::new(Compression::None);
    builder.append(1, None, Some(&vec![1; 400 << 10]), &[]);
    // Large enough to go to its segment before it is answered.
    assert_eq!(
        send(&mut client, "roomy", builder.build().expect("a batch")),
        (ErrorCode::None, 0)
    );
    let file = broker.data_dir().join("roomy-0/00000000000000000000.log");
    let found = std::fs::metadata(&file).expect("the segment");
    assert!(found.len() < 1 << 20, "{}", found.len());
    assert!(found.blocks() * 512 >= 8 << 20, "{}", found.blocks());
    broker.stop();
    let found = std::fs::metadata(&file).expect("the segment");
    assert!(
        found.blocks() * 512 < 1 << 20,
        "an orderly stop gives it back: {}",
        found.blocks()
    );
}
