//! Listening sockets.
//!
//! glommio's own `accept` switches the socket between blocking and not, gives blocking sockets that children inherit,
//! loses a connection when its future is dropped at the wrong moment, and never yields on errors. Here accept4 does
//! the accepting, and is told when there is something to accept (`readiness.rs`).

use super::readiness::Watched;
use super::stream::Stream;
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::cell::OnceCell;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// Connections the kernel keeps for us until we accept them. It takes the smaller of this and net.core.somaxconn.
const BACKLOG: i32 = 4096;

/// How long an error that would come back at once is held: short enough that clients do not notice, long enough that
/// the loop around costs nothing.
const ERROR_PAUSE: Duration = Duration::from_millis(50);

/// A listening socket without an executor.
#[derive(Debug)]
pub(in crate::rt) struct BoundListener {
    socket: TcpListener,
    address: SocketAddr,
}

pub(in crate::rt) fn bind(address: SocketAddr) -> io::Result<BoundListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // Only so that a restart does not wait for the old connections' TIME_WAIT. Two listeners on one port, which would
    // silently split the clients between them, need SO_REUSEPORT, and that is never set.
    socket.set_reuse_address(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    let socket = TcpListener::from(socket);
    let address = socket.local_addr()?;
    Ok(BoundListener { socket, address })
}

impl BoundListener {
    pub(in crate::rt) fn local_addr(&self) -> SocketAddr {
        self.address
    }

    pub(in crate::rt) fn into_listener(self) -> Listener {
        Listener {
            watched: OnceCell::new(),
            socket: self.socket,
            address: self.address,
        }
    }
}

/// A listening socket on its executor.
pub(in crate::rt) struct Listener {
    // Dropped before the socket is closed.
    watched: OnceCell<Watched>,
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    pub(in crate::rt) fn local_addr(&self) -> SocketAddr {
        self.address
    }

    pub(in crate::rt) async fn accept(&self) -> io::Result<Stream> {
        loop {
            match accept_with(&self.socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(socket) => return Stream::new(socket),
                Err(Errno::AGAIN) => self.readable().await?,
                Err(Errno::INTR) => {}
                // The connection broke while it waited; accept(2) asks to treat these as "try again".
                Err(
                    Errno::CONNABORTED
                    | Errno::NETDOWN
                    | Errno::PROTO
                    | Errno::NOPROTOOPT
                    | Errno::HOSTDOWN
                    | Errno::NONET
                    | Errno::HOSTUNREACH
                    | Errno::OPNOTSUPP
                    | Errno::NETUNREACH,
                ) => crate::rt::yield_now().await,
                Err(error) => {
                    crate::rt::sleep(ERROR_PAUSE).await;
                    return Err(error.into());
                }
            }
        }
    }

    /// Ready when there may be a connection to accept.
    async fn readable(&self) -> io::Result<()> {
        let watched = match self.watched.get() {
            Some(watched) => {
                watched.drained();
                watched
            }
            // It counts as readable at first, which is right: what came before it was watched is not news.
            None => match Watched::new(&self.socket) {
                Ok(watched) => self.watched.get_or_init(|| watched),
                Err(error) => {
                    crate::rt::sleep(ERROR_PAUSE).await;
                    return Err(error);
                }
            },
        };
        poll_fn(|cx| watched.poll_readable(cx)).await;
        Ok(())
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Listener({})", self.address)
    }
}
