//! `bench compare`: the results of two brokers side by side.

use std::fmt::Write as _;

use anyhow::ensure;

use super::args::CompareArgs;
use super::report::Report;
use super::results;
use super::workload::Measure;

/// A figure of a report that is compared.
struct Figure {
    name: &'static str,
    decimals: usize,
    better: Better,
    of: fn(&Report) -> Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Better {
    More,
    Less,
}

const FIGURES: [Figure; 13] = [
    Figure {
        name: "MB/s",
        decimals: 1,
        better: Better::More,
        of: |report| of_load(report, report.mb_per_s),
    },
    Figure {
        name: "requests/s",
        decimals: 0,
        better: Better::More,
        of: |report| of_load(report, report.requests_per_s),
    },
    Figure {
        name: "p50 ms",
        decimals: 3,
        better: Better::Less,
        of: |report| of_load(report, report.latency_ms.p50),
    },
    Figure {
        name: "p99 ms",
        decimals: 3,
        better: Better::Less,
        of: |report| of_load(report, report.latency_ms.p99),
    },
    Figure {
        name: "p99.9 ms",
        decimals: 3,
        better: Better::Less,
        of: |report| of_load(report, report.latency_ms.p99_9),
    },
    Figure {
        name: "broker CPU s/GB",
        decimals: 3,
        better: Better::Less,
        of: |report| of_load(report, report.broker.as_ref()?.cpu_s_per_gb),
    },
    Figure {
        name: "broker CPU us/request",
        decimals: 2,
        better: Better::Less,
        of: |report| of_load(report, report.broker.as_ref()?.cpu_us_per_request),
    },
    Figure {
        name: "broker CPU, % of one",
        decimals: 2,
        better: Better::Less,
        of: |report| {
            let idle = report.workload.measure == Measure::Idle;
            let part = report.broker.as_ref()?.cpu_s / report.seconds;
            idle.then_some(part * 100.0)
        },
    },
    Figure {
        name: "end to end p50 ms",
        decimals: 3,
        better: Better::Less,
        of: |report| report.end_to_end.as_ref().map(|r| r.latency_ms.p50),
    },
    Figure {
        name: "end to end p99 ms",
        decimals: 3,
        better: Better::Less,
        of: |report| report.end_to_end.as_ref().map(|r| r.latency_ms.p99),
    },
    // Only where there is something to tell: the broker did not keep up with the rate.
    Figure {
        name: "due and not sent",
        decimals: 0,
        better: Better::Less,
        of: |report| (report.unsent > 0).then_some(report.unsent as f64),
    },
    Figure {
        name: "resident MB",
        decimals: 0,
        better: Better::Less,
        of: |report| report.broker.as_ref().map(|b| b.resident_mb),
    },
    Figure {
        name: "start s",
        decimals: 3,
        better: Better::Less,
        of: |report| report.start_s,
    },
];

/// A figure of those that only a run with requests has.
fn of_load(report: &Report, value: f64) -> Option<f64> {
    (report.workload.measure != Measure::Idle).then_some(value)
}

/// Compares two files with one JSON report a line. Gives a Markdown table: medians, and the spread where there are
/// several rounds.
///
/// # Errors
/// When a file can't be read or has something else in it, or when a figure of the first is worse than allowed.
pub fn compare(args: &CompareArgs) -> anyhow::Result<String> {
    let (name_a, name_b) = (results::name(&args.a), results::name(&args.b));
    let (reports_a, reports_b) = (results::read(&args.a)?, results::read(&args.b)?);
    let (table, ratios) = compare_reports((&name_a, &reports_a), (&name_b, &reports_b));
    if let Some(allowed) = args.fail_above {
        let worse: Vec<String> = ratios
            .iter()
            .filter(|ratio| ratio.is_worse_by(allowed / 100.0))
            .map(|ratio| {
                format!(
                    "{}: {} is {:.2} times",
                    ratio.workload, ratio.figure, ratio.of_medians
                )
            })
            .collect();
        ensure!(
            worse.is_empty(),
            "{table}\n{name_a} is worse than {name_b} by more than {allowed}%, and by more than the rounds differ:\n  {}",
            worse.join("\n  ")
        );
    }
    Ok(table)
}

/// How a figure of one broker is to that of another.
pub struct Ratio {
    workload: String,
    figure: &'static str,
    better: Better,
    of_medians: f64,
    /// Whether the ranges over the rounds have something in common.
    ranges_meet: bool,
}

impl Ratio {
    fn is_worse_by(&self, part: f64) -> bool {
        let worse = match self.better {
            Better::More => self.of_medians < 1.0 / (1.0 + part),
            Better::Less => self.of_medians > 1.0 + part,
        };
        worse && !self.ranges_meet
    }
}

/// Compares named reports of two brokers, workload by workload.
pub fn compare_reports(a: (&str, &[Report]), b: (&str, &[Report])) -> (String, Vec<Ratio>) {
    let ((name_a, reports_a), (name_b, reports_b)) = (a, b);
    let mut table =
        format!("| workload | figure | {name_a} | {name_b} | {name_a} / {name_b} |\n|---|---|---|---|---|\n");
    let mut ratios = Vec::new();
    let mut workloads: Vec<&str> = Vec::new();
    for report in reports_a {
        let workload = report.workload.name.as_str();
        if !workloads.contains(&workload) && reports_b.iter().any(|other| other.workload.name == workload) {
            workloads.push(workload);
        }
    }
    for workload in workloads {
        for figure in &FIGURES {
            let (Some(a), Some(b)) = (
                Spread::of(reports_a, workload, figure),
                Spread::of(reports_b, workload, figure),
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
            ratios.push(Ratio {
                workload: workload.to_string(),
                figure: figure.name,
                better: figure.better,
                of_medians: ratio,
                ranges_meet: a.low <= b.high && b.low <= a.high,
            });
        }
    }
    (table, ratios)
}

/// Named reports of any number of brokers side by side.
pub fn side_by_side(brokers: &[(&str, &[Report])]) -> String {
    let mut table = "| workload | figure |".to_string();
    let mut workloads: Vec<&str> = Vec::new();
    for (name, reports) in brokers {
        // Writing to a String can't fail.
        let _ = write!(table, " {name} |");
        for report in *reports {
            if !workloads.contains(&report.workload.name.as_str()) {
                workloads.push(&report.workload.name);
            }
        }
    }
    let _ = writeln!(table, "\n|---|---|{}", "---|".repeat(brokers.len()));
    for workload in workloads {
        for figure in &FIGURES {
            let spreads = brokers
                .iter()
                .map(|(_, reports)| Spread::of(reports, workload, figure));
            let spreads: Vec<Option<Spread>> = spreads.collect();
            if spreads.iter().all(Option::is_none) {
                continue;
            }
            let _ = write!(table, "| {workload} | {} |", figure.name);
            for spread in spreads {
                let text = spread.map_or_else(|| "–".to_string(), |spread| spread.text(figure.decimals));
                let _ = write!(table, " {text} |");
            }
            table.push('\n');
        }
    }
    table
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

    #[test]
    fn worse_is_less_throughput_or_more_latency_beyond_the_spread() {
        let ratio = |better, of_medians, ranges_meet| Ratio {
            workload: String::new(),
            figure: "",
            better,
            of_medians,
            ranges_meet,
        };
        assert!(ratio(Better::More, 0.8, false).is_worse_by(0.1));
        assert!(!ratio(Better::More, 0.95, false).is_worse_by(0.1));
        assert!(!ratio(Better::More, 1.5, false).is_worse_by(0.1));
        assert!(ratio(Better::Less, 1.2, false).is_worse_by(0.1));
        assert!(
            !ratio(Better::Less, 1.2, true).is_worse_by(0.1),
            "it may be chance"
        );
    }
}
