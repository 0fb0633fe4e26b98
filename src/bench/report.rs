//! The result of a run: for people and for machines.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::answer::error_name;
use super::args::Target;
use super::machine::Machine;
use super::meter::{Meter, Slice};
use super::outcome::Outcome;
use super::window::Window;
use super::workload::{Measure, Workload};

/// Bytes in a GB and an MB here: powers of ten, as disks and networks are sold.
const GB: f64 = 1e9;
const MB: f64 = 1e6;

/// Steps of a percentile plot in each half of what is left to 100%.
const PERCENTILE_STEPS: u32 = 5;

/// All there is to say about a run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// What was run.
    pub workload: Workload,
    /// Against whom.
    pub bootstrap: String,
    /// Version of this program.
    pub corelane_version: String,
    /// What the command line said of the broker and the run.
    pub labels: BTreeMap<String, String>,
    /// When it ended, in seconds since 1970.
    pub ended_at_s: u64,
    /// The generator's machine.
    pub machine: Machine,
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
    /// From when a request was due, or else was handed to its connection, to the end of its answer.
    pub latency_ms: Latency,
    /// Requests answered with an error, by its name. They count nowhere else.
    pub errors: BTreeMap<String, u64>,
    /// Requests of an open loop (records, where they are built live) that were due at the end and had not been sent: the
    /// broker does not keep up.
    pub unsent: usize,
    /// Consumers that read along, with the time from when a batch was due to when a consumer had it.
    pub end_to_end: Option<Reading>,
    /// Consumers of old records.
    pub catch_up: Option<Reading>,
    /// The broker's process, where it was given.
    pub broker: Option<BrokerUse>,
    /// From the start of the broker's command to its first answer, where it was started for the run.
    pub start_s: Option<f64>,
    /// Second by second.
    pub timeline: Vec<Slice>,
}

/// What consumers beside the producers got.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reading {
    /// Records read, by all groups.
    pub records: u64,
    /// Megabytes (10^6 bytes) of record batches per second.
    pub mb_per_s: f64,
    pub latency_ms: Latency,
}

/// Percentiles in milliseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Latency {
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p99_9: f64,
    pub p99_99: f64,
    pub max: f64,
    /// Percentile and latency, in steps that become finer towards 100: for plots.
    pub by_percentile: Vec<(f64, f64)>,
}

/// What the broker's process used in the counted time.
#[derive(Debug, Serialize, Deserialize)]
pub struct BrokerUse {
    pub cpu_s: f64,
    pub cpu_s_per_gb: f64,
    pub cpu_us_per_request: f64,
    pub resident_mb: f64,
    pub disk_read_mb: f64,
    pub disk_written_mb: f64,
    pub context_switches: u64,
}

impl Latency {
    fn of(meter: &Meter) -> Latency {
        let histogram = &meter.latency_ns;
        let ms = |percentile: f64| histogram.value_at_percentile(percentile) as f64 / 1e6;
        let by_percentile = histogram.iter_quantiles(PERCENTILE_STEPS).map(|step| {
            (
                step.quantile_iterated_to() * 100.0,
                step.value_iterated_to() as f64 / 1e6,
            )
        });
        Latency {
            mean: histogram.mean() / 1e6,
            p50: ms(50.0),
            p90: ms(90.0),
            p99: ms(99.0),
            p99_9: ms(99.9),
            p99_99: ms(99.99),
            max: histogram.max() as f64 / 1e6,
            by_percentile: by_percentile.collect(),
        }
    }

    fn text(&self) -> String {
        format!(
            "p50 {:.3}  p90 {:.3}  p99 {:.3}  p99.9 {:.3}  p99.99 {:.3}  max {:.3}",
            self.p50, self.p90, self.p99, self.p99_9, self.p99_99, self.max
        )
    }
}

impl Report {
    /// Sums a run up.
    ///
    /// # Errors
    /// When the broker's process is gone.
    pub fn new(workload: &Workload, target: &Target, outcome: &Outcome) -> anyhow::Result<Report> {
        let Outcome { window, measured, .. } = outcome;
        let seconds = window.elapsed.as_secs_f64();
        let reading = |meter: &Meter| Reading {
            records: meter.records,
            mb_per_s: meter.batch_bytes as f64 / MB / seconds,
            latency_ms: Latency::of(meter),
        };
        let errors = measured.errors.iter();
        Ok(Report {
            workload: workload.clone(),
            bootstrap: target.bootstrap.clone(),
            corelane_version: env!("CARGO_PKG_VERSION").to_string(),
            labels: target.labels.iter().cloned().collect(),
            ended_at_s: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs(),
            machine: Machine::this(),
            generator_cpu: target.cpu,
            generator_busy: window.generator_cpu.as_secs_f64() / seconds,
            seconds,
            requests: measured.requests,
            records: measured.records,
            batch_bytes: measured.batch_bytes,
            requests_per_s: measured.requests as f64 / seconds,
            records_per_s: measured.records as f64 / seconds,
            mb_per_s: measured.batch_bytes as f64 / MB / seconds,
            latency_ms: Latency::of(measured),
            errors: errors
                .map(|(code, count)| (error_name(*code).into_owned(), *count))
                .collect(),
            unsent: outcome.unsent,
            end_to_end: outcome.end_to_end.as_ref().map(reading),
            catch_up: outcome.catch_up.as_ref().map(reading),
            broker: BrokerUse::of(window, measured)?,
            start_s: None,
            timeline: measured.timeline.clone(),
        })
    }

    /// The summary table.
    pub fn table(&self) -> String {
        let verb = match self.workload.measure {
            Measure::Produce => "written",
            Measure::Fetch => "read",
            Measure::Idle => "idle",
        };
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
        line("latency ms", self.latency_ms.text());
        for (name, reading) in [("end to end", &self.end_to_end), ("catch-up", &self.catch_up)] {
            if let Some(reading) = reading {
                line(
                    name,
                    format!("{}, {:.1} MB/s", reading.latency_ms.text(), reading.mb_per_s),
                );
            }
        }
        for (error, count) in &self.errors {
            line("failed", format!("{count} requests with {error}"));
        }
        if self.unsent > 0 {
            line(
                "behind",
                format!(
                    "{} were due and not sent: the broker does not keep up",
                    self.unsent
                ),
            );
        }
        if let Some(broker) = &self.broker {
            line(
                "broker CPU",
                format!(
                    "{:.2} s = {:.3} s/GB = {:.2} us/request, {} context switches",
                    broker.cpu_s, broker.cpu_s_per_gb, broker.cpu_us_per_request, broker.context_switches
                ),
            );
            line(
                "broker",
                format!(
                    "resident {:.0} MB, {:.0} MB written to disk, {:.0} MB read from it",
                    broker.resident_mb, broker.disk_written_mb, broker.disk_read_mb
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

impl BrokerUse {
    fn of(window: &Window, measured: &Meter) -> anyhow::Result<Option<BrokerUse>> {
        let Some(process) = window.broker() else {
            return Ok(None);
        };
        let used = window.broker_use;
        let cpu_s = used.cpu.as_secs_f64();
        Ok(Some(BrokerUse {
            cpu_s,
            // A run that asks for nothing has neither.
            cpu_s_per_gb: part(cpu_s, measured.batch_bytes as f64 / GB),
            cpu_us_per_request: part(cpu_s * 1e6, measured.requests as f64),
            resident_mb: process.resident_bytes()? as f64 / MB,
            disk_read_mb: used.disk_read_bytes as f64 / MB,
            disk_written_mb: used.disk_written_bytes as f64 / MB,
            context_switches: used.context_switches,
        }))
    }
}

fn part(of: f64, by: f64) -> f64 {
    if by > 0.0 { of / by } else { 0.0 }
}
