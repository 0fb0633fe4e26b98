//! The writing side of a run: connections to the leaders, and the frames for each.

use anyhow::ensure;

use super::bench_topic::BenchTopic;
use super::broker_client::BrokerClient;
use super::frame;
use super::nodes::{Connections, distinct, led_by};
use super::produce_load::{BatchSize, ProduceFrame, ProduceLoad};
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
        topic: &BenchTopic,
        client: &BrokerClient,
        writers: Writers,
    ) -> anyhow::Result<Producers> {
        let producers = &workload.producers;
        let version = client.version(ApiKey::Produce, *frame::PRODUCE_VERSIONS.end())?;
        ensure!(
            frame::PRODUCE_VERSIONS.contains(&version),
            "the broker knows Produce only up to version {version}"
        );
        let (batch_bytes, records) = frame::record_batch(workload)?;
        let batch = BatchSize {
            records,
            bytes: batch_bytes.len() as u64,
        };
        let connections = Connections::open(&topic.leaders, 0, producers.connections, producers.in_flight)?;
        let mut frames = Vec::new();
        let mut by_connection = vec![Vec::new(); producers.connections];
        for node in distinct(&topic.leaders) {
            let first = frames.len();
            for partitions in led_by(topic, node).chunks(producers.partitions_per_request) {
                frames.push(ProduceFrame {
                    frame: frame::produce(&topic.name, partitions, &batch_bytes, workload, version)?,
                    partitions: partitions.to_vec(),
                });
            }
            let of_node: Vec<usize> = (first..frames.len()).collect();
            let to_node: Vec<usize> = (0..producers.connections)
                .filter(|i| *connections.nodes[*i] == *node)
                .collect();
            for (i, connection) in to_node.iter().enumerate() {
                by_connection[*connection] = match writers {
                    Writers::Any => of_node.clone(),
                    Writers::One => of_node.iter().copied().skip(i).step_by(to_node.len()).collect(),
                };
            }
        }
        ensure!(
            by_connection.iter().all(|frames| !frames.is_empty()),
            "with consumers beside them each partition is written over one connection, and {} producer connections are \
             more than there are requests to share out ({})",
            producers.connections,
            frames.len()
        );
        let load = ProduceLoad::new(frames, batch, by_connection, topic.leaders.len());
        Ok(Producers {
            connections,
            load,
            batch,
        })
    }
}
