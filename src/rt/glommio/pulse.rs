//! Wakes the executor now and then, for it may have gone to sleep on its work.
//!
//! Each turn, glommio arms the preemption timer and then runs tasks until that timer fires. If it has fired before the first
//! task could run, because the thread was kept from its core for longer than the timer, glommio takes that for "there is
//! nothing to run" and sleeps, with tasks ready. They run as soon as anything else wakes the executor; if nothing does, they
//! never do. On a busy machine that is no rarity: one start in twenty of a server with three shards on two cores hung.
//!
//! So something has to wake it. One timer is not enough: the task that would arm it again can be the one left waiting. A
//! row of timers, each twice as far away as the one before, is: each that fires is another chance, and all are armed anew as
//! soon as the task has run once. It is armed in the executor's first turn, which is guarded by a longer preemption timer
//! (`executor.rs`).

use ::glommio::timer::Timer;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

/// The most that work may lie about while the executor is in use. A guess between that and the cost of a turn, which is some
/// ten microseconds.
const BUSY_INTERVAL: Duration = Duration::from_millis(2);

/// The same while nothing but the pulse has been running: one turn each 64 ms cannot be measured.
const IDLE_INTERVAL: Duration = Duration::from_millis(64);

/// The last of so many timers comes after half a minute at most. Each has to meet a moment of contention for work to wait
/// for it.
const TIMERS: u32 = 10;

/// Runs for as long as the executor. Armed the first time it is polled.
pub(super) async fn pulse() -> Infallible {
    let mut interval = BUSY_INTERVAL;
    let mut tasks_before = tasks_run();
    loop {
        let mut timers: Vec<Timer> = (0..TIMERS).map(|i| Timer::new(interval * (1 << i))).collect();
        poll_fn(|cx| {
            // All of them are polled, which is what arms them.
            let fired = timers
                .iter_mut()
                .filter_map(|timer| match Pin::new(timer).poll(cx) {
                    Poll::Ready(_) => Some(()),
                    Poll::Pending => None,
                });
            if fired.count() > 0 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        let tasks = tasks_run();
        // The executor's own task, which this is part of, is one of those that have run.
        let is_idle = tasks <= tasks_before + 1;
        interval = if is_idle {
            (interval * 2).min(IDLE_INTERVAL)
        } else {
            BUSY_INTERVAL
        };
        tasks_before = tasks;
    }
}

fn tasks_run() -> u64 {
    ::glommio::executor().executor_stats().tasks_executed()
}
