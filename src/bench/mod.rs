//! The load generator: `corelane bench`, for any broker that speaks Kafka's protocol.
//!
//! Responsible for putting a known load on a broker and for saying truthfully what came of it. It speaks the protocol
//! only, so that another broker can be measured by the same means; it knows `wire`, and nothing of the broker's inside.
//!
//! Runs in a process of its own on one thread, which can be pinned: an epoll loop over non-blocking connections. Requests
//! are, as a rule, whole frames that were built before, sent again and again without a copy; of answers only the headers are looked
//! at, and record bytes are thrown away in the kernel. So one core of generator can load one core of broker.
//!
//! With a rate the loop is open: requests become due by the clock, and latency counts from then, sent or not, so that a
//! broker that stalls can't hide it. Without a rate it is closed: each connection keeps a fixed number of requests in
//! flight, and latency counts from the moment a request is handed to its connection.
//!
//! Records can be built live as well (`live_load.rs`): producers with keys that collect batches by partition as stock clients
//! do, each record with a moment at which it is due. `sink.rs` is the broker that does nothing, which shows how fast the
//! generator is and what no broker can exceed.
//!
//! Start reading in `run.rs`. Workloads are in `config/bench/`, their keys in `workload.rs`.

mod accumulator;
mod affinity;
mod answer;
mod args;
mod bench_topics;
mod broker_client;
mod broker_command;
mod broker_process;
mod compare;
mod connection;
mod departures;
mod fetch_load;
mod file_limit;
mod find_max;
mod frame;
mod generator;
mod html;
mod live_line;
mod live_load;
mod machine;
mod measure_fetch;
mod measure_idle;
mod measure_produce;
mod meter;
mod nodes;
mod open_messaging;
mod outcome;
mod pace;
mod page_cache;
mod part_of_max;
mod plot;
mod produce_load;
mod producers;
mod record_source;
mod report;
mod results;
mod run;
mod sink;
mod sink_answers;
mod suite;
mod suite_summary;
mod traffic;
mod vary;
mod window;
mod workload;
mod writing;

pub use args::BenchCommand;

use anyhow::Context;

/// How long a broker may be silent with requests open. Cold disks and collected garbage stay far below.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Does what `corelane bench` was asked for.
///
/// # Errors
/// When it can't be done; the text says why.
pub fn execute(command: &BenchCommand) -> anyhow::Result<()> {
    file_limit::raise();
    match command {
        BenchCommand::Run(args) => {
            let report = run::run(args)?;
            print_report(&report, args.json)?;
            if let Some(file) = &args.html {
                let page = html::html(&[(report.workload.name.clone(), report)])?;
                std::fs::write(file, page).with_context(|| file.display().to_string())?;
            }
        }
        BenchCommand::FindMax(args) => print_report(&find_max::find_max(args)?, args.json)?,
        BenchCommand::Suite(args) => suite::suite(args)?,
        BenchCommand::Compare(args) => print!("{}", compare::compare(args)?),
        BenchCommand::Sink(args) => sink::sink(args)?,
        BenchCommand::Report(args) => {
            let page = html::html(&results::read_named(&args.results)?)?;
            std::fs::write(&args.html, page).with_context(|| args.html.display().to_string())?;
        }
    }
    Ok(())
}

fn print_report(report: &report::Report, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(report)?);
    } else {
        print!("{}", report.table());
    }
    Ok(())
}
