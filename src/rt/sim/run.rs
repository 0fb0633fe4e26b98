//! Running simulations.

use super::process::MAIN;
use super::world::World;
use crate::rt::time;
use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Names the one seed to run, see the module.
const SEED_VARIABLE: &str = "CORELANE_SIM_SEED";

/// A simulation: a seed and a limit of its time.
#[derive(Debug)]
pub struct Sim {
    seed: u64,
    time_limit: Duration,
    trace_hash: Option<u64>,
}

impl Sim {
    /// A simulation decided by `seed`. It may run for ten hours of its own time.
    pub fn new(seed: u64) -> Sim {
        Sim {
            seed,
            time_limit: Duration::from_secs(36_000),
            trace_hash: None,
        }
    }

    /// Another limit of simulated time, after which the run panics.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Sim {
        self.time_limit = limit;
        self
    }

    /// Runs `future` as process `main` until it is ready; whatever else still runs is dropped then.
    pub fn run<T: 'static>(&mut self, future: impl Future<Output = T> + 'static) -> T {
        self.run_with(|| future)
    }

    /// The same; `make` is called inside the simulation.
    pub fn run_with<T: 'static, F: Future<Output = T> + 'static>(&mut self, make: impl FnOnce() -> F) -> T {
        let world = Rc::new(World::new(self.seed));
        world.enter();
        let _end = End(world.clone());
        world.processes.enter(MAIN);
        let result: Rc<RefCell<Option<T>>> = Rc::new(RefCell::new(None));
        let future = make();
        world.executor.spawn(MAIN, {
            let result = result.clone();
            Box::pin(async move {
                let output = future.await;
                *result.borrow_mut() = Some(output);
            })
        });
        let limit = world.now() + self.time_limit.as_nanos() as u64;
        world.executor.run(&world, limit, || result.borrow().is_some());
        self.trace_hash = Some(world.trace_hash());
        let output = result.borrow_mut().take();
        output.expect("the run ends with the result")
    }

    /// A hash over every step of the finished run.
    pub fn trace_hash(&self) -> u64 {
        self.trace_hash.expect("the simulation has not run to its end")
    }
}

/// Takes the world down, also when a test panics.
struct End(Rc<World>);

impl Drop for End {
    fn drop(&mut self) {
        // Tasks first: what they hold finds its way through the world and the timers.
        self.0.executor.drop_all(&self.0);
        self.0.cancel_happenings();
        time::reset_timers();
        World::leave();
    }
}

/// Runs a test with many seeds, each in a simulation of its own. If one fails its number is printed, with how to run it
/// alone, and the panic goes on. A variable of the environment asks for another seed, or for another range of them.
pub fn check_seeds<F: Future<Output = ()> + 'static>(name: &str, seeds: Range<u64>, test: impl Fn(u64) -> F) {
    for seed in wanted_seeds(seeds) {
        if let Err(panic) = check_seed(name, seed, &test) {
            resume_unwind(panic);
        }
    }
}

/// The same on as many threads as there are processors. How many seeds there were.
pub fn check_seeds_in_parallel<F: Future<Output = ()> + 'static>(
    name: &str,
    seeds: Range<u64>,
    test: impl Fn(u64) -> F + Sync,
) -> u64 {
    let seeds = wanted_seeds(seeds);
    let next = AtomicU64::new(seeds.start);
    let failed = Mutex::new(None);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            if let Err(panic) = check_seed(name, seed, &test) {
                next.store(seeds.end, Ordering::Relaxed);
                *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(panic) = failed {
        resume_unwind(panic);
    }
    seeds.end.saturating_sub(seeds.start)
}

fn check_seed<F: Future<Output = ()> + 'static>(
    name: &str,
    seed: u64,
    test: impl Fn(u64) -> F,
) -> Result<(), Box<dyn Any + Send>> {
    let outcome = catch_unwind(AssertUnwindSafe(|| Sim::new(seed).run_with(|| test(seed))));
    if outcome.is_err() {
        eprintln!(
            "{name}: seed {seed} failed. To run it alone: {SEED_VARIABLE}={seed} cargo test --lib {name}"
        );
    }
    outcome
}

fn wanted_seeds(seeds: Range<u64>) -> Range<u64> {
    match std::env::var(SEED_VARIABLE) {
        Ok(wanted) => parse_seeds(&wanted)
            .unwrap_or_else(|| panic!("{SEED_VARIABLE}={wanted}: a number, or a range as 0..10000")),
        Err(_) => seeds,
    }
}

/// A number, or a range of them.
fn parse_seeds(text: &str) -> Option<Range<u64>> {
    if let Some((first, end)) = text.split_once("..") {
        return Some(first.parse().ok()?..end.parse().ok()?);
    }
    let only: u64 = text.parse().ok()?;
    Some(only..only.checked_add(1)?)
}
