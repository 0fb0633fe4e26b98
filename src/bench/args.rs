//! The command line of `corelane bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What `corelane bench` can do.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Run one workload against a broker, any that speaks Kafka's protocol
    Run(RunArgs),
    /// Compare the results of two brokers, as a Markdown table
    Compare(CompareArgs),
}

/// Options of `corelane bench run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A workload file, or the name of a built-in one: big, mid, tiny, fetch-tail, fetch-cold,
    /// fetch-cold-one
    pub workload: String,
    /// Where to find the broker
    #[arg(long, short = 'b', value_name = "HOST:PORT", default_value = "localhost:9092")]
    pub bootstrap: String,
    /// Process of a broker on this machine: its CPU time and memory are reported
    #[arg(long, value_name = "PID")]
    pub broker_pid: Option<u32>,
    /// CPU the generator's one thread stays on
    #[arg(long, value_name = "CPU")]
    pub cpu: Option<usize>,
    /// Seconds of load that are counted, instead of the workload's
    #[arg(long, value_name = "SECONDS")]
    pub duration_s: Option<f64>,
    /// Seconds of load before anything is counted, instead of the workload's
    #[arg(long, value_name = "SECONDS")]
    pub warm_up_s: Option<f64>,
    /// Leave the topic there afterwards
    #[arg(long)]
    pub keep_topic: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `corelane bench compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Results of the one broker: what `bench run --json` printed, any number of times
    pub a: PathBuf,
    /// Results of the other
    pub b: PathBuf,
}
