//! No record crosses cores: while clients produce and fetch as fast as they can, the counters of all messages between
//! cores stand still, but for those of metrics and of the shutdown.
//!
//! The server runs in this process, put together as `corelane serve` does, so that its counters can be read.

#[path = "fixture/client.rs"]
mod client;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use client::Client;
use corelane::base::ids::{DirectoryId, TopicId};
use corelane::config::StaticSettings;
use corelane::control::{ControlOptions, LaneStart, Lanes, StopRequest, run_control};
use corelane::log::DataDirs;
use corelane::metadata::ClusterImage;
use corelane::rt::net::BoundListener;
use corelane::rt::{self, RuntimeUnavailable, ShardThread, mailbox};
use corelane::server::run_shard;
use corelane::shard::message::{MessageCounters, MessageKind};
use corelane::shard::{OpenFileLimits, ShardStart};
use corelane::wire::messages::create_topics::CreatableTopic;
use corelane::wire::messages::fetch::{FetchPartition, FetchTopic};
use corelane::wire::messages::produce::{PartitionProduceData, TopicProduceData};
use corelane::wire::messages::{
    CreateTopicsRequest, FetchRequest, InitProducerIdRequest, MetadataRequest, ProduceRequest,
};
use corelane::wire::records::{BatchBuilder, Compression};

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

struct TestLanes {
    data_dirs: Arc<DataDirs>,
    listeners: Vec<Vec<BoundListener>>,
    serving: mpsc::Sender<()>,
}

impl Lanes for TestLanes {
    fn directories(&self) -> Vec<DirectoryId> {
        self.data_dirs.online_ids()
    }

    fn metadata_loaded(&mut self, _image: &ClusterImage) -> Result<Vec<DirectoryId>, String> {
        // The directory is new.
        Ok(self.directories())
    }

    fn start(&mut self, start: LaneStart) -> Result<ShardThread, RuntimeUnavailable> {
        let data_dirs = self.data_dirs.clone();
        let listeners = std::mem::take(&mut self.listeners[usize::from(start.id.0)]);
        rt::spawn_shard(format!("shard-{}", start.id), None, move || {
            let LaneStart {
                id,
                image,
                inbox,
                control,
            } = start;
            run_shard(ShardStart {
                id,
                image,
                data_dirs,
                inbox,
                control,
                listeners,
                open_files: OpenFileLimits::plenty(),
                change_log_options: |_| {},
            })
        })
    }

    fn make_room_for_metadata(&mut self) -> bool {
        self.data_dirs.make_room_for_metadata()
    }

    fn all_recovered(&mut self) -> Result<(), String> {
        self.data_dirs
            .remove_recovered_wals()
            .map_err(|error| error.to_string())
    }

    fn all_serving(&mut self, _image: &ClusterImage) {
        self.serving.send(()).expect("the test waits");
    }

    fn all_stopped(&mut self) -> Result<(), String> {
        Ok(())
    }
}

struct Server {
    addresses: Vec<String>,
    counters: Arc<MessageCounters>,
    stopper: mailbox::Sender<StopRequest>,
    thread: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

/// A free port for each shard, one behind the other.
fn listeners() -> Vec<BoundListener> {
    loop {
        let first = rt::net::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let port = first.local_addr().port();
        let next = (1..SHARDS).map(|shard| {
            let port = port.checked_add(shard)?;
            rt::net::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).ok()
        });
        // Somebody else may have the next port: then the system gives another first one.
        if let Some(next) = next.collect::<Option<Vec<_>>>() {
            return std::iter::once(first).chain(next).collect();
        }
    }
}

fn start_server() -> Server {
    // Beside the build, not in /tmp: that may be a file system without direct I/O.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let data_dir = folder.path().to_path_buf();
    let listeners = listeners();
    let address = |listener: &BoundListener| listener.local_addr().to_string();
    let addresses = listeners.iter().map(address).collect();
    let counters = Arc::new(MessageCounters::default());
    let (stopper, stop) = mailbox::channel(1);
    let (serving, is_serving) = mpsc::channel();
    let options = ControlOptions {
        fixed: Arc::new(StaticSettings::default()),
        data_dir: data_dir.clone(),
        shards: SHARDS,
        counters: counters.clone(),
    };
    let thread = thread::spawn(move || {
        let mut lanes = TestLanes {
            data_dirs: DataDirs::open(&[data_dir], false).expect("a data directory"),
            listeners: listeners.into_iter().map(|listener| vec![listener]).collect(),
            serving,
        };
        rt::block_on_control(async move { run_control(options, &mut lanes, stop).await })
            .expect("an orderly life");
    });
    is_serving
        .recv_timeout(Duration::from_secs(60))
        .expect("the server serves");
    Server {
        addresses,
        counters,
        stopper,
        thread,
        _folder: folder,
    }
}

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
    let server = start_server();
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

    server.stopper.try_send(StopRequest).expect("room for one");
    server.thread.join().expect("the server ends in order");
}
