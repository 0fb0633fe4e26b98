//! How much of its work a stop does, where it is much.
//!
//! What is acknowledged is durable before a stop as well, so bringing it to segments is for who reads the files next: Kafka, the
//! tools, a start that then has nothing to put back. A start after a crash takes thousands of partitions from the write-ahead log in
//! a moment; making their files takes a stop much longer. So a stop does all of it, or what was begun when it turned out to be too much.

use crate::base::time::Monotonic;
use std::time::Duration;

/// Pure: told how far the work is, says whether it goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct StopBudget {
    begun: Monotonic,
    partitions: usize,
    at_least: usize,
    within: Duration,
}

impl StopBudget {
    /// A stop that begins at `begun` with so many partitions to do, `at_least` of which are done in any case.
    pub fn new(begun: Monotonic, partitions: usize, at_least: usize, within: Duration) -> StopBudget {
        StopBudget {
            begun,
            partitions,
            at_least,
            within,
        }
    }

    /// Whether more is to be done when so many partitions are. What can't be finished in time isn't gone on with: of a log
    /// that stays anyway a start does the rest as well.
    pub fn goes_on(&self, done: usize, now: Monotonic) -> bool {
        if done < self.at_least.min(self.partitions) {
            return true;
        }
        let spent = now.since(self.begun);
        let left = self.partitions.saturating_sub(done);
        let to_come = match done {
            0 => Duration::ZERO,
            _ => spent.mul_f64(left as f64 / done as f64),
        };
        left > 0 && spent.saturating_add(to_come) < self.within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(ms: u64) -> Monotonic {
        Monotonic(5).plus(Duration::from_millis(ms))
    }

    #[test]
    fn a_few_are_done_however_long_it_takes() {
        let budget = StopBudget::new(after(0), 250, 256, Duration::from_secs(5));
        assert!(budget.goes_on(0, after(0)));
        assert!(budget.goes_on(249, after(100_000)));
        assert!(!budget.goes_on(250, after(1)));
    }

    #[test]
    fn many_are_done_if_all_are_in_time() {
        let budget = StopBudget::new(after(0), 10_000, 256, Duration::from_secs(5));
        assert!(budget.goes_on(255, after(60_000)));
        // 5000 / 10,000 ms each.
        assert!(budget.goes_on(256, after(127)));
        assert!(!budget.goes_on(256, after(129)));
        assert!(budget.goes_on(9_999, after(4_990)));
        assert!(!budget.goes_on(9_999, after(5_000)));
    }

    #[test]
    fn none_and_all() {
        let none = StopBudget::new(after(0), 10, 0, Duration::ZERO);
        assert!(!none.goes_on(0, after(0)));
        let all = StopBudget::new(after(0), 100_000, 0, Duration::from_millis(u64::MAX));
        assert!(all.goes_on(0, after(0)));
        assert!(all.goes_on(99_999, after(1 << 40)));
    }
}
