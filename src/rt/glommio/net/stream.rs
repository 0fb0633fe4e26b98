//! A TCP stream. Hot path: every byte in and out.
//!
//! The data goes through our own system calls, straight into and out of the callers' buffers; glommio is asked only
//! when a call would wait.

use ::glommio::net::TcpStream;
use bytes::BytesMut;
use futures_io::{AsyncRead, AsyncWrite};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, recv, sendmsg, shutdown};
use socket2::SockRef;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// What fits in here arrives with one system call after a wait; of more, the rest needs a second one. Small, for it is
/// copied once more.
const LANDING_BYTES: usize = 4096;

/// The kernel takes no more slices at once (UIO_MAXIOV).
const MAX_SLICES: usize = 1024;

/// The kernel copies this much in one call, at most, so that other tasks get their turn.
const TURN_BYTES: usize = 256 * 1024;

/// Where a slice has to be cut, no more than this many go out at once, for their list has to be copied.
const REST_SLICES: usize = 64;

thread_local! {
    /// Where glommio reads to when a wait is over; see [`Stream::poll_landing`].
    static LANDING: RefCell<[u8; LANDING_BYTES]> = const { RefCell::new([0; LANDING_BYTES]) };
}

/// A connected, non-blocking socket.
pub(in crate::rt) struct Stream {
    stream: RefCell<TcpStream>,
    fd: i32,
    /// Whether the last read took everything that was there, so that the next one will wait.
    drained: Cell<bool>,
}

pub(in crate::rt) async fn connect(address: SocketAddr) -> io::Result<Stream> {
    let stream = TcpStream::connect(address).await.map_err(io::Error::from)?;
    // SAFETY: the stream owns the descriptor and outlives the borrow.
    let fd = unsafe { BorrowedFd::borrow_raw(stream.as_raw_fd()) };
    prepare(fd)?;
    rustix::io::ioctl_fionbio(fd, true)?;
    rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC)?;
    Ok(Stream::wrap(stream))
}

fn prepare(fd: BorrowedFd<'_>) -> io::Result<()> {
    SockRef::from(&fd).set_tcp_nodelay(true)
}

impl Stream {
    /// Takes a socket that is non-blocking and closed on exec already.
    pub(super) fn new(socket: OwnedFd) -> io::Result<Stream> {
        use std::os::fd::AsFd;
        prepare(socket.as_fd())?;
        // SAFETY: the descriptor is open and ours, and the stream becomes its only owner.
        Ok(Stream::wrap(unsafe {
            TcpStream::from_raw_fd(socket.into_raw_fd())
        }))
    }

    fn wrap(stream: TcpStream) -> Stream {
        let fd = stream.as_raw_fd();
        Stream {
            stream: RefCell::new(stream),
            fd,
            drained: Cell::new(true),
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor belongs to `self.stream`, which is closed only when `self` is dropped.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }

    pub(in crate::rt) async fn read_buf(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        crate::rt::yield_if_needed().await;
        poll_fn(|cx| self.poll_read(cx, buffer)).await
    }

    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
        if !self.drained.get()
            && let Some(result) = self.receive(buffer)
        {
            return Poll::Ready(result);
        }
        let room = LANDING_BYTES.min(buffer.capacity() - buffer.len());
        let landed = ready!(self.poll_landing(cx, buffer, room))?;
        if landed < room {
            return Poll::Ready(Ok(landed));
        }
        // The landing was filled, so there is likely more, and it needs no waiting for.
        self.drained.set(false);
        let more = match buffer.capacity() > buffer.len() {
            true => self.receive(buffer),
            false => None,
        };
        // An end or an error comes again with the next read.
        Poll::Ready(Ok(landed + more.and_then(Result::ok).unwrap_or(0)))
    }

    /// Receives into the spare capacity; `None` if nothing is there.
    fn receive(&self, buffer: &mut BytesMut) -> Option<io::Result<usize>> {
        let spare = buffer.spare_capacity_mut();
        let room = spare.len();
        let n = loop {
            match recv(self.fd(), &mut *spare, RecvFlags::DONTWAIT) {
                Ok((_, n)) => break n,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.drained.set(true);
                    return None;
                }
                Err(error) => return Some(Err(error.into())),
            }
        };
        self.drained.set(n < room && n > 0);
        // SAFETY: the kernel has filled the first `n` bytes of the spare capacity.
        unsafe { buffer.set_len(buffer.len() + n) };
        Some(Ok(n))
    }

    /// Waits for something to receive. glommio's way to wait is a read, whose buffer has to be initialised, which spare
    /// capacity is not: so the first few bytes land in a small buffer and are copied.
    ///
    /// Nothing is lost when the caller gives up: bytes leave the kernel only in the call that returns them. After a
    /// short read glommio asks for readiness ahead, so an idle connection's next read costs one receive.
    fn poll_landing(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        room: usize,
    ) -> Poll<io::Result<usize>> {
        LANDING.with_borrow_mut(|landing| {
            let landing = &mut landing[..room];
            let n = ready!(Pin::new(&mut *self.stream.borrow_mut()).poll_read(cx, landing))?;
            buffer.extend_from_slice(&landing[..n]);
            Poll::Ready(Ok(n))
        })
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
                    let next = &slices[at][sent..];
                    poll_fn(|cx| Pin::new(&mut *self.stream.borrow_mut()).poll_write(cx, next)).await?
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
        self.drained.set(false);
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
        write!(f, "Stream(fd {})", self.fd)
    }
}
