//! The arguments of `corelane storage repair`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;

use super::directory_look::{Target, look};
use super::directory_repair::repair;
use super::repair_plan::{RepairPlan, State};
use super::repair_report::{as_json, print_plans, print_repaired};
use crate::cli::output::{Format, print_json};
use crate::cli::serve::hold;
use crate::cli::storage::import::parse_partition_dir;
use crate::cli::storage::stopped_server::{ServerArgs, StoppedServer};
use crate::config::StaticSettings;
use crate::log::file_names::{META_PROPERTIES, OWN_CHECKPOINT, WAL_DIR};
use crate::metadata::MetadataLog;

const EXAMPLES: &str = "\
Examples:
  corelane storage repair corelane-data
  corelane storage repair corelane-data/clicks-0
  corelane storage repair corelane-data --cut
  corelane storage repair /disk2/corelane --data-dir /disk1/corelane --data-dir /disk2/corelane

The server is stopped. Without --cut nothing is changed: every segment is read to its end, and it is said which partitions the next
start would leave offline and why, what else is damaged, where, what cutting loses and what it keeps.

With --cut, where that was said:
  - a damaged batch is taken out of its segment, and what stands behind it stays at its offsets: the log has a gap, as compaction leaves
    them, and consumers pass over it. What is taken out is kept beside the segment, as <segment>.log.<byte>.damaged; remove it when you
    do not need it any more;
  - what write-ahead logs have is put back, as far as it is whole; damaged ones are kept as <name>.damaged;
  - offsets that were given to records that are lost are not given to others: the log goes on behind them, as far as anything tells
    how far it went. If a write-ahead log has lost records of nobody knows which partitions, that can't be told, and new records may
    get offsets that lost ones had. They have a higher leader epoch, so consumers that check it (KIP-320) notice;
  - a consumer with a committed offset behind the end of the log gets OFFSET_OUT_OF_RANGE, and auto.offset.reset decides;
  - indexes, leader epochs and lists of aborted transactions that can't be read are made anew from the batches.
If it is stopped, run it again.

It ends with 1 if there is damage that was not repaired.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RepairArgs {
    /// Data directory, or the directory of a partition in one
    #[arg(value_name = "PATH")]
    path: PathBuf,

    /// Take out what is damaged, and keep it beside
    #[arg(long)]
    cut: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    server: ServerArgs,
}

pub fn run(args: &RepairArgs) -> anyhow::Result<()> {
    let target = Target::find(&args.path)?;
    let server_args = args.server.or_dir(&target.data_dir);
    let fixed = server_args.settings()?;
    let paths = data_dirs(&fixed, &target)?;
    let mut locks = Vec::new();
    for path in &paths {
        locks.extend(hold(path)?);
    }
    let server = if args.cut {
        // It takes them as a server does.
        drop(locks);
        Some(StoppedServer::open(&server_args)?)
    } else {
        None
    };
    let image = match &server {
        Some(server) => server.image().clone(),
        None => MetadataLog::look(&paths[0], Arc::new(fixed))?,
    };
    let seen = look(&paths, &image, &target)?;
    if let Some(name) = &target.partition
        && seen.partitions.is_empty()
    {
        bail!(
            "{name} is of no topic that the server has, or belongs into another of its data directories: 'corelane storage inspect' \
             shows what is in it"
        );
    }
    let plans: Vec<RepairPlan> = seen
        .partitions
        .iter()
        .map(|partition| RepairPlan::of(partition, &seen.wal_damage))
        .collect();
    let format = Format::from_flag(args.json);
    if format == Format::Human {
        print_plans(&target, &seen, &plans)?;
    }
    let repaired = match &server {
        Some(server) => Some(repair(server, &target, &seen, &plans)?),
        None => None,
    };
    match (format, &repaired) {
        (Format::Json, repaired) => print_json(&as_json(&target, &seen, &plans, repaired.as_ref()))?,
        (Format::Human, Some(repaired)) => print_repaired(&seen, repaired)?,
        (Format::Human, None) => {}
    }
    let mut left: Vec<String> = repaired.as_ref().map_or(Vec::new(), |all| all.left.clone());
    let is_left = |plan: &&RepairPlan| match &repaired {
        Some(_) => plan.state != State::Whole && !plan.can_be_repaired(),
        None => plan.state != State::Whole,
    };
    match plans.iter().filter(is_left).count() {
        0 => {}
        1 => left.push("1 partition is damaged".to_string()),
        damaged => left.push(format!("{damaged} partitions are damaged")),
    }
    match (left.is_empty(), &repaired) {
        (true, _) => Ok(()),
        (false, None) => bail!("{}; nothing was changed", left.join("; ")),
        (false, Some(_)) => bail!("{}", left.join("; ")),
    }
}

impl Target {
    fn find(path: &Path) -> anyhow::Result<Target> {
        let path = path
            .canonicalize()
            .with_context(|| format!("there is no {}", path.display()))?;
        let is_data_dir = |dir: &Path| {
            let ours = [OWN_CHECKPOINT, WAL_DIR]
                .iter()
                .any(|name| dir.join(name).exists());
            ours || (MetadataLog::is_in(dir) && dir.join(META_PROPERTIES).exists())
        };
        if is_data_dir(&path) {
            return Ok(Target {
                data_dir: path,
                partition: None,
            });
        }
        let name = path.file_name().and_then(|name| name.to_str());
        match (path.parent(), name) {
            (Some(parent), Some(name)) if is_data_dir(parent) && parse_partition_dir(name).is_some() => {
                Ok(Target {
                    data_dir: parent.to_path_buf(),
                    partition: Some(name.to_string()),
                })
            }
            _ => bail!(
                "{} is neither the data directory of a Corelane server nor a partition in one. 'corelane storage inspect' shows the \
                 damage in any partition's directory; what Apache Kafka has can be imported with 'corelane storage import --cut-damaged'",
                path.display()
            ),
        }
    }
}

/// The server's data directories, that with the metadata first.
fn data_dirs(fixed: &StaticSettings, target: &Target) -> anyhow::Result<Vec<PathBuf>> {
    let settings = fixed.settings();
    let given = match settings.data_dirs.is_empty() {
        true => std::slice::from_ref(&settings.data_dir),
        false => &settings.data_dirs[..],
    };
    let mut paths = Vec::new();
    for path in given.iter().map(Path::new) {
        let real = path.canonicalize();
        paths.push(real.with_context(|| format!("there is no data directory {}", path.display()))?);
    }
    if !paths.contains(&target.data_dir) {
        bail!(
            "{} is none of the server's data directories",
            target.data_dir.display()
        );
    }
    let Some(home) = paths.iter().position(|path| MetadataLog::is_in(path)) else {
        bail!(
            "the server's metadata is not in {}: name all its data directories with --data-dir",
            target.data_dir.display()
        );
    };
    paths.swap(0, home);
    Ok(paths)
}
