//! Clocks and timers. All timers of an executor sit in one wheel, so that a waiting request costs a list node and no
//! kernel timer; one ticker per executor sleeps until the wheel's next event, and not at all while the wheel is empty.

use super::backend;
use super::timer_wheel::{TimerKey, TimerWheel};
use crate::base::time::Monotonic;
use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// One tick of the wheel: what a sleep is rounded up to.
const TICK_NANOS: u64 = 1_000_000;

thread_local! {
    static WHEEL: RefCell<Option<TimerWheel>> = const { RefCell::new(None) };
}

/// The monotonic clock. Comparable between all threads of the process.
pub fn now() -> Monotonic {
    Monotonic(backend::clock::now_nanos())
}

/// Milliseconds since 1970 by the wall clock, which may jump.
pub fn wall_ms() -> i64 {
    backend::clock::wall_ms()
}

/// Ready after `duration`, rounded up to a millisecond; never early. Dropping it removes the timer.
pub fn sleep(duration: Duration) -> Sleep {
    let nanos = now().plus(duration).0;
    Sleep {
        deadline: nanos.div_ceil(TICK_NANOS),
        key: None,
    }
}

/// `future`'s result, or [`Elapsed`] if it takes longer than `duration`; then it is dropped. A future that is ready
/// when first polled costs no timer.
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let mut limit = sleep(duration);
    std::future::poll_fn(move |cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(&mut limit).poll(cx).map(|()| Err(Elapsed))
    })
    .await
}

/// The time given to [`timeout`] ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("timed out")
    }
}

impl Error for Elapsed {}

/// See [`sleep`].
#[derive(Debug)]
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct Sleep {
    deadline: u64,
    key: Option<TimerKey>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let now = now_ticks();
        if now >= self.deadline {
            self.cancel();
            return Poll::Ready(());
        }
        let sooner = WHEEL.with_borrow_mut(|wheel| {
            let wheel = wheel.get_or_insert_with(|| TimerWheel::new(now));
            if self.key.is_some_and(|key| wheel.rearm(key, cx.waker())) {
                return false;
            }
            let before = wheel.next_event();
            self.key = Some(wheel.insert(self.deadline, cx.waker().clone()));
            before.is_none_or(|before| self.deadline < before)
        });
        if sooner {
            backend::clock::next_timer_is_sooner();
        }
        Poll::Pending
    }
}

impl Sleep {
    fn cancel(&mut self) {
        if let Some(key) = self.key.take() {
            // When the thread ends its wheel may be gone before a task that was still there.
            let _ = WHEEL.try_with(|wheel| {
                if let Some(wheel) = wheel.borrow_mut().as_mut() {
                    wheel.remove(key);
                }
            });
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.cancel();
    }
}

fn now_ticks() -> u64 {
    backend::clock::now_nanos() / TICK_NANOS
}

/// For the backend's ticker: wakes whose time has come and says when to call again, in nanoseconds of the monotonic
/// clock; `None` while there are no timers.
pub(super) fn fire_timers(fired: &mut Vec<Waker>) -> Option<u64> {
    let now = now_ticks();
    WHEEL
        .with_borrow_mut(|wheel| {
            let wheel = wheel.as_mut()?;
            wheel.advance(now, fired);
            wheel.next_event()
        })
        .map(|tick| tick * TICK_NANOS)
}

/// For the simulation, where one thread has many lives: forgets all timers.
#[cfg(test)]
pub(super) fn reset_timers() {
    WHEEL.with_borrow_mut(|wheel| *wheel = None);
}

/// For the simulation: when the wheel's next event is, in nanoseconds.
#[cfg(test)]
pub(super) fn next_timer_nanos() -> Option<u64> {
    WHEEL
        .with_borrow(|wheel| wheel.as_ref()?.next_event())
        .map(|tick| tick * TICK_NANOS)
}
