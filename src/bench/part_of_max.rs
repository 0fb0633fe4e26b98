//! Workloads whose rate is a part of the highest one, which is measured before.

use super::args::Target;
use super::report::Report;
use super::run::run_workload;
use super::workload::Workload;

/// The same workload as fast as it goes.
pub fn flat_out(workload: &Workload) -> Workload {
    let mut flat_out = workload.clone();
    flat_out.producers.records_per_s = None;
    flat_out.producers.part_of_max = None;
    flat_out
}

/// Runs a workload at its part of `max` records a second, or else of the broker's own highest rate, which is measured first.
/// Workloads that don't go by a highest rate are run as they are.
///
/// # Errors
/// When a run fails.
pub fn run_at_part_of_max(workload: &Workload, target: &Target, max: Option<f64>) -> anyhow::Result<Report> {
    let Some(part) = workload.producers.part_of_max else {
        return run_workload(workload, target);
    };
    let max = match max {
        Some(max) => max,
        None => run_workload(&flat_out(workload), target)?.records_per_s,
    };
    let mut paced = workload.clone();
    paced.producers.part_of_max = None;
    paced.producers.records_per_s = Some(max * part);
    let mut target = target.clone();
    target.labels.push((
        "rate".to_string(),
        format!("{:.0} records/s, {part} of {max:.0}", max * part),
    ));
    run_workload(&paced, &target)
}
