//! A partition as the image shows it.

use crate::base::ids::{LeaderEpoch, NodeId};

/// Where a partition is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionImage {
    /// Index in its topic, from 0.
    pub partition: i32,
    /// The node that takes its records.
    pub leader: NodeId,
    /// Rises with each change of leadership, which includes each restart of the server.
    pub leader_epoch: LeaderEpoch,
    /// All nodes that have it, the preferred leader first.
    pub replicas: Vec<NodeId>,
    /// Those of them that have all of it.
    pub isr: Vec<NodeId>,
    /// The leader can't use it: its disk failed, or it is damaged.
    pub is_offline: bool,
}
