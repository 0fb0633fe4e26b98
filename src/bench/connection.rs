//! One connection of the generator: requests go out pipelined, answers are read in order.
//! Hot path of the generator: no allocation per request.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::net::RecvFlags;

/// What is read at once where the bytes are looked at. Small: of a Fetch answer only the headers are.
const INBOX_BYTES: usize = 16 * 1024;

/// The most that a part of an answer which must be seen as a whole may have.
const MAX_INBOX_BYTES: usize = 4 * 1024 * 1024;

/// Asked of the kernel at once when bytes are thrown away.
const SKIP_BYTES: usize = 1024 * 1024;

/// Frames in one vectored write. The kernel takes up to 1,024.
const MAX_FRAMES_PER_WRITE: usize = 64;

/// What a connection sends, and what becomes of the answers.
pub trait Load {
    /// The next request for a connection. `None`: it has nothing to send until an answer comes, or ever.
    fn next(&mut self, connection: usize) -> Option<Outgoing>;

    /// Looks at `bytes`, what is here of the answer to the request with this tag; with what is still to come the
    /// answer has `left` bytes. What was taken before is not shown again.
    ///
    /// # Errors
    /// When the answer can't be understood or is a failure. The run is over then.
    fn read(&mut self, connection: usize, tag: usize, bytes: &[u8], left: usize) -> anyhow::Result<Progress>;

    /// An answer was read to its end.
    fn answered(&mut self, connection: usize, tag: usize, answer: Answered);

    /// Takes note that a request has become due, and names its connection. `None`: none is due at `now`. Loads that go by
    /// answers alone have no such moments.
    fn release(&mut self, now: Instant) -> Option<usize> {
        let _ = now;
        None
    }

    /// When the next request becomes due.
    fn next_due(&self) -> Option<Instant> {
        None
    }
}

/// A request on its way out.
pub struct Outgoing {
    /// The whole frame with its length.
    pub frame: Rc<[u8]>,
    /// Given back with the answer.
    pub tag: usize,
    /// When it should have been sent, for loads that go by the clock: a broker that stalls does not put off what was due
    /// meanwhile.
    pub due: Option<Instant>,
}

/// How an answer came in.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// From when the request was due, or else was handed to the connection.
    pub latency: Duration,
    /// When the answer was there.
    pub at: Instant,
}

/// What a load did with the bytes it was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing: it needs to see more at once.
    More,
    /// It has read this many, and throws away `skip` after them unseen.
    Taken { read: usize, skip: usize },
}

struct InFlight {
    tag: usize,
    since: Instant,
}

/// The answer that is being read.
struct Incoming {
    left: usize,
}

/// A non-blocking connection to one node.
pub struct Connection {
    index: usize,
    socket: TcpStream,
    max_in_flight: usize,
    outbox: VecDeque<Rc<[u8]>>,
    outbox_first_sent: usize,
    in_flight: VecDeque<InFlight>,
    inbox: Vec<u8>,
    inbox_range: std::ops::Range<usize>,
    incoming: Option<Incoming>,
    skip: usize,
    scratch: Vec<u8>,
}

impl Connection {
    /// Takes over a connected socket. `index` is what the load knows it by.
    ///
    /// # Errors
    /// When the socket's options can't be set.
    pub fn new(index: usize, socket: TcpStream, max_in_flight: usize) -> std::io::Result<Connection> {
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Connection {
            index,
            socket,
            max_in_flight,
            outbox: VecDeque::new(),
            outbox_first_sent: 0,
            in_flight: VecDeque::new(),
            inbox: vec![0; INBOX_BYTES],
            inbox_range: 0..0,
            incoming: None,
            skip: 0,
            scratch: Vec::new(),
        })
    }

    /// The socket, for the poller.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// No request is waiting for its answer.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Does all that can be done without waiting: reads answers, asks the load for requests, sends them.
    ///
    /// # Errors
    /// When the connection breaks, or the load refuses an answer.
    pub fn turn(&mut self, load: &mut impl Load) -> anyhow::Result<()> {
        loop {
            let drained = self.receive()?;
            self.digest(load)?;
            self.fill(load);
            self.send()?;
            if drained {
                return Ok(());
            }
        }
    }

    /// Asks the load for requests and sends them, without looking for answers.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn start(&mut self, load: &mut impl Load) -> anyhow::Result<()> {
        self.fill(load);
        self.send()
    }

    fn fill(&mut self, load: &mut impl Load) {
        if self.in_flight.len() >= self.max_in_flight {
            return;
        }
        let now = Instant::now();
        while self.in_flight.len() < self.max_in_flight {
            let Some(Outgoing { frame, tag, due }) = load.next(self.index) else {
                return;
            };
            self.in_flight.push_back(InFlight {
                tag,
                since: due.unwrap_or(now),
            });
            self.outbox.push_back(frame);
        }
    }

    fn send(&mut self) -> anyhow::Result<()> {
        while !self.outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); MAX_FRAMES_PER_WRITE];
            let count = self.outbox.len().min(MAX_FRAMES_PER_WRITE);
            for (slice, frame) in slices.iter_mut().zip(&self.outbox) {
                *slice = IoSlice::new(frame);
            }
            slices[0] = IoSlice::new(&self.outbox[0][self.outbox_first_sent..]);
            match self.socket.write_vectored(&slices[..count]) {
                Ok(sent) => self.forget_sent(sent),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e).context("writing a request"),
            }
        }
        Ok(())
    }

    fn forget_sent(&mut self, sent: usize) {
        let mut position = self.outbox_first_sent + sent;
        while let Some(first) = self.outbox.front() {
            if position < first.len() {
                break;
            }
            position -= first.len();
            self.outbox.pop_front();
        }
        self.outbox_first_sent = position;
    }

    /// Reads once, or throws away once. True when the socket has no more for now.
    fn receive(&mut self) -> anyhow::Result<bool> {
        if self.skip > 0 {
            return self.discard();
        }
        if self.inbox_range.start > 0 {
            self.inbox.copy_within(self.inbox_range.clone(), 0);
            self.inbox_range = 0..self.inbox_range.len();
        }
        if self.inbox_range.end == self.inbox.len() {
            ensure!(
                self.inbox.len() < MAX_INBOX_BYTES,
                "an answer has a part above {MAX_INBOX_BYTES} bytes"
            );
            self.inbox.resize(self.inbox.len() * 2, 0);
        }
        let room = &mut self.inbox[self.inbox_range.end..];
        match self.socket.read(room) {
            Ok(0) => bail!("the broker closed the connection"),
            Ok(count) => {
                let drained = count < room.len();
                self.inbox_range.end += count;
                Ok(drained)
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(true),
            Err(e) if e.kind() == ErrorKind::Interrupted => Ok(false),
            Err(e) => Err(e).context("reading an answer"),
        }
    }

    /// Throws bytes away in the kernel: with MSG_TRUNC a TCP socket counts without copying, so that the generator is
    /// not what is measured.
    fn discard(&mut self) -> anyhow::Result<bool> {
        // Not before: of thousands of connections that write none needs it.
        self.scratch.resize(SKIP_BYTES, 0);
        let want = self.skip.min(self.scratch.len());
        match rustix::net::recv(&self.socket, &mut self.scratch[..want], RecvFlags::TRUNC) {
            Ok((_, 0)) => bail!("the broker closed the connection"),
            Ok((_, count)) => {
                self.skip -= count;
                Ok(count < want)
            }
            Err(rustix::io::Errno::AGAIN) => Ok(true),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(e) => Err(e).context("reading an answer"),
        }
    }

    /// Shows the load what has come.
    fn digest(&mut self, load: &mut impl Load) -> anyhow::Result<()> {
        let mut now = None;
        while self.skip == 0 {
            let bytes = &self.inbox[self.inbox_range.clone()];
            let Some(incoming) = &mut self.incoming else {
                let Some((length, _)) = bytes.split_first_chunk::<4>() else {
                    return Ok(());
                };
                ensure!(!self.in_flight.is_empty(), "an answer without a request");
                let whole =
                    usize::try_from(i32::from_be_bytes(*length)).context("a negative frame length")?;
                self.inbox_range.start += 4;
                self.incoming = Some(Incoming { left: whole });
                continue;
            };
            let request = self.in_flight.front().expect("an answer belongs to a request");
            if incoming.left > 0 {
                let here = bytes.len().min(incoming.left);
                match load.read(self.index, request.tag, &bytes[..here], incoming.left)? {
                    Progress::More => {
                        ensure!(here < incoming.left, "an answer ends early");
                        return Ok(());
                    }
                    Progress::Taken { read, skip } => {
                        assert!(read <= here && read + skip <= incoming.left);
                        incoming.left -= read + skip;
                        let skip_here = skip.min(bytes.len() - read);
                        self.inbox_range.start += read + skip_here;
                        self.skip = skip - skip_here;
                    }
                }
            }
            if incoming.left == 0 && self.skip == 0 {
                let now = *now.get_or_insert_with(Instant::now);
                let answer = Answered {
                    latency: now.saturating_duration_since(request.since),
                    at: now,
                };
                let tag = request.tag;
                self.incoming = None;
                self.in_flight.pop_front();
                load.answered(self.index, tag, answer);
            }
        }
        Ok(())
    }
}
