//! The executor: picks a random ready task.

use super::process::ProcessId;
use super::world::World;
use crate::rt::time;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

/// How much time a step takes: enough that a task which waits for the clock by yielding gets there.
const STEP_NANOS: u64 = 500;

/// Steps without time to wait for. More is a task that yields forever.
const MAX_BUSY_STEPS: u64 = 20_000_000;

type TaskFuture = Pin<Box<dyn Future<Output = ()>>>;

#[derive(Default)]
pub(super) struct Executor {
    tasks: RefCell<BTreeMap<u64, Task>>,
    tasks_made: Cell<u64>,
    ready: Arc<Mutex<Vec<u64>>>,
    /// Tasks to drop before the next step.
    doomed: RefCell<Vec<u64>>,
    fired: RefCell<Vec<Waker>>,
    busy_steps: Cell<u64>,
}

struct Task {
    process: ProcessId,
    /// Absent while the task is being polled.
    future: Option<TaskFuture>,
    wake: Arc<TaskWake>,
}

struct TaskWake {
    task: u64,
    is_ready: AtomicBool,
    ready: Arc<Mutex<Vec<u64>>>,
}

impl Wake for TaskWake {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_ready.swap(true, Ordering::Relaxed) {
            self.ready
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(self.task);
        }
    }
}

impl Executor {
    /// Adds a task; it is ready. Its number.
    pub(super) fn spawn(&self, process: ProcessId, future: TaskFuture) -> u64 {
        let task = self.tasks_made.get();
        self.tasks_made.set(task + 1);
        let wake = Arc::new(TaskWake {
            task,
            is_ready: AtomicBool::new(false),
            ready: self.ready.clone(),
        });
        wake.wake_by_ref();
        self.tasks.borrow_mut().insert(
            task,
            Task {
                process,
                future: Some(future),
                wake,
            },
        );
        task
    }

    /// Drops the task before anything else runs.
    pub(super) fn doom(&self, task: u64) {
        self.doomed.borrow_mut().push(task);
    }

    /// Dooms all tasks of a process.
    pub(super) fn doom_process(&self, process: ProcessId) {
        let tasks = self.tasks.borrow();
        let of_it = tasks
            .iter()
            .filter(|(_, task)| task.process == process)
            .map(|(number, _)| *number);
        self.doomed.borrow_mut().extend(of_it);
    }

    /// Runs until `done`.
    pub(super) fn run(&self, world: &World, time_limit_nanos: u64, done: impl Fn() -> bool) {
        loop {
            self.bury_the_dead(world);
            if done() {
                return;
            }
            while let Some(happening) = world.due_happening() {
                happening(world);
            }
            if time::next_timer_nanos().is_some_and(|at| at <= world.now()) {
                self.fire_timers();
            }
            if world.processes.has_condemned() {
                continue;
            }
            if let Some(task) = self.pick(world) {
                self.busy_steps.set(self.busy_steps.get() + 1);
                assert!(
                    self.busy_steps.get() < MAX_BUSY_STEPS,
                    "a task yields forever and waits for nothing"
                );
                self.step(world, task);
                continue;
            }
            self.busy_steps.set(0);
            let next = world
                .next_happening()
                .into_iter()
                .chain(time::next_timer_nanos())
                .min();
            let Some(next) = next else {
                panic!("the simulation is stuck: every task waits, and nothing will happen");
            };
            world.clock_nanos.set(world.now().max(next));
            assert!(
                world.now() < time_limit_nanos,
                "the simulation runs for too long: {} s of its time",
                next / 1_000_000_000
            );
        }
    }

    /// Drops every task.
    pub(super) fn drop_all(&self, world: &World) {
        loop {
            let Some(task) = self.tasks.borrow().keys().next().copied() else {
                return;
            };
            self.drop_task(world, task);
        }
    }

    fn fire_timers(&self) {
        // In a vector that is kept: the wakers wake tasks only, so nothing comes back here.
        let mut fired = self.fired.borrow_mut();
        time::fire_timers(&mut fired);
        fired.drain(..).for_each(Waker::wake);
    }

    fn pick(&self, world: &World) -> Option<u64> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if ready.is_empty() {
                return None;
            }
            let at = world.below(ready.len() as u64) as usize;
            let task = ready.swap_remove(at);
            if self.tasks.borrow().contains_key(&task) {
                return Some(task);
            }
        }
    }

    fn step(&self, world: &World, number: u64) {
        world.clock_nanos.set(world.now() + STEP_NANOS);
        world.note(1, number);
        let (mut future, wake, process) = {
            let mut tasks = self.tasks.borrow_mut();
            let task = tasks.get_mut(&number).expect("only tasks that exist are picked");
            task.wake.is_ready.store(false, Ordering::Relaxed);
            (
                task.future.take().expect("a task does not run twice at once"),
                task.wake.clone(),
                task.process,
            )
        };
        world.processes.enter(process);
        let waker = Waker::from(wake);
        let poll = future.as_mut().poll(&mut Context::from_waker(&waker));
        if poll.is_ready() {
            drop(future);
            self.tasks.borrow_mut().remove(&number);
        } else if let Some(task) = self.tasks.borrow_mut().get_mut(&number) {
            task.future = Some(future);
        }
    }

    fn bury_the_dead(&self, world: &World) {
        world.processes.execute_condemned(world);
        loop {
            let Some(task) = self.doomed.borrow_mut().pop() else {
                return;
            };
            self.drop_task(world, task);
        }
    }

    fn drop_task(&self, world: &World, number: u64) {
        let task = self.tasks.borrow_mut().remove(&number);
        if let Some(task) = task {
            world.processes.enter(task.process);
            drop(task);
        }
    }
}
