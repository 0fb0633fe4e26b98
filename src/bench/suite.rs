//! `bench suite`: workloads against several brokers in turn.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};

use super::args::{SuiteArgs, Target};
use super::broker_command::{BrokerCommand, RunningBroker};
use super::part_of_max::{flat_out, run_at_part_of_max};
use super::report::Report;
use super::results;
use super::run::run_workload;
use super::suite_summary::summarize;
use super::workload::{Cache, MaxOf, Workload};

/// Backlog of the read that warms a broker up before one from the disk, which can't be repeated.
const WARM_READ_BYTES: u64 = 256 << 20;

/// Runs a suite. In each round each workload is run against each broker, one after the other, so that a machine whose speed
/// drifts treats them alike; each run has a broker of its own, started with an empty directory. A run that fails is told
/// and does not stop the others. Prints the comparison as Markdown, which is also written, with an HTML report, next to the
/// results.
///
/// # Errors
/// When a run failed: after all others, with what they gave written down.
pub fn suite(args: &SuiteArgs) -> anyhow::Result<()> {
    ensure!(args.rounds > 0, "--rounds must be above 0");
    let workloads = workloads(args)?;
    known(args, args.reference.iter(), "--reference")?;
    known(args, args.skip.iter().map(|(name, _)| name), "--skip")?;
    known(args, args.warm_up_of.iter().map(|(name, _)| name), "--warm-up-of")?;
    std::fs::create_dir_all(&args.results).with_context(|| args.results.display().to_string())?;
    for broker in &args.brokers {
        ensure!(
            !results_of(args, broker).exists(),
            "{} is there already: results are not mixed with those of another suite",
            results_of(args, broker).display()
        );
    }
    let mut maxima = Maxima::default();
    let mut failed = Vec::new();
    for round in 1..=args.rounds {
        for workload in &workloads {
            for broker in &args.brokers {
                if is_skipped(args, broker, workload) {
                    continue;
                }
                eprintln!(
                    "round {round} of {}: {}, {}",
                    args.rounds, workload.name, broker.name
                );
                let report = maxima
                    .of(args, workload)
                    .and_then(|max| run_once(args, broker, workload, max));
                match report {
                    Ok(report) => results::append(&results_of(args, broker), &report)?,
                    Err(error) => {
                        let said = format!(
                            "round {round}, {} against {}: {error:#}",
                            workload.name, broker.name
                        );
                        eprintln!("failed: {said}");
                        failed.push(said);
                    }
                }
            }
        }
    }
    print!("{}", summarize(args, &failed)?);
    ensure!(
        failed.is_empty(),
        "{} runs failed:\n  {}",
        failed.len(),
        failed.join("\n  ")
    );
    Ok(())
}

fn workloads(args: &SuiteArgs) -> anyhow::Result<Vec<Workload>> {
    let mut workloads = Vec::new();
    for name in &args.workloads {
        let workload = Workload::load(name)?;
        let mut variants: Vec<Workload> = args
            .vary
            .iter()
            .flat_map(|vary| vary.variants(&workload))
            .collect();
        if variants.is_empty() {
            variants.push(workload);
        }
        for variant in &mut variants {
            args.change.apply(variant)?;
        }
        workloads.append(&mut variants);
    }
    Ok(workloads)
}

/// Sees that names given to an option are those of brokers.
fn known<'a>(
    args: &SuiteArgs,
    mut names: impl Iterator<Item = &'a String>,
    option: &str,
) -> anyhow::Result<()> {
    let stranger = names.find(|name| args.brokers.iter().all(|broker| broker.name != **name));
    match stranger {
        Some(name) => bail!("{option}: no broker is called {name}"),
        None => Ok(()),
    }
}

/// The file of a broker's results.
pub fn results_of(args: &SuiteArgs, broker: &BrokerCommand) -> PathBuf {
    args.results.join(format!("{}.jsonl", broker.name))
}

fn is_skipped(args: &SuiteArgs, broker: &BrokerCommand, workload: &Workload) -> bool {
    let name = workload.variant_of.as_ref().unwrap_or(&workload.name);
    args.skip
        .iter()
        .any(|(broker_name, skipped)| *broker_name == broker.name && skipped.contains(name))
}

/// Highest rates of the reference, by workload. Measured when first asked for, once, also when that fails: a suite must
/// not take forever.
#[derive(Default)]
struct Maxima {
    records_per_s: BTreeMap<String, Option<f64>>,
}

impl Maxima {
    /// What a workload goes by, if it is the reference's.
    fn of(&mut self, args: &SuiteArgs, workload: &Workload) -> anyhow::Result<Option<f64>> {
        if workload.producers.part_of_max.is_none() || workload.producers.max_of == MaxOf::Own {
            return Ok(None);
        }
        if let Some(known) = self.records_per_s.get(&workload.name) {
            ensure!(
                known.is_some(),
                "its rate goes by the reference's, which was not to be had"
            );
            return Ok(*known);
        }
        let named = |broker: &&BrokerCommand| args.reference.as_ref().is_none_or(|name| broker.name == *name);
        let reference = args.brokers.iter().rev().find(named);
        let reference = reference.context("a suite has brokers")?;
        eprintln!("the highest rate of {}, {}", workload.name, reference.name);
        let report = run_once(args, reference, &flat_out(workload), None);
        let max = report.as_ref().ok().map(|report| report.records_per_s);
        self.records_per_s.insert(workload.name.clone(), max);
        report.with_context(|| format!("the highest rate of {}", reference.name))?;
        Ok(max)
    }
}

fn run_once(
    args: &SuiteArgs,
    broker: &BrokerCommand,
    workload: &Workload,
    max: Option<f64>,
) -> anyhow::Result<Report> {
    let prepare = args.prepare.iter().find(|prepare| prepare.name == broker.name);
    let running = broker.start(prepare, &args.results.join("run"), &args.broker_cpus)?;
    let report = run_against(args, broker, workload, max, &running);
    // Also when the run failed: the next broker must have the machine for itself.
    let stopped = running.stop();
    let report = report?;
    stopped?;
    Ok(report)
}

fn run_against(
    args: &SuiteArgs,
    broker: &BrokerCommand,
    workload: &Workload,
    max: Option<f64>,
    running: &RunningBroker,
) -> anyhow::Result<Report> {
    let mut labels = args.labels.clone();
    labels.push(("broker".to_string(), broker.name.clone()));
    labels.push(("command".to_string(), broker.command.clone()));
    let target = Target {
        bootstrap: running.bootstrap.clone(),
        broker_pid: Some(running.pid()),
        cpu: args.cpu,
        keep_topic: false,
        labels,
    };
    let mut workload = workload.clone();
    if let Some((_, seconds)) = args.warm_up_of.iter().find(|(name, _)| *name == broker.name) {
        workload.warm_up_s = *seconds;
    }
    if let Some(consumers) = &workload.consumers
        && consumers.cache == Cache::Cold
    {
        let mut warm = workload.clone();
        let mut consumers = consumers.clone();
        consumers.cache = Cache::Warm;
        consumers.backlog_bytes = WARM_READ_BYTES;
        warm.consumers = Some(consumers);
        warm.duration_s = args.warm_read_s;
        run_workload(&warm, &target).context("the warm-up")?;
    }
    let mut report = run_at_part_of_max(&workload, &target, max)?;
    report.start_s = Some(running.start_s);
    Ok(report)
}
