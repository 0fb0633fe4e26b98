//! Streams of the simulation.

use super::connection::{Connection, Read, Side};
use crate::rt::sim::process::ProcessId;
use crate::rt::sim::world::{World, try_world, world};
use crate::rt::sync::oneshot;
use bytes::BytesMut;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

/// How often a partitioned connection attempt looks again.
const RETRY: Duration = Duration::from_millis(50);

/// One end of a connection.
pub(in crate::rt) struct Stream {
    connection: Rc<Connection>,
    side: Side,
}

pub(in crate::rt) async fn connect(address: SocketAddr) -> io::Result<Stream> {
    let world = world();
    let process = world.processes.current();
    let (sender, receiver) = oneshot::channel();
    attempt(&world, process, address, sender);
    drop(world);
    receiver
        .await
        .unwrap_or_else(|| Err(io::ErrorKind::ConnectionRefused.into()))
}

fn attempt(
    world: &World,
    process: ProcessId,
    address: SocketAddr,
    sender: oneshot::Sender<io::Result<Stream>>,
) {
    world.note(3, u64::from(address.port()));
    world.schedule(world.network.delay(world), move |world| {
        if sender.is_closed() {
            return;
        }
        let Some(listening) = world.network.listening_at(address) else {
            let _ = sender.send(Err(io::ErrorKind::ConnectionRefused.into()));
            return;
        };
        if world.network.is_partitioned(process, listening.process) {
            world.schedule(RETRY.as_nanos() as u64, move |world| {
                attempt(world, process, address, sender)
            });
            return;
        }
        let ip = match address.ip().is_loopback() {
            true => address.ip(),
            false => IpAddr::V4(Ipv4Addr::new(10, 0, (process.0 >> 8) as u8, process.0 as u8)),
        };
        let client = SocketAddr::new(ip, world.network.free_port());
        let connection = Rc::new(Connection::new(
            world,
            (process, client),
            (listening.process, address),
        ));
        world
            .network
            .connections
            .borrow_mut()
            .insert(connection.number, connection.clone());
        let result = match listening.arrive(connection.clone()) {
            true => Ok(Stream::new(connection, Side::Client)),
            false => Err(io::ErrorKind::ConnectionRefused.into()),
        };
        let _ = sender.send(result);
    });
}

impl Stream {
    pub(super) fn new(connection: Rc<Connection>, side: Side) -> Stream {
        Stream { connection, side }
    }

    pub(in crate::rt) async fn read_buf(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        poll_fn(|cx| {
            let world = world();
            let room = buffer.capacity() - buffer.len();
            let found = self
                .connection
                .read(&world, self.side, room, cx.waker(), |bytes| {
                    buffer.extend_from_slice(bytes);
                });
            match found {
                Ok(Read::Bytes(n)) => {
                    world.note(4, n as u64);
                    Poll::Ready(Ok(n))
                }
                Ok(Read::Wait) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            }
        })
        .await
    }

    pub(in crate::rt) async fn send_all(&self, slices: &[IoSlice<'_>]) -> io::Result<()> {
        for slice in slices {
            let mut rest: &[u8] = slice;
            while !rest.is_empty() {
                let n = poll_fn(|cx| {
                    let world = world();
                    let (most_piece, cut_chance) = {
                        let plan = world.network.plan.borrow();
                        (plan.most_piece_bytes, plan.cut_chance)
                    };
                    if cut_chance > 0.0 && world.chance(cut_chance) {
                        self.connection.cut();
                    }
                    match self
                        .connection
                        .write(&world, self.side, rest, cx.waker(), most_piece)
                    {
                        Ok((0, _)) => Poll::Pending,
                        Ok((n, at)) => {
                            let (connection, side) = (self.connection.clone(), self.side);
                            world.note(5, n as u64);
                            world.schedule(at - world.now(), move |_| connection.arrived(side));
                            Poll::Ready(Ok(n))
                        }
                        Err(error) => Poll::Ready(Err(error)),
                    }
                })
                .await?;
                rest = &rest[n..];
                crate::rt::yield_if_needed().await;
            }
        }
        Ok(())
    }

    pub(in crate::rt) fn shutdown(&self) {
        self.connection.shutdown(&world(), self.side);
    }

    pub(in crate::rt) fn peer_has_closed(&self) -> bool {
        self.connection.has_ended(&world(), self.side)
    }

    pub(in crate::rt) fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.connection.address(self.side))
    }

    pub(in crate::rt) fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.connection.address(self.side.other()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(world) = try_world() {
            self.connection.close(&world, self.side);
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Stream({} of {})",
            self.connection.address(self.side),
            self.connection.number
        )
    }
}
