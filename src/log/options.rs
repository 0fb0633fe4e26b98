//! What a shard's log and a topic's log can be told.

use crate::base::ids::{LeaderEpoch, Offset, ShardId, TopicId, TopicPartition};
use crate::log::DataDir;
use crate::wire::records::{CompressionTarget, TimestampType};
use std::sync::Arc;

/// When an append is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When it is durable on this server's disk.
    #[default]
    Durable,
    /// At once, as Apache Kafka does by default: what was not durable yet is lost if the machine stops.
    Relaxed,
}

/// Kafka's `cleanup.policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CleanupPolicy {
    /// Old segments are deleted.
    Delete,
    /// The newest record of each key is kept.
    Compact,
    /// Both.
    CompactAndDelete,
    /// Neither: everything is kept, unless it is asked to be deleted.
    Keep,
}

impl CleanupPolicy {
    /// Whether records need a key.
    pub fn compacts(self) -> bool {
        matches!(self, CleanupPolicy::Compact | CleanupPolicy::CompactAndDelete)
    }

    /// Whether old segments are deleted by time and size.
    pub fn deletes(self) -> bool {
        matches!(self, CleanupPolicy::Delete | CleanupPolicy::CompactAndDelete)
    }
}

/// The configs of a topic that its logs act on, resolved: Kafka's names, Kafka's defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicLogConfig {
    /// `segment.bytes`.
    pub segment_bytes: u64,
    /// `segment.ms`: a segment older than this is closed by the next append.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: each segment is closed earlier by up to this, so that not all close at once.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`: a segment whose index would be larger is closed.
    pub segment_index_bytes: usize,
    /// `index.interval.bytes`: how far apart index entries are at least.
    pub index_interval_bytes: u64,
    /// `max.message.bytes`: the largest batch a producer may send.
    pub max_message_bytes: usize,
    /// `message.timestamp.type`.
    pub message_timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how far a record's timestamp may lie in the past.
    pub message_timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far a record's timestamp may lie in the future.
    pub message_timestamp_after_max_ms: i64,
    /// `cleanup.policy`.
    pub cleanup_policy: CleanupPolicy,
    /// `retention.ms`, -1 for no limit.
    pub retention_ms: i64,
    /// `retention.bytes`, -1 for no limit.
    pub retention_bytes: i64,
    /// `compression.type` with its level: what batches are brought to before the append. `None`: they stay as the producer
    /// sent them.
    pub compression: Option<CompressionTarget>,
    /// `file.delete.delay.ms`: how long a deleted segment's files stay on the disk.
    pub file_delete_delay_ms: i64,
    /// `min.cleanable.dirty.ratio`: a log is compacted when more than this share of it is new.
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`: segments with a younger record are not compacted.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`: a log with an older record that is new is compacted, whatever its share.
    pub max_compaction_lag_ms: i64,
    /// `delete.retention.ms`: how long a tombstone stays after the first compaction that met it.
    pub delete_retention_ms: i64,
    /// Corelane's `durability`.
    pub durability: Durability,
    /// `flush.messages`: how many records of a relaxed topic are acknowledged at most before they are durable, and one more.
    pub flush_messages: i64,
    /// `preallocate`: whether a new segment's file gets its disk space at once.
    pub preallocate: bool,
}

impl TopicLogConfig {
    /// How long a segment is appended to, in ms. One that is to be compacted within a time must be closed within it.
    pub(super) fn longest_segment_ms(&self) -> i64 {
        match self.cleanup_policy.compacts() {
            true => self.segment_ms.min(self.max_compaction_lag_ms),
            false => self.segment_ms,
        }
    }

    /// What has to be durable before the records below `next_offset` are acknowledged.
    pub(super) fn durable_before_acknowledging(&self, next_offset: Offset) -> Offset {
        match self.durability {
            Durability::Durable => next_offset,
            Durability::Relaxed => Offset(
                next_offset
                    .0
                    .saturating_sub(self.flush_messages.saturating_sub(1)),
            ),
        }
    }
}

impl Default for TopicLogConfig {
    fn default() -> Self {
        TopicLogConfig {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 3600 * 1000,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            max_message_bytes: 1024 * 1024 + 12,
            message_timestamp_type: TimestampType::CreateTime,
            message_timestamp_before_max_ms: i64::MAX,
            message_timestamp_after_max_ms: 3600 * 1000,
            cleanup_policy: CleanupPolicy::Delete,
            retention_ms: 7 * 24 * 3600 * 1000,
            retention_bytes: -1,
            compression: None,
            file_delete_delay_ms: 60_000,
            min_cleanable_dirty_ratio: 0.5,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            delete_retention_ms: 24 * 3600 * 1000,
            durability: Durability::Durable,
            flush_messages: i64::MAX,
            preallocate: false,
        }
    }
}

/// A partition a shard has to have.
#[derive(Clone, Debug)]
pub struct PartitionSpec {
    /// The topic's id.
    pub topic_id: TopicId,
    /// The topic's name, which its directory carries.
    pub topic_name: Arc<str>,
    /// Index of the partition in its topic.
    pub partition: i32,
    /// The epoch in which this server leads the partition; appended batches carry it.
    pub leader_epoch: LeaderEpoch,
    /// The topic's configs.
    pub config: Arc<TopicLogConfig>,
}

impl PartitionSpec {
    /// The partition by its topic's id.
    pub fn id(&self) -> TopicPartition {
        TopicPartition {
            topic: self.topic_id,
            partition: self.partition,
        }
    }
}

/// What one shard's log is made of.
#[derive(Clone, Debug)]
pub struct ShardLogOptions {
    /// The directory all partitions are in; opened once per process and shared by its shards.
    pub data_dir: Arc<DataDir>,
    /// This shard.
    pub shard: ShardId,
    /// Size of one write-ahead log file, in bytes; a multiple of 4096.
    pub wal_file_bytes: u64,
    /// How many of them there are in the shard's ring; at least 2.
    pub wal_files: u16,
    /// How many writes of the write-ahead log may be in flight at once.
    pub wal_writes_in_flight: usize,
    /// A partition with this much queued skips the write-ahead log.
    pub direct_run_bytes: usize,
    /// A tail with this much not yet in its segment is written there.
    pub flush_bytes: usize,
    /// So is one that has waited this long, in milliseconds.
    pub flush_interval_ms: u64,
    /// How many segments are written at the same time.
    pub segment_writes_in_flight: usize,
    /// Memory for what was appended last: queued, in flight, and kept for readers at the tail. Bytes.
    pub tail_bytes: usize,
    /// Memory for what was read from disk. Bytes.
    pub read_cache_bytes: usize,
    /// Appends are refused while this much is not durable. Bytes.
    pub uncommitted_bytes: usize,
    /// Disk space kept for offsets and metadata on a full disk, in bytes; less on a small disk.
    pub disk_reserve_bytes: u64,
    /// How many segment files stay open for reading and writing.
    pub open_files: usize,
    /// How often the checkpoint files are written, in milliseconds. Kafka's
    /// `log.flush.offset.checkpoint.interval.ms`.
    pub checkpoint_interval_ms: u64,
    /// So is our own when this much was synced to segments since, in bytes: recovery reads that again. A large file is written less
    /// often: when this much was synced for each MiB it has.
    pub checkpoint_bytes: u64,
    /// How far a segment grows until its index files are written again, and, if it has many producers, their snapshot, in bytes.
    pub scan_files_step_bytes: u64,
    /// How often partitions are looked at for segments that have lived long enough, in milliseconds. Kafka's
    /// `log.retention.check.interval.ms`.
    pub retention_check_interval_ms: u64,
    /// What compaction may use at first: see `ShardLog::set_compaction_limits`.
    pub compaction: CompactionLimits,
    /// Whether a batch read from disk has its CRC checked before it is handed out.
    pub check_crc_on_read: bool,
    /// How long a producer that writes nothing is remembered, in milliseconds. Kafka's `producer.id.expiration.ms`.
    pub producer_id_expiration_ms: i64,
    /// So many partitions are brought to their segments and closed at a stop, however long that takes.
    pub stop_closes_at_least: usize,
    /// The others too if all are done within this time, in milliseconds; else their records stay in the write-ahead log.
    pub stop_within_ms: u64,
}

/// What compaction may use of a shard. It may change at any time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompactionLimits {
    /// Memory for the keys of a partition that is compacted, in bytes: taken while that lasts. Kafka's
    /// `log.cleaner.dedupe.buffer.size`, of which each shard has its share.
    pub memory_bytes: usize,
    /// How many bytes it may read and write in a second. Kafka's `log.cleaner.io.max.bytes.per.second`, as above.
    pub bytes_per_second: f64,
    /// How often partitions are looked at, in milliseconds. Kafka's `log.cleaner.backoff.ms`.
    pub interval_ms: u64,
}

impl ShardLogOptions {
    /// The defaults for a shard of a data directory.
    pub fn new(data_dir: Arc<DataDir>, shard: ShardId) -> ShardLogOptions {
        ShardLogOptions {
            data_dir,
            shard,
            wal_file_bytes: 64 << 20,
            wal_files: 4,
            wal_writes_in_flight: 2,
            direct_run_bytes: 256 << 10,
            flush_bytes: 1 << 20,
            flush_interval_ms: 5_000,
            segment_writes_in_flight: 8,
            tail_bytes: 256 << 20,
            read_cache_bytes: 64 << 20,
            uncommitted_bytes: 128 << 20,
            disk_reserve_bytes: 64 << 20,
            open_files: 512,
            checkpoint_interval_ms: 60_000,
            // Read in a tenth of a second.
            checkpoint_bytes: 64 << 20,
            // A guess: the files are synced, four flushes of the disk in all; and without an index the first lookup after a crash
            // reads this much, some 20 ms.
            scan_files_step_bytes: 16 << 20,
            retention_check_interval_ms: 300_000,
            compaction: CompactionLimits {
                memory_bytes: 32 << 20,
                bytes_per_second: f64::MAX,
                interval_ms: 15_000,
            },
            check_crc_on_read: true,
            producer_id_expiration_ms: 24 * 3600 * 1000,
            // A second or less.
            stop_closes_at_least: 256,
            // Kubernetes kills what has not stopped after 30 s, and a restart is to be short.
            stop_within_ms: 5_000,
        }
    }
}
