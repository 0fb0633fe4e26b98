//! `corelane storage inspect`.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value;

use super::durable_files::read_if_there;
use super::inspection_report::{as_json, batch_as_json, batch_as_line, print_human};
use crate::base::ids::Offset;
use crate::cli::output::{Format, print_json, print_line};
use crate::log::SegmentFile;
use crate::log::inspect::{Depth, PartitionInspection, SegmentInspector};

const EXAMPLES: &str = "\
Examples:
  corelane storage inspect corelane-data/clicks-0
  corelane storage inspect /var/lib/kafka/clicks-0 --deep
  corelane storage inspect corelane-data/clicks-0 --batches --json | jq '.batches[0]'

It only reads. Beside a running broker it sees what the broker has written to this directory: its newest records may be in its
write-ahead log alone, and the last segment may be written to at the same moment. So may those of a broker that was killed, or that had
thousands of partitions to write to when it stopped: `corelane storage export`, or a start, brings them here.

It ends with 1 if something is damaged.";

/// Bytes that are read from a file at a time.
const READ_BYTES: usize = 1 << 20;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct InspectArgs {
    /// Directory of a partition, Corelane's or Apache Kafka's
    #[arg(value_name = "PATH")]
    path: PathBuf,

    /// Show every batch
    #[arg(long)]
    batches: bool,

    /// Decompress and read every record, not only each batch's checksum
    #[arg(long)]
    deep: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &InspectArgs) -> anyhow::Result<()> {
    let files = PartitionFiles::list(&args.path)?;
    if files.segments.is_empty() {
        let path = args.path.display();
        bail!("{path} holds no segment: name the directory of one partition, like {path}/clicks-0");
    }
    let format = Format::from_flag(args.json);
    let mut batches = Vec::new();
    let inspection = inspect(args, &files, |line, json| {
        match format {
            Format::Human => print_line(&line())?,
            Format::Json => batches.push(json()),
        }
        Ok(())
    })?;
    match format {
        Format::Json => print_json(&as_json(&args.path, &inspection, args.batches.then_some(batches)))?,
        Format::Human => print_human(&inspection)?,
    }
    match inspection.damage.len() {
        0 => Ok(()),
        1 => bail!("there is damage in 1 place"),
        places => bail!("there is damage in {places} places"),
    }
}

/// What there is to look at in a directory.
struct PartitionFiles {
    /// Base offsets, ascending.
    segments: Vec<Offset>,
    /// Offsets of producer snapshots, ascending.
    snapshots: Vec<Offset>,
}

impl PartitionFiles {
    fn list(dir: &Path) -> anyhow::Result<PartitionFiles> {
        let mut files = PartitionFiles {
            segments: Vec::new(),
            snapshots: Vec::new(),
        };
        let entries = fs::read_dir(dir).with_context(|| format!("could not list {}", dir.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("could not list {}", dir.display()))?;
            match entry.file_name().to_str().and_then(SegmentFile::parse) {
                Some((SegmentFile::Log, base)) => files.segments.push(base),
                Some((SegmentFile::ProducerSnapshot, offset)) => files.snapshots.push(offset),
                _ => {}
            }
        }
        files.segments.sort_unstable();
        files.snapshots.sort_unstable();
        Ok(files)
    }
}

/// A batch as a line and as JSON, made only if it is wanted.
type ShowBatch<'a> = dyn FnMut(&dyn Fn() -> String, &dyn Fn() -> Value) -> anyhow::Result<()> + 'a;

fn inspect(
    args: &InspectArgs,
    files: &PartitionFiles,
    mut show: impl FnMut(&dyn Fn() -> String, &dyn Fn() -> Value) -> anyhow::Result<()>,
) -> anyhow::Result<PartitionInspection> {
    let mut inspection = PartitionInspection::default();
    if let Some(bytes) = read_if_there(&args.path.join("partition.metadata"))? {
        inspection.partition_metadata(&bytes);
    }
    if let Some(bytes) = read_if_there(&args.path.join("leader-epoch-checkpoint"))? {
        inspection.leader_epochs(&bytes);
    }
    for (at, base) in files.segments.iter().enumerate() {
        let is_last = at + 1 == files.segments.len();
        inspect_segment(args, *base, is_last, &mut inspection, &mut show)?;
    }
    for offset in &files.snapshots {
        if let Some(bytes) = read_if_there(&SegmentFile::ProducerSnapshot.path(&args.path, *offset))? {
            inspection.snapshot(*offset, &bytes);
        }
    }
    Ok(inspection)
}

fn inspect_segment(
    args: &InspectArgs,
    base: Offset,
    is_last: bool,
    inspection: &mut PartitionInspection,
    show: &mut ShowBatch<'_>,
) -> anyhow::Result<()> {
    let path = SegmentFile::Log.path(&args.path, base);
    let reading = || format!("could not read {}", path.display());
    let file = File::open(&path).with_context(reading)?;
    let log_bytes = file.metadata().with_context(reading)?.len();
    let inspector = SegmentInspector {
        base,
        log: &mut BufReader::with_capacity(READ_BYTES, file),
        log_bytes,
        offset_index: read_if_there(&SegmentFile::OffsetIndex.path(&args.path, base))?,
        time_index: read_if_there(&SegmentFile::TimeIndex.path(&args.path, base))?,
        depth: if args.deep { Depth::Records } else { Depth::Batches },
    };
    let mut shown = Ok(());
    let segment = inspector.inspect(|header, position| {
        inspection.batch(header);
        if args.batches && shown.is_ok() {
            shown = show(&|| batch_as_line(base, header, position), &|| {
                batch_as_json(base, header, position)
            });
        }
    });
    shown?;
    inspection.segment(segment.with_context(reading)?, is_last);
    Ok(())
}
