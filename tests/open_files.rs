//! A server that may have few files open serves more partitions than that, and any number of clients does not take the files of
//! its partitions.

mod fixture;

use std::net::TcpStream;
use std::time::{Duration, Instant};

use corelane::wire::errors::ErrorCode;
use corelane::wire::frame::request_frame;
use corelane::wire::messages::create_topics::CreatableTopic;
use corelane::wire::messages::fetch::{FetchPartition, FetchTopic};
use corelane::wire::messages::produce::{PartitionProduceData, TopicProduceData};
use corelane::wire::messages::{ApiVersionsRequest, CreateTopicsRequest, FetchRequest, ProduceRequest};
use corelane::wire::records::{BatchBuilder, Compression};
use fixture::client::Client;
use fixture::{Broker, Options};

const TOPIC: &str = "files";
const PARTITIONS: i32 = 150;
/// As low as it is in the narrowest surroundings.
const OPEN_FILES: u64 = 256;
const CLIENTS: usize = 400;
/// A batch of this size goes to its segment at once.
const VALUE_BYTES: usize = 300_000;
/// Only a broker that serves nobody reaches it.
const WITHIN: Duration = Duration::from_secs(60);

fn create(client: &mut Client) {
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: TOPIC.to_owned(),
            num_partitions: PARTITIONS,
            replication_factor: 1,
            ..CreatableTopic::default()
        }],
        timeout_ms: 30_000,
        validate_only: false,
    };
    let answer = client.call(&request, 7);
    assert_eq!(answer.topics[0].error_code, ErrorCode::None.code());
}

fn produce(client: &mut Client, index: i32) {
    let mut builder = BatchBuilder::new(Compression::None);
    let time = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock");
    builder.append(
        time.as_millis() as i64,
        None,
        Some(&vec![index as u8; VALUE_BYTES]),
        &[],
    );
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: TOPIC.to_owned(),
            partition_data: vec![PartitionProduceData {
                index,
                records: Some(builder.build().expect("a batch").freeze()),
            }],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    };
    let answer = client.call(&request, 9);
    let code = answer.responses[0].partition_responses[0].error_code;
    assert_eq!(code, ErrorCode::None.code(), "partition {index}");
}

fn fetch(client: &mut Client, partition: i32) -> usize {
    let request = FetchRequest {
        max_wait_ms: 100,
        min_bytes: 1,
        max_bytes: 50 << 20,
        topics: vec![FetchTopic {
            topic: TOPIC.to_owned(),
            partitions: vec![FetchPartition {
                partition,
                partition_max_bytes: 50 << 20,
                ..FetchPartition::default()
            }],
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    };
    let answer = client.call(&request, 11);
    let answer = &answer.responses[0].partitions[0];
    assert_eq!(answer.error_code, ErrorCode::None.code(), "partition {partition}");
    answer.records.as_ref().map_or(0, |records| records.len())
}

fn open_files(broker: &Broker) -> usize {
    let fds = std::fs::read_dir(format!("/proc/{}/fd", broker.pid())).expect("a process");
    fds.count()
}

#[test]
fn clients_beyond_the_limit_are_refused_and_partitions_served() {
    let mut broker = Broker::start(Options::shards(1).open_files(OPEN_FILES));
    let mut client = Client::connect(broker.bootstrap());
    create(&mut client);
    for partition in 0..PARTITIONS {
        produce(&mut client, partition);
    }
    assert!(open_files(&broker) < OPEN_FILES as usize);
    broker.stop();
    // What is read now is not in memory any more.
    broker.start_again(1);
    let mut client = Client::connect(broker.bootstrap());
    assert!(fetch(&mut client, 0) > VALUE_BYTES);
    let crowd: Vec<_> = (0..CLIENTS)
        .map(|_| TcpStream::connect(broker.bootstrap()).expect("the system accepts it"))
        .collect();
    for partition in 0..PARTITIONS {
        assert!(fetch(&mut client, partition) > VALUE_BYTES);
        produce(&mut client, partition);
    }
    assert!(open_files(&broker) < OPEN_FILES as usize);
    let refused = |line: &String| line.contains("connections refused until others close");
    let deadline = Instant::now() + WITHIN;
    while !broker.log_lines().iter().any(refused) {
        assert!(Instant::now() < deadline, "nobody was refused");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(crowd);
    // When they have gone others are served again.
    let deadline = Instant::now() + WITHIN;
    loop {
        let mut newcomer = Client::connect(broker.bootstrap());
        let frame = request_frame(&ApiVersionsRequest::default(), 0, 1, Some("newcomer")).expect("a request");
        if newcomer.try_send(&frame).is_ok() && newcomer.receive().is_some() {
            break;
        }
        assert!(Instant::now() < deadline, "nobody is served");
        std::thread::sleep(Duration::from_millis(20));
    }
    broker.stop();
}
