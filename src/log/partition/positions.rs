//! Hot path: produce and commit. The offsets of a partition that mean something, always in order.

use crate::base::ids::Offset;
use crate::log::options::Durability;

/// `log_start <= last_stable <= high_watermark <= durable_end <= log_end`; with relaxed durability the high watermark may
/// pass `durable_end`, up to `log_end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positions {
    /// The first record that counts.
    pub log_start: Offset,
    /// Behind the last record that no open transaction stands before.
    pub last_stable: Offset,
    /// Behind the last record consumers may see.
    pub high_watermark: Offset,
    /// Behind the last record that is durable here.
    pub durable_end: Offset,
    /// Behind the last record.
    pub log_end: Offset,
}

impl Positions {
    /// A log whose records from `log_start` to `end` are all durable.
    pub fn recovered(log_start: Offset, end: Offset) -> Positions {
        Positions {
            log_start,
            last_stable: end,
            high_watermark: end,
            durable_end: end,
            log_end: end,
        }
    }

    /// Records up to `end` were appended.
    pub fn appended(&mut self, end: Offset, durability: Durability) {
        assert!(end > self.log_end);
        self.log_end = end;
        if durability == Durability::Relaxed {
            self.raise_high_watermark(end);
        }
        self.check(durability);
    }

    /// Records up to `end` are durable. With one replica that is what consumers may see. False if it is no news.
    pub fn made_durable(&mut self, end: Offset, durability: Durability) -> bool {
        if end <= self.durable_end {
            return false;
        }
        self.durable_end = end;
        self.raise_high_watermark(end);
        self.check(durability);
        true
    }

    fn raise_high_watermark(&mut self, to: Offset) {
        if to > self.high_watermark {
            self.high_watermark = to;
            // Transactions will hold it back.
            self.last_stable = to;
        }
    }

    /// The log's start moves to `to`, which is at most the high watermark.
    pub fn start_moved(&mut self, to: Offset) {
        assert!(to >= self.log_start && to <= self.high_watermark);
        self.log_start = to;
        self.last_stable = self.last_stable.max(to);
    }

    fn check(&self, durability: Durability) {
        assert!(
            self.log_start <= self.last_stable && self.last_stable <= self.high_watermark,
            "{self:?}"
        );
        assert!(
            self.high_watermark <= self.log_end && self.durable_end <= self.log_end,
            "{self:?}"
        );
        // A topic that was relaxed a moment ago has its high watermark ahead until the disk has caught up: no append
        // of its durable time raises it further.
        let _ = durability;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durable_first_then_visible() {
        let mut p = Positions::recovered(Offset(3), Offset(5));
        p.appended(Offset(9), Durability::Durable);
        assert_eq!(
            (p.high_watermark, p.durable_end, p.log_end),
            (Offset(5), Offset(5), Offset(9))
        );
        assert!(p.made_durable(Offset(8), Durability::Durable));
        assert!(!p.made_durable(Offset(7), Durability::Durable));
        assert_eq!(
            (p.last_stable, p.high_watermark, p.durable_end),
            (Offset(8), Offset(8), Offset(8))
        );
        p.start_moved(Offset(8));
        assert_eq!(p.log_start, Offset(8));
    }

    #[test]
    fn relaxed_is_visible_at_once() {
        let mut p = Positions::recovered(Offset(0), Offset(0));
        p.appended(Offset(4), Durability::Relaxed);
        assert_eq!((p.high_watermark, p.durable_end), (Offset(4), Offset(0)));
        // Told to be durable from now on, it stays ahead until the disk has caught up.
        p.appended(Offset(6), Durability::Durable);
        assert_eq!(p.high_watermark, Offset(4));
        assert!(p.made_durable(Offset(6), Durability::Durable));
        assert_eq!(p.high_watermark, Offset(6));
    }

    #[test]
    #[should_panic]
    fn nothing_is_durable_that_was_not_appended() {
        Positions::recovered(Offset(0), Offset(5)).made_durable(Offset(6), Durability::Durable);
    }
}
