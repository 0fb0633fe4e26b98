//! The order of a repair.
//!
//! First partitions are mended one by one. Then all partitions of the server are recovered as at a start, so that segments have what only
//! write-ahead logs had; those that are repaired take what there is. Until that is done their recovery points on the disk are not below
//! the offsets that were given to records, so that a stop leaves them offline, to be repaired again. Where a log ends below these
//! offsets, it goes on behind. At last, if no partition needs them any more, the write-ahead logs are noted as such, and then those that are
//! damaged get another name.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::bail;

use super::directory_look::{DirectoryLook, Target, is_at, online, verdicts};
use super::partition_look::PartitionLook;
use super::partition_mend::{DAMAGED_SUFFIX, PartitionMend, begin_at};
use super::repair_plan::{Offsets, RepairPlan};
use crate::base::ids::{Offset, TopicPartition};
use crate::cli::storage::durable_files::{rename, sync_dir};
use crate::cli::storage::stopped_server::StoppedServer;
use crate::log::file_names::WAL_DIR;
use crate::log::{Checkpoint, DataDir};
use crate::rt;
use crate::shard::bring_to_segments;

/// What was done with a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// Where its log goes now.
    pub log_start: Offset,
    /// The offset of the next record.
    pub log_end: Offset,
    /// Files with what was taken out.
    pub kept: Vec<PathBuf>,
    /// What was passed over in write-ahead logs.
    pub passed_over: Vec<Offsets>,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Repaired {
    /// By partition.
    pub partitions: BTreeMap<TopicPartition, Mended>,
    /// Write-ahead log files that were damaged, by their new names.
    pub wals: Vec<PathBuf>,
    /// Why not all was done.
    pub left: Vec<String>,
}

/// Repairs what can be repaired.
pub fn repair(
    server: &StoppedServer,
    target: &Target,
    look: &DirectoryLook,
    plans: &[RepairPlan],
) -> anyhow::Result<Repaired> {
    let todo: Vec<(&PartitionLook, &RepairPlan)> = look
        .partitions
        .iter()
        .zip(plans)
        .filter(|(_, plan)| plan.can_be_repaired())
        .collect();
    check(target, look, plans)?;
    let mut repaired = Repaired::default();
    let data_dir = online(server.data_dirs(), &target.data_dir)?;
    for (partition, plan) in &todo {
        let kept = PartitionMend {
            look: partition,
            plan,
        }
        .run()?;
        // Below a recovery point recovery takes gaps.
        let checkpoint = Checkpoint::at_rest(partition.known.log_start, plan.segments_end);
        data_dir.salvage(partition.id, plan.goes_on_at);
        data_dir.note(partition.id, &partition.topic, checkpoint);
        let mended = Mended {
            kept,
            ..Mended::default()
        };
        repaired.partitions.insert(partition.id, mended);
    }
    if todo.is_empty() && look.wal_damage.is_empty() {
        return Ok(repaired);
    }
    rt::probe()?;
    let (dirs, image) = (server.data_dirs().clone(), server.image().clone());
    let offline = rt::run_on_shard(move || async move { bring_to_segments(dirs, &image).await })??;
    let offline: BTreeMap<TopicPartition, String> = offline
        .into_iter()
        .map(|(id, reason)| (id, reason.to_string()))
        .collect();
    for one in data_dir.passed_over() {
        if let Some(mended) = repaired.partitions.get_mut(&one.partition) {
            mended.passed_over.push(Offsets {
                from: one.from,
                to: one.to,
            });
        }
    }
    for (partition, plan) in &todo {
        if let Some(reason) = offline.get(&partition.id) {
            repaired.partitions.remove(&partition.id);
            let name = (&partition.topic, partition.id.partition);
            repaired
                .left
                .push(format!("{}-{} is still offline: {reason}", name.0, name.1));
            continue;
        }
        let ends = data_dir
            .checkpoint(partition.id, &partition.topic)
            .unwrap_or_default();
        let log_end = ends.recovery_point.max(plan.goes_on_at);
        if ends.recovery_point < log_end {
            begin_at(partition, log_end)?;
        }
        let log_start = ends.log_start.max(partition.known.log_start);
        let checkpoint = Checkpoint::at_rest(log_start, log_end);
        data_dir.note(partition.id, &partition.topic, checkpoint);
        data_dir.salvaged(partition.id);
        let mended = repaired.partitions.entry(partition.id).or_default();
        (mended.log_start, mended.log_end) = (log_start, log_end);
    }
    let needs_wals = server.image().topics().any(|topic| {
        (0..topic.partition_count()).any(|partition| {
            let id = TopicPartition {
                topic: topic.id(),
                partition,
            };
            let directory = server.data_dirs().by_id(topic.directory(partition));
            directory.is_none_or(|one| is_at(one, &target.data_dir)) && offline.contains_key(&id)
        })
    });
    if !needs_wals {
        data_dir.retire_recovered_wals();
    }
    data_dir.write_own_checkpoint()?;
    if !needs_wals {
        repaired.wals = set_aside_wals(data_dir, look)?;
    } else if !look.wal_damage.is_empty() {
        repaired
            .left
            .push("the write-ahead logs stay for partitions that are still offline".to_string());
    }
    confirm(server, &mut repaired)?;
    Ok(repaired)
}

/// Frames of write-ahead logs that are lost concern all partitions, and are only passed over for all of them.
fn check(target: &Target, look: &DirectoryLook, plans: &[RepairPlan]) -> anyhow::Result<()> {
    if !plans.iter().any(|plan| plan.lost_unknown) {
        return Ok(());
    }
    if target.partition.is_some() {
        bail!(
            "a write-ahead log is damaged, and nobody knows whose records it held: repair all partitions together, with 'corelane \
             storage repair {} --cut'; nothing was changed",
            target.data_dir.display()
        );
    }
    for (partition, plan) in look.partitions.iter().zip(plans) {
        if partition.verdict.is_err() && !plan.can_be_repaired() {
            bail!(
                "a write-ahead log is damaged, and {}-{}, which may need it, can't be repaired: {}; nothing was changed",
                partition.topic,
                partition.id.partition,
                plan.beyond.join("; ")
            );
        }
    }
    Ok(())
}

/// Gives the damaged write-ahead log files names that nobody looks for.
fn set_aside_wals(data_dir: &DataDir, look: &DirectoryLook) -> anyhow::Result<Vec<PathBuf>> {
    let spans = look.partitions.iter().flat_map(|partition| &partition.wal);
    let damaged = spans.filter(|span| !span.whole).map(|span| span.path.clone());
    let mut paths: Vec<PathBuf> = damaged
        .chain(look.wal_damage.iter().map(|damage| damage.path.clone()))
        .filter(|path| path.exists())
        .collect();
    paths.sort();
    paths.dedup();
    let mut aside = Vec::new();
    for path in paths {
        let name = PathBuf::from(format!("{}{DAMAGED_SUFFIX}", path.display()));
        rename(&path, &name)?;
        aside.push(name);
    }
    sync_dir(&data_dir.path().join(WAL_DIR))?;
    Ok(aside)
}

/// Sees what the next start would make of it.
fn confirm(server: &StoppedServer, repaired: &mut Repaired) -> anyhow::Result<()> {
    let all = server.data_dirs().all();
    let paths: Vec<PathBuf> = all.iter().map(|one| one.path().to_path_buf()).collect();
    let (_, verdicts) = verdicts(&paths, server.image())?;
    for (id, mended) in &repaired.partitions {
        match verdicts.get(id) {
            Some(Ok(ends)) if *ends == (mended.log_start, mended.log_end) => {}
            Some(Ok((start, end))) => bail!(
                "partition {} of topic id {} would have offsets {start} to {end} after the repair, and not {} to {}",
                id.partition,
                id.topic,
                mended.log_start,
                mended.log_end
            ),
            Some(Err(reason)) => repaired.left.push(format!(
                "partition {} of topic id {} is still offline: {reason}",
                id.partition, id.topic
            )),
            None => unreachable!("all partitions were looked at"),
        }
    }
    Ok(())
}
