//! How fast compaction may read and write, and moves between data directories.

use crate::base::time::Monotonic;
use crate::rt;
use std::cell::Cell;
use std::time::Duration;

/// Longest single wait: whoever waits looks whether it is over that often.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// Bytes per second, over all that a shard compacts. Short bursts are paid for afterwards.
#[derive(Debug)]
pub(in crate::log) struct Throttle {
    bytes_per_second: Cell<f64>,
    /// When what was read and written so far is paid for.
    paid_at: Cell<Monotonic>,
    /// How often the rate has changed.
    changes: Cell<u64>,
}

impl Throttle {
    pub fn new(bytes_per_second: f64) -> Throttle {
        Throttle {
            bytes_per_second: Cell::new(bytes_per_second.max(1.0)),
            paid_at: Cell::new(Monotonic(0)),
            changes: Cell::new(0),
        }
    }

    /// Changes the rate. What was not yet paid for at the old one never is: it might take hours.
    pub fn set_rate(&self, bytes_per_second: f64) {
        let rate = bytes_per_second.max(1.0);
        if self.bytes_per_second.replace(rate) != rate {
            self.paid_at.set(Monotonic(0));
            self.changes.set(self.changes.get() + 1);
        }
    }

    /// Accounts for bytes read or written, and waits until they are paid for, or `over` says that it need not.
    pub async fn used(&self, bytes: usize, over: impl Fn() -> bool) {
        let cost_ns = (bytes as f64 / self.bytes_per_second.get() * 1e9) as u64;
        let now = rt::now();
        let paid_at = self.paid_at.get().max(now).plus(Duration::from_nanos(cost_ns));
        self.paid_at.set(paid_at);
        let changes = self.changes.get();
        loop {
            let left = paid_at.since(rt::now());
            if left.is_zero() || self.changes.get() != changes || over() {
                break;
            }
            rt::sleep(left.min(LONGEST_WAIT)).await;
        }
        rt::yield_if_needed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rt::sim;
    use std::rc::Rc;

    #[test]
    fn a_changed_rate_counts_for_who_waits_already() {
        sim::check_seeds("a_changed_rate_counts_for_who_waits_already", 0..3, |_| async {
            let throttle = Rc::new(Throttle::new(1_000.0));
            let begun = rt::now();
            throttle.used(2_000, || false).await;
            let seconds = || rt::now().since(begun).as_secs_f64();
            assert!((2.0..2.5).contains(&seconds()), "{}", seconds());
            let (waiting, paid) = (throttle.clone(), Rc::new(Cell::new(false)));
            let is_paid = paid.clone();
            let waiting = rt::spawn(async move {
                waiting.used(10_000_000, || false).await;
                paid.set(true);
            });
            rt::sleep(Duration::from_secs(5)).await;
            // The same rate is no change.
            throttle.set_rate(1_000.0);
            rt::sleep(Duration::from_secs(5)).await;
            assert!(!is_paid.get());
            throttle.set_rate(2_000.0);
            waiting.await;
            throttle.used(2_000, || false).await;
            assert!((13.0..14.5).contains(&seconds()), "{}", seconds());
        });
    }
}
