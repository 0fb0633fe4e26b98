//! A TCP stream. Hot path: every byte in and out.
//!
//! The data goes through our own system calls, straight into and out of the callers' buffers; only when a call would wait
//! is there anything to wait for (`readiness.rs`).

use super::readiness::Watched;
use bytes::BytesMut;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, recv, sendmsg, shutdown};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};

/// The kernel takes no more slices at once (UIO_MAXIOV).
const MAX_SLICES: usize = 1024;

/// The kernel copies this much in one call, at most, so that other tasks get their turn.
const TURN_BYTES: usize = 256 * 1024;

/// Where a slice has to be cut, no more than this many go out at once, for their list has to be copied.
const REST_SLICES: usize = 64;

/// A connected, non-blocking socket.
pub(in crate::rt) struct Stream {
    // Dropped before the socket is closed.
    watched: Watched,
    socket: OwnedFd,
}

pub(in crate::rt) async fn connect(address: SocketAddr) -> io::Result<Stream> {
    // Non-blocking and closed on exec.
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    match socket.connect(&SockAddr::from(address)) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {}
        Err(error) => return Err(error),
    }
    let stream = Stream::new(socket.into())?;
    // Until then it counts as writable.
    stream.watched.filled();
    poll_fn(|cx| stream.watched.poll_writable(cx)).await;
    match SockRef::from(&stream.socket).take_error()? {
        None => Ok(stream),
        Some(error) => Err(error),
    }
}

impl Stream {
    /// Takes a socket that is non-blocking and closed on exec already.
    pub(super) fn new(socket: OwnedFd) -> io::Result<Stream> {
        SockRef::from(&socket).set_tcp_nodelay(true)?;
        let watched = Watched::new(&socket)?;
        Ok(Stream { watched, socket })
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(in crate::rt) async fn read_buf(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        crate::rt::yield_if_needed().await;
        poll_fn(|cx| self.poll_read(cx, buffer)).await
    }

    /// Nothing is lost when the caller gives up: bytes leave the kernel only in the call that returns them.
    fn poll_read(&self, cx: &Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.watched.poll_readable(cx));
            let spare = buffer.spare_capacity_mut();
            let room = spare.len();
            match recv(self.fd(), &mut *spare, RecvFlags::DONTWAIT) {
                Ok((_, n)) => {
                    // Less than there was room for is all there was. The end comes again with the next read.
                    if n > 0 && n < room {
                        self.watched.drained();
                    }
                    // SAFETY: the kernel has filled the first `n` bytes of the spare capacity.
                    unsafe { buffer.set_len(buffer.len() + n) };
                    return Poll::Ready(Ok(n));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.watched.drained(),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    pub(in crate::rt) async fn send_all(&self, slices: &[IoSlice<'_>]) -> io::Result<()> {
        // What is left: `slices[at..]`, without the first `sent` bytes of the first.
        let (mut at, mut sent) = (0, 0);
        loop {
            while at < slices.len() && sent >= slices[at].len() {
                debug_assert_eq!(sent, slices[at].len());
                (at, sent) = (at + 1, 0);
            }
            if at == slices.len() {
                return Ok(());
            }
            let n = match self.send_some(&slices[at..], sent) {
                Ok(n) => n,
                Err(Errno::AGAIN) => {
                    self.watched.filled();
                    poll_fn(|cx| self.watched.poll_writable(cx)).await;
                    continue;
                }
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let mut n = n + sent;
            while at < slices.len() && n >= slices[at].len() {
                n -= slices[at].len();
                at += 1;
            }
            sent = n;
            crate::rt::yield_if_needed().await;
        }
    }

    /// One send of as much as the kernel takes, and as one turn may have.
    fn send_some(&self, slices: &[IoSlice<'_>], sent: usize) -> rustix::io::Result<usize> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let mut control = SendAncillaryBuffer::default();
        let mut bytes = 0;
        let fit = slices.iter().take(MAX_SLICES).take_while(|slice| {
            bytes += slice.len();
            bytes <= TURN_BYTES
        });
        let whole = fit.count();
        if sent == 0 && whole > 0 {
            return sendmsg(self.fd(), &slices[..whole], &mut control, flags);
        }
        let mut cut = [IoSlice::new(&[]); REST_SLICES];
        let (mut count, mut skip, mut room) = (0, sent, TURN_BYTES);
        for (cut, slice) in cut.iter_mut().zip(slices) {
            let bytes = &slice[std::mem::take(&mut skip)..];
            let bytes = &bytes[..bytes.len().min(room)];
            *cut = IoSlice::new(bytes);
            count += 1;
            room -= bytes.len();
            if room == 0 {
                break;
            }
        }
        sendmsg(self.fd(), &cut[..count], &mut control, flags)
    }

    pub(in crate::rt) fn shutdown(&self) {
        // Fails only if the connection is gone already, which is what is wanted.
        let _ = shutdown(self.fd(), Shutdown::Both);
        self.watched.end();
    }

    pub(in crate::rt) fn peer_has_closed(&self) -> bool {
        let fd = self.fd();
        let mut fds = [PollFd::new(&fd, PollFlags::RDHUP)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let ended = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        // An interrupted call says nothing about the peer.
        poll(&mut fds, Some(&at_once)).is_ok() && fds[0].revents().intersects(ended)
    }

    pub(in crate::rt) fn local_addr(&self) -> io::Result<SocketAddr> {
        address(SockRef::from(&self.fd()).local_addr())
    }

    pub(in crate::rt) fn peer_addr(&self) -> io::Result<SocketAddr> {
        address(SockRef::from(&self.fd()).peer_addr())
    }
}

fn address(address: io::Result<socket2::SockAddr>) -> io::Result<SocketAddr> {
    address?
        .as_socket()
        .ok_or_else(|| io::Error::other("not an internet address"))
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream(fd {})", self.socket.as_raw_fd())
    }
}
