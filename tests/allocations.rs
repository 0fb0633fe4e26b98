//! How often a request makes the server ask the allocator for memory, on the steady path of Produce and Fetch: counted on
//! the shard's thread, and asserted. When a count is above what is said, the test shows where the memory is asked for.
//!
//! Counted is what is asked for on the way of a request: by its connection, its pipeline and the committer, whomever they
//! call. The runtime's own turns and what goes by the clock ask for memory too, but not by the request, so a machine's speed
//! would be in such a figure. Memory from pools (receive buffers, the disk's buffers) is not asked for here.
//!
//! What is left of a Produce: the answer's lists of topics and of partitions, and its frame. Of a commit, which many requests
//! share under load: the handle of its disk buffer, the task that writes it, and the runtime's handle of that write.
//!
//! What is left of a Fetch: the partitions that are wanted, which its session may keep, and the answer's frame, which is cut
//! into pieces that share it. A request for several partitions has a list of them instead of one in place, here and there.

#[path = "fixture/client.rs"]
mod client;
#[path = "fixture/in_process.rs"]
mod in_process;

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use client::Client;
use corelane::base::ids::TopicId;
use corelane::wire::codec::Request;
use corelane::wire::frame::request_frame;
use corelane::wire::messages::create_topics::CreatableTopic;
use corelane::wire::messages::fetch::{FetchPartition, FetchTopic};
use corelane::wire::messages::produce::{PartitionProduceData, TopicProduceData};
use corelane::wire::messages::{CreateTopicsRequest, FetchRequest, ProduceRequest};
use corelane::wire::records::{BatchBuilder, Compression};
use in_process::Server;

const PARTITIONS: i32 = 16;

/// Requests before anything is counted: queues and buffers have the size they keep.
const WARM_UP: usize = 300;

/// Requests whose median counts: what is done now and then is not in it.
const COUNTED: usize = 11;

/// On the way of a request: one of these is in its stack.
const REQUEST_FILES: [&str; 3] = ["server/connection.rs", "server/pipeline.rs", "log/committer.rs"];

/// Counts what the threads ask for that want to be counted.
struct Counting;

static COUNTING: AtomicBool = AtomicBool::new(false);
/// Number of the request that is under way.
static REQUEST: AtomicUsize = AtomicUsize::new(0);
/// Where memory was asked for, with the number of the request.
static ASKED_AT: Mutex<Vec<(usize, Backtrace)>> = Mutex::new(Vec::new());

thread_local! {
    static IS_COUNTED: Cell<bool> = const { Cell::new(false) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count() {
    if !IS_COUNTED.get() || !COUNTING.load(Ordering::Relaxed) {
        return;
    }
    // What the trace itself allocates is not counted.
    IS_COUNTED.set(false);
    let trace = (REQUEST.load(Ordering::Relaxed), Backtrace::force_capture());
    ASKED_AT.lock().expect("nobody panics with it").push(trace);
    IS_COUNTED.set(true);
}

// SAFETY: all calls go to the system's allocator as they are.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise, passed on.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(old, layout) }
    }
}

/// The innermost lines of the server's that asked for memory. `None` if it was not for a request.
fn place(trace: &str) -> Option<String> {
    let lines = || trace.lines().filter_map(|line| line.trim().strip_prefix("at "));
    let ours = || lines().filter_map(|line| line.strip_prefix("./src/"));
    let is_request = |line: &str| REQUEST_FILES.iter().any(|file| line.starts_with(file));
    if !ours().any(is_request) {
        return None;
    }
    let runtime = lines()
        .filter_map(|line| line.split_once("glommio-"))
        .map(|(_, line)| line);
    // Whether the runtime asked in our name, or we did.
    let first = lines().find(|line| line.starts_with("./src/") || line.contains("/glommio-"));
    let by_runtime = first.is_some_and(|line| line.contains("/glommio-"));
    let mut place: Vec<&str> = runtime.take(usize::from(by_runtime)).collect();
    place.extend(ours().take(4));
    Some(place.join("\n        "))
}

/// Allocations of the median request, and where they are.
fn allocations(client: &mut Client, frame: &[u8]) -> (usize, String) {
    let mut exchange = |number| {
        REQUEST.store(number, Ordering::Relaxed);
        client.send(frame);
        client.receive().expect("an answer");
    };
    (0..WARM_UP).for_each(&mut exchange);
    COUNTING.store(true, Ordering::Relaxed);
    (0..COUNTED).for_each(&mut exchange);
    COUNTING.store(false, Ordering::Relaxed);
    let mut by_request = [0; COUNTED];
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (request, trace) in std::mem::take(&mut *ASKED_AT.lock().expect("nobody panics with it")) {
        if let Some(place) = place(&trace.to_string()) {
            by_request[request] += 1;
            *places.entry(place).or_default() += 1;
        }
    }
    by_request.sort_unstable();
    let mut text = String::new();
    for (place, count) in places {
        let each = count as f64 / COUNTED as f64;
        writeln!(text, "    {each:.2} a request:\n        {place}").expect("a string");
    }
    (by_request[COUNTED / 2], text)
}

fn frame<R: Request>(request: &R, version: i16) -> Vec<u8> {
    let frame = request_frame(request, version, 1, Some("client")).expect("a request of this version");
    frame.to_vec()
}

fn create_topic(client: &mut Client, name: &str) -> TopicId {
    let create = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: name.to_string(),
            num_partitions: PARTITIONS,
            replication_factor: 1,
            ..CreatableTopic::default()
        }],
        timeout_ms: 30_000,
        ..CreateTopicsRequest::default()
    };
    let created = client.call(&create, 7);
    assert_eq!(created.topics[0].error_code, 0);
    created.topics[0].topic_id
}

fn produce(topic_id: TopicId, partitions: i32, records: usize, value_bytes: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None);
    for _ in 0..records {
        builder.append(1_700_000_000_000, None, Some(&vec![7; value_bytes]), &[]);
    }
    let batch: Bytes = builder.build().expect("a batch").freeze();
    let partition_data = (0..partitions).map(|index| PartitionProduceData {
        index,
        records: Some(batch.clone()),
    });
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            topic_id,
            partition_data: partition_data.collect(),
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    };
    frame(&request, 13)
}

/// Reads from the beginning of each partition, outside any session.
fn fetch(topic_id: TopicId, partitions: i32, partition_max_bytes: i32) -> Vec<u8> {
    let partitions = (0..partitions).map(|partition| FetchPartition {
        partition,
        partition_max_bytes,
        ..FetchPartition::default()
    });
    let request = FetchRequest {
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 8 << 20,
        session_epoch: -1,
        topics: vec![FetchTopic {
            topic_id,
            partitions: partitions.collect(),
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    };
    frame(&request, 16)
}

#[test]
fn requests_of_the_steady_path_allocate_as_little_as_is_said() {
    let server = Server::start(1, || IS_COUNTED.set(true));
    let mut client = Client::connect(&server.addresses[0]);
    let topic = create_topic(&mut client, "steady");
    let read = create_topic(&mut client, "read");
    // In memory and small, so that every fetch finds the same.
    client.send(&produce(read, PARTITIONS, 10, 100));
    client.receive().expect("an answer");

    let cases = [
        ("a Produce of one small record", produce(topic, 1, 1, 100), 6),
        ("a Produce of 16 KiB", produce(topic, 1, 16, 1000), 6),
        (
            "a Produce for 16 partitions",
            produce(topic, PARTITIONS, 1, 100),
            9,
        ),
        ("a Fetch of one partition", fetch(read, 1, 1 << 20), 3),
        ("a Fetch of 16 partitions", fetch(read, PARTITIONS, 1 << 20), 11),
    ];
    let mut wrong = String::new();
    for (name, frame, said) in cases {
        let (counted, places) = allocations(&mut client, &frame);
        // None at all would mean that the traces can't be read.
        assert!(counted > 0, "{name}");
        if counted > said {
            writeln!(
                wrong,
                "{name} allocates {counted} times, not {said} at most:\n{places}"
            )
            .expect("a string");
        }
    }
    server.stop();
    assert!(wrong.is_empty(), "{wrong}");
}
