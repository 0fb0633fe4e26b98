//! The arguments of `corelane serve`, and the order of a start.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;

use super::cpu_plan::CpuPlan;
use super::data_directories::DataDirectories;
use super::log_output::start_logging;
use super::open_files::plan_open_files;
use super::port_plan::PortPlan;
use super::server_lanes::ServerLanes;
use super::start_settings::start_settings;
use crate::control::{ControlOptions, run_control, stop_signals};
use crate::log::DataDirs;
use crate::rt;
use crate::shard::OpenFileLimits;

/// Run a broker
///
/// Prints one line on standard output, `ready` and all its addresses, when clients can connect.
/// Stops in order at SIGTERM or SIGINT; a second signal ends it at once, and loses nothing that was acknowledged as durable.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Settings file; config/corelane.toml in the sources shows all settings
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address to listen on; shard n takes the port n further on [default: localhost:9092]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Vec<String>,
    /// Directory for all data; given more than once, partitions are spread over them [default: ./corelane-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Vec<PathBuf>,
    /// Number of shards: cores that serve [default: one for each CPU]
    #[arg(long, value_name = "N")]
    pub shards: Option<String>,
    /// CPUs to run the shards on, like 0-3,6
    #[arg(long, value_name = "LIST")]
    pub cpus: Option<String>,
    /// Any setting; wins over the file
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Runs a server until it is told to stop.
pub fn run(args: &ServeArgs) -> anyhow::Result<()> {
    let fixed = Arc::new(start_settings(args)?);
    let settings = fixed.settings();
    start_logging(&settings.logging)?;
    rt::probe()?;
    let cpus = CpuPlan::new(&settings, &rt::available_cpus())?;
    let directories = DataDirectories::take(&settings)?;
    let open_files = plan_open_files(cpus.shards(), directories.paths().len())?;
    let ports = PortPlan::take(&settings.listen, cpus.shards())?;
    for note in &ports.notes {
        tracing::info!("{note}");
    }
    let options = ControlOptions {
        fixed,
        data_dir: directories.home().to_path_buf(),
        shards: cpus.shards(),
        counters: Arc::default(),
    };
    rt::block_on_control(serve(options, directories, cpus, ports, open_files))?;
    Ok(())
}

async fn serve(
    options: ControlOptions,
    directories: DataDirectories,
    cpus: CpuPlan,
    ports: PortPlan,
    open_files: OpenFileLimits,
) -> anyhow::Result<()> {
    let stop = stop_signals().context("could not listen for signals")?;
    let addresses = ports.addresses();
    let mut lanes = ServerLanes {
        data_dirs: DataDirs::open(directories.paths(), directories.founded())?,
        cpus: cpus.cpus,
        listeners: ports.listeners,
        open_files,
        bases: ports.bases,
        addresses,
    };
    run_control(options, &mut lanes, stop).await?;
    // Another server may have them only now.
    drop(directories);
    Ok(())
}
