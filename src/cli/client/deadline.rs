//! Until when to try, and how long to wait in between.

use std::thread;
use std::time::{Duration, Instant};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A point in time until which something is tried, with pauses that double.
#[derive(Clone, Debug)]
pub struct Deadline {
    at: Instant,
    pause: Duration,
}

impl Deadline {
    /// A deadline that far from now.
    pub fn after(budget: Duration) -> Deadline {
        Deadline {
            at: Instant::now() + budget,
            pause: FIRST_PAUSE,
        }
    }

    /// Time left.
    pub fn left(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Waits before the next attempt; `false` at once if there will be none.
    pub fn pause(&mut self) -> bool {
        if self.left() <= self.pause {
            return false;
        }
        thread::sleep(self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        true
    }
}
