//! The one task of an executor that sleeps for all its timers.

use super::executor::{Kind, kind};
use super::{clock, task};
use crate::rt::time::fire_timers;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

thread_local! {
    /// Wakes the ticker; `None` until the first timer of the thread starts it.
    static TICKER: RefCell<Option<Waker>> = const { RefCell::new(None) };
}

/// Makes the ticker look at the wheel again.
pub(super) fn next_timer_is_sooner() {
    TICKER.with_borrow(|ticker| match ticker {
        Some(waker) => waker.wake_by_ref(),
        None => drop(task::spawn(tick())),
    });
}

/// Forgets the ticker when its executor ends, so that the thread's next executor starts its own.
struct Registered;

impl Drop for Registered {
    fn drop(&mut self) {
        let _ = TICKER.try_with(|ticker| ticker.borrow_mut().take());
    }
}

async fn tick() {
    let _registered = Registered;
    let mut alarm: Option<Alarm> = None;
    let mut fired = Vec::new();
    poll_fn(|cx| {
        TICKER.with_borrow_mut(|ticker| match ticker {
            Some(waker) => waker.clone_from(cx.waker()),
            empty => *empty = Some(cx.waker().clone()),
        });
        loop {
            let next = fire_timers(&mut fired);
            fired.drain(..).for_each(Waker::wake);
            // Without timers nothing is armed and the ticker sleeps.
            let Some(at) = next else {
                alarm = None;
                return Poll::Pending;
            };
            let wait = Duration::from_nanos(at.saturating_sub(clock::now_nanos()));
            match &mut alarm {
                Some(armed) if armed.at == at => {}
                Some(armed) => armed.reset(at, wait),
                None => alarm = Some(Alarm::new(at, wait)),
            }
            if alarm.as_mut().expect("just armed").poll(cx).is_pending() {
                return Poll::Pending;
            }
            alarm = None;
        }
    })
    .await
}

/// A timer of the executor.
struct Alarm {
    at: u64,
    timer: Timer,
}

enum Timer {
    Shard(::glommio::timer::Timer),
    Control(Pin<Box<tokio::time::Sleep>>),
}

impl Alarm {
    fn new(at: u64, wait: Duration) -> Alarm {
        let timer = match kind() {
            Kind::Shard => Timer::Shard(::glommio::timer::Timer::new(wait)),
            Kind::Control => Timer::Control(Box::pin(tokio::time::sleep(wait))),
        };
        Alarm { at, timer }
    }

    fn reset(&mut self, at: u64, wait: Duration) {
        self.at = at;
        match &mut self.timer {
            Timer::Shard(timer) => timer.reset(wait),
            Timer::Control(timer) => timer.as_mut().reset(tokio::time::Instant::now() + wait),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.timer {
            Timer::Shard(timer) => Pin::new(timer).poll(cx).map(drop),
            Timer::Control(timer) => timer.as_mut().poll(cx),
        }
    }
}
