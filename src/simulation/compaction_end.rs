//! Compaction ends what it began, whatever it was interrupted by: when nothing is wrong any more, closed segments come to have
//! each key once.

use std::collections::BTreeMap;
use std::time::Duration;

use super::client::Client;
use super::keyed_records::keys_of;
use super::last_look::read_all;
use super::list_offset::{EARLIEST, LATEST, list_offset};
use super::oracle::Oracle;
use super::producer::produce_keyed_padding;
use super::topic_changes::set_config;
use crate::base::ids::TopicPartition;
use crate::rt;

/// So much later at the latest everything is compacted that can be.
const COMPACTED_IN: Duration = Duration::from_secs(30);

/// Batches, each of which takes an entry of the index: more than a segment may have.
const PADDING: usize = 10;

/// Closes the segments of all compacted topics, and waits until each key is there once.
pub async fn wait_for_compaction(oracle: &Oracle) {
    let mut client = Client::new(oracle);
    client.refresh_surely().await;
    for (name, topic) in oracle.live_topics() {
        if oracle.promise(topic).compacts() {
            set_config(&mut client, &name, topic, "segment.index.bytes", "60").await;
            set_config(&mut client, &name, topic, "min.cleanable.dirty.ratio", "0.0").await;
        }
    }
    for (name, partition) in oracle.live_partitions() {
        if !oracle.promise(partition.topic).compacts() {
            continue;
        }
        let end = list_offset(&mut client, &name, partition, LATEST).await;
        let end = end.expect("nothing is wrong");
        produce_keyed_padding(&mut client, &name, partition, PADDING).await;
        let done = rt::timeout(COMPACTED_IN, async {
            while keys_written_twice(&mut client, &name, partition, end).await > 0 {
                rt::sleep(Duration::from_millis(100)).await;
            }
        });
        if done.await.is_err() {
            let left = keys_written_twice(&mut client, &name, partition, end).await;
            panic!("{name} {partition:?} has {left} keys more than once before {end}, and is not compacted");
        }
    }
}

/// How many keys have more than one record before `end`.
async fn keys_written_twice(client: &mut Client, name: &str, partition: TopicPartition, end: i64) -> usize {
    let start = list_offset(client, name, partition, EARLIEST).await;
    let start = start.expect("nothing is wrong");
    let bytes = read_all(client, name, partition, start, end).await;
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for (offset, key) in keys_of(&bytes.expect("nobody deletes records here")) {
        if offset < end {
            *times.entry(key).or_default() += 1;
        }
    }
    times.values().filter(|times| **times > 1).count()
}
