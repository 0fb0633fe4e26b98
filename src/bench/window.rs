//! The time that is counted of a run, and what the processes used in it.

use std::time::{Duration, Instant};

use super::broker_process::{BrokerProcess, ProcessUse};

/// The state of the clocks when counting was switched on.
struct Started {
    at: Instant,
    broker: ProcessUse,
    generator_cpu: Duration,
}

/// Time counts only between `start` and `stop`, of which there may be several pairs.
pub struct Window {
    broker: Option<BrokerProcess>,
    started: Option<Started>,
    /// Time between the pairs of `start` and `stop`.
    pub elapsed: Duration,
    /// What the broker's process used in that time. Zero without a process.
    pub broker_use: ProcessUse,
    /// CPU time of this process in that time.
    pub generator_cpu: Duration,
}

impl Window {
    /// Nothing counted.
    pub fn new(broker: Option<BrokerProcess>) -> Window {
        Window {
            broker,
            started: None,
            elapsed: Duration::ZERO,
            broker_use: ProcessUse::default(),
            generator_cpu: Duration::ZERO,
        }
    }

    /// The broker's process, where it is known.
    pub fn broker(&self) -> Option<BrokerProcess> {
        self.broker
    }

    /// Starts to count.
    ///
    /// # Errors
    /// When the broker's process is gone.
    pub fn start(&mut self) -> anyhow::Result<()> {
        assert!(self.started.is_none());
        let (broker, generator_cpu) = (self.broker_use_so_far()?, generator_cpu_time());
        self.started = Some(Started {
            at: Instant::now(),
            broker,
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
        self.generator_cpu += generator_cpu_time().saturating_sub(started.generator_cpu);
        self.broker_use
            .add(self.broker_use_so_far()?.since(started.broker));
        Ok(())
    }

    fn broker_use_so_far(&self) -> anyhow::Result<ProcessUse> {
        self.broker.map_or(Ok(ProcessUse::default()), BrokerProcess::used)
    }
}

fn generator_cpu_time() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
}
