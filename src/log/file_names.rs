//! Names of the files in a data directory, as Apache Kafka has them.

use crate::base::ids::{Offset, TopicPartition};
use std::path::{Path, PathBuf};

/// Name of the file with a partition's topic id.
pub const PARTITION_METADATA: &str = "partition.metadata";
/// Name of the file with a partition's leader epochs.
pub const LEADER_EPOCH_CHECKPOINT: &str = "leader-epoch-checkpoint";
/// Name of the file that says whose a data directory is. Kafka's name and format.
pub const META_PROPERTIES: &str = "meta.properties";
/// Written at the end of an orderly shutdown, removed at start. Kafka's name and meaning.
pub const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
/// Recovery points and log starts by topic id: what recovery here relies on.
pub const OWN_CHECKPOINT: &str = "corelane-recovery-checkpoint";
/// End of what is known to be synced, per partition.
pub const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
/// First offset that still counts, per partition.
pub const LOG_STARTS: &str = "log-start-offset-checkpoint";
/// High watermarks, per partition.
pub const HIGH_WATERMARKS: &str = "replication-offset-checkpoint";
/// Up to where a log is compacted, per partition.
pub const COMPACTED: &str = "cleaner-offset-checkpoint";
/// A file that holds disk space for when the disk is full.
pub const RESERVE: &str = "corelane-reserve";
/// A file that is written to see whether the directory works.
pub const PROBE: &str = "corelane-probe";
/// Folder of the write-ahead logs in a data directory.
pub const WAL_DIR: &str = "wal";
/// Ends the name of a file that lists write-ahead log files which are not needed any more.
pub const OBSOLETE_SUFFIX: &str = ".obsolete";
/// Ends the name of a segment's file that is no longer part of the log and will be removed.
pub const DELETED_SUFFIX: &str = ".deleted";
/// Ends the name of a file that compaction is making: it counts for nothing yet.
pub const CLEANED_SUFFIX: &str = ".cleaned";
/// Ends the name of a file that compaction has made: it takes the place of the one without it.
pub const SWAP_SUFFIX: &str = ".swap";
/// Ends the name of a partition directory that is being deleted.
pub const DELETE_SUFFIX: &str = "-delete";
/// Ends the name of a partition directory that belongs to no partition known here.
pub const STRAY_SUFFIX: &str = "-stray";

/// Ends the name of a partition directory that is to take the place of the one in another data directory. Kafka's name.
pub const FUTURE_SUFFIX: &str = "-future";
/// Name of the file that says to which data directory, by its id, all of a partition was copied.
pub const MOVED_TO: &str = "corelane-moved-to";

/// What a file in a partition directory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentFile {
    /// Record batches.
    Log,
    /// Offset to file position.
    OffsetIndex,
    /// Timestamp to offset.
    TimeIndex,
    /// Producer state at an offset.
    ProducerSnapshot,
    /// Aborted transactions.
    TransactionIndex,
}

impl SegmentFile {
    /// All kinds.
    pub const ALL: [SegmentFile; 5] = [
        SegmentFile::Log,
        SegmentFile::OffsetIndex,
        SegmentFile::TimeIndex,
        SegmentFile::ProducerSnapshot,
        SegmentFile::TransactionIndex,
    ];

    fn extension(self) -> &'static str {
        match self {
            SegmentFile::Log => "log",
            SegmentFile::OffsetIndex => "index",
            SegmentFile::TimeIndex => "timeindex",
            SegmentFile::ProducerSnapshot => "snapshot",
            SegmentFile::TransactionIndex => "txnindex",
        }
    }

    /// The file's name for an offset: twenty digits and the extension.
    pub fn name(self, base: Offset) -> String {
        format!("{:020}.{}", base.0, self.extension())
    }

    /// The file's path for an offset.
    pub fn path(self, dir: &Path, base: Offset) -> PathBuf {
        dir.join(self.name(base))
    }

    /// The path of a file that compaction is making.
    pub fn cleaned_path(self, dir: &Path, base: Offset) -> PathBuf {
        dir.join(self.name(base) + CLEANED_SUFFIX)
    }

    /// The path of a file that compaction has made.
    pub fn swap_path(self, dir: &Path, base: Offset) -> PathBuf {
        dir.join(self.name(base) + SWAP_SUFFIX)
    }

    /// Reads a name back. `None` if it is not of a segment.
    pub fn parse(name: &str) -> Option<(SegmentFile, Offset)> {
        let (digits, extension) = name.split_once('.')?;
        if digits.len() != 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let base = digits.parse::<i64>().ok()?;
        let kind = SegmentFile::ALL
            .into_iter()
            .find(|kind| kind.extension() == extension)?;
        Some((kind, Offset(base)))
    }
}

/// Name of a partition's directory.
pub fn partition_dir(topic: &str, partition: i32) -> String {
    format!("{topic}-{partition}")
}

/// Name a partition's directory gets before it is removed: `<topic>-<partition>.<id>-delete`. Kafka puts a random
/// UUID there; the topic's id and the partition are as unique, and the topic's name is cut where the whole would
/// be longer than a file name may be.
pub fn doomed_dir(topic: &str, id: TopicPartition, suffix: &str) -> String {
    let unique: String = id.topic.0.iter().map(|b| format!("{b:02x}")).collect();
    let tail = format!("-{}.{unique}{suffix}", id.partition);
    let room = MAX_FILE_NAME_BYTES - tail.len();
    format!("{}{tail}", &topic[..topic.len().min(room)])
}

/// Longest name ext4 and xfs take.
const MAX_FILE_NAME_BYTES: usize = 255;

/// Which use of which write-ahead log file a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WalFileId {
    /// The server start that wrote it: see `DataDir::run`.
    pub run: u64,
    /// The shard that wrote it.
    pub shard: u16,
    /// Whether it is in the ring.
    pub kind: WalFileKind,
    /// Place in the shard's ring, from 0. A slot is used again and again.
    pub slot: u16,
}

/// What a write-ahead log file is to the ring of its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WalFileKind {
    /// Taken out of the ring and kept, because a partition whose segments failed has records in it.
    Pinned,
    /// Part of the ring.
    Ring,
}

impl WalFileKind {
    fn extension(self) -> &'static str {
        match self {
            WalFileKind::Pinned => "pinned",
            WalFileKind::Ring => "wal",
        }
    }
}

impl WalFileId {
    /// The file's name: run, shard and slot.
    pub fn name(self) -> String {
        format!(
            "{:016x}-{:04}-{:02}.{}",
            self.run,
            self.shard,
            self.slot,
            self.kind.extension()
        )
    }

    /// The same file, out of the ring.
    pub fn pinned(self) -> WalFileId {
        WalFileId {
            kind: WalFileKind::Pinned,
            ..self
        }
    }

    /// Reads a name back. `None` if it is not of a write-ahead log.
    pub fn parse(name: &str) -> Option<WalFileId> {
        let (numbers, extension) = name.split_once('.')?;
        let kinds = [WalFileKind::Pinned, WalFileKind::Ring];
        let kind = kinds.into_iter().find(|kind| kind.extension() == extension)?;
        let mut parts = numbers.split('-');
        let id = WalFileId {
            run: u64::from_str_radix(parts.next()?, 16).ok()?,
            shard: parts.next()?.parse().ok()?,
            kind,
            slot: parts.next()?.parse().ok()?,
        };
        (parts.next().is_none() && id.name() == name).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::TopicId;

    #[test]
    fn segment_names_are_kafkas() {
        assert_eq!(SegmentFile::Log.name(Offset(0)), "00000000000000000000.log");
        assert_eq!(
            SegmentFile::TimeIndex.name(Offset(170_210)),
            "00000000000000170210.timeindex"
        );
        for kind in SegmentFile::ALL {
            assert_eq!(
                SegmentFile::parse(&kind.name(Offset(i64::MAX))),
                Some((kind, Offset(i64::MAX)))
            );
        }
        for bad in [
            "0.log",
            "00000000000000000000.log.deleted",
            "99999999999999999999.log",
            "x",
            "",
        ] {
            assert_eq!(SegmentFile::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_name_of_a_doomed_directory_fits() {
        let id = TopicPartition {
            topic: TopicId([7; 16]),
            partition: 3,
        };
        let doomed = doomed_dir(&"t".repeat(249), id, DELETE_SUFFIX);
        assert!(doomed.len() <= MAX_FILE_NAME_BYTES && doomed.ends_with(DELETE_SUFFIX));
        assert_eq!(
            doomed_dir("t", id, DELETE_SUFFIX),
            "t-3.07070707070707070707070707070707-delete"
        );
    }

    #[test]
    fn wal_names_go_both_ways_and_sort_by_run() {
        let id = WalFileId {
            run: 12,
            shard: 3,
            kind: WalFileKind::Ring,
            slot: 1,
        };
        assert_eq!(id.name(), "000000000000000c-0003-01.wal");
        assert_eq!(WalFileId::parse(&id.name()), Some(id));
        assert_eq!(WalFileId::parse(&id.pinned().name()), Some(id.pinned()));
        assert_ne!(id.pinned().name(), id.name());
        for bad in [
            "c-3-1.wal",
            "000000000000000c-0003-01.wal.tmp",
            "a-b-c.wal",
            "000000000000000c-0003-01-1.wal",
        ] {
            assert_eq!(WalFileId::parse(bad), None, "{bad}");
        }
    }
}
