//! What all connections share: who listens, what is planned, who cannot reach whom.

use super::connection::Connection;
use super::listener::Listening;
use crate::rt::sim::process::ProcessId;
use crate::rt::sim::world::{World, world};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// What the network does to connections.
#[derive(Clone, Debug)]
pub struct NetPlan {
    /// The shortest time a piece of a stream, or a connection attempt, is on its way.
    pub least_delay: Duration,
    /// The longest.
    pub most_delay: Duration,
    /// The largest piece a stream is cut into.
    pub most_piece_bytes: usize,
    /// How many bytes a direction of a connection holds.
    pub capacity_bytes: usize,
    /// The chance of a connection to break with a piece sent, from 0.0 to 1.0.
    pub cut_chance: f64,
}

impl Default for NetPlan {
    fn default() -> NetPlan {
        NetPlan {
            least_delay: Duration::from_micros(20),
            most_delay: Duration::from_micros(500),
            most_piece_bytes: 16 * 1024,
            capacity_bytes: 64 * 1024,
            cut_chance: 0.0,
        }
    }
}

/// The first port the simulated kernel gives away.
const FIRST_FREE_PORT: u16 = 32768;

pub(in crate::rt::sim) struct Network {
    pub(super) plan: RefCell<NetPlan>,
    pub(super) listening: RefCell<BTreeMap<u64, Rc<Listening>>>,
    pub(super) connections: RefCell<BTreeMap<u64, Rc<Connection>>>,
    pub(super) partitions: RefCell<BTreeSet<(ProcessId, ProcessId)>>,
    made: Cell<u64>,
    next_port: Cell<u16>,
}

impl Default for Network {
    fn default() -> Network {
        Network {
            plan: RefCell::default(),
            listening: RefCell::default(),
            connections: RefCell::default(),
            partitions: RefCell::default(),
            made: Cell::new(0),
            next_port: Cell::new(FIRST_FREE_PORT),
        }
    }
}

impl Network {
    /// A number for something new.
    pub(super) fn number(&self) -> u64 {
        self.made.set(self.made.get() + 1);
        self.made.get()
    }

    pub(super) fn free_port(&self) -> u16 {
        let port = self.next_port.get();
        self.next_port.set(port.checked_add(1).unwrap_or(FIRST_FREE_PORT));
        port
    }

    /// Who gets a connection to `address`.
    pub(super) fn listening_at(&self, address: SocketAddr) -> Option<Rc<Listening>> {
        self.listening
            .borrow()
            .values()
            .find(|listening| listening.takes(address))
            .cloned()
    }

    pub(super) fn delay(&self, world: &World) -> u64 {
        let plan = self.plan.borrow();
        world.between(plan.least_delay, plan.most_delay)
    }

    pub(super) fn is_partitioned(&self, a: ProcessId, b: ProcessId) -> bool {
        self.partitions.borrow().contains(&pair(a, b))
    }

    /// What happens to the sockets of a process that ends.
    pub(in crate::rt::sim) fn cut_process(&self, world: &World, process: ProcessId) {
        self.listening
            .borrow_mut()
            .retain(|_, listening| listening.process != process);
        let connections: Vec<_> = self.connections.borrow().values().cloned().collect();
        for connection in connections {
            connection.end_of_process(world, process);
        }
    }
}

fn pair(a: ProcessId, b: ProcessId) -> (ProcessId, ProcessId) {
    (a.min(b), a.max(b))
}

/// Replaces the plan; connections that exist keep their capacity.
pub fn set_plan(plan: NetPlan) {
    assert!(plan.most_piece_bytes > 0 && plan.capacity_bytes > 0);
    *world().network.plan.borrow_mut() = plan;
}

/// From now on nothing passes between the two processes, and nobody is told. What is sent waits.
pub fn partition(a: ProcessId, b: ProcessId) {
    world().network.partitions.borrow_mut().insert(pair(a, b));
}

/// Lets everything pass again.
pub fn heal(a: ProcessId, b: ProcessId) {
    let world = world();
    world.network.partitions.borrow_mut().remove(&pair(a, b));
    let connections: Vec<_> = world.network.connections.borrow().values().cloned().collect();
    for connection in connections {
        connection.wake_all();
    }
}

/// Breaks all connections of a process; it lives on.
pub fn cut_all(process: ProcessId) {
    let world = world();
    let connections: Vec<_> = world.network.connections.borrow().values().cloned().collect();
    for connection in connections {
        connection.end_of_process(&world, process);
    }
}
