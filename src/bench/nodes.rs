//! Which connections go to which node, and what of a topic each of them reads.

use std::rc::Rc;

use anyhow::ensure;

use super::bench_topics::BenchTopics;
use super::broker_client::connect;
use super::connection::Connection;
use super::fetch_load::{Lane, PartitionCursor};

/// Connections of one load, and the node each goes to.
#[derive(Default)]
pub struct Connections {
    /// In the order of their numbers.
    pub opened: Vec<Connection>,
    /// Node of each.
    pub nodes: Vec<Rc<str>>,
}

impl Connections {
    /// Opens connections to the leaders in turn. The generator knows the first of them by the number `first`.
    ///
    /// # Errors
    /// When a node is not reached, or there are fewer connections than nodes.
    pub fn open(
        leaders: &[String],
        first: usize,
        count: usize,
        in_flight: usize,
    ) -> anyhow::Result<Connections> {
        let nodes = distinct(leaders);
        ensure!(
            count >= nodes.len(),
            "{count} connections can't reach all {} nodes that lead partitions",
            nodes.len()
        );
        let mut connections = Connections::default();
        for i in 0..count {
            let node = nodes[i % nodes.len()];
            connections
                .opened
                .push(Connection::new(first + i, connect(node)?, in_flight)?);
            connections.nodes.push(Rc::from(node));
        }
        Ok(connections)
    }

    /// Adds those of another group.
    pub fn append(&mut self, mut more: Connections) {
        self.opened.append(&mut more.opened);
        self.nodes.append(&mut more.nodes);
    }

    /// Splits what each node leads over the connections to it, and over `in_flight` lanes of each, for a group. The load
    /// knows the first connection by the number `first`. `range` says from where to where a partition is read.
    pub fn lanes(
        &self,
        topics: &BenchTopics,
        in_flight: usize,
        group: usize,
        first: usize,
        range: impl Fn(usize) -> (i64, i64),
    ) -> Vec<Lane> {
        let mut lanes = Vec::new();
        for node in distinct(&topics.leaders) {
            let connections: Vec<usize> = (0..self.nodes.len())
                .filter(|i| *self.nodes[*i] == *node)
                .collect();
            let count = connections.len() * in_flight;
            let mut shares: Vec<Vec<PartitionCursor>> = vec![Vec::new(); count];
            for (i, partition) in led_by(topics, node).into_iter().enumerate() {
                let (begin, end) = range(partition as usize);
                shares[i % count].push(PartitionCursor::new(partition, begin, end));
            }
            for (i, share) in shares.into_iter().enumerate() {
                if !share.is_empty() {
                    let connection = first + connections[i % connections.len()];
                    lanes.push(Lane::new(connection, group, share));
                }
            }
        }
        lanes
    }
}

/// The nodes among the leaders of a topic's partitions.
pub fn distinct(leaders: &[String]) -> Vec<&str> {
    let mut nodes: Vec<&str> = leaders.iter().map(String::as_str).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

/// The partitions a node leads.
pub fn led_by(topics: &BenchTopics, node: &str) -> Vec<i32> {
    (0i32..)
        .zip(&topics.leaders)
        .filter(|(_, leader)| *leader == node)
        .map(|(i, _)| i)
        .collect()
}
