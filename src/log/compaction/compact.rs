//! Compacts one partition: fills the map from the dirty part, then makes new segments of the old ones, group by group.

use super::clean_group::{Cleaning, RECORDS_PER_STEP, discard, open_batch};
use super::cleaner::CompactionState;
use super::filter::{LastOfProducer, Rules};
use super::group::{OldSegment, group_segments};
use super::key_map::KeyMap;
use super::segment_reader::SegmentReader;
use super::select::{Dirt, LogPlaces, SegmentFacts, dirt};
use super::swap::swap_in;
use super::throttle::Throttle;
use super::transactions::{Standing, Transactions};
use crate::base::ids::{Offset, ProducerId};
use crate::log::data_dir::CheckpointFiles;
use crate::log::file_names::SegmentFile;
use crate::log::partition::{PartitionLog, SegmentIndex};
use crate::log::{FileError, LogError};
use crate::rt::{self, disk};
use crate::wire::records::{BATCH_HEADER_BYTES, BatchHeader, BatchView};
use std::collections::HashMap;
use std::rc::Rc;

/// Says whether to stop: the partition is gone, or the shard closes.
pub(super) type Over<'a> = dyn Fn() -> bool + 'a;

/// Why a pass ended early.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It was told to stop, or the segments have changed meanwhile. What is done stays done.
    Over,
    Failed(LogError),
}

impl From<LogError> for Trouble {
    fn from(e: LogError) -> Trouble {
        Trouble::Failed(e)
    }
}

impl From<FileError> for Trouble {
    fn from(e: FileError) -> Trouble {
        Trouble::Failed(LogError::File(e))
    }
}

/// What a compaction has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// How often the map was filled.
    pub passes: usize,
    /// Bytes of the segments that were looked at.
    pub bytes_before: u64,
    /// Bytes of what has taken their place.
    pub bytes_after: u64,
}

/// The part of a partition that can be compacted now, if there is one.
pub(super) async fn find_dirt(log: &Rc<PartitionLog>, now_ms: i64) -> Result<Option<Dirt>, LogError> {
    look_up_ages(log).await?;
    let (facts, places) = facts(log);
    Ok(dirt(&facts, places, &log.config(), now_ms))
}

/// Compacts all of the dirty part, in as many passes as the memory for it makes necessary. Nobody else compacts or removes
/// segments of this partition meanwhile but retention, which ends it.
pub(super) async fn compact(
    log: &Rc<PartitionLog>,
    state: &CompactionState,
    over: &Over<'_>,
) -> Result<Outcome, Trouble> {
    let mut outcome = Outcome::default();
    loop {
        let now_ms = rt::wall_ms();
        let Some(dirt) = find_dirt(log, now_ms).await? else {
            return Ok(outcome);
        };
        let mut map = KeyMap::new(state.memory_bytes(), (dirt.until.0 - dirt.from.0) as u64);
        let done = pass(log, dirt, &mut map, now_ms, &state.throttle, over, &mut outcome).await;
        while map.release() {
            rt::yield_if_needed().await;
        }
        let compacted_below = done?;
        log.state.borrow_mut().compacted_below = compacted_below;
        let data_dir = &log.shard.options.data_dir;
        data_dir.note_compacted(log.id, &log.topic_name, compacted_below);
        data_dir.write_checkpoints(CheckpointFiles::Own).await?;
        if compacted_below >= dirt.until {
            return Ok(outcome);
        }
    }
}

/// One filling of the map, and all segments up to where it goes. Gives that place.
async fn pass(
    log: &Rc<PartitionLog>,
    dirt: Dirt,
    map: &mut KeyMap,
    now_ms: i64,
    throttle: &Throttle,
    over: &Over<'_>,
    outcome: &mut Outcome,
) -> Result<Offset, Trouble> {
    let segments = old_segments(log, dirt.until).await?;
    let until = fill_map(log, dirt, &segments, map, throttle, over).await?;
    let last_of_producer: HashMap<ProducerId, LastOfProducer> = {
        let state = log.state.borrow();
        let last = |(id, state): (ProducerId, &crate::log::ProducerState)| {
            let last = state.batches().last();
            let records = last.map(|batch| LastOfProducer::Records(batch.last_offset));
            (id, records.unwrap_or(LastOfProducer::Marker(state.epoch)))
        };
        state.producers.iter().map(last).collect()
    };
    // Recovery allows gaps only below the recovery point.
    log.note_checkpoint();
    let data_dir = &log.shard.options.data_dir;
    data_dir.write_checkpoints(CheckpointFiles::Own).await?;
    let config = log.config();
    let cleaning = Cleaning {
        log,
        rules: Rules {
            newest: map,
            until,
            last_of_producer: &last_of_producer,
            now_ms,
            delete_retention_ms: config.delete_retention_ms,
        },
        throttle,
        over,
    };
    outcome.passes += 1;
    let mut transactions = Transactions::new(log.aborted_transactions(Offset::ZERO..dirt.until));
    let count = segments.partition_point(|s| s.base < until);
    for group in group_segments(&segments[..count], config.segment_bytes) {
        let before: u64 = group.iter().map(|s| s.bytes).sum();
        outcome.bytes_before += before;
        match cleaning.clean(group, &mut transactions).await? {
            None => outcome.bytes_after += before,
            Some(cleaned) if over() => {
                discard(log, cleaned.base, cleaned.version).await;
                return Err(Trouble::Over);
            }
            Some(cleaned) => {
                outcome.bytes_after += cleaned.bytes;
                swap_in(log, group, cleaned).await?;
            }
        }
    }
    Ok(until)
}

/// Notes the newest offset of each key in the dirty part. Gives where it ended, if the map was full, else the part's end.
async fn fill_map(
    log: &PartitionLog,
    dirt: Dirt,
    segments: &[OldSegment],
    map: &mut KeyMap,
    throttle: &Throttle,
    over: &Over<'_>,
) -> Result<Offset, Trouble> {
    let mut transactions = Transactions::new(log.aborted_transactions(dirt.from..dirt.until));
    for segment in segments.iter().filter(|s| s.end > dirt.from) {
        let mut reader = SegmentReader::open(log, *segment, throttle).await?;
        while let Some(bytes) = reader.next(over).await? {
            if over() {
                return Err(Trouble::Over);
            }
            let batch = BatchView::parse(&bytes).map_err(|e| reader.bad_batch(&e))?;
            let header = batch.header();
            if header.next_offset() <= dirt.from
                || header.attributes.is_control()
                || transactions.records(header) == Standing::Aborted
            {
                continue;
            }
            let open = open_batch(batch).await.map_err(|e| reader.bad_batch(&e))?;
            for (index, record) in open.records().enumerate() {
                let record = record.map_err(|e| reader.bad_batch(&e))?;
                if let Some(key) = record.key
                    && record.offset >= dirt.from
                    && map.put(key, record.offset).is_err()
                {
                    return Ok(record.offset);
                }
                if index % RECORDS_PER_STEP == RECORDS_PER_STEP - 1 {
                    rt::yield_if_needed().await;
                }
            }
            rt::yield_if_needed().await;
        }
    }
    Ok(dirt.until)
}

/// The segments before `until`, all closed.
async fn old_segments(log: &PartitionLog, until: Offset) -> Result<Vec<OldSegment>, FileError> {
    let entries = disk::read_dir(&log.dir)
        .await
        .map_err(|e| FileError::new(&log.dir, "list", &e))?;
    let telling: Vec<Offset> = entries
        .iter()
        .filter(|e| e.len > 0)
        .filter_map(|e| SegmentFile::parse(&e.name))
        .filter(|(kind, _)| *kind == SegmentFile::TransactionIndex)
        .map(|(_, base)| base)
        .collect();
    let state = log.state.borrow();
    let ends = state.segments.iter().skip(1).map(|s| s.base);
    let closed = state.segments.iter().zip(ends).filter(|(_, end)| *end <= until);
    let segments = closed.map(|(segment, end)| OldSegment {
        base: segment.base,
        end,
        bytes: segment.bytes,
        version: segment.version,
        tells_aborted: telling.contains(&segment.base),
    });
    Ok(segments.collect())
}

fn facts(log: &PartitionLog) -> (Vec<SegmentFacts>, LogPlaces) {
    let state = log.state.borrow();
    let positions = &state.positions;
    let ends = state.segments.iter().skip(1).map(|s| s.base);
    let facts = state
        .segments
        .iter()
        .zip(ends.chain([positions.log_end]))
        .map(|(segment, end)| SegmentFacts {
            base: segment.base,
            end,
            bytes: segment.bytes,
            closed: matches!(segment.index, SegmentIndex::OnDisk),
            newest_ms: segment.newest_ms,
            first_ms: segment.first_timestamp_ms,
        });
    let places = LogPlaces {
        log_start: positions.log_start,
        compacted_below: state.compacted_below,
        stable_below: positions.last_stable.min(positions.durable_end),
    };
    (facts.collect(), places)
}

/// Reads from the files of closed segments what recovery did not read, if the topic's configs ask for it.
async fn look_up_ages(log: &Rc<PartitionLog>) -> Result<(), LogError> {
    let config = log.config();
    let (wants_newest, wants_first) = (
        config.min_compaction_lag_ms > 0,
        config.max_compaction_lag_ms < i64::MAX,
    );
    if !wants_newest && !wants_first {
        return Ok(());
    }
    let (facts, places) = facts(log);
    let from = super::select::first_dirty(&facts, &places);
    for segment in facts.iter().filter(|s| s.closed && s.end > from) {
        if wants_newest && segment.newest_ms.is_none() {
            let newest_ms = log.look_up_newest(segment.base).await?;
            if let Some(segment) = log.state.borrow_mut().segment_mut(segment.base) {
                segment.newest_ms = Some(newest_ms);
            }
        }
        if wants_first && segment.first_ms.is_none() && segment.bytes > 0 {
            look_up_first(log, segment.base).await?;
        }
    }
    Ok(())
}

async fn look_up_first(log: &PartitionLog, base: Offset) -> Result<(), LogError> {
    let version = log.state.borrow_mut().segment_mut(base).map(|s| s.version);
    let Some(version) = version else { return Ok(()) };
    let path = SegmentFile::Log.path(&log.dir, base);
    let file = log.shard.files.get(log.id, base, version, &path).await?;
    let read = file.read_at(0, BATCH_HEADER_BYTES).await;
    let bytes = read.map_err(|e| FileError::new(&path, "read", &e))?;
    // A damaged one is named when the segment is read.
    let first_ms = BatchHeader::parse(&bytes).map_or(-1, |header| header.max_timestamp);
    if let Some(segment) = log.state.borrow_mut().segment_mut(base) {
        segment.first_timestamp_ms = Some(first_ms);
    }
    Ok(())
}
