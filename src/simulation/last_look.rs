//! When all is over: reads everything, and holds it against what the clients were told.

use std::time::Duration;

use super::admin::knock_at_deleted;
use super::client::{Client, Unanswered, any_version};
use super::list_offset::{EARLIEST, LATEST, list_offset};
use super::offset_committer::committed_offset;
use super::oracle::Oracle;
use super::promise::Promise;
use super::server_life::{DATA_DIR, SERVER};
use super::topic_changes::check_configs;
use crate::base::ids::TopicPartition;
use crate::rt::{self, sim};
use crate::wire::errors::ErrorCode;
use crate::wire::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};

/// How much of what may go had gone, in records.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub compacted: i64,
    pub forgotten: i64,
    pub lost_relaxed: i64,
    /// Files that were damaged.
    pub damaged: i64,
    /// Full disks on which all went on that is to go on.
    pub full: i64,
}

/// Checks all partitions of all topics, and what the groups have committed of them.
pub async fn look(oracle: &Oracle, groups: &[String]) -> Seen {
    let mut client = Client::new(oracle);
    client.refresh_surely().await;
    for (name, id) in oracle.live_topics() {
        let checked = check_configs(&mut client, &name, id).await;
        checked.expect("an answer, for nothing is wrong");
    }
    for (name, id) in oracle.deleted_topics() {
        knock_at_deleted(&mut client, &name, id).await;
    }
    wait_for_room_of_deleted().await;
    let mut seen = Seen::default();
    for (name, partition) in oracle.live_partitions() {
        let promise = oracle.promise(partition.topic);
        let (start, end, bytes) = loop {
            let start = list_offset(&mut client, &name, partition, EARLIEST).await;
            let start = start.expect("nothing is wrong");
            let end = list_offset(&mut client, &name, partition, LATEST).await;
            let end = end.expect("nothing is wrong");
            // While it was read its beginning may have gone.
            if let Some(bytes) = read_all(&mut client, &name, partition, start, end).await {
                break (start, end, bytes);
            }
            assert!(promise.forgets(), "{name} {partition:?}: something is gone");
        };
        oracle.check_whole(partition, &bytes, start, end);
        match promise {
            Promise::NewestOfKey(_) => seen.compacted += oracle.records_gone(partition, &bytes),
            _ if promise.forgets() => seen.forgotten += start,
            Promise::UntilDeath => seen.lost_relaxed += oracle.records_gone(partition, &bytes),
            _ => {}
        }
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
    seen
}

/// The records of deleted topics go in bounded time. In the end all topics are gone that are deleted at all in a run. What was
/// moved away as stray stays for a person to look at.
async fn wait_for_room_of_deleted() {
    let disk = sim::disk::of(SERVER);
    let left = || {
        let files = disk.files_below(DATA_DIR).expect("a directory");
        let is_left = |path: &String| {
            path.contains("/deletable-") && path.ends_with(".log") && !path.contains("-stray/")
        };
        files.into_iter().find(is_left)
    };
    let gone = rt::timeout(Duration::from_secs(60), async {
        while left().is_some() {
            rt::sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(
        gone.await.is_ok(),
        "{:?} is left of a topic that was deleted",
        left()
    );
}

/// Everything from one offset to another. `None`: it begins later meanwhile.
pub async fn read_all(
    client: &mut Client,
    name: &str,
    partition: TopicPartition,
    start: i64,
    end: i64,
) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    let mut position = start;
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
        if data.error_code == ErrorCode::OffsetOutOfRange.code() {
            return None;
        }
        assert_eq!(data.error_code, 0, "{name} {partition:?} from {position}");
        let records = data.records.clone().unwrap_or_default();
        let next = client.oracle.read(partition, &records);
        position =
            next.unwrap_or_else(|| panic!("{name} {partition:?}: nothing at {position}, it ends at {end}"));
        all.extend_from_slice(&records);
    }
    Some(all)
}
