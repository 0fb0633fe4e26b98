//! One TCP connection. Hot path.

use crate::rt::backend;
use bytes::BytesMut;
use std::io::{self, IoSlice};
use std::net::SocketAddr;

/// Connects to a server, with Nagle's algorithm off.
pub async fn connect(address: SocketAddr) -> io::Result<Stream> {
    backend::net::connect(address).await.map(Stream)
}

/// A TCP connection with Nagle's algorithm off. Through an `Rc`, one task may read while another writes; two tasks must
/// not read at once, nor two write. Dropping it closes the connection.
#[derive(Debug)]
pub struct Stream(backend::net::Stream);

impl Stream {
    pub(super) fn from_backend(stream: backend::net::Stream) -> Stream {
        Stream(stream)
    }

    /// Reads what is there, at most the spare capacity of `buffer`, which must not be 0, and waits only if nothing is
    /// there. The number of bytes appended; 0 means that the peer sends no more.
    ///
    /// Dropping the future loses no bytes. [`Stream::shutdown`] from another task ends it with 0 or an error.
    pub async fn read_buf(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        assert!(buffer.capacity() > buffer.len(), "read_buf needs spare capacity");
        self.0.read_buf(buffer).await
    }

    /// Sends all the slices, in order, and yields now and then when that takes long.
    ///
    /// After an error, or when the future is dropped before it is ready, an unknown part was sent and the stream is
    /// good for nothing but [`Stream::shutdown`]. A broken connection is an error, never a signal.
    pub async fn send_all(&self, slices: &[IoSlice<'_>]) -> io::Result<()> {
        self.0.send_all(slices).await
    }

    /// Ends both directions: the peer reads what was sent and then the end; our own reads and sends end. Idempotent.
    pub fn shutdown(&self) {
        self.0.shutdown();
    }

    /// Whether the peer sends no more, because it has closed its side or the connection broke. There may still be bytes to read
    /// that came before. Costs a system call, and does not wait.
    pub fn peer_has_closed(&self) -> bool {
        self.0.peer_has_closed()
    }

    /// The address by which the peer reached us, or ours if we connected.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// The peer's address.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }
}
