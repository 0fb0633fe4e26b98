//! A connection: two pipes.

use crate::rt::sim::process::ProcessId;
use crate::rt::sim::world::World;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::task::Waker;

/// Which of its two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client = 0,
    Server = 1,
}

impl Side {
    pub(super) fn other(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

pub(super) struct Connection {
    pub(super) number: u64,
    ends: [EndPoint; 2],
    /// By the side that sends.
    pipes: [RefCell<Pipe>; 2],
}

struct EndPoint {
    process: ProcessId,
    address: SocketAddr,
    open: Cell<bool>,
}

struct Pipe {
    /// Pieces with their time of arrival, which never falls.
    pieces: VecDeque<(u64, VecDeque<u8>)>,
    bytes: usize,
    capacity: usize,
    /// How it ends, once everything before was read.
    end: Option<PipeEnd>,
    last_arrival: u64,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PipeEnd {
    Fin,
    Reset,
}

/// What a read finds.
pub(super) enum Read {
    Bytes(usize),
    Wait,
}

impl Connection {
    pub(super) fn new(
        world: &World,
        client: (ProcessId, SocketAddr),
        server: (ProcessId, SocketAddr),
    ) -> Connection {
        let capacity = world.network.plan.borrow().capacity_bytes;
        let pipe = || {
            RefCell::new(Pipe {
                pieces: VecDeque::new(),
                bytes: 0,
                capacity,
                end: None,
                last_arrival: 0,
                reader: None,
                writer: None,
            })
        };
        let end = |(process, address)| EndPoint {
            process,
            address,
            open: Cell::new(true),
        };
        Connection {
            number: world.network.number(),
            ends: [end(client), end(server)],
            pipes: [pipe(), pipe()],
        }
    }

    pub(super) fn address(&self, side: Side) -> SocketAddr {
        self.ends[side as usize].address
    }

    /// Takes up to `most` bytes that have arrived at `side`.
    pub(super) fn read(
        &self,
        world: &World,
        side: Side,
        most: usize,
        waker: &Waker,
        mut take: impl FnMut(&[u8]),
    ) -> io::Result<Read> {
        let blocked = world
            .network
            .is_partitioned(self.ends[0].process, self.ends[1].process);
        let mut pipe = self.pipes[side.other() as usize].borrow_mut();
        let now = world.now();
        let mut n = 0;
        while n < most && !blocked {
            let Some((at, piece)) = pipe.pieces.front_mut() else {
                break;
            };
            if *at > now {
                break;
            }
            let (front, _) = piece.as_slices();
            let count = front.len().min(most - n);
            take(&front[..count]);
            piece.drain(..count);
            n += count;
            if piece.is_empty() {
                pipe.pieces.pop_front();
            }
            // Sometimes the rest has to be read separately.
            if world.chance(0.3) {
                break;
            }
        }
        if n > 0 {
            pipe.bytes -= n;
            if let Some(writer) = pipe.writer.take() {
                writer.wake();
            }
            return Ok(Read::Bytes(n));
        }
        if pipe.pieces.is_empty() && !blocked && now >= pipe.last_arrival {
            match pipe.end {
                Some(PipeEnd::Fin) => return Ok(Read::Bytes(0)),
                Some(PipeEnd::Reset) => return Err(io::ErrorKind::ConnectionReset.into()),
                None => {}
            }
        }
        pipe.reader = Some(waker.clone());
        Ok(Read::Wait)
    }

    /// Whether the end of what the other side sends has arrived at `side`, read or not.
    pub(super) fn has_ended(&self, world: &World, side: Side) -> bool {
        let blocked = world
            .network
            .is_partitioned(self.ends[0].process, self.ends[1].process);
        let pipe = self.pipes[side.other() as usize].borrow();
        !blocked && pipe.end.is_some() && world.now() >= pipe.last_arrival
    }

    /// Puts a piece of `bytes` on its way; how much of them, 0 if there is no room.
    pub(super) fn write(
        &self,
        world: &World,
        side: Side,
        bytes: &[u8],
        waker: &Waker,
        most_piece: usize,
    ) -> io::Result<(usize, u64)> {
        let mut pipe = self.pipes[side as usize].borrow_mut();
        match pipe.end {
            Some(PipeEnd::Reset) => return Err(io::ErrorKind::ConnectionReset.into()),
            Some(PipeEnd::Fin) => return Err(io::ErrorKind::BrokenPipe.into()),
            None => {}
        }
        let room = pipe.capacity - pipe.bytes;
        if room == 0 {
            pipe.writer = Some(waker.clone());
            return Ok((0, 0));
        }
        let most = bytes.len().min(room).min(most_piece);
        let n = 1 + world.below(most as u64) as usize;
        // Half of the time as much as possible, or large transfers would take forever.
        let n = if world.chance(0.5) { most } else { n };
        let at = pipe.last_arrival.max(world.now() + world.network.delay(world));
        pipe.last_arrival = at;
        pipe.bytes += n;
        pipe.pieces.push_back((at, bytes[..n].iter().copied().collect()));
        Ok((n, at))
    }

    /// Wakes whoever reads what `side` sends.
    pub(super) fn arrived(&self, side: Side) {
        if let Some(reader) = self.pipes[side as usize].borrow_mut().reader.take() {
            reader.wake();
        }
    }

    /// Ends what `side` sends, after what is on its way; its own reads end at once.
    pub(super) fn shutdown(&self, world: &World, side: Side) {
        self.finish(world, side, PipeEnd::Fin);
        let mut incoming = self.pipes[side.other() as usize].borrow_mut();
        // What arrives for an end that does not listen any more is answered with a reset.
        if incoming.end.is_none() {
            incoming.end = Some(PipeEnd::Fin);
        }
        incoming.pieces.clear();
        incoming.bytes = 0;
        incoming.last_arrival = 0;
        wake(&mut incoming.reader);
        wake(&mut incoming.writer);
    }

    /// The end was dropped.
    pub(super) fn close(&self, world: &World, side: Side) {
        if !self.ends[side as usize].open.replace(false) {
            return;
        }
        let unread = self.pipes[side.other() as usize].borrow().bytes > 0;
        if unread {
            // As TCP does: bytes that nobody will read are answered with a reset, which may overtake ours.
            self.finish(world, side, PipeEnd::Reset);
            self.reset_incoming(side);
        } else {
            self.shutdown(world, side);
        }
        if !self.ends[side.other() as usize].open.get() {
            world.network.connections.borrow_mut().remove(&self.number);
        }
    }

    /// Breaks both directions at once; what was on its way is lost.
    pub(super) fn cut(&self) {
        for pipe in &self.pipes {
            let mut pipe = pipe.borrow_mut();
            pipe.end = Some(PipeEnd::Reset);
            pipe.pieces.clear();
            pipe.bytes = 0;
            pipe.last_arrival = 0;
            wake(&mut pipe.reader);
            wake(&mut pipe.writer);
        }
    }

    /// One of the two processes is gone: what it had sent arrives or not, and then the connection is broken or at its
    /// end.
    pub(super) fn end_of_process(&self, world: &World, process: ProcessId) {
        for side in [Side::Client, Side::Server] {
            if self.ends[side as usize].process != process {
                continue;
            }
            match world.below(3) {
                0 => self.cut(),
                1 => {
                    self.finish(world, side, PipeEnd::Reset);
                    self.reset_incoming(side);
                }
                _ => {
                    self.finish(world, side, PipeEnd::Fin);
                    self.reset_incoming(side);
                }
            }
        }
    }

    pub(super) fn wake_all(&self) {
        for pipe in &self.pipes {
            let mut pipe = pipe.borrow_mut();
            wake(&mut pipe.reader);
            wake(&mut pipe.writer);
        }
    }

    fn reset_incoming(&self, side: Side) {
        let mut incoming = self.pipes[side.other() as usize].borrow_mut();
        incoming.end = Some(PipeEnd::Reset);
        incoming.pieces.clear();
        incoming.bytes = 0;
        incoming.last_arrival = 0;
        wake(&mut incoming.reader);
        wake(&mut incoming.writer);
    }

    fn finish(&self, world: &World, side: Side, end: PipeEnd) {
        let at = {
            let mut pipe = self.pipes[side as usize].borrow_mut();
            if pipe.end.is_some() {
                return;
            }
            pipe.end = Some(end);
            pipe.last_arrival = pipe.last_arrival.max(world.now() + world.network.delay(world));
            wake(&mut pipe.writer);
            pipe.last_arrival
        };
        let connection = world.network.connections.borrow().get(&self.number).cloned();
        if let Some(connection) = connection {
            world.schedule(at - world.now(), move |_| connection.arrived(side));
        }
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
