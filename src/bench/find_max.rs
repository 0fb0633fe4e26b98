//! `bench find-max`: the highest rate a broker stands with its latency under a bound.

use anyhow::{bail, ensure};

use super::args::FindMaxArgs;
use super::report::Report;
use super::run::run_workload;
use super::workload::{Measure, Workload};

/// A rate that went well, and what was measured at it.
struct Good {
    rate: f64,
    report: Report,
}

/// Searches: doubles the rate until the bound is broken, then halves the distance until it is within the precision.
/// Gives the report of the highest rate that held.
///
/// # Errors
/// When a run fails, or not even the lowest rate holds.
pub fn find_max(args: &FindMaxArgs) -> anyhow::Result<Report> {
    let mut workload = Workload::load(&args.workload)?;
    args.change.apply(&mut workload)?;
    ensure!(
        workload.measure == Measure::Produce,
        "find-max is for workloads with measure = \"produce\": others have no rate"
    );
    ensure!(args.p99_ms > 0.0, "--p99-ms must be above 0");
    ensure!(args.from > 0.0, "--from must be above 0");
    ensure!(
        args.precision > 0.0 && args.precision < 1.0,
        "--precision must be between 0 and 1"
    );
    let mut good: Option<Good> = None;
    let mut bad: Option<f64> = None;
    loop {
        let rate = match (&good, bad) {
            (None, None) => args.from,
            (None, Some(bad)) => bail!("{bad:.0} records/s are too much already"),
            (Some(good), None) => good.rate * 2.0,
            (Some(good), Some(bad)) => {
                if bad / good.rate <= 1.0 + args.precision {
                    break;
                }
                (good.rate + bad) / 2.0
            }
        };
        workload.producers.part_of_max = None;
        workload.producers.records_per_s = Some(rate);
        let report = run_workload(&workload, &args.target)?;
        let p99 = judged_p99(&report);
        let holds = p99 <= args.p99_ms && report.unsent == 0 && report.errors.is_empty();
        eprintln!(
            "{rate:>12.0} records/s: p99 {p99:.3} ms{}{}",
            if report.unsent > 0 {
                ", does not keep up"
            } else {
                ""
            },
            if holds { "" } else { ": too much" }
        );
        if holds {
            good = Some(Good { rate, report });
        } else {
            bad = Some(rate);
        }
    }
    let Some(good) = good else {
        unreachable!("the search ends between two rates")
    };
    Ok(good.report)
}

/// Where consumers read along, the time to them counts.
fn judged_p99(report: &Report) -> f64 {
    match &report.end_to_end {
        Some(reading) => reading.latency_ms.p99,
        None => report.latency_ms.p99,
    }
}
