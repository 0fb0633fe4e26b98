//! What `corelane storage repair` prints.

use std::path::Path;

use serde_json::{Value, json};

use super::directory_look::{DirectoryLook, Target};
use super::directory_repair::{Mended, Repaired};
use super::partition_look::PartitionLook;
use super::repair_plan::{Offsets, RepairPlan, State};
use crate::cli::output::print_line;
use crate::log::Damage;

/// For machines.
pub fn as_json(
    target: &Target,
    look: &DirectoryLook,
    plans: &[RepairPlan],
    repaired: Option<&Repaired>,
) -> Value {
    let partitions = look.partitions.iter().zip(plans).map(|(partition, plan)| {
        let mended = repaired.and_then(|all| all.partitions.get(&partition.id));
        partition_as_json(partition, plan, mended)
    });
    json!({
        "data_dir": target.data_dir.display().to_string(),
        "checkpoint_damaged": look.checkpoint_is_damaged,
        "write_ahead_logs": look.wal_damage.iter().map(damage_as_json).collect::<Vec<_>>(),
        "partitions": partitions.collect::<Vec<_>>(),
        "changed": repaired.is_some(),
        "write_ahead_logs_kept_as": repaired.map(|all| paths(&all.wals)),
        "left": repaired.map_or(&[][..], |all| &all.left[..]),
    })
}

fn paths(all: &[std::path::PathBuf]) -> Vec<String> {
    all.iter().map(|path| path.display().to_string()).collect()
}

fn damage_as_json(damage: &Damage) -> Value {
    json!({
        "file": damage.path.display().to_string(),
        "position": damage.position,
        "offset": damage.offset.map(|offset| offset.0),
        "error": damage.what,
    })
}

fn offsets_as_json(all: &[Offsets]) -> Vec<Value> {
    all.iter()
        .map(|one| json!({ "from": one.from.0, "to": one.to.0 - 1 }))
        .collect()
}

fn partition_as_json(look: &PartitionLook, plan: &RepairPlan, mended: Option<&Mended>) -> Value {
    json!({
        "topic": &*look.topic,
        "topic_id": look.id.topic.to_string(),
        "partition": look.id.partition,
        "path": look.dir.display().to_string(),
        "state": state(plan.state),
        "reason": plan.reason,
        "places": plan.places.iter().map(|place| json!({
            "segment": place.base.0,
            "position": place.position,
            "bytes": place.bytes,
            "error": place.what,
            "offset": place.from.0,
            "goes_on_at": place.to.map(|to| to.0),
        })).collect::<Vec<_>>(),
        "rebuilt": look.to_rebuild.iter().map(|(path, what)| json!({
            "file": path.display().to_string(),
            "error": what,
        })).collect::<Vec<_>>(),
        "loses": offsets_as_json(&plan.lost),
        "may_lose_more": plan.lost_unknown,
        "keeps_records": plan.kept_records,
        "keeps_bytes": plan.kept_bytes,
        "from_write_ahead_logs": offsets_as_json(&plan.put_back),
        "next_offset": plan.goes_on_at.0,
        "beyond_repair": plan.beyond,
        "notes": plan.notes,
        "repaired": mended.map(|mended| json!({
            "log_start_offset": mended.log_start.0,
            "next_offset": mended.log_end.0,
            "passed_over": offsets_as_json(&mended.passed_over),
            "kept": paths(&mended.kept),
        })),
    })
}

fn state(state: State) -> &'static str {
    match state {
        State::Whole => "whole",
        State::Damaged => "damaged",
        State::Offline => "offline",
    }
}

/// What is wrong and what would be lost, for people.
pub fn print_plans(target: &Target, look: &DirectoryLook, plans: &[RepairPlan]) -> anyhow::Result<()> {
    let count = |state| plans.iter().filter(|plan| plan.state == state).count();
    print_line(&format!(
        "{}: {} partitions are whole, {} damaged, {} offline",
        target.data_dir.display(),
        count(State::Whole),
        count(State::Damaged),
        count(State::Offline)
    ))?;
    if look.checkpoint_is_damaged {
        print_line(
            "\ncorelane-recovery-checkpoint can't be read: the next start reads all segments to their ends instead, and writes it anew. \
             It is not known any more up to where records were synced",
        )?;
    }
    for damage in &look.wal_damage {
        print_line(&format!("\n{damage}"))?;
    }
    for (partition, plan) in look.partitions.iter().zip(plans) {
        print_plan(partition, plan)?;
    }
    Ok(())
}

fn print_plan(look: &PartitionLook, plan: &RepairPlan) -> anyhow::Result<()> {
    if plan.state == State::Whole && plan.notes.is_empty() && plan.beyond.is_empty() {
        return Ok(());
    }
    let name = format!("{}-{}", look.topic, look.id.partition);
    match (&plan.reason, plan.state) {
        (Some(reason), _) => print_line(&format!("\n{name}: offline: {reason}"))?,
        (None, State::Damaged) => print_line(&format!(
            "\n{name}: damaged: the server serves the rest, and answers CORRUPT_MESSAGE where it meets the damage"
        ))?,
        (None, _) => print_line(&format!("\n{name}: whole"))?,
    }
    for place in &plan.places {
        let behind = match place.to {
            Some(to) if to > place.from => format!("{} belong there", range(place.from.0, to.0)),
            Some(_) => "no offset is missing there".to_string(),
            None => format!("what follows from offset {} on", place.from),
        };
        print_line(&format!(
            "  {:020}.log, byte {}, {} bytes: {}; {behind}",
            place.base.0, place.position, place.bytes, place.what
        ))?;
    }
    for (path, what) in &look.to_rebuild {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        print_line(&format!("  {file}: {what}; it is made anew from the batches"))?;
    }
    for span in look.wal.iter().filter(|span| !span.whole) {
        print_line(&format!(
            "  {}, byte {}: {} in the write-ahead log are damaged",
            span.path.display(),
            span.position,
            range(span.from.0, span.to.0)
        ))?;
    }
    for note in &plan.notes {
        print_line(&format!("  note: {note}"))?;
    }
    for beyond in &plan.beyond {
        print_line(&format!("  not mended by this command: {beyond}"))?;
    }
    if plan.can_be_repaired() {
        print_line(&format!("  --cut loses {}", losses(plan)))?;
        let mut keeps = format!(
            "{} records, {} bytes in segments",
            plan.kept_records, plan.kept_bytes
        );
        if !plan.put_back.is_empty() {
            keeps += &format!("; {} from write-ahead logs", ranges(&plan.put_back));
        }
        print_line(&format!(
            "  --cut keeps {keeps}; the next record gets offset {}",
            plan.goes_on_at
        ))?;
    }
    Ok(())
}

fn losses(plan: &RepairPlan) -> String {
    match (plan.lost.is_empty(), plan.lost_unknown) {
        (true, false) => "nothing".to_string(),
        (false, false) => ranges(&plan.lost),
        (true, true) => "what the damaged write-ahead log held of it, which nobody knows: new records may get offsets that lost ones had"
            .to_string(),
        (false, true) => format!("{}, and what the damaged write-ahead log held, which nobody knows", ranges(&plan.lost)),
    }
}

fn ranges(all: &[Offsets]) -> String {
    let all: Vec<String> = all.iter().map(|one| range(one.from.0, one.to.0)).collect();
    all.join(", ")
}

fn range(from: i64, to: i64) -> String {
    match to - from {
        1 => format!("offset {from}"),
        _ => format!("offsets {from} to {}", to - 1),
    }
}

/// What was done, for people.
pub fn print_repaired(look: &DirectoryLook, repaired: &Repaired) -> anyhow::Result<()> {
    for partition in &look.partitions {
        let Some(mended) = repaired.partitions.get(&partition.id) else {
            continue;
        };
        print_line(&format!(
            "\n{}-{}: repaired: it has offsets {} to {}",
            partition.topic,
            partition.id.partition,
            mended.log_start,
            mended.log_end.0 - 1
        ))?;
        for path in &mended.kept {
            print_line(&format!("  what was taken out is in {}", path.display()))?;
        }
    }
    let said = |path: &Path| {
        print_line(&format!(
            "\nthe damaged write-ahead log is kept as {}",
            path.display()
        ))
    };
    repaired.wals.iter().try_for_each(|path| said(path))
}
