//! The writing side of a run: connections to the leaders, and the frames for each.

use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::ensure;

use super::bench_topics::BenchTopics;
use super::broker_client::BrokerClient;
use super::frame;
use super::live_load::LiveLoad;
use super::nodes::{Connections, distinct, led_by};
use super::produce_load::{BatchSize, ProduceFrame, ProduceLoad};
use super::record_source::RecordSource;
use super::workload::Workload;
use crate::wire::api::ApiKey;

/// Which connections may write to a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writers {
    /// All to its leader.
    Any,
    /// One only: the order in which batches leave is the order in which they are in the log.
    One,
}

/// Producers that are connected.
pub struct Producers {
    /// Their connections.
    pub connections: Connections,
    /// What they send.
    pub load: ProduceLoad,
    /// Size of every batch.
    pub batch: BatchSize,
}

impl Producers {
    /// Connects, and builds the frames.
    ///
    /// # Errors
    /// When the broker is not reached, or the workload can't be spread as asked.
    pub fn new(
        workload: &Workload,
        topics: &BenchTopics,
        client: &BrokerClient,
        writers: Writers,
    ) -> anyhow::Result<Producers> {
        let producers = &workload.producers;
        let version = produce_version(client)?;
        let now_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis() as i64;
        let (batches, records) = RecordSource::new(&workload.records)?.prebuilt(workload, now_ms)?;
        let batch = BatchSize {
            records,
            bytes: batches[0].len() as u64,
        };
        let connections = Connections::open(&topics.leaders, 0, producers.connections, producers.in_flight)?;
        let mut frames = Vec::new();
        let mut by_connection = vec![Vec::new(); producers.connections];
        for node in distinct(&topics.leaders) {
            let partitions = led_by(topics, node);
            let to_node: Vec<usize> = (0..producers.connections)
                .filter(|i| *connections.nodes[*i] == *node)
                .collect();
            for batch in &batches {
                for (i, partitions) in partitions.chunks(producers.partitions_per_request).enumerate() {
                    let writers = match writers {
                        Writers::Any => &to_node[..],
                        Writers::One => std::slice::from_ref(&to_node[i % to_node.len()]),
                    };
                    for connection in writers {
                        by_connection[*connection].push(frames.len());
                    }
                    frames.push(ProduceFrame {
                        frame: frame::produce(topics, partitions, batch, producers.acks, version)?,
                        partitions: partitions.to_vec(),
                    });
                }
            }
        }
        ensure!(
            by_connection.iter().all(|frames| !frames.is_empty()),
            "with consumers beside them each partition is written over one connection, and {} producer connections are \
             more than there are requests to share out ({})",
            producers.connections,
            frames.len()
        );
        let load = ProduceLoad::new(frames, batch, by_connection, topics.leaders.len());
        Ok(Producers {
            connections,
            load,
            batch,
        })
    }
}

/// Producers that build their records as they go: their connections, and what they send.
///
/// # Errors
/// When the broker is not reached, or there is no source of records.
pub fn live(
    workload: &Workload,
    topics: &Rc<BenchTopics>,
    client: &BrokerClient,
) -> anyhow::Result<(Connections, LiveLoad)> {
    let producers = &workload.producers;
    let nodes = distinct(&topics.leaders);
    let count = producers.connections * nodes.len();
    let connections = Connections::open(&topics.leaders, 0, count, producers.in_flight)?;
    let load = LiveLoad::new(workload, Rc::clone(topics), &nodes, produce_version(client)?)?;
    Ok((connections, load))
}

fn produce_version(client: &BrokerClient) -> anyhow::Result<i16> {
    let version = client.version(ApiKey::Produce, *frame::PRODUCE_VERSIONS.end())?;
    ensure!(
        frame::PRODUCE_VERSIONS.contains(&version),
        "the broker knows Produce only up to version {version}"
    );
    Ok(version)
}
