//! `bench suite`: workloads against several brokers in turn.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, ensure};

use super::args::{SuiteArgs, Target};
use super::broker_command::BrokerCommand;
use super::compare::compare_reports;
use super::html::html;
use super::machine::Machine;
use super::report::Report;
use super::results;
use super::run::run_workload;
use super::workload::{Cache, Workload};

/// Backlog of the read that warms a broker up before one from the disk, which can't be repeated.
const WARM_READ_BYTES: u64 = 256 << 20;

/// Runs a suite. In each round each workload is run against each broker, one after the other, so that a machine whose speed
/// drifts treats them alike; each run has a broker of its own, started with an empty directory. Gives the comparison as
/// Markdown, which is also written, with an HTML report, next to the results.
///
/// # Errors
/// When a broker does not start or a run fails. What was measured before is in the results.
pub fn suite(args: &SuiteArgs) -> anyhow::Result<String> {
    ensure!(args.rounds > 0, "--rounds must be above 0");
    let mut workloads = Vec::new();
    for name in &args.workloads {
        let mut workload = Workload::load(name)?;
        args.change.apply(&mut workload)?;
        workloads.push(workload);
    }
    std::fs::create_dir_all(&args.results).with_context(|| args.results.display().to_string())?;
    for broker in &args.brokers {
        ensure!(
            !results_of(args, broker).exists(),
            "{} is there already: results are not mixed with those of another suite",
            results_of(args, broker).display()
        );
    }
    for round in 1..=args.rounds {
        for workload in &workloads {
            for broker in &args.brokers {
                eprintln!(
                    "round {round} of {}: {}, {}",
                    args.rounds, workload.name, broker.name
                );
                let report = run_once(args, broker, workload)
                    .with_context(|| format!("{} against {}", workload.name, broker.name))?;
                results::append(&results_of(args, broker), &report)?;
            }
        }
    }
    summarize(args)
}

fn results_of(args: &SuiteArgs, broker: &BrokerCommand) -> PathBuf {
    args.results.join(format!("{}.jsonl", broker.name))
}

fn run_once(args: &SuiteArgs, broker: &BrokerCommand, workload: &Workload) -> anyhow::Result<Report> {
    let prepare = args.prepare.iter().find(|prepare| prepare.name == broker.name);
    let running = broker.start(prepare, &args.results.join("run"), &args.broker_cpus)?;
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
    let mut report = run_workload(workload, &target)?;
    report.start_s = Some(running.start_s);
    running.stop()?;
    Ok(report)
}

fn summarize(args: &SuiteArgs) -> anyhow::Result<String> {
    let machine = Machine::this();
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a String can't fail.
        let _ = writeln!(text, "- {name}: {value}");
    };
    for broker in &args.brokers {
        line(&broker.name, format!("`{}`", broker.command));
    }
    for (name, value) in &args.labels {
        line(name, value.clone());
    }
    line(
        "Machine",
        format!(
            "{} CPUs, {}, {:.0} GiB memory",
            machine.cpus, machine.cpu, machine.memory_gib
        ),
    );
    line("Kernel", machine.kernel);
    line(
        "Rounds",
        format!(
            "{}, brokers in turn within each, each started anew with empty data; brokers on CPUs {:?}, generator on {}",
            args.rounds,
            args.broker_cpus,
            args.cpu
                .map_or_else(|| "any".to_string(), |cpu| format!("CPU {cpu}"))
        ),
    );
    text.push_str(
        "\nMB are 10^6 bytes of record batches. Medians over the rounds, smallest and largest in parentheses.\n",
    );
    let files: Vec<PathBuf> = args
        .brokers
        .iter()
        .map(|broker| results_of(args, broker))
        .collect();
    if let Some((first, others)) = files.split_first() {
        let reports = results::read(first)?;
        for other in others {
            let names = (results::name(first), results::name(other));
            let (table, _) = compare_reports((&names.0, &reports), (&names.1, &results::read(other)?));
            let _ = write!(text, "\n{table}");
        }
    }
    let page = args.results.join("report.html");
    std::fs::write(&page, html(&results::read_named(&files)?)?)
        .with_context(|| page.display().to_string())?;
    let summary = args.results.join("summary.md");
    std::fs::write(&summary, &text).with_context(|| summary.display().to_string())?;
    Ok(text)
}
