//! What metadata says about a cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::client_error::error_code;
use crate::base::ids::{LeaderEpoch, NodeId, TopicId};
use crate::wire::errors::ErrorCode;
use crate::wire::messages::metadata::{MetadataResponse, MetadataResponseTopic};

/// Nodes and topics, as far as they were asked for.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// `host:port` of each node.
    pub nodes: BTreeMap<NodeId, String>,
    /// The node that takes changes, if there is one.
    pub controller: Option<NodeId>,
    /// Topics by name.
    pub topics: BTreeMap<Arc<str>, Topic>,
}

/// A topic.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Its id, zero if the broker has none.
    pub id: TopicId,
    /// Whether it is one of the cluster's own.
    pub is_internal: bool,
    /// `None`, or why the broker cannot say more.
    pub error: ErrorCode,
    /// Its partitions, by index.
    pub partitions: Vec<TopicPartitionInfo>,
}

/// A partition.
#[derive(Clone, Debug)]
pub struct TopicPartitionInfo {
    /// Its index.
    pub index: i32,
    /// The node that leads it, if one does.
    pub leader: Option<NodeId>,
    /// The epoch of its leader, -1 if the broker does not say.
    pub leader_epoch: LeaderEpoch,
    /// All nodes that have it.
    pub replicas: Vec<i32>,
    /// Those that are in sync.
    pub in_sync: Vec<i32>,
}

impl Cluster {
    /// Takes over what a response says. Topics it does not name stay.
    pub fn update(&mut self, response: MetadataResponse) {
        self.nodes = response
            .brokers
            .into_iter()
            .map(|broker| (NodeId(broker.node_id), host_port(&broker.host, broker.port)))
            .collect();
        self.controller = Some(NodeId(response.controller_id)).filter(|node| node.0 >= 0);
        for topic in response.topics {
            let Some(name) = &topic.name else { continue };
            let name: Arc<str> = Arc::from(name.as_str());
            self.topics.insert(name, Topic::from_response(topic));
        }
    }

    /// The node that leads the partition, if that is known and the node is there.
    pub fn leader(&self, topic: &str, index: i32) -> Option<NodeId> {
        self.partition(topic, index)?
            .leader
            .filter(|node| self.nodes.contains_key(node))
    }

    /// The partition, if it is known.
    pub fn partition(&self, topic: &str, index: i32) -> Option<&TopicPartitionInfo> {
        self.topics
            .get(topic)?
            .partitions
            .iter()
            .find(|partition| partition.index == index)
    }

    /// Id of the topic, zero if it is unknown.
    pub fn topic_id(&self, topic: &str) -> TopicId {
        self.topics.get(topic).map_or(TopicId::ZERO, |topic| topic.id)
    }
}

impl Topic {
    fn from_response(topic: MetadataResponseTopic) -> Topic {
        let mut partitions: Vec<TopicPartitionInfo> = topic
            .partitions
            .into_iter()
            .map(|partition| TopicPartitionInfo {
                index: partition.partition_index,
                leader: Some(NodeId(partition.leader_id)).filter(|node| node.0 >= 0),
                leader_epoch: LeaderEpoch(partition.leader_epoch),
                replicas: partition.replica_nodes,
                in_sync: partition.isr_nodes,
            })
            .collect();
        partitions.sort_by_key(|partition| partition.index);
        Topic {
            id: topic.topic_id,
            is_internal: topic.is_internal,
            error: error_code(topic.error_code),
            partitions,
        }
    }
}

/// `host:port`, with an IPv6 address in brackets.
pub(super) fn host_port(host: &str, port: i32) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}
