//! The command line of `corelane bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::workload::Workload;

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
    /// A workload file, or the name of a built-in one: big, mid, spread, tiny, tiny-pipelined, latency, end-to-end,
    /// fetch-tail, fetch-cold, fetch-cold-one
    pub workload: String,
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub change: Change,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// The broker, and how to load it.
#[derive(Clone, Debug, Args)]
pub struct Target {
    /// Where to find the broker
    #[arg(long, short = 'b', value_name = "HOST:PORT", default_value = "localhost:9092")]
    pub bootstrap: String,
    /// Process of a broker on this machine: its CPU time, memory, disk bytes and context switches are reported
    #[arg(long, value_name = "PID")]
    pub broker_pid: Option<u32>,
    /// CPU the generator's one thread stays on
    #[arg(long, value_name = "CPU")]
    pub cpu: Option<usize>,
    /// Leave the topic there afterwards
    #[arg(long)]
    pub keep_topic: bool,
    /// Something to remember with the result, such as the broker's version and settings; any number of times
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    pub labels: Vec<(String, String)>,
}

/// What to do otherwise than the workload says.
#[derive(Clone, Debug, Default, Args)]
pub struct Change {
    /// Seconds of load that are counted
    #[arg(long, value_name = "SECONDS")]
    pub duration_s: Option<f64>,
    /// Seconds of load before anything is counted
    #[arg(long, value_name = "SECONDS")]
    pub warm_up_s: Option<f64>,
    /// Records a second: requests become due by the clock and latency counts from then. 0: as fast as answers come
    #[arg(long, value_name = "RECORDS")]
    pub records_per_s: Option<f64>,
    /// Partitions of the topic
    #[arg(long, value_name = "COUNT")]
    pub partitions: Option<i32>,
    /// Connections of the producers
    #[arg(long, value_name = "COUNT")]
    pub connections: Option<usize>,
}

impl Change {
    /// Changes a workload.
    ///
    /// # Errors
    /// When it makes no sense afterwards.
    pub fn apply(&self, workload: &mut Workload) -> anyhow::Result<()> {
        let producers = &mut workload.producers;
        workload.duration_s = self.duration_s.unwrap_or(workload.duration_s);
        workload.warm_up_s = self.warm_up_s.unwrap_or(workload.warm_up_s);
        workload.topics.partitions = self.partitions.unwrap_or(workload.topics.partitions);
        producers.connections = self.connections.unwrap_or(producers.connections);
        match self.records_per_s {
            None => {}
            Some(0.0) => producers.records_per_s = None,
            Some(rate) => producers.records_per_s = Some(rate),
        }
        workload.check()
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_string(), value.to_string()))
}

/// Options of `corelane bench compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Results of the one broker: what `bench run --json` printed, any number of times
    pub a: PathBuf,
    /// Results of the other
    pub b: PathBuf,
}
