//! Others fill the disk while everybody works: produced records are refused with an error that clients retry, what was there
//! is read, group offsets are committed and topics deleted, as long as the write-ahead log and the reserve have room; and when
//! there is room again everything gets on by itself.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::admin::{create_topic, delete_topic};
use super::client::{Client, any_version};
use super::last_look::read_all;
use super::list_offset::{EARLIEST, LATEST, list_offset};
use super::offset_committer::{Membership, commit_offset};
use super::oracle::{Oracle, below};
use super::promise::Promise;
use super::server_life::{DATA_DIR, SERVER};
use crate::base::ids::TopicPartition;
use crate::rt;
use crate::rt::sim::disk::{self, FaultPlan, SimDisk};
use crate::wire::errors::ErrorCode;
use crate::wire::messages::ProduceRequest;
use crate::wire::messages::produce::{PartitionProduceData, TopicProduceData};

/// The room on a disk that gets full: much more than a run writes, so that it is full when others make it so.
pub const CAPACITY: u64 = 64 << 20;

const GROUP: &str = "on a full disk";

/// A full disk is noticed, and so is room, within this time.
const NOTICED_IN: Duration = Duration::from_secs(30);

/// A change that has the room for it is carried out within this time, after some that wait for room.
const CHANGED_IN: Duration = Duration::from_secs(10);

/// Others fill the disk to any degree, or make room.
pub fn fill_somehow(disk: &SimDisk) {
    disk.occupy(0);
    let free = disk.free_bytes();
    disk.occupy(match below(3) {
        0 => free,
        1 => free.saturating_sub(below(CAPACITY / 8)),
        _ => 0,
    });
}

/// Fills the disk of a server to which nothing else happens, and makes room again. Whether group offsets were committed and a
/// topic was deleted meanwhile.
pub async fn endure(oracle: &Oracle) -> bool {
    let mut client = Client::new(oracle);
    let (name, partition) = create_topic(&mut client, "filling", 1, Promise::Everything)
        .await
        .remove(0);
    let doomed = create_topic(&mut client, "deletable-when-full", 1, Promise::Everything).await;
    until_taken(&mut client, &name, partition).await;
    let disk = disk::of(SERVER);
    let reserve = format!("{DATA_DIR}/corelane-reserve");
    in_time("the reserve is made", async {
        while !disk
            .files_below(DATA_DIR)
            .expect("a directory")
            .contains(&reserve)
        {
            client.pause().await;
        }
    })
    .await;

    disk.set_faults(FaultPlan {
        capacity_bytes: Some(CAPACITY),
        ..FaultPlan::default()
    });
    disk.occupy(disk.free_bytes());
    in_time("records are refused", async {
        while produce_one(&mut client, &name, partition).await != ErrorCode::KafkaStorageError {
            client.pause().await;
        }
    })
    .await;
    let deleted = Rc::new(Cell::new(false));
    let deleting = rt::spawn({
        let (oracle, deleted) = (oracle.clone(), deleted.clone());
        async move {
            let (name, partition) = &doomed[0];
            delete_topic(&mut Client::new(&oracle), name, partition.topic).await;
            deleted.set(true);
        }
    });
    let mut committed = false;
    in_time("what is there is read", async {
        let end = list_offset(&mut client, &name, partition, LATEST).await;
        let end = end.expect("nothing is wrong with reading");
        let start = list_offset(&mut client, &name, partition, EARLIEST).await;
        let start = start.expect("nothing is wrong with reading");
        let read = read_all(&mut client, &name, partition, start, end).await;
        assert!(read.is_some_and(|records| !records.is_empty()));
        let committing = commit_somehow(&mut client, (&name, partition), end);
        committed = rt::timeout(CHANGED_IN, committing).await.is_ok();
    })
    .await;
    let changed = committed && deleted.get();
    disk.occupy(0);
    in_time(
        "records are taken again",
        until_taken(&mut client, &name, partition),
    )
    .await;
    in_time("a topic is deleted", deleting).await;
    disk.set_faults(FaultPlan::default());
    changed
}

async fn in_time(what: &str, work: impl Future<Output = ()>) {
    let done = rt::timeout(NOTICED_IN, work).await;
    assert!(done.is_ok(), "in bounded time: {what}");
}

async fn until_taken(client: &mut Client, name: &str, partition: TopicPartition) {
    while produce_one(client, name, partition).await != ErrorCode::None {
        client.pause().await;
    }
}

/// Writes one batch, once.
async fn produce_one(client: &mut Client, name: &str, partition: TopicPartition) -> ErrorCode {
    client.refresh_surely().await;
    let oracle = client.oracle.clone();
    let batch = oracle.make_batch(partition, None);
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 5000,
        topic_data: vec![TopicProduceData {
            name: name.to_string(),
            topic_id: partition.topic,
            partition_data: vec![PartitionProduceData {
                index: partition.partition,
                records: Some(batch.bytes.clone()),
            }],
        }],
        ..ProduceRequest::default()
    };
    let port = client.leader(&partition).expect("a leader");
    let answer = client
        .call(port, any_version::<ProduceRequest>(0), &request)
        .await;
    let Ok(answer) = answer else {
        // It was taken, and waits in the memory for room in the write-ahead log.
        return ErrorCode::RequestTimedOut;
    };
    let answer = &answer.responses[0].partition_responses[0];
    let code = ErrorCode::from_code(answer.error_code).expect("a known code");
    match code {
        ErrorCode::None => oracle.acknowledged(partition, batch.number, answer.base_offset),
        ErrorCode::KafkaStorageError => {}
        code => panic!("{name}: {code:?}, which is not for a full disk"),
    }
    code
}

async fn commit_somehow(client: &mut Client, (name, partition): (&str, TopicPartition), offset: i64) {
    loop {
        let port = client.coordinator(GROUP).await;
        let by = Membership::none();
        let committed = commit_offset(client, port, GROUP, &by, (name, partition), offset).await;
        if committed.is_ok() {
            break;
        }
        // The write-ahead log gets room from tails that are written, or the group is being loaded.
        client.pause().await;
    }
}
