//! What is counted in the timed part of a run.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::broker_process::BrokerProcess;
use super::connection::Answered;

/// Longest latency told apart from longer ones.
const MAX_LATENCY: Duration = Duration::from_secs(100);

/// Significant decimal digits of a latency.
const LATENCY_DIGITS: u8 = 3;

/// The state of the clocks when counting was switched on.
struct Started {
    at: Instant,
    broker_cpu: Duration,
    generator_cpu: Duration,
}

/// Counters of one run. Time is counted only between `start` and `stop`, of which there may be several pairs.
pub struct Meter {
    broker: Option<BrokerProcess>,
    started: Option<Started>,
    /// Time between the pairs of `start` and `stop`.
    pub elapsed: Duration,
    /// CPU time of the broker's process in that time. Zero without a process.
    pub broker_cpu: Duration,
    /// CPU time of this process in that time.
    pub generator_cpu: Duration,
    /// Requests answered.
    pub requests: u64,
    /// Records written or read.
    pub records: u64,
    /// Bytes of record batches written or read, with their headers.
    pub batch_bytes: u64,
    /// Nanoseconds from handing a request to its connection to the end of its answer.
    pub latency_ns: Histogram<u64>,
}

impl Meter {
    /// All zero and stopped.
    pub fn new(broker: Option<BrokerProcess>) -> Meter {
        Meter {
            broker,
            started: None,
            elapsed: Duration::ZERO,
            broker_cpu: Duration::ZERO,
            generator_cpu: Duration::ZERO,
            requests: 0,
            records: 0,
            batch_bytes: 0,
            latency_ns: Histogram::new_with_bounds(1, MAX_LATENCY.as_nanos() as u64, LATENCY_DIGITS)
                .expect("the bounds are constants"),
        }
    }

    /// Starts to count.
    ///
    /// # Errors
    /// When the broker's process is gone.
    pub fn start(&mut self) -> anyhow::Result<()> {
        assert!(self.started.is_none());
        let (broker_cpu, generator_cpu) = (self.broker_cpu_time()?, generator_cpu_time());
        self.started = Some(Started {
            at: Instant::now(),
            broker_cpu,
            generator_cpu,
        });
        Ok(())
    }

    /// Counts no more until `start`.
    ///
    /// # Errors
    /// When the broker's process is gone.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        let started = self.started.take().expect("started before");
        self.elapsed += started.at.elapsed();
        self.broker_cpu += self.broker_cpu_time()?.saturating_sub(started.broker_cpu);
        self.generator_cpu += generator_cpu_time().saturating_sub(started.generator_cpu);
        Ok(())
    }

    /// Counts an answer, if counting is on.
    pub fn answered(&mut self, answer: Answered, records: u64, batch_bytes: u64) {
        if self.started.is_none() {
            return;
        }
        self.requests += 1;
        self.records += records;
        self.batch_bytes += batch_bytes;
        let latency_ns = answer.latency.as_nanos().min(MAX_LATENCY.as_nanos()) as u64;
        self.latency_ns.saturating_record(latency_ns);
    }

    fn broker_cpu_time(&self) -> anyhow::Result<Duration> {
        self.broker.map_or(Ok(Duration::ZERO), BrokerProcess::cpu_time)
    }
}

fn generator_cpu_time() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
}
