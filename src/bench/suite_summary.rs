//! What a suite says at its end: settings, tables, a page.

use std::fmt::Write as _;

use anyhow::Context;

use super::args::SuiteArgs;
use super::compare::{compare_reports, side_by_side};
use super::html::html;
use super::machine::Machine;
use super::report::Report;
use super::results;
use super::suite::results_of;

/// Writes `summary.md` and `report.html` next to the results, and gives the former.
///
/// # Errors
/// When results can't be read or the files not be written.
pub fn summarize(args: &SuiteArgs, failed: &[String]) -> anyhow::Result<String> {
    let mut text = settings(args);
    for failure in failed {
        // Writing to a String can't fail.
        let _ = writeln!(text, "- Failed: {failure}");
    }
    text.push_str(
        "\nMB are 10^6 bytes of record batches. Medians over the rounds, smallest and largest in parentheses.\n",
    );
    // A broker against which every run failed has none.
    let files = args.brokers.iter().map(|broker| results_of(args, broker));
    let files: Vec<_> = files.filter(|file| file.exists()).collect();
    let mut of_brokers: Vec<(String, Vec<Report>)> = Vec::new();
    for file in &files {
        of_brokers.push((results::name(file), results::read(file)?));
    }
    let columns: Vec<(&str, &[Report])> = of_brokers
        .iter()
        .map(|(name, reports)| (name.as_str(), &reports[..]))
        .collect();
    if columns.len() != 2 {
        let _ = write!(text, "\n{}", side_by_side(&columns));
    }
    if let Some((first, others)) = columns.split_first() {
        for other in others {
            let _ = write!(text, "\n{}", compare_reports(*first, *other).0);
        }
    }
    let page = args.results.join("report.html");
    std::fs::write(&page, html(&results::read_named(&files)?)?)
        .with_context(|| page.display().to_string())?;
    let summary = args.results.join("summary.md");
    std::fs::write(&summary, &text).with_context(|| summary.display().to_string())?;
    Ok(text)
}

fn settings(args: &SuiteArgs) -> String {
    let machine = Machine::this();
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a String can't fail.
        let _ = writeln!(text, "- {name}: {value}");
    };
    for broker in &args.brokers {
        line(&broker.name, format!("`{}`", broker.command));
    }
    for (name, seconds) in &args.warm_up_of {
        line("Warm-up", format!("{seconds} s for {name}"));
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
    text
}
