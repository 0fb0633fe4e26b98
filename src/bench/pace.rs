//! The clock of an open-loop load: requests become due at fixed intervals, whether or not answers have come.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// When requests are due, in turn for each connection.
pub struct Pace {
    per_s: f64,
    /// The moment from which intervals are counted, and how many have passed. Counting, rather than adding intervals up,
    /// keeps the rate exact.
    start: Instant,
    released: u64,
    due: Vec<VecDeque<Instant>>,
}

impl Pace {
    /// `per_s` requests in a second, over so many connections, from now on.
    pub fn new(per_s: f64, connections: usize) -> Pace {
        Pace {
            per_s,
            start: Instant::now(),
            released: 0,
            due: vec![VecDeque::new(); connections],
        }
    }

    /// When the next request becomes due.
    pub fn next_due(&self) -> Instant {
        self.start + Duration::from_secs_f64(self.released as f64 / self.per_s)
    }

    /// Takes note of the next request if it is due at `now`, and names its connection.
    pub fn release(&mut self, now: Instant) -> Option<usize> {
        let due = self.next_due();
        if due > now {
            return None;
        }
        let connection = (self.released % self.due.len() as u64) as usize;
        self.due[connection].push_back(due);
        self.released += 1;
        Some(connection)
    }

    /// The moment for which a connection's next request was due, if there is one that was not sent yet.
    pub fn take(&mut self, connection: usize) -> Option<Instant> {
        self.due[connection].pop_front()
    }

    /// Requests that are due and were not sent.
    pub fn behind(&self) -> usize {
        self.due.iter().map(VecDeque::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_in_turn_and_none_is_forgotten() {
        let mut pace = Pace::new(1_000_000.0, 3);
        let start = pace.start;
        assert_eq!(pace.release(start), Some(0), "the first is due at once");
        assert_eq!(pace.release(start), None);
        // Three intervals late: all that was due meanwhile is due for the moment it should have left.
        let late = start + Duration::from_micros(3);
        assert_eq!(
            [
                pace.release(late),
                pace.release(late),
                pace.release(late),
                pace.release(late)
            ],
            [Some(1), Some(2), Some(0), None]
        );
        assert_eq!(pace.behind(), 4);
        assert_eq!(pace.take(2), Some(start + Duration::from_micros(2)));
        assert_eq!(pace.take(2), None);
        assert_eq!(pace.next_due(), start + Duration::from_micros(4));
    }
}
