//! The nodes of the cluster as a client is told of them.

use crate::base::ids::NodeId;
use crate::metadata::ClusterImage;
use crate::server::context::{Endpoint, RequestContext};

/// The leader of a partition that has none.
pub const NO_LEADER: i32 = -1;

/// Where this client reaches each node, ascending by node id.
pub fn endpoints(cx: &RequestContext, image: &ClusterImage) -> Vec<Endpoint> {
    image.nodes().map(|node| cx.endpoint(node.shard())).collect()
}

/// The node admin clients send changes to. Any would do, since each hands changes on to the controller; it is the first
/// one, so that all nodes say the same.
pub fn controller(image: &ClusterImage) -> NodeId {
    image.nodes().next().expect("a server has at least one shard")
}

/// The ids as they go over the wire.
pub fn ids(nodes: &[NodeId]) -> Vec<i32> {
    nodes.iter().map(|node| node.0).collect()
}
