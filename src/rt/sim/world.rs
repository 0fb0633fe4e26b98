//! All of a simulation's state, and how the code inside finds it.

use super::disk::Disk;
use super::executor::Executor;
use super::net::Network;
use super::process::Processes;
use crate::base::random::SplitMix;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

thread_local! {
    static CURRENT: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

/// What happens at a point in time.
type Happening = Box<dyn FnOnce(&World)>;

/// A simulated world. One per run, found through a thread local.
pub(super) struct World {
    pub(super) clock_nanos: Cell<u64>,
    pub(super) wall_offset_ms: Cell<i64>,
    /// Decides scheduling, latencies and faults.
    pub(super) random: RefCell<SplitMix>,
    /// What the simulated code draws. Apart, so that a test which draws one number more does not change the rest.
    pub(super) code_random: RefCell<SplitMix>,
    trace: Cell<u64>,
    happenings: RefCell<BTreeMap<(u64, u64), Happening>>,
    happenings_made: Cell<u64>,
    pub(super) executor: Executor,
    pub(super) processes: Processes,
    pub(super) disks: RefCell<BTreeMap<String, Rc<Disk>>>,
    pub(super) network: Network,
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        let mut seeds = SplitMix::new(seed);
        World {
            clock_nanos: Cell::new(1_000_000_000),
            wall_offset_ms: Cell::new(0),
            random: RefCell::new(SplitMix::new(seeds.next_u64())),
            code_random: RefCell::new(SplitMix::new(seeds.next_u64())),
            trace: Cell::new(0xcbf2_9ce4_8422_2325),
            happenings: RefCell::new(BTreeMap::new()),
            happenings_made: Cell::new(0),
            executor: Executor::default(),
            processes: Processes::default(),
            disks: RefCell::new(BTreeMap::new()),
            network: Network::default(),
        }
    }

    /// Makes this the world that [`world`] finds.
    pub(super) fn enter(self: &Rc<World>) {
        CURRENT.with_borrow_mut(|current| {
            assert!(
                current.is_none(),
                "a simulation cannot run inside of a simulation"
            );
            *current = Some(self.clone());
        });
    }

    pub(super) fn leave() {
        CURRENT.with_borrow_mut(|current| *current = None);
    }

    pub(super) fn now(&self) -> u64 {
        self.clock_nanos.get()
    }

    /// A random number below `bound`.
    pub(super) fn below(&self, bound: u64) -> u64 {
        self.random.borrow_mut().below(bound)
    }

    pub(super) fn chance(&self, chance: f64) -> bool {
        self.random.borrow_mut().chance(chance)
    }

    /// A random duration between the two, in nanoseconds.
    pub(super) fn between(&self, least: Duration, most: Duration) -> u64 {
        let (least, most) = (least.as_nanos() as u64, most.as_nanos() as u64);
        least + self.below(most.saturating_sub(least) + 1)
    }

    /// Adds a step to the trace.
    pub(super) fn note(&self, what: u64, detail: u64) {
        let mut trace = self.trace.get();
        for word in [what, detail, self.now()] {
            trace = (trace.rotate_left(29) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        self.trace.set(trace);
    }

    pub(super) fn trace_hash(&self) -> u64 {
        self.trace.get()
    }

    /// Lets something happen `after_nanos` from now.
    pub(super) fn schedule(&self, after_nanos: u64, happening: impl FnOnce(&World) + 'static) {
        let number = self.happenings_made.get();
        self.happenings_made.set(number + 1);
        self.happenings
            .borrow_mut()
            .insert((self.now() + after_nanos, number), Box::new(happening));
    }

    /// When the next thing happens that no task has to do.
    pub(super) fn next_happening(&self) -> Option<u64> {
        self.happenings.borrow().keys().next().map(|(at, _)| *at)
    }

    /// Takes out what is due.
    pub(super) fn due_happening(&self) -> Option<Happening> {
        let mut happenings = self.happenings.borrow_mut();
        let first = happenings.first_entry()?;
        (first.key().0 <= self.now()).then(|| first.remove())
    }

    /// Forgets everything that was going to happen.
    pub(super) fn cancel_happenings(&self) {
        let happenings = std::mem::take(&mut *self.happenings.borrow_mut());
        drop(happenings);
    }
}

/// The world this thread simulates.
pub(super) fn world() -> Rc<World> {
    try_world().expect(
        "outside of a simulation: unit tests of code that uses rt run in sim::check_seeds or Sim::run",
    )
}

/// The same, or `None` outside and when the world has ended.
pub(super) fn try_world() -> Option<Rc<World>> {
    CURRENT
        .try_with(|current| current.borrow().clone())
        .ok()
        .flatten()
}
