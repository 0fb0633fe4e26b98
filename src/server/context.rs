//! What a handler knows about the request it answers, besides the request itself.

use std::net::SocketAddr;
use std::rc::Rc;

use crate::base::ids::{NodeId, ShardId};
use crate::server::state::ServerState;
use crate::shard::Shard;

/// One client connection.
pub struct ConnectionInfo {
    /// Number of the connection on this shard, for logs and for the names of anonymous members.
    pub id: u64,
    /// The address by which the client reached this shard.
    pub local_addr: SocketAddr,
    /// Where the client is.
    pub peer_addr: SocketAddr,
}

/// Where clients reach a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The node.
    pub node: NodeId,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Rack of its server.
    pub rack: Option<String>,
}

/// A request being handled.
pub struct RequestContext {
    /// This shard's serving state.
    pub server: Rc<ServerState>,
    /// The connection the request came by.
    pub connection: Rc<ConnectionInfo>,
    /// Version of the request's API.
    pub api_version: i16,
    /// The client's name for itself.
    pub client_id: Option<Rc<str>>,
}

impl RequestContext {
    /// The shard that answers.
    pub fn shard(&self) -> &Rc<Shard> {
        &self.server.shard
    }

    /// Where this client reaches a shard of this server: by the configured name, else by the address
    /// it has used itself. Ports follow the shards, so the base port is the one dialled less this shard's number.
    pub fn endpoint(&self, shard: ShardId) -> Endpoint {
        self.server.endpoint(&self.connection, shard)
    }
}
