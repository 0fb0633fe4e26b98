//! What `corelane storage inspect` prints.

use std::path::Path;

use serde_json::{Value, json};

use crate::base::ids::{LeaderEpoch, Offset};
use crate::cli::output::{print_line, print_table};
use crate::cli::table::{Align, Table};
use crate::log::inspect::{End, IndexSeen, PartitionInspection, SegmentInspection};
use crate::wire::records::{BatchHeader, TimestampType};

/// One batch in a line.
pub fn batch_as_line(segment: Offset, header: &BatchHeader, position: u64) -> String {
    let mut line = format!(
        "{:020}.log byte {position}: offsets {} to {}, {} records, {} bytes, {}, epoch {}, timestamps up to {}",
        segment.0,
        header.base_offset,
        header.last_offset(),
        header.record_count,
        header.size_bytes(),
        codec(header),
        header.partition_leader_epoch,
        header.max_timestamp
    );
    if header.has_producer() {
        line += &format!(
            ", producer {} epoch {} sequence {} to {}",
            header.producer_id,
            header.producer_epoch,
            header.base_sequence,
            header.last_sequence()
        );
    }
    if header.attributes.is_transactional() {
        line += ", transactional";
    }
    if header.attributes.is_control() {
        line += ", control";
    }
    line
}

/// One batch for machines.
pub fn batch_as_json(segment: Offset, header: &BatchHeader, position: u64) -> Value {
    json!({
        "segment": segment.0,
        "position": position,
        "bytes": header.size_bytes(),
        "base_offset": header.base_offset.0,
        "last_offset": header.last_offset().0,
        "records": header.record_count,
        "codec": codec(header),
        "leader_epoch": header.partition_leader_epoch.0,
        "timestamp_type": match header.attributes.timestamp_type() {
            TimestampType::CreateTime => "CreateTime",
            TimestampType::LogAppendTime => "LogAppendTime",
        },
        "base_timestamp_ms": header.base_timestamp,
        "max_timestamp_ms": header.max_timestamp,
        "producer_id": header.producer_id.0,
        "producer_epoch": header.producer_epoch.0,
        "base_sequence": header.base_sequence,
        "last_sequence": header.last_sequence(),
        "transactional": header.attributes.is_transactional(),
        "control": header.attributes.is_control(),
        "delete_horizon_ms": header.delete_horizon_ms(),
    })
}

fn codec(header: &BatchHeader) -> &'static str {
    header
        .attributes
        .compression()
        .map_or("unknown", |codec| codec.name())
}

/// The whole for machines; the batches only if they were asked for.
pub fn as_json(path: &Path, inspection: &PartitionInspection, batches: Option<Vec<Value>>) -> Value {
    let epoch = |(epoch, start): &(LeaderEpoch, Offset)| json!({ "epoch": epoch.0, "start_offset": start.0 });
    let mut value = json!({
        "path": path.display().to_string(),
        "topic_id": inspection.topic_id.map(|id| id.to_string()),
        "first_offset": inspection.first_offset().map(|offset| offset.0),
        "next_offset": inspection.next_offset().map(|offset| offset.0),
        "records": inspection.records(),
        "bytes": inspection.log_bytes(),
        "leader_epochs": inspection.epochs.iter().map(epoch).collect::<Vec<_>>(),
        "segments": inspection.segments.iter().map(segment_as_json).collect::<Vec<_>>(),
        "producers": inspection.producers.iter().map(|(id, seen)| json!({
            "producer_id": id.0,
            "epoch": seen.epoch.0,
            "batches": seen.batches,
            "last_sequence": seen.last_sequence,
            "last_offset": seen.last_offset.0,
            "last_timestamp_ms": seen.last_timestamp_ms,
        })).collect::<Vec<_>>(),
        "snapshots": inspection.snapshots.iter().map(|seen| json!({
            "offset": seen.offset.0,
            "producers": seen.producers.ok(),
            "error": seen.producers.err(),
        })).collect::<Vec<_>>(),
        "damage": inspection.damage,
        "notes": inspection.notes,
    });
    if let Some(batches) = batches {
        value["batches"] = Value::Array(batches);
    }
    value
}

fn segment_as_json(segment: &SegmentInspection) -> Value {
    let index = |seen: &IndexSeen| match seen {
        IndexSeen::Missing => Value::Null,
        IndexSeen::Entries(entries) => json!({ "entries": entries }),
        IndexSeen::Wrong(what) => json!({ "error": what }),
    };
    json!({
        "base_offset": segment.base.0,
        "first_offset": segment.first_offset.map(|offset| offset.0),
        "next_offset": segment.next_offset.0,
        "batches": segment.batches,
        "records": segment.records,
        "bytes": segment.log_bytes,
        "offset_gaps": segment.gaps,
        "first_timestamp_ms": segment.timestamps_ms.map(|(first, _)| first),
        "max_timestamp_ms": segment.timestamps_ms.map(|(_, max)| max),
        "codecs": segment.codecs.iter().map(|codec| codec.name()).collect::<Vec<_>>(),
        "transactional_batches": segment.transactional_batches,
        "control_batches": segment.control_batches,
        "leader_epochs": segment.epochs.iter().map(|(epoch, _)| epoch.0).collect::<Vec<_>>(),
        "end": match &segment.end {
            End::Whole => json!({ "state": "whole" }),
            End::Zeros(bytes) => json!({ "state": "zeros", "bytes": bytes }),
            End::Bad { position, bytes, what } => {
                json!({ "state": "bad", "position": position, "bytes": bytes, "error": what })
            }
        },
        "index": index(&segment.offset_index),
        "timeindex": index(&segment.time_index),
    })
}

/// The whole for people.
pub fn print_human(inspection: &PartitionInspection) -> anyhow::Result<()> {
    let id = inspection
        .topic_id
        .map_or("unknown".to_string(), |id| id.to_string());
    let next = inspection.next_offset().unwrap_or_default();
    let offsets = match inspection.first_offset() {
        Some(first) => format!("offsets {first} to {}", next.0 - 1),
        None => format!("nothing before offset {next}"),
    };
    print_line(&format!(
        "topic id {id}, {offsets}, {} records, {} bytes in {} segments",
        inspection.records(),
        inspection.log_bytes(),
        inspection.segments.len()
    ))?;
    if !inspection.epochs.is_empty() {
        let epochs: Vec<String> = inspection
            .epochs
            .iter()
            .map(|(epoch, start)| format!("{epoch} from {start}"))
            .collect();
        print_line(&format!("leader epochs: {}", epochs.join(", ")))?;
    }
    print_line("")?;
    print_table(&segments_table(&inspection.segments))?;
    if !inspection.producers.is_empty() {
        print_line("")?;
        print_table(&producers_table(inspection))?;
    }
    if !inspection.snapshots.is_empty() {
        let snapshot = |seen: &crate::log::inspect::SnapshotSeen| match seen.producers {
            Ok(producers) => format!("{} with {producers}", seen.offset),
            Err(_) => format!("{} unusable", seen.offset),
        };
        let snapshots: Vec<String> = inspection.snapshots.iter().map(snapshot).collect();
        print_line(&format!("\nproducer snapshots: {}", snapshots.join(", ")))?;
    }
    for note in &inspection.notes {
        print_line(&format!("\nnote: {note}"))?;
    }
    for damage in &inspection.damage {
        print_line(&format!("\ndamage: {damage}"))?;
    }
    Ok(())
}

fn segments_table(segments: &[SegmentInspection]) -> Table {
    let mut table = Table::new(&[
        ("SEGMENT", Align::Right),
        ("NEXT", Align::Right),
        ("BATCHES", Align::Right),
        ("RECORDS", Align::Right),
        ("BYTES", Align::Right),
        ("GAPS", Align::Right),
        ("MAX TIMESTAMP", Align::Right),
        ("CODECS", Align::Left),
        ("INDEX", Align::Right),
        ("TIMEINDEX", Align::Right),
        ("END", Align::Left),
    ]);
    let index = |seen: &IndexSeen| match seen {
        IndexSeen::Missing => "-".to_string(),
        IndexSeen::Entries(entries) => entries.to_string(),
        IndexSeen::Wrong(_) => "wrong".to_string(),
    };
    for segment in segments {
        let codecs: Vec<&str> = segment.codecs.iter().map(|codec| codec.name()).collect();
        table.row(vec![
            segment.base.to_string(),
            segment.next_offset.to_string(),
            segment.batches.to_string(),
            segment.records.to_string(),
            segment.log_bytes.to_string(),
            segment.gaps.to_string(),
            segment
                .timestamps_ms
                .map_or("-".to_string(), |(_, max)| max.to_string()),
            codecs.join(","),
            index(&segment.offset_index),
            index(&segment.time_index),
            match &segment.end {
                End::Whole => "whole".to_string(),
                End::Zeros(bytes) => format!("{bytes} zeros"),
                End::Bad { position, .. } => format!("bad from byte {position}"),
            },
        ]);
    }
    table
}

fn producers_table(inspection: &PartitionInspection) -> Table {
    let mut table = Table::new(&[
        ("PRODUCER", Align::Right),
        ("EPOCH", Align::Right),
        ("BATCHES", Align::Right),
        ("LAST SEQUENCE", Align::Right),
        ("LAST OFFSET", Align::Right),
        ("LAST TIMESTAMP", Align::Right),
    ]);
    for (id, seen) in &inspection.producers {
        table.row(vec![
            id.to_string(),
            seen.epoch.to_string(),
            seen.batches.to_string(),
            seen.last_sequence.to_string(),
            seen.last_offset.to_string(),
            seen.last_timestamp_ms.to_string(),
        ]);
    }
    table
}
