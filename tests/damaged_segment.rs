//! A bit turns over in a closed segment of a real broker: the fetch that meets it is told CORRUPT_MESSAGE, the broker's log
//! names topic, partition, offset and file, and no consumer ever gets the record; all others are read.

mod fixture;

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use corelane::wire::errors::ErrorCode;
use corelane::wire::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use corelane::wire::messages::fetch::{FetchPartition, FetchTopic};
use corelane::wire::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};
use corelane::wire::messages::produce::{PartitionProduceData, TopicProduceData};
use corelane::wire::messages::{
    CreateTopicsRequest, FetchRequest, IncrementalAlterConfigsRequest, ProduceRequest,
};
use corelane::wire::records::{BatchBuilder, Compression, batches};
use fixture::client::Client;
use fixture::{Broker, Options, is_error};

const TOPIC: &str = "bent";
/// Each fills most of a segment.
const VALUE_BYTES: usize = 300_000;
const RECORDS: i64 = 10;

fn error(code: i16) -> ErrorCode {
    ErrorCode::from_code(code).expect("a code Kafka knows")
}

fn create(client: &mut Client) {
    let config = CreatableTopicConfig {
        name: "segment.bytes".to_owned(),
        value: Some("1048576".to_owned()),
    };
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: TOPIC.to_owned(),
            num_partitions: 1,
            replication_factor: 1,
            configs: vec![config],
            ..CreatableTopic::default()
        }],
        timeout_ms: 30_000,
        validate_only: false,
    };
    let answer = client.call(&request, 7);
    assert_eq!(error(answer.topics[0].error_code), ErrorCode::None);
}

fn produce(client: &mut Client, byte: u8) {
    let mut builder = BatchBuilder::new(Compression::None);
    let time = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .expect("a clock")
        .as_millis() as i64;
    builder.append(time, None, Some(&[byte; VALUE_BYTES]), &[]);
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: TOPIC.to_owned(),
            partition_data: vec![PartitionProduceData {
                index: 0,
                records: Some(builder.build().expect("a batch").freeze()),
            }],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    };
    let answer = client.call(&request, 9);
    let answer = &answer.responses[0].partition_responses[0];
    assert_eq!(error(answer.error_code), ErrorCode::None);
}

/// The offsets of the batches that a fetch gives, and its error.
fn fetch(client: &mut Client, offset: i64) -> (Vec<i64>, ErrorCode) {
    let request = FetchRequest {
        max_wait_ms: 100,
        min_bytes: 1,
        max_bytes: 50 << 20,
        topics: vec![FetchTopic {
            topic: TOPIC.to_owned(),
            partitions: vec![FetchPartition {
                partition: 0,
                fetch_offset: offset,
                partition_max_bytes: 50 << 20,
                ..FetchPartition::default()
            }],
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    };
    let answer = client.call(&request, 11);
    let answer = &answer.responses[0].partitions[0];
    let bytes = answer.records.clone().unwrap_or_default();
    let offsets = batches(&bytes).map(|batch| {
        let batch = batch.expect("whole");
        batch.check_crc().expect("good");
        batch.header().base_offset.0
    });
    (offsets.collect(), error(answer.error_code))
}

fn set_check(client: &mut Client, check: bool) {
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: 4,
            resource_name: String::new(),
            configs: vec![AlterableConfig {
                name: "check_crcs_on_read".to_owned(),
                config_operation: 0,
                value: Some(check.to_string()),
            }],
        }],
        validate_only: false,
    };
    let answer = client.call(&request, 1);
    assert_eq!(error(answer.responses[0].error_code), ErrorCode::None);
}

#[test]
fn a_flipped_bit_in_a_closed_segment_is_told_and_never_read() {
    let mut broker = Broker::start(Options::shards(1));
    let mut client = Client::connect(broker.bootstrap());
    create(&mut client);
    for record in 0..RECORDS {
        produce(&mut client, record as u8);
    }
    // Orderly, so that nothing is in memory or in the write-ahead log afterwards.
    broker.stop();
    // The second record of the first segment, in the middle of its value.
    let path = broker
        .data_dir()
        .join(format!("{TOPIC}-0/00000000000000000000.log"));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .expect("a segment");
    let position = (VALUE_BYTES + VALUE_BYTES / 2) as u64;
    let mut byte = [0];
    file.read_exact_at(&mut byte, position).expect("read");
    file.write_all_at(&[byte[0] ^ 1], position).expect("write");
    file.sync_all().expect("sync");
    drop(file);

    broker.start_again(1);
    let mut client = Client::connect(broker.bootstrap());
    assert_eq!(
        fetch(&mut client, 0),
        (vec![0], ErrorCode::None),
        "what comes before it"
    );
    for _ in 0..3 {
        assert_eq!(fetch(&mut client, 1), (vec![], ErrorCode::CorruptMessage));
    }
    let mut next = 2;
    while next < RECORDS {
        let (offsets, code) = fetch(&mut client, next);
        assert_eq!((offsets.first(), code), (Some(&next), ErrorCode::None));
        next = offsets.last().expect("some") + 1;
    }
    // Who wants the bytes as they are can have them: a dynamic setting.
    set_check(&mut client, false);
    let request_to_see = |client: &mut Client| {
        let unchecked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| fetch(client, 1)));
        unchecked.is_err()
    };
    assert!(
        request_to_see(&mut client),
        "the damaged batch comes, and the client's own check fails"
    );
    set_check(&mut client, true);
    assert_eq!(fetch(&mut client, 1), (vec![], ErrorCode::CorruptMessage));

    let log = broker.stop_with_log();
    let errors: Vec<_> = log.iter().filter(|line| is_error(line)).collect();
    let [told] = errors[..] else {
        panic!("the place is told once: {errors:#?}");
    };
    let file = path.display().to_string();
    for part in [TOPIC, "partition=0", "offset=1", file.as_str()] {
        assert!(told.contains(part), "{part} is named in {told}");
    }
}
