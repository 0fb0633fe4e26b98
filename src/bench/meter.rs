//! What is counted of one kind of answers in the timed part of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Longest latency told apart from longer ones.
const MAX_LATENCY: Duration = Duration::from_secs(100);

/// Significant decimal digits of a latency.
const LATENCY_DIGITS: u8 = 3;

/// One line of a run's timeline: a second, as a rule.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Slice {
    /// Seconds since counting began, at its end.
    pub at_s: f64,
    /// How long it was, in seconds.
    pub seconds: f64,
    /// Requests answered in it.
    pub requests: u64,
    /// Bytes of record batches written or read in it.
    pub batch_bytes: u64,
    /// Median latency of what ended in it.
    pub p50_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// The largest.
    pub max_ms: f64,
}

/// Counters of one kind of answers. Counts only while it is switched on.
pub struct Meter {
    counting: bool,
    /// Requests answered.
    pub requests: u64,
    /// Records written or read.
    pub records: u64,
    /// Bytes of record batches written or read, with their headers.
    pub batch_bytes: u64,
    /// Answers with an error, by its code.
    pub errors: BTreeMap<i16, u64>,
    /// Nanoseconds.
    pub latency_ns: Histogram<u64>,
    /// What was counted, slice by slice.
    pub timeline: Vec<Slice>,
    slice_ns: Histogram<u64>,
    slice_requests: u64,
    slice_bytes: u64,
}

impl Meter {
    /// All zero and switched off.
    pub fn new() -> Meter {
        let histogram = || {
            Histogram::new_with_bounds(1, MAX_LATENCY.as_nanos() as u64, LATENCY_DIGITS)
                .expect("the bounds are constants")
        };
        Meter {
            counting: false,
            requests: 0,
            records: 0,
            batch_bytes: 0,
            errors: BTreeMap::new(),
            latency_ns: histogram(),
            timeline: Vec::new(),
            slice_ns: histogram(),
            slice_requests: 0,
            slice_bytes: 0,
        }
    }

    /// Switches counting on or off.
    pub fn set_counting(&mut self, counting: bool) {
        self.counting = counting;
    }

    /// Counts an answer to a request for `records` records.
    pub fn answered(&mut self, latency: Duration, records: u64, batch_bytes: u64) {
        self.transferred(records, batch_bytes);
        self.timed(latency);
    }

    /// Counts a latency.
    pub fn timed(&mut self, latency: Duration) {
        if !self.counting {
            return;
        }
        let ns = latency.as_nanos().min(MAX_LATENCY.as_nanos()) as u64;
        self.latency_ns.saturating_record(ns);
        self.slice_ns.saturating_record(ns);
    }

    /// Counts a request's records without a latency.
    pub fn transferred(&mut self, records: u64, batch_bytes: u64) {
        if !self.counting {
            return;
        }
        self.requests += 1;
        self.records += records;
        self.batch_bytes += batch_bytes;
        self.slice_requests += 1;
        self.slice_bytes += batch_bytes;
    }

    /// Counts an answer with an error.
    pub fn failed(&mut self, code: i16) {
        if self.counting {
            *self.errors.entry(code).or_default() += 1;
        }
    }

    /// Ends a slice of the timeline, which is so long and ends so long after the beginning.
    pub fn end_slice(&mut self, at: Duration, length: Duration) -> &Slice {
        let ms = |ns: u64| ns as f64 / 1e6;
        self.timeline.push(Slice {
            at_s: at.as_secs_f64(),
            seconds: length.as_secs_f64(),
            requests: self.slice_requests,
            batch_bytes: self.slice_bytes,
            p50_ms: ms(self.slice_ns.value_at_percentile(50.0)),
            p99_ms: ms(self.slice_ns.value_at_percentile(99.0)),
            max_ms: ms(self.slice_ns.max()),
        });
        self.slice_ns.reset();
        self.slice_requests = 0;
        self.slice_bytes = 0;
        self.timeline.last().expect("just put there")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_comes_while_it_is_on_is_counted() {
        let mut meter = Meter::new();
        meter.answered(Duration::from_millis(7), 1, 100);
        meter.failed(6);
        meter.set_counting(true);
        meter.answered(Duration::from_millis(2), 10, 1000);
        meter.failed(6);
        let slice = meter
            .end_slice(Duration::from_secs(1), Duration::from_secs(1))
            .clone();
        assert_eq!((slice.requests, slice.batch_bytes), (1, 1000));
        assert!((slice.max_ms - 2.0).abs() < 0.01);
        assert_eq!((meter.requests, meter.records, meter.batch_bytes), (1, 10, 1000));
        assert_eq!(meter.errors.get(&6), Some(&1));
        assert_eq!(
            meter
                .end_slice(Duration::from_secs(2), Duration::from_secs(1))
                .requests,
            0
        );
    }
}
