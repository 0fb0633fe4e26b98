//! `bench run`: one workload from its file to its report.

use std::collections::BTreeMap;
use std::rc::Rc;

use anyhow::ensure;

use super::affinity;
use super::args::{RunArgs, Target};
use super::bench_topics::BenchTopics;
use super::broker_client::BrokerClient;
use super::broker_process::BrokerProcess;
use super::measure_fetch::measure_fetch;
use super::measure_idle::measure_idle;
use super::measure_produce::measure_produce;
use super::outcome::Outcome;
use super::part_of_max::run_at_part_of_max;
use super::report::Report;
use super::window::Window;
use super::workload::{Measure, Workload};

/// Runs a workload as the command line asks for it.
///
/// # Errors
/// When the workload makes no sense, the broker fails, or something between does.
pub fn run(args: &RunArgs) -> anyhow::Result<Report> {
    let mut workload = Workload::load(&args.workload)?;
    args.change.apply(&mut workload)?;
    run_at_part_of_max(&workload, &args.target, None)
}

/// Runs a workload against a broker and returns what was measured.
///
/// # Errors
/// When the broker fails, or something between does.
pub fn run_workload(workload: &Workload, target: &Target) -> anyhow::Result<Report> {
    if let Some(cpu) = target.cpu {
        affinity::stay_on(cpu)?;
    }
    let broker = target.broker_pid.map(BrokerProcess::new).transpose()?;
    let mut client = BrokerClient::connect(&target.bootstrap)?;
    let mut topics = Vec::new();
    let outcome = measure(workload, &mut client, &mut topics, broker);
    if !target.keep_topic {
        for topics in &topics {
            topics.delete(&mut client)?;
        }
    }
    let outcome = outcome?;
    ensure!(
        outcome.measured.requests > 0 || workload.measure == Measure::Idle,
        "no request was answered in the counted time, except with errors: {:?}",
        outcome.measured.errors
    );
    Report::new(workload, target, &outcome)
}

/// Topics it makes are put into `topics`, also when it fails.
fn measure(
    workload: &Workload,
    client: &mut BrokerClient,
    topics: &mut Vec<Rc<BenchTopics>>,
    broker: Option<BrokerProcess>,
) -> anyhow::Result<Outcome> {
    topics.push(Rc::new(BenchTopics::create(
        client,
        workload,
        "written",
        &workload.topics.config,
    )?));
    if workload.catch_up.is_some() {
        topics.push(Rc::new(BenchTopics::create(
            client,
            workload,
            "backlog",
            &BTreeMap::new(),
        )?));
    }
    let (written, backlog) = (&topics[0], topics.get(1));
    let window = Window::new(broker);
    match (workload.measure, &workload.consumers) {
        (Measure::Produce, _) => measure_produce(workload, written, backlog, client, window),
        (Measure::Idle, _) => measure_idle(workload, window),
        (Measure::Fetch, Some(consumers)) => measure_fetch(workload, consumers, written, client, window),
        (Measure::Fetch, None) => unreachable!("checked when the workload was read"),
    }
}
