//! What settings mean for a shard's logs.

use std::sync::Arc;

use crate::base::ids::ShardId;
use crate::base::limits::DISK_BLOCK_BYTES;
use crate::config::{CompressionType, Durability, Settings, TimestampType, TopicConfig};
use crate::log::{self, CompactionLimits, DataDir, ShardLogOptions};
use crate::wire::records::{Compression, CompressionTarget};

/// The part of the broker settings that a shard's log in one of `directories` data directories acts on: what a shard may
/// use is shared by its logs, what the server may use by the shards as well.
pub fn shard_log_options(
    settings: &Settings,
    data_dir: Arc<DataDir>,
    directories: usize,
    shard: ShardId,
    shards: u16,
) -> ShardLogOptions {
    let directories = directories.max(1);
    let defaults = ShardLogOptions::new(data_dir, shard);
    ShardLogOptions {
        wal_file_bytes: settings.wal_file_bytes.next_multiple_of(DISK_BLOCK_BYTES as u64),
        wal_files: settings.wal_files,
        check_crc_on_read: settings.check_crcs_on_read,
        disk_reserve_bytes: settings.disk_reserve_bytes,
        tail_bytes: settings.tail_memory_bytes / directories,
        read_cache_bytes: settings.read_cache_memory_bytes / directories,
        checkpoint_interval_ms: settings.log_flush_offset_checkpoint_interval_ms,
        retention_check_interval_ms: settings.log_retention_check_interval_ms,
        compaction: compaction_limits(settings, directories, shards),
        uncommitted_bytes: settings.tail_memory_bytes / directories / 2,
        producer_id_expiration_ms: settings.producer_id_expiration_ms.into(),
        ..defaults
    }
}

/// What compaction may use of a shard's log in one of `directories` data directories.
pub fn compaction_limits(settings: &Settings, directories: usize, shards: u16) -> CompactionLimits {
    let logs = usize::from(shards.max(1)) * directories.max(1);
    CompactionLimits {
        memory_bytes: (settings.log_cleaner_dedupe_buffer_size / logs as u64) as usize,
        bytes_per_second: settings.log_cleaner_io_max_bytes_per_second / logs as f64,
        interval_ms: settings.log_cleaner_backoff_ms,
    }
}

/// The part of a topic's configs that its logs act on. All numbers were checked when they were set.
pub fn topic_log_config(config: &TopicConfig) -> log::TopicLogConfig {
    log::TopicLogConfig {
        segment_bytes: config.segment_bytes.unsigned_abs().into(),
        segment_ms: config.segment_ms,
        segment_jitter_ms: config.segment_jitter_ms,
        segment_index_bytes: config.segment_index_bytes.unsigned_abs() as usize,
        index_interval_bytes: config.index_interval_bytes.unsigned_abs().into(),
        max_message_bytes: config.max_message_bytes.unsigned_abs() as usize,
        message_timestamp_type: match config.message_timestamp_type {
            TimestampType::CreateTime => crate::wire::records::TimestampType::CreateTime,
            TimestampType::LogAppendTime => crate::wire::records::TimestampType::LogAppendTime,
        },
        message_timestamp_before_max_ms: config.message_timestamp_before_max_ms,
        message_timestamp_after_max_ms: config.message_timestamp_after_max_ms,
        cleanup_policy: match (config.cleanup_policy.compact, config.cleanup_policy.delete) {
            (true, true) => log::CleanupPolicy::CompactAndDelete,
            (true, false) => log::CleanupPolicy::Compact,
            (false, true) => log::CleanupPolicy::Delete,
            (false, false) => log::CleanupPolicy::Keep,
        },
        retention_ms: config.retention_ms,
        retention_bytes: config.retention_bytes,
        compression: compression_target(config),
        file_delete_delay_ms: config.file_delete_delay_ms,
        min_cleanable_dirty_ratio: config.min_cleanable_dirty_ratio,
        min_compaction_lag_ms: config.min_compaction_lag_ms,
        max_compaction_lag_ms: config.max_compaction_lag_ms,
        delete_retention_ms: config.delete_retention_ms,
        durability: match config.durability {
            Durability::Durable => log::Durability::Durable,
            Durability::Relaxed => log::Durability::Relaxed,
        },
        flush_messages: config.flush_messages,
        preallocate: config.preallocate,
    }
}

fn compression_target(config: &TopicConfig) -> Option<CompressionTarget> {
    let (codec, level) = match config.compression_type {
        CompressionType::Producer => return None,
        CompressionType::Uncompressed => (Compression::None, None),
        CompressionType::Gzip => (Compression::Gzip, Some(config.compression_gzip_level)),
        CompressionType::Snappy => (Compression::Snappy, None),
        CompressionType::Lz4 => (Compression::Lz4, Some(config.compression_lz4_level)),
        CompressionType::Zstd => (Compression::Zstd, Some(config.compression_zstd_level)),
    };
    Some(CompressionTarget { codec, level })
}
