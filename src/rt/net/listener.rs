//! Listening: the port is taken on whatever thread starts the server, connections are accepted on a shard.

use super::stream::Stream;
use crate::rt::backend;
use std::io;
use std::net::SocketAddr;

/// Takes a port and listens, on any thread. Port 0 takes a free one.
///
/// The port is taken without SO_REUSEPORT, so it fails with `AddrInUse` when anybody else listens there. `[::]` takes
/// IPv4 as well.
pub fn bind(address: SocketAddr) -> io::Result<BoundListener> {
    backend::net::bind(address).map(BoundListener)
}

/// A port that was taken. Clients that connect now wait in the kernel until a shard accepts them. May go to another
/// thread.
#[derive(Debug)]
pub struct BoundListener(backend::net::BoundListener);

impl BoundListener {
    /// Where it listens, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.0.local_addr()
    }

    /// Accepts on this executor from now on.
    pub fn into_listener(self) -> Listener {
        Listener(self.0.into_listener())
    }
}

/// Accepts connections on one executor.
#[derive(Debug)]
pub struct Listener(backend::net::Listener);

impl Listener {
    /// The next connection. Dropping the future loses no connection.
    ///
    /// Never spins: connections that broke while they waited are skipped, and an error that would come back at once
    /// (no file descriptors left, no memory) is returned only after 50 ms, so a caller may simply try again.
    pub async fn accept(&self) -> io::Result<Stream> {
        self.0.accept().await.map(Stream::from_backend)
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.0.local_addr()
    }
}
