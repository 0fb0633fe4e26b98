//! The result of a run: for people and for machines.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::broker_process::BrokerProcess;
use super::meter::Meter;
use super::workload::{Measure, Workload};

/// Bytes in a GB and an MB here: powers of ten, as disks and networks are sold.
const GB: f64 = 1e9;
const MB: f64 = 1e6;

/// All there is to say about a run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// What was run.
    pub workload: Workload,
    /// Against whom.
    pub bootstrap: String,
    /// Version of this program.
    pub corelane_version: String,
    /// Kernel of the generator's machine.
    pub kernel: String,
    /// CPU the generator was kept on.
    pub generator_cpu: Option<usize>,
    /// Part of one CPU the generator used. Near 1 it may be the generator that was measured.
    pub generator_busy: f64,
    /// Seconds counted.
    pub seconds: f64,
    /// Requests answered in that time.
    pub requests: u64,
    /// Records written or read.
    pub records: u64,
    /// Bytes of record batches written or read.
    pub batch_bytes: u64,
    /// Requests per second.
    pub requests_per_s: f64,
    /// Records per second.
    pub records_per_s: f64,
    /// Megabytes (10^6 bytes) of record batches per second.
    pub mb_per_s: f64,
    /// From handing a request to its connection to the end of its answer.
    pub latency_ms: Latency,
    /// The broker's process, where it was given.
    pub broker: Option<BrokerUse>,
}

/// Percentiles in milliseconds.
#[derive(Debug, Serialize, Deserialize)]
pub struct Latency {
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p99_9: f64,
    pub p99_99: f64,
    pub max: f64,
}

/// What the broker's process used in the counted time.
#[derive(Debug, Serialize, Deserialize)]
pub struct BrokerUse {
    pub cpu_s: f64,
    pub cpu_s_per_gb: f64,
    pub cpu_us_per_request: f64,
    pub resident_mb: f64,
}

impl Report {
    /// Sums a run up.
    ///
    /// # Errors
    /// When the broker's process is gone.
    pub fn new(
        workload: &Workload,
        bootstrap: &str,
        generator_cpu: Option<usize>,
        broker: Option<BrokerProcess>,
        meter: &Meter,
    ) -> anyhow::Result<Report> {
        let seconds = meter.elapsed.as_secs_f64();
        let bytes = meter.batch_bytes as f64;
        let ms = |percentile: f64| meter.latency_ns.value_at_percentile(percentile) as f64 / 1e6;
        let broker = match broker {
            None => None,
            Some(process) => {
                let cpu_s = meter.broker_cpu.as_secs_f64();
                Some(BrokerUse {
                    cpu_s,
                    cpu_s_per_gb: cpu_s / (bytes / GB),
                    cpu_us_per_request: cpu_s * 1e6 / meter.requests as f64,
                    resident_mb: process.resident_bytes()? as f64 / MB,
                })
            }
        };
        Ok(Report {
            workload: workload.clone(),
            bootstrap: bootstrap.to_string(),
            corelane_version: env!("CARGO_PKG_VERSION").to_string(),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            generator_cpu,
            generator_busy: meter.generator_cpu.as_secs_f64() / seconds,
            seconds,
            requests: meter.requests,
            records: meter.records,
            batch_bytes: meter.batch_bytes,
            requests_per_s: meter.requests as f64 / seconds,
            records_per_s: meter.records as f64 / seconds,
            mb_per_s: bytes / MB / seconds,
            latency_ms: Latency {
                mean: meter.latency_ns.mean() / 1e6,
                p50: ms(50.0),
                p90: ms(90.0),
                p99: ms(99.0),
                p99_9: ms(99.9),
                p99_99: ms(99.99),
                max: meter.latency_ns.max() as f64 / 1e6,
            },
            broker,
        })
    }

    /// The summary table.
    pub fn table(&self) -> String {
        let verb = match self.workload.measure {
            Measure::Produce => "written",
            Measure::Fetch => "read",
        };
        let latency = &self.latency_ms;
        let mut table = String::new();
        let mut line = |name: &str, value: String| {
            // Writing to a String can't fail.
            let _ = writeln!(table, "  {name:<12}{value}");
        };
        line(verb, format!("{:.1} MB/s", self.mb_per_s));
        line("records", format!("{:.0}/s", self.records_per_s));
        line(
            "requests",
            format!(
                "{:.0}/s, {} in {:.1} s",
                self.requests_per_s, self.requests, self.seconds
            ),
        );
        line(
            "latency ms",
            format!(
                "p50 {:.3}  p90 {:.3}  p99 {:.3}  p99.9 {:.3}  p99.99 {:.3}  max {:.3}",
                latency.p50, latency.p90, latency.p99, latency.p99_9, latency.p99_99, latency.max
            ),
        );
        if let Some(broker) = &self.broker {
            line(
                "broker CPU",
                format!(
                    "{:.2} s = {:.3} s/GB = {:.2} us/request, resident {:.0} MB",
                    broker.cpu_s, broker.cpu_s_per_gb, broker.cpu_us_per_request, broker.resident_mb
                ),
            );
        }
        line(
            "generator",
            format!("{:.0}% of one CPU", self.generator_busy * 100.0),
        );
        format!("{}: {}\n{table}", self.workload.name, self.workload.description)
    }
}
