//! Copies one partition of ours as Apache Kafka would have it.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, bail};

use crate::base::ids::{LeaderEpoch, Offset, TopicId};
use crate::cli::storage::durable_files::{read_if_there, sync_dir, write_file};
use crate::log::file_names::{LEADER_EPOCH_CHECKPOINT, PARTITION_METADATA};
use crate::log::inspect::End;
use crate::log::transfer::{Epochs, PartitionCopier};
use crate::log::{SegmentFile, partition_metadata};

/// Bytes that are read and written at a time.
const PIECE_BYTES: usize = 1 << 20;

/// What was exported.
#[derive(Clone, Copy, Debug)]
pub struct ExportedPartition {
    /// The first record that counts.
    pub log_start: Offset,
    /// Behind the last one.
    pub log_end: Offset,
    /// Records in its segments.
    pub records: u64,
    /// Bytes of its segments.
    pub bytes: u64,
}

/// Copies the partition in `source`, which is at rest, to a new directory, synced.
///
/// All batches get leader epoch 0. Those here count starts of this server; if Kafka's leader had a lower one, its clients would take
/// what Kafka says of its leaders for old news.
pub fn export_partition(
    source: &Path,
    log_start: Offset,
    topic_id: TopicId,
    target: &Path,
) -> anyhow::Result<ExportedPartition> {
    let segments = segments(source, log_start)?;
    fs::create_dir(target).with_context(|| format!("could not create {}", target.display()))?;
    let mut copier = PartitionCopier::new(Epochs::All(LeaderEpoch(0)));
    let first = segments.first().copied().unwrap_or(Offset::ZERO);
    let mut exported = ExportedPartition {
        log_start,
        log_end: Offset::ZERO,
        records: 0,
        bytes: 0,
    };
    for (at, base) in segments.iter().copied().enumerate() {
        let path = SegmentFile::Log.path(source, base);
        let from = File::open(&path).with_context(|| format!("could not open {}", path.display()))?;
        let to_path = SegmentFile::Log.path(target, base);
        let to =
            File::create_new(&to_path).with_context(|| format!("could not create {}", to_path.display()))?;
        let mut to = BufWriter::with_capacity(PIECE_BYTES, to);
        let copied = copier
            .segment(base, &mut BufReader::with_capacity(PIECE_BYTES, from), &mut to)
            .with_context(|| path.display().to_string())?;
        let written = to.flush().and_then(|()| to.get_ref().sync_all());
        written.with_context(|| format!("could not write {}", to_path.display()))?;
        match copied.end {
            End::Whole => {}
            End::Zeros(_) if at + 1 == segments.len() => {}
            end => bail!(
                "{}: damaged behind offset {} ({end:?}); 'corelane storage inspect' shows the segment",
                path.display(),
                copied.next_offset.0 - 1
            ),
        }
        write_file(&SegmentFile::OffsetIndex.path(target, base), &copied.offset_index)?;
        write_file(&SegmentFile::TimeIndex.path(target, base), &copied.time_index)?;
        if let Some(aborted) = read_if_there(&SegmentFile::TransactionIndex.path(source, base))? {
            write_file(&SegmentFile::TransactionIndex.path(target, base), &aborted)?;
        }
        exported.records += copied.records;
        exported.bytes += copied.bytes;
    }
    exported.log_end = copier.next_offset();
    exported.log_start = log_start.max(first).min(exported.log_end);
    if exported.log_end > Offset::ZERO {
        let at_end = read_if_there(&SegmentFile::ProducerSnapshot.path(source, exported.log_end))?;
        let snapshot = copier.snapshot(at_end.as_deref());
        write_file(
            &SegmentFile::ProducerSnapshot.path(target, exported.log_end),
            &snapshot,
        )?;
    }
    let mut epochs = copier.epochs().clone();
    epochs.truncate_to(exported.log_start);
    write_file(&target.join(LEADER_EPOCH_CHECKPOINT), &epochs.encode())?;
    write_file(
        &target.join(PARTITION_METADATA),
        &partition_metadata::encode(topic_id),
    )?;
    sync_dir(target)?;
    Ok(exported)
}

/// Base offsets of the segments, without those before the log's start. A partition nothing was written to has no directory.
fn segments(source: &Path, log_start: Offset) -> anyhow::Result<Vec<Offset>> {
    let mut segments = Vec::new();
    if !source.exists() {
        return Ok(segments);
    }
    let listing = || format!("could not list {}", source.display());
    for entry in fs::read_dir(source).with_context(listing)? {
        let name = entry.with_context(listing)?.file_name();
        if let Some((SegmentFile::Log, base)) = name.to_str().and_then(SegmentFile::parse) {
            segments.push(base);
        }
    }
    segments.sort_unstable();
    let old = segments.windows(2).take_while(|two| two[1] <= log_start).count();
    segments.drain(..old);
    Ok(segments)
}
