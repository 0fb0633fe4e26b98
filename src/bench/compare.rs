//! `bench compare`: the results of two brokers side by side.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, ensure};

use super::report::Report;

/// A figure of a report that is compared.
struct Figure {
    name: &'static str,
    decimals: usize,
    of: fn(&Report) -> Option<f64>,
}

const FIGURES: [Figure; 6] = [
    Figure {
        name: "MB/s",
        decimals: 1,
        of: |report| Some(report.mb_per_s),
    },
    Figure {
        name: "requests/s",
        decimals: 0,
        of: |report| Some(report.requests_per_s),
    },
    Figure {
        name: "p50 ms",
        decimals: 3,
        of: |report| Some(report.latency_ms.p50),
    },
    Figure {
        name: "p99 ms",
        decimals: 3,
        of: |report| Some(report.latency_ms.p99),
    },
    Figure {
        name: "p99.9 ms",
        decimals: 3,
        of: |report| Some(report.latency_ms.p99_9),
    },
    Figure {
        name: "broker CPU s/GB",
        decimals: 3,
        of: |report| report.broker.as_ref().map(|b| b.cpu_s_per_gb),
    },
];

/// Compares two files with one JSON report a line. Gives a Markdown table: medians, and the spread where there are
/// several rounds.
///
/// # Errors
/// When a file can't be read or has something else in it.
pub fn compare(a: &Path, b: &Path) -> anyhow::Result<String> {
    let (name_a, name_b) = (name(a), name(b));
    let (reports_a, reports_b) = (read(a)?, read(b)?);
    let mut table =
        format!("| workload | figure | {name_a} | {name_b} | {name_a} / {name_b} |\n|---|---|---|---|---|\n");
    let mut workloads: Vec<&str> = Vec::new();
    for report in &reports_a {
        let workload = report.workload.name.as_str();
        if !workloads.contains(&workload) && reports_b.iter().any(|other| other.workload.name == workload) {
            workloads.push(workload);
        }
    }
    for workload in workloads {
        for figure in &FIGURES {
            let (Some(a), Some(b)) = (
                Spread::of(&reports_a, workload, figure),
                Spread::of(&reports_b, workload, figure),
            ) else {
                continue;
            };
            let (text_a, text_b) = (a.text(figure.decimals), b.text(figure.decimals));
            let ratio = a.median / b.median;
            // Writing to a String can't fail.
            let _ = writeln!(
                table,
                "| {workload} | {} | {text_a} | {text_b} | {ratio:.2} |",
                figure.name
            );
        }
    }
    Ok(table)
}

fn name(path: &Path) -> String {
    path.file_stem()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

fn read(path: &Path) -> anyhow::Result<Vec<Report>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let reports: Result<Vec<Report>, _> = serde_json::Deserializer::from_str(&text)
        .into_iter::<Report>()
        .collect();
    let reports =
        reports.with_context(|| format!("{} has something else than results in it", path.display()))?;
    ensure!(!reports.is_empty(), "{} is empty", path.display());
    Ok(reports)
}

/// Median and range of one figure over the rounds of a workload.
#[derive(Debug, PartialEq)]
struct Spread {
    low: f64,
    median: f64,
    high: f64,
    rounds: usize,
}

impl Spread {
    fn of(reports: &[Report], workload: &str, figure: &Figure) -> Option<Spread> {
        let of_workload = reports.iter().filter(|report| report.workload.name == workload);
        Spread::over(of_workload.filter_map(figure.of).collect())
    }

    fn over(mut values: Vec<f64>) -> Option<Spread> {
        values.sort_unstable_by(f64::total_cmp);
        let rounds = values.len();
        let (low, high) = (*values.first()?, *values.last()?);
        let median = (values[(rounds - 1) / 2] + values[rounds / 2]) / 2.0;
        Some(Spread {
            low,
            median,
            high,
            rounds,
        })
    }

    fn text(&self, decimals: usize) -> String {
        let Spread {
            low,
            median,
            high,
            rounds,
        } = self;
        if *rounds == 1 {
            return format!("{median:.decimals$}");
        }
        format!("{median:.decimals$} ({low:.decimals$} to {high:.decimals$})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_range() {
        assert_eq!(Spread::over(Vec::new()), None);
        let three = Spread::over(vec![3.0, 1.0, 10.0]).expect("three values");
        assert_eq!(
            three,
            Spread {
                low: 1.0,
                median: 3.0,
                high: 10.0,
                rounds: 3
            }
        );
        assert_eq!(three.text(1), "3.0 (1.0 to 10.0)");
        let two = Spread::over(vec![3.0, 1.0]).expect("two values");
        assert_eq!(two.median, 2.0);
        assert_eq!(Spread::over(vec![0.5]).expect("one value").text(2), "0.50");
    }
}
