//! A running server among peers that mean no good: malformed frames, lies about lengths, silence, greed.
//!
//! Meanwhile a well-behaved client is served, memory stays within bounds, and each bad peer costs at most one log line.

mod fixture;
mod wire_values;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use corelane::base::ids::TopicId;
use corelane::wire::api::ApiKey;
use corelane::wire::frame::request_frame;
use corelane::wire::messages::create_topics::CreatableTopic;
use corelane::wire::messages::fetch::{FetchPartition, FetchTopic};
use corelane::wire::messages::produce::{PartitionProduceData, TopicProduceData};
use corelane::wire::messages::{
    ApiVersionsRequest, CreateTopicsRequest, FetchRequest, MetadataRequest, ProduceRequest,
};
use corelane::wire::records::{BatchBuilder, Compression};
use fixture::client::Client;
use fixture::{Broker, Options};
use wire_values::{Codec, Random, UnknownTags, codecs};

const MALFORMED_FRAMES: u64 = 100_000;
const HOSTILE_THREADS: u64 = 4;
const IDLE_CONNECTIONS: usize = 5_000;
const HALF_OPEN: usize = 200;
const SLOW_SENDERS: usize = 50;
const DEAF_READERS: usize = 4;

/// Every bad peer gets an answer or the end of its connection within this time.
const PATIENCE: Duration = Duration::from_secs(20);

/// Requests that may rightly be answered late.
const LONG_POLLS: [ApiKey; 3] = [ApiKey::Fetch, ApiKey::JoinGroup, ApiKey::SyncGroup];

/// The correlation id of the request that follows every malformed frame.
const MARKER: i32 = 0x0bad_cafe;

/// What an idle connection may cost, in KiB: a small receive buffer, a task, what the kernel accounts to the process.
const KIB_PER_CONNECTION: u64 = 16;

/// What the server may need above that and above what it had before, in KiB: answers for peers that do not read them
/// (8 MiB each), requests in flight, partitions that hostile requests have created, log tails.
const KIB_IN_FLIGHT: u64 = 96 * 1024;

const TOPIC: &str = "well-behaved";

/// A client as they should be; says how long the slowest of its calls took.
struct WellBehaved {
    client: Client,
    topic_id: TopicId,
    next: i64,
    slowest: Duration,
}

impl WellBehaved {
    fn new(broker: &Broker) -> WellBehaved {
        let mut client = Client::connect(broker.bootstrap());
        let create = CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name: TOPIC.to_string(),
                num_partitions: 1,
                replication_factor: 1,
                ..CreatableTopic::default()
            }],
            timeout_ms: 30_000,
            ..CreateTopicsRequest::default()
        };
        assert_eq!(client.call(&create, 7).topics[0].error_code, 0);
        let metadata = client.call(&MetadataRequest::default(), 12);
        let topic = &metadata.topics[0];
        let leader = topic.partitions[0].leader_id as usize;
        WellBehaved {
            client: Client::connect(&broker.addresses()[leader]),
            topic_id: topic.topic_id,
            next: 0,
            slowest: Duration::ZERO,
        }
    }

    /// Writes a batch of this size or a little more, and reads it back.
    fn write_and_read(&mut self, bytes: usize) {
        let began = Instant::now();
        let mut builder = BatchBuilder::new(Compression::None);
        let value = format!("record {:bytes$}", self.next);
        builder.append(1_700_000_000_000, None, Some(value.as_bytes()), &[]);
        let records = builder.build().expect("a batch").freeze();
        let produce = ProduceRequest {
            acks: -1,
            timeout_ms: 30_000,
            topic_data: vec![TopicProduceData {
                topic_id: self.topic_id,
                partition_data: vec![PartitionProduceData {
                    index: 0,
                    records: Some(records),
                }],
                ..TopicProduceData::default()
            }],
            ..ProduceRequest::default()
        };
        let answer = self.client.call(&produce, 13);
        let partition = &answer.responses[0].partition_responses[0];
        assert_eq!(partition.error_code, 0, "{:?}", partition.error_message);
        assert_eq!(partition.base_offset, self.next);
        let answer = self
            .client
            .call(&fetch_request(self.topic_id, self.next, 1 << 20), 16);
        let records: Bytes = answer.responses[0].partitions[0]
            .records
            .clone()
            .expect("records");
        assert!(
            records
                .windows(value.len())
                .any(|window| window == value.as_bytes())
        );
        self.next += 1;
        self.slowest = self.slowest.max(began.elapsed());
    }
}

fn fetch_request(topic_id: TopicId, offset: i64, max_bytes: i32) -> FetchRequest {
    FetchRequest {
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes,
        topics: vec![FetchTopic {
            topic_id,
            partitions: vec![FetchPartition {
                fetch_offset: offset,
                partition_max_bytes: max_bytes,
                ..FetchPartition::default()
            }],
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    }
}

/// The memory the process has in RAM, in KiB.
fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the broker runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    number.expect("a size").trim().parse().expect("a number")
}

fn connect(address: &str) -> TcpStream {
    let socket = TcpStream::connect(address).expect("the server accepts");
    socket.set_nodelay(true).expect("a socket");
    socket
}

/// Connections of one hostile peer, and how many it has used up.
struct Peer<'a> {
    address: &'a str,
    socket: Option<TcpStream>,
    connections: u64,
}

impl Peer<'_> {
    /// Sends a frame and a good request behind it. It must end with the good one's answer, or the connection's end; nothing
    /// else than that is promised to who sends rubbish.
    fn send(&mut self, body: &[u8], marker: &[u8]) {
        let connections = &mut self.connections;
        let address = self.address;
        let socket = self.socket.get_or_insert_with(|| {
            *connections += 1;
            let socket = connect(address);
            socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
            // The port can be used again at once.
            socket2::SockRef::from(&socket)
                .set_linger(Some(Duration::ZERO))
                .expect("a socket");
            socket
        });
        let mut bytes = with_length(body);
        bytes.extend_from_slice(marker);
        let sent = socket.write_all(&bytes).is_ok();
        if !sent || may_wait(body) || !marker_answered(socket) {
            self.socket = None;
        }
    }
}

/// Whether a frame may be a request that is rightly answered late. Its connection is left at once.
fn may_wait(body: &[u8]) -> bool {
    let key = body.first_chunk().map(|key| i16::from_be_bytes(*key));
    key.and_then(ApiKey::from_key)
        .is_some_and(|api| LONG_POLLS.contains(&api))
}

/// The bytes there are, `false` at the connection's end. Silence is a failure.
fn received(socket: &mut TcpStream, bytes: &mut [u8]) -> bool {
    match socket.read_exact(bytes) {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("neither an answer nor an end came"),
        Err(_) => false,
    }
}

/// Reads answers up to that of the marker.
fn marker_answered(socket: &mut TcpStream) -> bool {
    let mut length = [0; 4];
    loop {
        if !received(socket, &mut length) {
            return false;
        }
        let length = u32::from_be_bytes(length) as usize;
        assert!((4..1 << 26).contains(&length), "an answer of {length} bytes");
        let mut frame = vec![0; length];
        if !received(socket, &mut frame) {
            return false;
        }
        if frame[..4] == MARKER.to_be_bytes() {
            return true;
        }
    }
}

fn with_length(body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

/// A request of any API and version with random content, its header in front.
fn random_request(codec: &Codec, api: ApiKey, random: &mut Random) -> Vec<u8> {
    let versions = codec.versions;
    let version = versions.first + random.below((versions.last - versions.first + 1) as usize) as i16;
    let mut body = Vec::new();
    body.extend_from_slice(&api.key().to_be_bytes());
    body.extend_from_slice(&version.to_be_bytes());
    body.extend_from_slice(&7i32.to_be_bytes());
    body.extend_from_slice(&[0, 1, b'x']);
    if api.is_flexible(version) {
        body.push(0);
    }
    body.extend_from_slice(&codec.random_bytes(version, UnknownTags::Some, random));
    body
}

fn mutate(body: &mut Vec<u8>, random: &mut Random) {
    const HUGE: [&[u8]; 5] = [
        &[0x7f, 0xff, 0xff, 0xff],
        &[0x80, 0, 0, 0],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0x7f, 0xff],
        &[0x00, 0x0f, 0x42, 0x40],
    ];
    match random.below(5) {
        0 => body.truncate(random.below(body.len() + 1)),
        1 => {
            let count = 1 + random.below(20);
            body.extend(random.bytes(count));
        }
        2 => {
            let huge = HUGE[random.below(HUGE.len())];
            let at = random.below(body.len());
            let end = (at + huge.len()).min(body.len());
            body[at..end].copy_from_slice(&huge[..end - at]);
        }
        _ => {
            for _ in 0..1 + random.below(4) {
                let at = random.below(body.len());
                body[at] = random.next() as u8;
            }
        }
    }
}

/// Sends malformed frames; how many connections that took.
fn send_malformed(addresses: &[String], seed: u64, frames: u64) -> u64 {
    let mut random = Random::new(seed);
    let codecs = codecs();
    let apis: Vec<_> = (0..=94).filter_map(ApiKey::from_key).collect();
    let requests: Vec<(&Codec, ApiKey)> = codecs
        .iter()
        .filter_map(|codec| {
            let name = codec.name.strip_suffix("Request")?;
            let api = apis.iter().find(|api| api.name() == name)?;
            Some((codec, *api))
        })
        .collect();
    assert!(requests.len() > 70, "the requests of all APIs");
    let marker = request_frame(&ApiVersionsRequest::default(), 0, MARKER, None).expect("a request");
    let mut peers: Vec<_> = addresses
        .iter()
        .map(|address| Peer {
            address,
            socket: None,
            connections: 0,
        })
        .collect();
    for nth in 0..frames {
        let peer = random.below(peers.len());
        let body = match nth % 10 {
            // What aborted another implementation: five bytes as a Metadata request of version 0.
            0 => [
                &[0, 3, 0, 0, 0, 0, 0, 7, 0xff, 0xff][..],
                &[0x7f, 0xff, 0xff, 0xff, 0],
            ]
            .concat(),
            1 => {
                let count = random.below(300);
                random.bytes(count)
            }
            _ => {
                let (codec, api) = requests[random.below(requests.len())];
                let mut body = random_request(codec, api, &mut random);
                mutate(&mut body, &mut random);
                body
            }
        };
        peers[peer].send(&body, &marker);
    }
    peers.iter().map(|peer| peer.connections).sum()
}

/// Peers that say they will send more than they do.
fn half_open(addresses: &[String]) -> Vec<TcpStream> {
    let open = |nth: usize| {
        let mut socket = connect(&addresses[nth % addresses.len()]);
        // A length of 100 MiB, half a length, a frame that has only begun; every second one ends there.
        const PROMISES: [&[u8]; 3] = [&[6, 64, 0, 0], &[0, 0], &[0, 0, 0, 40, 0, 3]];
        let promise = PROMISES[nth % 3];
        socket.write_all(promise).expect("room in the socket");
        if nth.is_multiple_of(2) {
            socket.shutdown(Shutdown::Write).expect("a socket");
        }
        socket
    };
    (0..HALF_OPEN).map(open).collect()
}

/// Peers that send a good request a byte at a time, and are answered all the same.
fn send_slowly(addresses: &[String], over: &AtomicBool) -> u64 {
    let marker = request_frame(&ApiVersionsRequest::default(), 0, MARKER, None).expect("a request");
    let mut answered = 0;
    while !over.load(Ordering::Relaxed) {
        let open = |nth: usize| connect(&addresses[nth % addresses.len()]);
        let mut sockets: Vec<_> = (0..SLOW_SENDERS).map(open).collect();
        for byte in marker.iter() {
            for socket in &mut sockets {
                socket.write_all(&[*byte]).expect("the server waits");
            }
            thread::sleep(Duration::from_millis(2));
        }
        for socket in &mut sockets {
            assert!(marker_answered(socket), "a slow sender is answered");
            answered += 1;
        }
    }
    answered
}

/// Peers that ask for large answers and never read: they ask on as long as the server takes requests.
fn ask_and_do_not_read(address: &str, topic_id: TopicId, over: &AtomicBool) -> Vec<TcpStream> {
    let request = request_frame(&fetch_request(topic_id, 0, 8 << 20), 16, 1, None).expect("a request");
    let mut sockets: Vec<_> = (0..DEAF_READERS).map(|_| connect(address)).collect();
    for socket in &sockets {
        socket.set_nonblocking(true).expect("a socket");
    }
    while !over.load(Ordering::Relaxed) {
        for socket in &mut sockets {
            match socket.write(&request) {
                Ok(_) => {}
                // The server reads no more of it: as it should be.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("a peer that does not read was cut off early: {error}"),
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
    sockets
}

fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("up to the hard limit");
    let enough = (IDLE_CONNECTIONS + 2000) as u64;
    assert!(
        limit.maximum.is_none_or(|most| most >= enough),
        "this test needs {enough} open files; the hard limit is {:?}",
        limit.maximum
    );
}

#[test]
fn hostile_peers_harm_nobody() {
    raise_open_files();
    let options = Options::shards(2)
        .set("wal_file_bytes", 8 << 20)
        .set("wal_files", 2)
        .set("tail_memory_bytes", 16 << 20)
        .set("read_cache_memory_bytes", 8 << 20)
        .set("offsets.topic.num.partitions", 2)
        .set("group.initial.rebalance.delay.ms", 0);
    let mut broker = Broker::start(options);
    let addresses = broker.addresses().to_vec();
    let mut good = WellBehaved::new(&broker);
    // Enough that an answer to a peer that does not read fills the sockets.
    for _ in 0..200 {
        good.write_and_read(60_000);
    }
    let before_kib = resident_kib(broker.pid());

    let idle: Vec<_> = (0..IDLE_CONNECTIONS)
        .map(|nth| connect(&addresses[nth % addresses.len()]))
        .collect();
    let half_open = half_open(&addresses);
    good.write_and_read(100);

    let over = AtomicBool::new(false);
    let connections = AtomicU64::new(0);
    let peak_kib = AtomicU64::new(0);
    let pid = broker.pid();
    let topic_id = good.topic_id;
    let deaf = thread::scope(|scope| {
        let hostile: Vec<_> = (0..HOSTILE_THREADS)
            .map(|thread| {
                let (addresses, connections) = (&addresses, &connections);
                scope.spawn(move || {
                    let used = send_malformed(addresses, 100 + thread, MALFORMED_FRAMES / HOSTILE_THREADS);
                    connections.fetch_add(used, Ordering::Relaxed);
                })
            })
            .collect();
        let slow = scope.spawn(|| send_slowly(&addresses, &over));
        let deaf = scope.spawn(|| ask_and_do_not_read(&addresses[0], topic_id, &over));
        while !hostile.iter().all(|thread| thread.is_finished()) {
            good.write_and_read(100);
            peak_kib.fetch_max(resident_kib(pid), Ordering::Relaxed);
        }
        over.store(true, Ordering::Relaxed);
        let served = slow.join().expect("slow senders");
        assert!(served > 0);
        deaf.join().expect("peers that do not read")
    });
    let peak_kib = peak_kib.load(Ordering::Relaxed);
    let connections = connections.load(Ordering::Relaxed);
    eprintln!(
        "{MALFORMED_FRAMES} frames over {connections} connections; memory {before_kib} KiB before, {peak_kib} KiB at most; \
         {} writes of the well-behaved client, the slowest took {:?}",
        good.next, good.slowest
    );
    let allowed_kib = before_kib + KIB_PER_CONNECTION * IDLE_CONNECTIONS as u64 + KIB_IN_FLIGHT;
    assert!(
        peak_kib <= allowed_kib,
        "{peak_kib} KiB, allowed are {allowed_kib}"
    );
    // The idle ones were not cut off to make room.
    for mut socket in idle {
        let marker = request_frame(&ApiVersionsRequest::default(), 0, MARKER, None).expect("a request");
        socket.write_all(&marker).expect("the connection holds");
        assert!(marker_answered(&mut socket), "an idle connection is served");
    }
    drop((half_open, deaf));
    good.write_and_read(100);

    let lines = broker.stop_with_log();
    assert!(
        !lines.iter().any(|line| fixture::is_error(line)),
        "bad peers are no errors of ours"
    );
    let warnings = lines.iter().filter(|line| line.contains(" WARN ")).count() as u64;
    let bad_peers = connections + HALF_OPEN as u64;
    assert!(
        warnings > 0 && warnings <= bad_peers,
        "{warnings} for {bad_peers}"
    );
}
