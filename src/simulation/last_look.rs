//! When all is over: reads everything, and holds it against what the clients were told.

use super::client::{Client, Unanswered, any_version};
use super::offset_committer::committed_offset;
use super::oracle::Oracle;
use crate::base::ids::TopicPartition;
use crate::wire::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use crate::wire::messages::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};

const EARLIEST: i64 = -2;
const LATEST: i64 = -1;

/// Checks all partitions of all topics, and what the groups have committed of them.
pub async fn look(oracle: &Oracle, groups: &[String]) {
    let mut client = Client::new(oracle);
    client.refresh_surely().await;
    for (name, partition) in oracle.live_partitions() {
        let start = list_offset(&mut client, &name, partition, EARLIEST).await;
        assert_eq!(start, 0, "nothing was deleted from {name}");
        let promised = oracle.promised_end(partition);
        let end = list_offset(&mut client, &name, partition, LATEST).await;
        oracle.saw_end(partition, promised, end);
        let bytes = read_all(&mut client, &name, partition, end).await;
        oracle.check_whole(partition, &bytes, end);
        for group in groups {
            loop {
                let port = client.coordinator(group).await;
                let found = committed_offset(&mut client, port, group, (&name, partition)).await;
                match found {
                    Ok(_) => break,
                    // The group is being loaded.
                    Err(Some(_)) => client.pause().await,
                    Err(None) => panic!("no answer, and nothing is wrong"),
                }
            }
        }
    }
}

async fn list_offset(client: &mut Client, name: &str, partition: TopicPartition, timestamp: i64) -> i64 {
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: name.to_string(),
            partitions: vec![ListOffsetsPartition {
                partition_index: partition.partition,
                timestamp,
                ..ListOffsetsPartition::default()
            }],
        }],
        ..ListOffsetsRequest::default()
    };
    let port = client.leader(&partition).expect("a leader");
    let version = any_version::<ListOffsetsRequest>(1);
    let answer = client.call(port, version, &request).await;
    let answer = answer.expect("an answer, for nothing is wrong");
    let found = &answer.topics[0].partitions[0];
    assert_eq!(found.error_code, 0, "{name} {partition:?}");
    found.offset
}

async fn read_all(client: &mut Client, name: &str, partition: TopicPartition, end: i64) -> Vec<u8> {
    let mut all = Vec::new();
    let mut position = 0;
    while position < end {
        let request = FetchRequest {
            max_wait_ms: 100,
            max_bytes: 1 << 20,
            topics: vec![FetchTopic {
                topic: name.to_string(),
                topic_id: partition.topic,
                partitions: vec![FetchPartition {
                    partition: partition.partition,
                    fetch_offset: position,
                    partition_max_bytes: 1 << 20,
                    ..FetchPartition::default()
                }],
            }],
            ..FetchRequest::default()
        };
        let port = client.leader(&partition).expect("a leader");
        let answer = client.call(port, any_version::<FetchRequest>(0), &request).await;
        let Ok(answer) = answer else {
            panic!("{Unanswered:?}, and nothing is wrong");
        };
        let data = &answer.responses[0].partitions[0];
        assert_eq!(data.error_code, 0, "{name} {partition:?} from {position}");
        let records = data.records.clone().unwrap_or_default();
        let next = client.oracle.read(partition, &records);
        position =
            next.unwrap_or_else(|| panic!("{name} {partition:?}: nothing at {position}, it ends at {end}"));
        all.extend_from_slice(&records);
    }
    all
}
