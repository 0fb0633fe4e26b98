//! The disk: counts, times and spoils operations on the tree.

use super::content::BLOCK;
use super::crash::{NameOrder, scatter};
use super::faults::FaultPlan;
use super::file_node::Durability;
use super::tree::{NodeId, Tree};
use crate::rt::sim::process::{ProcessId, kill};
use crate::rt::sim::world::World;
use std::cell::{Cell, RefCell};
use std::io;
use std::path::Path;
use std::rc::Rc;

pub(in crate::rt::sim) struct Disk {
    pub(super) tree: RefCell<Tree>,
    plan: RefCell<FaultPlan>,
    changes: Cell<u64>,
    /// Those of them that [`FaultPlan::crash_at_op`] counts.
    counted: Cell<u64>,
    /// Rises with each crash: what was in flight before has no effect after.
    epoch: Cell<u64>,
    /// Bytes that files of others take, who are not simulated.
    pub(super) occupied_bytes: Cell<u64>,
}

/// The kinds of operations errors are planned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
    Sync,
    /// Names, lengths.
    Metadata,
}

/// Whether the machine is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Power {
    On,
    Lost,
}

impl Disk {
    pub(in crate::rt::sim) fn new() -> Disk {
        Disk {
            tree: RefCell::new(Tree::new()),
            plan: RefCell::new(FaultPlan::default()),
            changes: Cell::new(0),
            counted: Cell::new(0),
            epoch: Cell::new(0),
            occupied_bytes: Cell::new(0),
        }
    }

    /// The power goes.
    pub(in crate::rt::sim) fn crash(&self, world: &World) {
        self.epoch.set(self.epoch.get() + 1);
        let mut plan = self.plan.borrow_mut();
        plan.crash_at_op = None;
        let order = match plan.names_out_of_order {
            true => NameOrder::OfNames,
            false => NameOrder::OfDirectories,
        };
        self.tree
            .borrow_mut()
            .crash(order, &mut world.random.borrow_mut());
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.get()
    }

    pub(super) fn set_faults(&self, plan: FaultPlan) {
        *self.plan.borrow_mut() = plan;
        self.changes.set(0);
        self.counted.set(0);
    }

    pub(super) fn changes_started(&self) -> u64 {
        self.changes.get()
    }

    /// Counts an operation, and takes the power away if it was planned so.
    pub(super) fn begin(&self, world: &World, process: ProcessId, kind: Kind, path: &Path) -> Power {
        world.note(6, kind as u64);
        if kind == Kind::Read {
            return Power::On;
        }
        self.changes.set(self.changes.get() + 1);
        let plan = self.plan.borrow();
        let near = plan.crash_near.as_ref();
        if near.is_some_and(|part| !path.to_string_lossy().contains(part.as_str())) {
            return Power::On;
        }
        self.counted.set(self.counted.get() + 1);
        if plan.crash_at_op == Some(self.counted.get()) {
            kill(process);
            return Power::Lost;
        }
        Power::On
    }

    pub(super) fn latency(&self, world: &World) -> u64 {
        let plan = self.plan.borrow();
        let slow = if world.chance(plan.slow_chance) {
            plan.slow.as_nanos() as u64
        } else {
            0
        };
        world.between(plan.least_latency, plan.most_latency) + slow
    }

    /// Whether an operation on that path fails now.
    pub(super) fn fails(&self, world: &World, kind: Kind, path: &Path) -> io::Result<()> {
        let plan = self.plan.borrow();
        let chance = match kind {
            Kind::Read => plan.read_error,
            Kind::Write => plan.write_error,
            Kind::Sync => plan.sync_error,
            Kind::Metadata => 0.0,
        };
        let concerned = plan
            .only_paths_with
            .as_ref()
            .is_none_or(|part| path.to_string_lossy().contains(part.as_str()));
        if chance > 0.0 && concerned && world.chance(chance) {
            return Err(io::Error::other(format!(
                "simulated {kind:?} error on {}",
                path.display()
            )));
        }
        Ok(())
    }

    /// A write, at the moment it is done.
    pub(super) fn finish_write(
        &self,
        world: &World,
        path: &Path,
        node: NodeId,
        position: u64,
        bytes: Rc<[u8]>,
        durability: Durability,
    ) -> io::Result<()> {
        let mut tree = self.tree.borrow_mut();
        let missing = tree.file(node)?.visible.missing(position, bytes.len() as u64);
        let free = match missing {
            0 => 0,
            _ => self.free_bytes(&tree),
        };
        if missing > free {
            // As a kernel does, which writes block after block: the first ones may be there.
            let mut fitting = bytes.len() as u64;
            while fitting > 0 && tree.file(node)?.visible.missing(position, fitting) > free {
                fitting = (fitting - 1) / BLOCK * BLOCK;
            }
            let written = world.random.borrow_mut().below(fitting / BLOCK + 1) * BLOCK;
            if written > 0 {
                let number = tree.number();
                let part = bytes[..written as usize].into();
                tree.file(node)?
                    .write(number, position, part, Durability::Pending);
            }
            return Err(io::ErrorKind::StorageFull.into());
        }
        let number = tree.number();
        let file = tree.file(node)?;
        if let Err(error) = self.fails(world, Kind::Write, path) {
            // Some sectors are there, and may become durable or not.
            let mut spoiled = file.visible.clone();
            scatter(
                &mut spoiled,
                position,
                &bytes,
                0.5,
                &mut world.random.borrow_mut(),
            );
            let spoiled = spoiled.read(position, bytes.len());
            if !spoiled.is_empty() {
                file.write(number, position, spoiled.into(), Durability::Pending);
            }
            return Err(error);
        }
        file.write(number, position, bytes, durability);
        Ok(())
    }

    /// A sync of what was done before number `before`.
    pub(super) fn finish_sync(
        &self,
        world: &World,
        path: &Path,
        node: NodeId,
        before: u64,
    ) -> io::Result<()> {
        let mut tree = self.tree.borrow_mut();
        let file = tree.file(node)?;
        let result = self.fails(world, Kind::Sync, path);
        match result {
            Ok(()) => file.sync(before),
            Err(_) => file.fail_sync(before, || world.chance(0.5)),
        }
        result
    }

    /// How much it holds.
    pub(super) fn capacity_bytes(&self) -> u64 {
        self.plan.borrow().capacity_bytes.unwrap_or(u64::MAX >> 1)
    }

    /// How much room there is.
    pub(super) fn free_bytes(&self, tree: &Tree) -> u64 {
        if self.plan.borrow().capacity_bytes.is_none() {
            return u64::MAX >> 1;
        }
        let taken = tree.allocated() + self.occupied_bytes.get();
        self.capacity_bytes().saturating_sub(taken)
    }

    /// Room for another name: a directory takes no more of them on a disk without a free block.
    pub(super) fn has_room_for_name(&self, tree: &Tree) -> io::Result<()> {
        match self.free_bytes(tree) {
            0..BLOCK => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    /// Reserves room.
    pub(super) fn reserve(&self, node: NodeId, len: u64) -> io::Result<()> {
        let mut tree = self.tree.borrow_mut();
        let free = self.free_bytes(&tree);
        let content = &mut tree.file(node)?.visible;
        if content.missing(0, len) > free {
            return Err(io::ErrorKind::StorageFull.into());
        }
        content.reserve(len);
        Ok(())
    }
}
