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
}

impl Throttle {
    pub fn new(bytes_per_second: f64) -> Throttle {
        Throttle {
            bytes_per_second: Cell::new(bytes_per_second.max(1.0)),
            paid_at: Cell::new(Monotonic(0)),
        }
    }

    /// Changes the rate.
    pub fn set_rate(&self, bytes_per_second: f64) {
        self.bytes_per_second.set(bytes_per_second.max(1.0));
    }

    /// Accounts for bytes read or written, and waits until they are paid for, or `over` says that it need not.
    pub async fn used(&self, bytes: usize, over: impl Fn() -> bool) {
        let cost_ns = (bytes as f64 / self.bytes_per_second.get() * 1e9) as u64;
        let now = rt::now();
        let paid_at = self.paid_at.get().max(now).plus(Duration::from_nanos(cost_ns));
        self.paid_at.set(paid_at);
        loop {
            let left = paid_at.since(rt::now());
            if left.is_zero() || over() {
                break;
            }
            rt::sleep(left.min(LONGEST_WAIT)).await;
        }
        rt::yield_if_needed().await;
    }
}
