//! What all connections of a shard share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use crate::base::ids::{NodeId, ShardId};
use crate::rt::sync::{Budget, Event};
use crate::server::context::{ConnectionInfo, Endpoint};
use crate::server::handlers::fetch::SessionCache;
use crate::shard::Shard;

/// The serving side of one shard.
pub struct ServerState {
    /// The shard that is served.
    pub shard: Rc<Shard>,
    /// Memory for requests that are being received or committed, in bytes.
    pub request_budget: Budget,
    /// Memory for answers to fetches that are being sent, in bytes.
    pub fetch_budget: Budget,
    /// Fetch sessions (KIP-227).
    pub fetch_sessions: RefCell<SessionCache>,
    connections: Cell<usize>,
    /// So many sockets may be open, whatever the settings say: more would take the files of partitions.
    most_connections: usize,
    next_connection: Cell<u64>,
    stopping: Cell<bool>,
    stop: Event,
    closed: Event,
}

impl ServerState {
    /// The state of a shard that has no connections yet, and may have so many.
    pub fn new(shard: Rc<Shard>, most_connections: usize) -> ServerState {
        let settings = shard.settings();
        ServerState {
            request_budget: Budget::new(settings.request_memory_bytes),
            fetch_budget: Budget::new(settings.fetch_memory_bytes),
            fetch_sessions: RefCell::new(SessionCache::new(
                settings.max_incremental_fetch_session_cache_slots,
            )),
            connections: Cell::new(0),
            most_connections,
            next_connection: Cell::new(0),
            stopping: Cell::new(false),
            stop: Event::new(),
            closed: Event::new(),
            shard,
        }
    }

    /// Where a client reaches a shard of this server.
    pub fn endpoint(&self, connection: &ConnectionInfo, shard: ShardId) -> Endpoint {
        let settings = self.shard.settings();
        let host = match &settings.advertised_host {
            Some(host) => host.clone(),
            None => connection.local_addr.ip().to_canonical().to_string(),
        };
        let base = match settings.advertised_port {
            Some(port) => port,
            None => connection.local_addr.port() - self.shard.id.0,
        };
        Endpoint {
            node: NodeId::of(settings.server_id, shard),
            host,
            port: base + shard.0,
            rack: Some(self.rack()),
        }
    }

    /// The rack of this server: the configured one, else the server's own name, so that all its shards share it and
    /// no two servers do.
    pub fn rack(&self) -> String {
        let settings = self.shard.settings();
        settings
            .broker_rack
            .clone()
            .unwrap_or_else(|| format!("server-{}", settings.server_id))
    }

    /// Counts a connection in; `None` when as many are open as may be.
    pub fn admit(self: &Rc<Self>) -> Option<Admission> {
        if self.connections.get() >= self.connection_limit() {
            return None;
        }
        self.connections.set(self.connections.get() + 1);
        let id = self.next_connection.get();
        self.next_connection.set(id + 1);
        Some(Admission {
            server: self.clone(),
            id,
        })
    }

    /// How many connections may be open: what is set, or what the limit of open files leaves.
    pub fn connection_limit(&self) -> usize {
        self.shard.settings().max_connections.min(self.most_connections)
    }

    /// How long a connection may do nothing, or take nothing of an answer.
    pub fn idle_limit(&self) -> Duration {
        match u64::try_from(self.shard.settings().connections_max_idle_ms) {
            Ok(limit_ms) => Duration::from_millis(limit_ms),
            Err(_) => Duration::MAX,
        }
    }

    /// Waits until every connection has been closed.
    pub async fn closed(&self) {
        loop {
            let closed = self.closed.wait();
            if self.connections.get() == 0 {
                return;
            }
            closed.await;
        }
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.connections.get()
    }

    /// Has every connection finish what it has begun and close.
    pub fn stop(&self) {
        self.stopping.set(true);
        self.stop.notify_all();
    }

    /// Whether [`ServerState::stop`] has been called.
    pub fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    /// Waits for [`ServerState::stop`].
    pub async fn stopped(&self) {
        let stop = self.stop.wait();
        if !self.stopping.get() {
            stop.await;
        }
    }
}

/// A counted connection; uncounted when dropped.
pub struct Admission {
    server: Rc<ServerState>,
    /// The connection's number on this shard.
    pub id: u64,
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.server.connections.set(self.server.connections.get() - 1);
        self.server.closed.notify_all();
    }
}
