//! The command line of `corelane bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::broker_command::BrokerCommand;
use super::vary::Vary;
use super::workload::Workload;

/// What `corelane bench` can do.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Run one workload against a broker, any that speaks Kafka's protocol
    Run(RunArgs),
    /// Find the highest rate at which the 99th percentile of latency stays below a bound
    FindMax(FindMaxArgs),
    /// Run workloads against several brokers in turn, each started and stopped by a command
    Suite(SuiteArgs),
    /// Compare the results of two brokers, as a Markdown table
    Compare(CompareArgs),
    /// Make one HTML page of any number of results
    Report(ReportArgs),
    /// Be a broker that checks the CRC of records and throws them away: what no broker can be faster than
    Sink(SinkArgs),
}

/// Options of `corelane bench run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A workload file, or the name of a built-in one: big, mid, spread, tiny, tiny-pipelined, many-1000, many-10000, keyed,
    /// latency, latency-half, latency-busy, end-to-end, fetch-tail, fetch-warm, fetch-cold, fetch-cold-one, idle-1, idle-1000
    pub workload: String,
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub change: Change,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// Write a page with plots to this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// Options of `corelane bench find-max`.
#[derive(Debug, Args)]
pub struct FindMaxArgs {
    /// A workload that writes, as for `bench run`. Where consumers read along, it is their latency that counts
    pub workload: String,
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub change: Change,
    /// The bound in milliseconds
    #[arg(long, value_name = "MS")]
    pub p99_ms: f64,
    /// Records a second to begin with
    #[arg(long, value_name = "RECORDS", default_value_t = 1000.0)]
    pub from: f64,
    /// How close to come to the highest rate, as a part of it
    #[arg(long, value_name = "PART", default_value_t = 0.05)]
    pub precision: f64,
    /// Print the result at the highest rate as JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `corelane bench suite`.
#[derive(Debug, Args)]
pub struct SuiteArgs {
    /// Workload files, or names of built-in ones
    #[arg(required = true)]
    pub workloads: Vec<String>,
    /// A broker: a name and the command that starts it, with {port} where it is to listen (the next port is free as
    /// well) and {dir} for its data. Any number of times; the first is compared with each of the others
    #[arg(long = "broker", value_name = "NAME=COMMAND", required = true)]
    pub brokers: Vec<BrokerCommand>,
    /// What to do before the broker of this name is started, such as formatting its storage: not part of its start
    #[arg(long = "prepare", value_name = "NAME=COMMAND")]
    pub prepare: Vec<BrokerCommand>,
    /// Directory for results: one JSON line a run in BROKER.jsonl, summary.md and report.html. Brokers' data is below it
    #[arg(long, value_name = "DIR")]
    pub results: PathBuf,
    /// How often each workload is run against each broker
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// CPUs the brokers are kept on, such as 0,2
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub broker_cpus: Vec<usize>,
    /// CPU the generator's one thread stays on
    #[arg(long, value_name = "CPU")]
    pub cpu: Option<usize>,
    /// Seconds of reading from memory that warm a broker up before a workload that reads from the disk
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    pub warm_read_s: f64,
    /// Seconds of load before anything is counted, for the broker of this name: one whose code is compiled as it runs needs
    /// more than others
    #[arg(long, value_name = "NAME=SECONDS", value_parser = seconds_of)]
    pub warm_up_of: Vec<(String, f64)>,
    /// Broker whose highest rate the workloads with max_of = "reference" go by. The last one, if it is not said
    #[arg(long, value_name = "NAME")]
    pub reference: Option<String>,
    /// Workloads that are not run against the broker of this name
    #[arg(long, value_name = "NAME=WORKLOAD,...", value_parser = skipped)]
    pub skip: Vec<(String, Vec<String>)>,
    /// Run each workload with each of these numbers of partitions, or connections, such as partitions=1,10,100
    #[arg(long, value_name = "WHAT=LIST")]
    pub vary: Vec<Vary>,
    #[command(flatten)]
    pub change: Change,
    /// Something to remember with the results, such as the commit; any number of times
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    pub labels: Vec<(String, String)>,
}

/// Options of `corelane bench sink`.
#[derive(Debug, Args)]
pub struct SinkArgs {
    /// Where to listen
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    pub listen: String,
    /// CPU its one thread stays on
    #[arg(long, value_name = "CPU")]
    pub cpu: Option<usize>,
}

/// Options of `corelane bench report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Results: what `bench run --json` or `bench suite` wrote
    #[arg(required = true)]
    pub results: Vec<PathBuf>,
    /// Where to write the page
    #[arg(long, value_name = "FILE")]
    pub html: PathBuf,
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
        if let Some(rate) = self.records_per_s {
            producers.part_of_max = None;
            producers.records_per_s = (rate != 0.0).then_some(rate);
        }
        workload.check()
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_string(), value.to_string()))
}

fn seconds_of(text: &str) -> Result<(String, f64), String> {
    let (name, seconds) = label(text)?;
    match seconds.parse() {
        Ok(seconds) if (0.0..1e6).contains(&seconds) => Ok((name, seconds)),
        _ => Err(format!("`{seconds}` is no number of seconds")),
    }
}

fn skipped(text: &str) -> Result<(String, Vec<String>), String> {
    let (name, workloads) = label(text)?;
    Ok((name, workloads.split(',').map(str::to_string).collect()))
}

/// Options of `corelane bench compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Results of the one broker: what `bench run --json` printed, any number of times
    pub a: PathBuf,
    /// Results of the other
    pub b: PathBuf,
    /// Fail when a figure of the first is worse than that of the other by more than this, and by more than the rounds
    /// differ
    #[arg(long, value_name = "PERCENT")]
    pub fail_above: Option<f64>,
}
