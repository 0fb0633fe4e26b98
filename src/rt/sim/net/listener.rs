//! Listening in the simulation.

use super::connection::{Connection, Side};
use super::stream::Stream;
use crate::rt::sim::process::ProcessId;
use crate::rt::sim::world::{try_world, world};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Connections that wait for an accept; one more is refused.
const BACKLOG: usize = 128;

/// What the network knows of a listener.
pub(super) struct Listening {
    pub(super) process: ProcessId,
    address: SocketAddr,
    queue: RefCell<VecDeque<Rc<Connection>>>,
    accepting: RefCell<Option<Waker>>,
}

impl Listening {
    /// Whether a connection to `address` comes here.
    pub(super) fn takes(&self, address: SocketAddr) -> bool {
        let all = match self.address {
            SocketAddr::V4(mine) => mine.ip().is_unspecified() && address.is_ipv4(),
            SocketAddr::V6(mine) => mine.ip().is_unspecified(),
        };
        self.address.port() == address.port() && (all || self.address.ip() == address.ip())
    }

    /// Whether the two cannot listen at once.
    fn collides(&self, address: SocketAddr) -> bool {
        self.address.port() == address.port()
            && (self.address.ip() == address.ip()
                || self.address.ip().is_unspecified()
                || address.ip().is_unspecified())
    }

    /// A connection arrives; false if it is refused.
    pub(super) fn arrive(&self, connection: Rc<Connection>) -> bool {
        if self.queue.borrow().len() >= BACKLOG {
            return false;
        }
        self.queue.borrow_mut().push_back(connection);
        if let Some(accepting) = self.accepting.borrow_mut().take() {
            accepting.wake();
        }
        true
    }
}

/// A taken port.
#[derive(Debug)]
pub(in crate::rt) struct BoundListener(Port);

/// Only numbers, so that it may cross threads as the real one.
#[derive(Debug)]
struct Port {
    number: u64,
    address: SocketAddr,
}

impl Drop for Port {
    fn drop(&mut self) {
        let Some(world) = try_world() else { return };
        let listening = world.network.listening.borrow_mut().remove(&self.number);
        if let Some(listening) = listening {
            for connection in listening.queue.take() {
                connection.cut();
            }
        }
    }
}

pub(in crate::rt) fn bind(mut address: SocketAddr) -> io::Result<BoundListener> {
    let world = world();
    let network = &world.network;
    if address.port() == 0 {
        address.set_port(network.free_port());
    }
    if network
        .listening
        .borrow()
        .values()
        .any(|listening| listening.collides(address))
    {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    let number = network.number();
    let listening = Listening {
        process: world.processes.current(),
        address,
        queue: RefCell::default(),
        accepting: RefCell::default(),
    };
    network.listening.borrow_mut().insert(number, Rc::new(listening));
    Ok(BoundListener(Port { number, address }))
}

impl BoundListener {
    pub(in crate::rt) fn local_addr(&self) -> SocketAddr {
        self.0.address
    }

    pub(in crate::rt) fn into_listener(self) -> Listener {
        Listener(self.0)
    }
}

/// Accepts.
#[derive(Debug)]
pub(in crate::rt) struct Listener(Port);

impl Listener {
    pub(in crate::rt) fn local_addr(&self) -> SocketAddr {
        self.0.address
    }

    pub(in crate::rt) async fn accept(&self) -> io::Result<Stream> {
        poll_fn(|cx| {
            let world = world();
            let listening = world.network.listening.borrow().get(&self.0.number).cloned();
            // Gone only with its process.
            let Some(listening) = listening else {
                return Poll::Pending;
            };
            let connection = listening.queue.borrow_mut().pop_front();
            match connection {
                Some(connection) => Poll::Ready(Ok(Stream::new(connection, Side::Server))),
                None => {
                    *listening.accepting.borrow_mut() = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}
