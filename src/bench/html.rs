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
        let of_workload: Vec<&(String, Report)> =
            runs.iter().filter(|(_, run)| family(run) == workload).collect();
        section(&mut out, workload, &of_workload)?;
    }
    out.push_str("</html>\n");
    Ok(out)
}

fn workloads(runs: &[(String, Report)]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for (_, run) in runs {
        if !names.contains(&family(run)) {
            names.push(family(run));
        }
    }
    names
}

/// Variants of one workload are shown together.
fn family(run: &Report) -> &str {
    run.workload.variant_of.as_ref().unwrap_or(&run.workload.name)
}

/// A broker's rounds are told apart by a number behind its name.
fn broker(name: &str) -> &str {
    name.split(" #").next().unwrap_or(name)
}

/// For lines that would hide each other: of each broker's rounds the one with the median throughput.
fn median_rounds<'a>(runs: &[&'a (String, Report)]) -> Vec<&'a (String, Report)> {
    let mut brokers: Vec<(&str, Vec<&'a (String, Report)>)> = Vec::new();
    for run in runs {
        let name = broker(&run.0);
        match brokers.iter_mut().find(|(known, _)| *known == name) {
            Some((_, rounds)) => rounds.push(run),
            None => brokers.push((name, vec![run])),
        }
    }
    let median = |(_, mut rounds): (&str, Vec<&'a (String, Report)>)| {
        rounds.sort_by(|a, b| a.1.mb_per_s.total_cmp(&b.1.mb_per_s));
        rounds[(rounds.len() - 1) / 2]
    };
    brokers.into_iter().map(median).collect()
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
            "<tr><td>{}{}<td>{:.1}<td>{:.0}<td>{:.3}<td>{:.3}<td>{:.3}<td>{:.3}<td>{}<td>{}<td>{}</tr>",
            escape(name),
            // Which variant, where there are several.
            run.workload
                .variant_of
                .as_ref()
                .map_or_else(String::new, |_| format!(", {}", escape(&run.workload.name))),
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
    if runs.iter().all(|(_, run)| run.workload.variant_of.is_none()) {
        plots(out, &median_rounds(runs));
    }
    for varied in &VARIED {
        out.extend(scaling(runs, varied).into_iter().flatten());
    }
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
}

/// Plots of throughput, p99 and costs against what was varied, if it was: medians of the rounds.
fn scaling(runs: &[&(String, Report)], varied: &Varied) -> [Option<String>; 4] {
    let first = (varied.of)(&runs[0].1);
    if runs.iter().all(|(_, run)| (varied.of)(run) == first) {
        return [const { None }; 4];
    }
    let across = Axis {
        name: varied.name,
        scale: Scale::Log,
    };
    let from_zero = |name| Axis {
        name,
        scale: Scale::Linear,
    };
    let drawn = |title, axis, figure| svg(title, across, axis, &medians(runs, varied, figure));
    [
        drawn("Throughput as it scales", from_zero("MB/s"), &|run| {
            Some(run.mb_per_s)
        }),
        drawn("p99 as it scales", LATENCY, &|run| Some(run.latency_ms.p99)),
        drawn(
            "Broker's CPU time per request as it scales",
            from_zero("microseconds"),
            &|run| Some(run.broker.as_ref()?.cpu_us_per_request),
        ),
        drawn("Broker's memory as it scales", from_zero("MB"), &|run| {
            Some(run.broker.as_ref()?.resident_mb)
        }),
    ]
}

/// A line for each broker, with the median of its rounds at each value of what was varied.
fn medians(
    runs: &[&(String, Report)],
    varied: &Varied,
    figure: &dyn Fn(&Report) -> Option<f64>,
) -> Vec<Series> {
    let mut brokers: Vec<&str> = Vec::new();
    for (name, _) in runs {
        if !brokers.contains(&broker(name)) {
            brokers.push(broker(name));
        }
    }
    let line = |name: &str| {
        let of_broker = runs.iter().filter(|run| broker(&run.0) == name);
        let mut points: Vec<(f64, f64)> = of_broker
            .filter_map(|(_, run)| Some(((varied.of)(run), figure(run)?)))
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let rounds = points.chunk_by(|a, b| a.0 == b.0);
        Series {
            name: name.to_string(),
            points: rounds.map(|rounds| rounds[(rounds.len() - 1) / 2]).collect(),
        }
    };
    brokers.into_iter().map(line).collect()
}
