//! No record crosses cores: while clients produce and fetch as fast as they can, the counters of all messages between
//! cores stand still, but for those of metrics and of the shutdown.
//!
//! The server runs in this process, so that its counters can be read.

#[path = "fixture/client.rs"]
mod client;
#[path = "fixture/in_process.rs"]
mod in_process;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use client::Client;
use corelane::base::ids::TopicId;
use corelane::shard::message::{MessageCounters, MessageKind};
use corelane::wire::messages::create_topics::CreatableTopic;
use corelane::wire::messages::fetch::{FetchPartition, FetchTopic};
use corelane::wire::messages::produce::{PartitionProduceData, TopicProduceData};
use corelane::wire::messages::{
    CreateTopicsRequest, FetchRequest, InitProducerIdRequest, MetadataRequest, ProduceRequest,
};
use corelane::wire::records::{BatchBuilder, Compression};
use in_process::Server;

const SHARDS: u16 = 2;
const TOPIC: &str = "loaded";
const PARTITIONS: i32 = 6;
const LOAD: Duration = Duration::from_secs(3);
/// Both kinds of clients, for each shard.
const CLIENTS_PER_SHARD: u16 = 3;

/// What may cross cores at any time.
const NOT_OF_DATA: [MessageKind; 3] = [
    MessageKind::MetricsRequest,
    MessageKind::Metrics,
    MessageKind::Shutdown,
];

/// The partitions of the topic by the shard that leads them.
fn partitions_by_shard(address: &str) -> (TopicId, Vec<Vec<i32>>) {
    let mut client = Client::connect(address);
    let create = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: TOPIC.to_string(),
            num_partitions: PARTITIONS,
            replication_factor: 1,
            ..CreatableTopic::default()
        }],
        timeout_ms: 30_000,
        ..CreateTopicsRequest::default()
    };
    let created = client.call(&create, 7);
    assert_eq!(created.topics[0].error_code, 0);
    let metadata = client.call(&MetadataRequest::default(), 12);
    let topic = metadata
        .topics
        .iter()
        .find(|topic| topic.name.as_deref() == Some(TOPIC));
    let topic = topic.expect("the topic");
    let mut by_shard = vec![Vec::new(); usize::from(SHARDS)];
    for partition in &topic.partitions {
        by_shard[partition.leader_id as usize].push(partition.partition_index);
    }
    (topic.topic_id, by_shard)
}

fn batch() -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    for _ in 0..16 {
        builder.append(1_700_000_000_000, Some(b"key"), Some(&[7; 1000]), &[]);
    }
    builder.build().expect("a batch").freeze()
}

fn produce_request(topic_id: TopicId, partitions: &[i32], records: &Bytes) -> ProduceRequest {
    let partition_data = partitions.iter().map(|index| PartitionProduceData {
        index: *index,
        records: Some(records.clone()),
    });
    ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            topic_id,
            partition_data: partition_data.collect(),
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    }
}

fn fetch_request(topic_id: TopicId, positions: &[(i32, i64)]) -> FetchRequest {
    let partitions = positions.iter().map(|(partition, offset)| FetchPartition {
        partition: *partition,
        fetch_offset: *offset,
        partition_max_bytes: 1 << 20,
        ..FetchPartition::default()
    });
    FetchRequest {
        max_wait_ms: 100,
        min_bytes: 1,
        max_bytes: 8 << 20,
        topics: vec![FetchTopic {
            topic_id,
            partitions: partitions.collect(),
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    }
}

#[derive(Default)]
struct Load {
    over: AtomicBool,
    produced_batches: AtomicU64,
    fetched_bytes: AtomicU64,
}

fn produce(load: &Load, address: &str, topic_id: TopicId, partitions: &[i32]) {
    let mut client = Client::connect(address);
    let request = produce_request(topic_id, partitions, &batch());
    while !load.over.load(Ordering::Relaxed) {
        let answer = client.call(&request, 13);
        for partition in &answer.responses[0].partition_responses {
            assert_eq!(partition.error_code, 0);
            load.produced_batches.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn fetch(load: &Load, address: &str, topic_id: TopicId, partitions: &[i32]) {
    let mut client = Client::connect(address);
    let mut positions: Vec<(i32, i64)> = partitions.iter().map(|partition| (*partition, 0)).collect();
    while !load.over.load(Ordering::Relaxed) {
        let answer = client.call(&fetch_request(topic_id, &positions), 16);
        for data in answer.responses.iter().flat_map(|topic| &topic.partitions) {
            assert_eq!(data.error_code, 0);
            let records = data.records.clone().unwrap_or_default();
            load.fetched_bytes
                .fetch_add(records.len() as u64, Ordering::Relaxed);
            let Some(last) = corelane::wire::records::batches(&records).last() else {
                continue;
            };
            let next = last.expect("whole batches").header().next_offset().0;
            for (partition, offset) in &mut positions {
                if *partition == data.partition_index {
                    *offset = next;
                }
            }
        }
    }
}

/// What nobody forwards: requests for partitions of another shard are refused where they arrive.
fn ask_the_wrong_shard(load: &Load, address: &str, topic_id: TopicId, others: &[i32]) {
    let mut client = Client::connect(address);
    let not_leader = 6;
    let request = produce_request(topic_id, others, &batch());
    let positions: Vec<(i32, i64)> = others.iter().map(|partition| (*partition, 0)).collect();
    while !load.over.load(Ordering::Relaxed) {
        let answer = client.call(&request, 13);
        let codes = answer.responses[0].partition_responses.iter();
        assert!(
            codes
                .map(|partition| partition.error_code)
                .all(|code| code == not_leader)
        );
        let answer = client.call(&fetch_request(topic_id, &positions), 16);
        let codes = answer.responses[0].partitions.iter();
        assert!(
            codes
                .map(|partition| partition.error_code)
                .all(|code| code == not_leader)
        );
    }
}

fn counted(counters: &MessageCounters) -> Vec<(&'static str, u64)> {
    let kinds = MessageKind::ALL.iter().filter(|kind| !NOT_OF_DATA.contains(kind));
    kinds.map(|kind| (kind.name(), counters.get(*kind))).collect()
}

#[test]
fn nothing_crosses_cores_under_full_load() {
    let server = Server::start(SHARDS, || {});
    let (topic_id, by_shard) = partitions_by_shard(&server.addresses[0]);
    assert!(by_shard.iter().all(|partitions| !partitions.is_empty()));
    // That the counters count at all.
    assert!(server.counters.get(MessageKind::Change) > 0);
    assert!(server.counters.get(MessageKind::NewImage) >= u64::from(SHARDS));
    let mut client = Client::connect(&server.addresses[1]);
    assert_eq!(client.call(&InitProducerIdRequest::default(), 4).error_code, 0);

    let before = counted(&server.counters);
    let load = Load::default();
    thread::scope(|scope| {
        for (shard, address) in server.addresses.iter().enumerate() {
            let (mine, others) = (&by_shard[shard], &by_shard[(shard + 1) % by_shard.len()]);
            let load = &load;
            for _ in 0..CLIENTS_PER_SHARD {
                scope.spawn(move || produce(load, address, topic_id, mine));
                scope.spawn(move || fetch(load, address, topic_id, mine));
            }
            scope.spawn(move || ask_the_wrong_shard(load, address, topic_id, others));
        }
        let end = Instant::now() + LOAD;
        // At least this long, and until there was a load worth the name.
        while Instant::now() < end || load.produced_batches.load(Ordering::Relaxed) < 500 {
            thread::sleep(Duration::from_millis(20));
        }
        load.over.store(true, Ordering::Relaxed);
    });
    assert_eq!(counted(&server.counters), before, "messages crossed cores");
    assert!(load.fetched_bytes.load(Ordering::Relaxed) > 1 << 20);

    server.stop();
}
