//! Processes: groups of tasks that live and die together, with their sockets and their disk.

use super::disk::Disk;
use super::world::{World, world};
use crate::rt::sync::Event;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::rc::Rc;

/// Names a process of this simulation; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(pub(super) usize);

/// The test itself.
pub(super) const MAIN: ProcessId = ProcessId(0);

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Its future was ready.
    Finished,
    /// By [`kill`], [`sigkill`] or a planned crash.
    Killed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    /// The machine loses power.
    PowerLoss,
    /// The process is gone, the machine stays.
    Signal,
    Finished,
}

struct Process {
    name: String,
    exit: Option<Exit>,
    exited: Event,
}

pub(super) struct Processes {
    list: RefCell<Vec<Process>>,
    current: Cell<ProcessId>,
    /// In the order of the verdicts: the first one counts.
    condemned: RefCell<VecDeque<(ProcessId, Death)>>,
}

impl Default for Processes {
    fn default() -> Processes {
        let main = Process {
            name: "main".to_owned(),
            exit: None,
            exited: Event::new(),
        };
        Processes {
            list: RefCell::new(vec![main]),
            current: Cell::new(MAIN),
            condemned: RefCell::default(),
        }
    }
}

impl Processes {
    /// The process of the task that runs.
    pub(super) fn current(&self) -> ProcessId {
        self.current.get()
    }

    /// From now on code of `process` runs.
    pub(super) fn enter(&self, process: ProcessId) {
        self.current.set(process);
    }

    pub(super) fn is_alive(&self, process: ProcessId) -> bool {
        self.list.borrow()[process.0].exit.is_none()
    }

    fn condemn(&self, process: ProcessId, death: Death) {
        self.condemned.borrow_mut().push_back((process, death));
    }

    pub(super) fn has_condemned(&self) -> bool {
        !self.condemned.borrow().is_empty()
    }

    /// Lets those die who have to.
    pub(super) fn execute_condemned(&self, world: &World) {
        loop {
            let Some((process, death)) = self.condemned.borrow_mut().pop_front() else {
                return;
            };
            if !self.is_alive(process) {
                continue;
            }
            world.note(2, process.0 as u64);
            let (name, exited) = {
                let mut list = self.list.borrow_mut();
                let process = &mut list[process.0];
                process.exit = Some(if death == Death::Finished {
                    Exit::Finished
                } else {
                    Exit::Killed
                });
                (process.name.clone(), process.exited.clone())
            };
            if death == Death::PowerLoss {
                disk_named(world, &name).crash(world);
            }
            world.network.cut_process(world, process);
            world.executor.doom_process(process);
            exited.notify_all();
        }
    }
}

/// Starts a process. It inherits nothing from the caller, and has the disk of its name: of the last process that was
/// called so, or a new, empty one.
pub fn spawn_process(name: &str, future: impl Future<Output = ()> + 'static) -> ProcessId {
    let world = world();
    let process = {
        let mut list = world.processes.list.borrow_mut();
        assert!(
            !list.iter().any(|p| p.name == name && p.exit.is_none()),
            "a process named {name} is running, and it has the disk"
        );
        list.push(Process {
            name: name.to_owned(),
            exit: None,
            exited: Event::new(),
        });
        ProcessId(list.len() - 1)
    };
    world.executor.spawn(
        process,
        Box::pin(async move {
            future.await;
            super::world::world().processes.condemn(process, Death::Finished);
        }),
    );
    process
}

/// Takes the power from a process's machine: its tasks are dropped, its sockets cut, its disk crashes. It happens
/// before any other step; a process may kill itself, and then goes on until it next waits.
pub fn kill(process: ProcessId) {
    assert!(process != MAIN, "the test cannot kill itself");
    world().processes.condemn(process, Death::PowerLoss);
}

/// Ends a process as the signal does: as [`kill`], but the disk keeps what was written.
pub fn sigkill(process: ProcessId) {
    assert!(process != MAIN, "the test cannot kill itself");
    world().processes.condemn(process, Death::Signal);
}

/// Ready when the process has ended; its tasks have been dropped by then.
pub async fn exited(process: ProcessId) -> Exit {
    loop {
        let wait = {
            let world = world();
            let list = world.processes.list.borrow();
            if let Some(exit) = list[process.0].exit {
                return exit;
            }
            list[process.0].exited.wait()
        };
        wait.await;
    }
}

/// The process of the calling task.
pub fn current_process() -> ProcessId {
    world().processes.current()
}

/// The disk of the process whose code runs.
pub(super) fn current_disk(world: &World) -> Rc<Disk> {
    let name = world.processes.list.borrow()[world.processes.current().0]
        .name
        .clone();
    disk_named(world, &name)
}

/// A disk by its name, new if there is none.
pub(super) fn disk_named(world: &World, name: &str) -> Rc<Disk> {
    world
        .disks
        .borrow_mut()
        .entry(name.to_owned())
        .or_insert_with(|| Rc::new(Disk::new()))
        .clone()
}
