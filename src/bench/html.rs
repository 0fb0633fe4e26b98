//! The report of runs as one HTML file that needs no other.

use std::fmt::Write as _;

use super::plot::{Axis, Scale, Series, escape, svg};
use super::report::{Latency, Report};

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em}\
h1{font-size:1.5em}h2{font-size:1.2em;margin-top:2.2em;border-top:1px solid #8886;padding-top:1em}\
table{border-collapse:collapse;margin:1em 0;font-variant-numeric:tabular-nums}\
td,th{padding:.25em .8em;text-align:right;border-bottom:1px solid #8884}\
td:first-child,th:first-child{text-align:left}\
.plots{display:flex;flex-wrap:wrap;gap:1em}svg{width:100%;max-width:520px;height:auto}\
svg text{font:11px system-ui,sans-serif;fill:currentColor}svg .title{font-size:14px;font-weight:600}\
svg text.key{font-size:12px;fill:unset}svg .grid{stroke:#8884}\
details{margin:.6em 0}pre{overflow:auto;background:#8882;padding:.8em}";

const SECONDS: Axis = Axis {
    name: "seconds",
    scale: Scale::Linear,
};
const LATENCY: Axis = Axis {
    name: "latency, ms",
    scale: Scale::Log,
};

/// Something that is varied between runs of one workload, for plots of how it scales.
struct Varied {
    name: &'static str,
    of: fn(&Report) -> f64,
}

const VARIED: [Varied; 3] = [
    Varied {
        name: "partitions",
        of: |report| f64::from(report.workload.topics.partitions),
    },
    Varied {
        name: "producer connections",
        of: |report| report.workload.producers.connections as f64,
    },
    Varied {
        name: "records a second asked for",
        of: |report| report.workload.producers.records_per_s.unwrap_or(0.0),
    },
];

/// Renders named runs. Those of one workload are shown together.
///
/// # Errors
/// When a workload can't be written down.
pub fn html(runs: &[(String, Report)]) -> anyhow::Result<String> {
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Benchmark</title><style>{STYLE}</style><h1>Benchmark</h1>"
    );
    for workload in workloads(runs) {
        let of_workload: Vec<&(String, Report)> = runs
            .iter()
            .filter(|(_, run)| run.workload.name == workload)
            .collect();
        section(&mut out, workload, &of_workload)?;
    }
    out.push_str("</html>\n");
    Ok(out)
}

fn workloads(runs: &[(String, Report)]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for (_, run) in runs {
        if !names.contains(&run.workload.name.as_str()) {
            names.push(&run.workload.name);
        }
    }
    names
}

fn section(out: &mut String, workload: &str, runs: &[&(String, Report)]) -> anyhow::Result<()> {
    let description = &runs[0].1.workload.description;
    // Writing to a String can't fail.
    let _ = write!(out, "<h2>{}</h2><p>{}</p>", escape(workload), escape(description));
    out.push_str(
        "<table><tr><th>run<th>MB/s<th>requests/s<th>p50 ms<th>p99 ms<th>p99.9 ms<th>max ms<th>broker CPU s/GB\
         <th>resident MB<th>errors</tr>",
    );
    for (name, run) in runs {
        let broker = run.broker.as_ref();
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "–".to_string());
        let _ = write!(
            out,
            "<tr><td>{}<td>{:.1}<td>{:.0}<td>{:.3}<td>{:.3}<td>{:.3}<td>{:.3}<td>{}<td>{}<td>{}</tr>",
            escape(name),
            run.mb_per_s,
            run.requests_per_s,
            run.latency_ms.p50,
            run.latency_ms.p99,
            run.latency_ms.p99_9,
            run.latency_ms.max,
            or_dash(broker.map(|broker| format!("{:.3}", broker.cpu_s_per_gb))),
            or_dash(broker.map(|broker| format!("{:.0}", broker.resident_mb))),
            run.errors.values().sum::<u64>()
        );
    }
    out.push_str("</table><div class=\"plots\">");
    plots(out, runs);
    out.push_str("</div>");
    for (name, run) in runs {
        let settings = toml::to_string(&run.workload)?;
        let labels: Vec<String> = run
            .labels
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        let _ = write!(
            out,
            "<details><summary>{}: settings and machine</summary><p>{} CPUs, {}, {:.0} GiB memory, Linux {}; generator \
             {} on {}, busy {:.0}%. {}</p><pre>{}</pre></details>",
            escape(name),
            run.machine.cpus,
            escape(&run.machine.cpu),
            run.machine.memory_gib,
            escape(&run.machine.kernel),
            escape(&run.corelane_version),
            run.generator_cpu
                .map_or_else(|| "any CPU".to_string(), |cpu| format!("CPU {cpu}")),
            run.generator_busy * 100.0,
            escape(&labels.join("; ")),
            escape(&settings)
        );
    }
    Ok(())
}

fn plots(out: &mut String, runs: &[&(String, Report)]) {
    let series = |points: &dyn Fn(&Report) -> Vec<(f64, f64)>| -> Vec<Series> {
        runs.iter()
            .map(|(name, run)| Series {
                name: name.clone(),
                points: points(run),
            })
            .collect()
    };
    let throughput = series(&|run| {
        run.timeline
            .iter()
            .map(|slice| (slice.at_s, slice.batch_bytes as f64 / 1e6 / slice.seconds))
            .collect()
    });
    let p99 = series(&|run| {
        run.timeline
            .iter()
            .map(|slice| (slice.at_s, slice.p99_ms))
            .collect()
    });
    let percentiles = series(&|run| run.latency_ms.by_percentile.clone());
    let end_to_end = series(&|run| {
        let steps = run.end_to_end.as_ref().map(|reading| &reading.latency_ms);
        steps.map_or_else(Vec::new, |latency: &Latency| latency.by_percentile.clone())
    });
    let rate = Axis {
        name: "MB/s",
        scale: Scale::Linear,
    };
    let percentile = Axis {
        name: "percentile",
        scale: Scale::Percentile,
    };
    let drawn = [
        svg("Throughput over time", SECONDS, rate, &throughput),
        svg("p99 over time", SECONDS, LATENCY, &p99),
        svg("Latency by percentile", percentile, LATENCY, &percentiles),
        svg(
            "From producer to consumer by percentile",
            percentile,
            LATENCY,
            &end_to_end,
        ),
    ];
    out.extend(drawn.into_iter().flatten());
    for varied in &VARIED {
        out.extend(scaling(runs, varied).into_iter().flatten());
    }
}

/// Plots of throughput and p99 against what was varied, if it was.
fn scaling(runs: &[&(String, Report)], varied: &Varied) -> [Option<String>; 2] {
    let first = (varied.of)(&runs[0].1);
    if runs.iter().all(|(_, run)| (varied.of)(run) == first) {
        return [None, None];
    }
    let series = |figure: fn(&Report) -> f64| {
        let mut series: Vec<Series> = Vec::new();
        for (name, run) in runs {
            // Runs of one broker are told apart by a number behind its name.
            let name = name.split(" #").next().unwrap_or(name);
            let point = ((varied.of)(run), figure(run));
            match series.iter_mut().find(|series| series.name == name) {
                Some(known) => known.points.push(point),
                None => series.push(Series {
                    name: name.to_string(),
                    points: vec![point],
                }),
            }
        }
        for series in &mut series {
            series.points.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        series
    };
    let across = Axis {
        name: varied.name,
        scale: Scale::Log,
    };
    let rate = Axis {
        name: "MB/s",
        scale: Scale::Linear,
    };
    [
        svg(
            "Throughput as it scales",
            across,
            rate,
            &series(|run| run.mb_per_s),
        ),
        svg(
            "p99 as it scales",
            across,
            LATENCY,
            &series(|run| run.latency_ms.p99),
        ),
    ]
}
