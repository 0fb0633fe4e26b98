//! All that a partition's directory holds, put together of its files.

use std::collections::BTreeMap;

use crate::base::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicId};
use crate::log::epoch_cache::EpochCache;
use crate::log::inspect::segment_inspection::{End, IndexSeen, SegmentInspection};
use crate::log::partition_metadata;
use crate::log::producer::decode_snapshot;
use crate::wire::records::BatchHeader;

/// What the batches say of a producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerSeen {
    /// Its last epoch.
    pub epoch: ProducerEpoch,
    /// Its batches.
    pub batches: u64,
    /// Sequence number of its last record, -1 if it is not known.
    pub last_sequence: i32,
    /// Offset of its last record.
    pub last_offset: Offset,
    /// Largest timestamp of its last batch in ms.
    pub last_timestamp_ms: i64,
}

/// What a producer snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotSeen {
    /// The offset in its name: it holds the producers as they were before that.
    pub offset: Offset,
    /// How many, or why it can't be used.
    pub producers: Result<usize, &'static str>,
}

/// What has been seen of a partition so far.
#[derive(Clone, Debug, Default)]
pub struct PartitionInspection {
    /// From `partition.metadata`.
    pub topic_id: Option<TopicId>,
    /// From `leader-epoch-checkpoint`: epochs, and where they begin.
    pub epochs: Vec<(LeaderEpoch, Offset)>,
    /// The segments, ascending.
    pub segments: Vec<SegmentInspection>,
    /// By their batches.
    pub producers: BTreeMap<ProducerId, ProducerSeen>,
    /// The producer snapshots, ascending.
    pub snapshots: Vec<SnapshotSeen>,
    /// What is damaged, for a person, with the file it is in.
    pub damage: Vec<String>,
    /// What looks odd and is mended by itself.
    pub notes: Vec<String>,
}

impl PartitionInspection {
    /// Takes the file `partition.metadata`.
    pub fn partition_metadata(&mut self, bytes: &[u8]) {
        match partition_metadata::parse(bytes) {
            Ok(id) => self.topic_id = Some(id),
            Err(_) => self
                .damage
                .push("partition.metadata: it names no topic id".to_string()),
        }
    }

    /// Takes the file `leader-epoch-checkpoint`.
    pub fn leader_epochs(&mut self, bytes: &[u8]) {
        match EpochCache::parse(bytes) {
            Ok(epochs) => self.epochs = epochs.entries().to_vec(),
            Err(_) => self
                .damage
                .push("leader-epoch-checkpoint: it can't be read".to_string()),
        }
    }

    /// Takes a producer snapshot.
    pub fn snapshot(&mut self, offset: Offset, bytes: &[u8]) {
        let producers = match decode_snapshot(bytes) {
            Ok(table) => Ok(table.iter().len()),
            Err(error) => {
                self.notes.push(format!(
                    "{:020}.snapshot: {}; the log is read instead",
                    offset.0, error.what
                ));
                Err(error.what)
            }
        };
        self.snapshots.push(SnapshotSeen { offset, producers });
    }

    /// Takes a good batch of the segment that is being looked through.
    pub fn batch(&mut self, header: &BatchHeader) {
        if !header.has_producer() {
            return;
        }
        let before = self.producers.get(&header.producer_id);
        let seen = ProducerSeen {
            epoch: header.producer_epoch,
            batches: before.map_or(0, |seen| seen.batches) + 1,
            // A transaction's marker has no sequence number, and takes none away.
            last_sequence: match before {
                Some(before) if header.attributes.is_control() => before.last_sequence,
                _ => header.last_sequence(),
            },
            last_offset: header.last_offset(),
            last_timestamp_ms: header.max_timestamp,
        };
        self.producers.insert(header.producer_id, seen);
    }

    /// Takes a segment, behind all that were taken before.
    pub fn segment(&mut self, segment: SegmentInspection, is_last: bool) {
        let file = |extension: &str| format!("{:020}.{extension}", segment.base.0);
        if let Some(before) = self.segments.last()
            && segment.base < before.next_offset
        {
            self.damage.push(format!(
                "{}: it begins before offset {}, where the segment before it ends",
                file("log"),
                before.next_offset
            ));
        }
        match &segment.end {
            End::Whole => {}
            // A segment that is written to, or was when its broker ended.
            End::Zeros(_) if is_last => {}
            End::Zeros(bytes) => self
                .damage
                .push(format!("{}: {bytes} bytes of zeros at its end", file("log"))),
            End::Bad {
                position,
                bytes,
                what,
            } => {
                let said = format!(
                    "{}: {what} at byte {position}, behind offset {}; {bytes} bytes can't be read",
                    file("log"),
                    segment.next_offset.0 - 1
                );
                self.damage.push(match is_last {
                    true => format!("{said} (a write cut short by a crash looks like this too)"),
                    false => said,
                });
            }
        }
        let indexes = [
            ("index", &segment.offset_index),
            ("timeindex", &segment.time_index),
        ];
        for (extension, index) in indexes {
            if let IndexSeen::Wrong(what) = index {
                self.notes.push(format!(
                    "{}: {what}; it can be made anew from the segment",
                    file(extension)
                ));
            }
        }
        self.segments.push(segment);
    }

    /// Offset of the first batch; `None` if there is no record.
    pub fn first_offset(&self) -> Option<Offset> {
        self.segments.iter().find_map(|segment| segment.first_offset)
    }

    /// The offset behind the last batch; `None` if there is no segment.
    pub fn next_offset(&self) -> Option<Offset> {
        self.segments.last().map(|segment| segment.next_offset)
    }

    /// Records of all segments.
    pub fn records(&self) -> u64 {
        self.segments.iter().map(|segment| segment.records).sum()
    }

    /// Bytes of all segments' `.log` files.
    pub fn log_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.log_bytes).sum()
    }
}
