//! The list of topic configs.

use crate::config::choices::{CleanupPolicy, CompressionType, Durability, TimestampType};
use crate::config::setting_spec::Allowed;
use crate::config::settings_macro::settings;

settings! {
    /// The configs of one topic, resolved: what the topic says itself, else what the broker settings named behind
    /// `else` say, else the default.
    pub struct TopicConfig of Topic {
        /// What happens to old records: `delete` removes old segments by time and size, `compact` keeps the newest
        /// record of each key, both may be given, and an empty list keeps everything.
        cleanup_policy: CleanupPolicy = "cleanup.policy", List,
            default Some("delete"), allowed Allowed::ListOf(CleanupPolicy::NAMES), Dynamic,
            else ["log.cleanup.policy" * 1];
        /// Compression level for gzip, -1 is the codec's own default.
        compression_gzip_level: i32 = "compression.gzip.level", Int,
            default Some("-1"), allowed Allowed::MinusOneOrBetween(1, 9), Dynamic,
            else ["compression.gzip.level" * 1];
        /// Compression level for lz4. Taken and shown, without effect: this server has lz4's fastest level only.
        compression_lz4_level: i32 = "compression.lz4.level", Int,
            default Some("9"), allowed Allowed::Between(1, 17), Dynamic,
            else ["compression.lz4.level" * 1];
        /// How batches are compressed on disk. `producer` keeps them as the producer sent them.
        compression_type: CompressionType = "compression.type", String,
            default Some("producer"), allowed Allowed::OneOf(CompressionType::NAMES), Dynamic,
            else ["compression.type" * 1];
        /// Compression level for zstd.
        compression_zstd_level: i32 = "compression.zstd.level", Int,
            default Some("3"), allowed Allowed::Between(-131_072, 22), Dynamic,
            else ["compression.zstd.level" * 1];
        /// How long, in milliseconds, a compacted topic keeps the record that says a key is deleted, so that a
        /// consumer that reads from the start sees it.
        delete_retention_ms: i64 = "delete.retention.ms", Long,
            default Some("86400000"), allowed Allowed::AtLeast(0), Dynamic,
            else ["log.cleaner.delete.retention.ms" * 1];
        /// When produced records are acknowledged: `durable` after they are on disk, `relaxed` when they are in
        /// memory, as Apache Kafka does by default. What was acknowledged relaxed, a crash may lose.
        durability: Durability = "durability", String,
            default Some("durable"), allowed Allowed::OneOf(Durability::NAMES), Dynamic,
            else ["durability" * 1];
        /// How long, in milliseconds, a file stays on disk after it was deleted from the log.
        file_delete_delay_ms: i64 = "file.delete.delay.ms", Long,
            default Some("60000"), allowed Allowed::AtLeast(0), Dynamic,
            else ["log.segment.delete.delay.ms" * 1];
        /// Records after which the log is forced to disk. Of interest only with `durability` relaxed, where fewer than this
        /// many are acknowledged before they are on disk: a durable topic is forced to disk before each acknowledgement.
        flush_messages: i64 = "flush.messages", Long,
            default Some("9223372036854775807"), allowed Allowed::AtLeast(1), Dynamic,
            else ["log.flush.interval.messages" * 1];
        /// Milliseconds after which the log is forced to disk. Taken and shown, without effect: with `durability` relaxed as
        /// well, records are on their way to the disk as soon as the write before is done.
        flush_ms: i64 = "flush.ms", Long,
            default Some("9223372036854775807"), allowed Allowed::AtLeast(0), Dynamic,
            else ["log.flush.interval.ms" * 1];
        /// Bytes of log between two entries of the offset index.
        index_interval_bytes: i32 = "index.interval.bytes", Int,
            default Some("4096"), allowed Allowed::AtLeast(0), Dynamic,
            else ["log.index.interval.bytes" * 1];
        /// Longest time, in milliseconds, that a record of a compacted topic stays out of compaction.
        max_compaction_lag_ms: i64 = "max.compaction.lag.ms", Long,
            default Some("9223372036854775807"), allowed Allowed::AtLeast(1), Dynamic,
            else ["log.cleaner.max.compaction.lag.ms" * 1];
        /// Largest record batch, in bytes as it is sent (compressed, if it is).
        max_message_bytes: i32 = "max.message.bytes", Int,
            default Some("1048588"), allowed Allowed::AtLeast(0), Dynamic,
            else ["message.max.bytes" * 1];
        /// How far, in milliseconds, a producer's timestamp may be ahead of the broker's clock. Only for
        /// `message.timestamp.type` CreateTime.
        message_timestamp_after_max_ms: i64 = "message.timestamp.after.max.ms", Long,
            default Some("3600000"), allowed Allowed::AtLeast(0), Dynamic,
            else ["log.message.timestamp.after.max.ms" * 1];
        /// How far, in milliseconds, a producer's timestamp may be behind the broker's clock. Only for
        /// `message.timestamp.type` CreateTime.
        message_timestamp_before_max_ms: i64 = "message.timestamp.before.max.ms", Long,
            default Some("9223372036854775807"), allowed Allowed::AtLeast(0), Dynamic,
            else ["log.message.timestamp.before.max.ms" * 1];
        /// Whose clock a record's timestamp is from: the producer's (CreateTime) or the broker's (LogAppendTime).
        message_timestamp_type: TimestampType = "message.timestamp.type", String,
            default Some("CreateTime"), allowed Allowed::OneOf(TimestampType::NAMES), Dynamic,
            else ["log.message.timestamp.type" * 1];
        /// Share of a compacted log that must be new before it is compacted again.
        min_cleanable_dirty_ratio: f64 = "min.cleanable.dirty.ratio", Double,
            default Some("0.5"), allowed Allowed::RatioBetween(0.0, 1.0), Dynamic,
            else ["log.cleaner.min.cleanable.ratio" * 1];
        /// Shortest time, in milliseconds, that a record of a compacted topic stays out of compaction.
        min_compaction_lag_ms: i64 = "min.compaction.lag.ms", Long,
            default Some("0"), allowed Allowed::AtLeast(0), Dynamic,
            else ["log.cleaner.min.compaction.lag.ms" * 1];
        /// Replicas that must be in sync for a produce with acks=all to be taken. As in Kafka, more than a partition has are
        /// not asked for: with the one replica that partitions have on one server, it has no effect.
        min_insync_replicas: i32 = "min.insync.replicas", Int,
            default Some("1"), allowed Allowed::AtLeast(1), Dynamic,
            else ["min.insync.replicas" * 1];
        /// Whether a new segment file gets its disk space at once. The file's length does not show it.
        preallocate: bool = "preallocate", Boolean,
            default Some("false"), allowed Allowed::Any, Dynamic,
            else ["log.preallocate" * 1];
        /// Size in bytes that a partition may have before its oldest segments are deleted. -1: no limit.
        retention_bytes: i64 = "retention.bytes", Long,
            default Some("-1"), allowed Allowed::Any, Dynamic,
            else ["log.retention.bytes" * 1];
        /// Age in milliseconds that a segment may have before it is deleted. -1: no limit.
        retention_ms: i64 = "retention.ms", Long,
            default Some("604800000"), allowed Allowed::AtLeast(-1), Dynamic,
            else ["log.retention.ms" * 1, "log.retention.minutes" * 60_000, "log.retention.hours" * 3_600_000];
        /// Size in bytes at which a segment is closed and a new one begun.
        segment_bytes: i32 = "segment.bytes", Int,
            default Some("1073741824"), allowed Allowed::AtLeast(1_048_576), Dynamic,
            else ["log.segment.bytes" * 1];
        /// Size in bytes at which a segment's index is full, which closes the segment.
        segment_index_bytes: i32 = "segment.index.bytes", Int,
            default Some("10485760"), allowed Allowed::AtLeast(4), Dynamic,
            else ["log.index.size.max.bytes" * 1];
        /// Up to how many milliseconds, by chance, a segment is closed earlier, so that not all of them close at once.
        segment_jitter_ms: i64 = "segment.jitter.ms", Long,
            default Some("0"), allowed Allowed::AtLeast(0), Dynamic,
            else ["log.roll.jitter.ms" * 1, "log.roll.jitter.hours" * 3_600_000];
        /// Age in milliseconds at which a segment is closed and a new one begun.
        segment_ms: i64 = "segment.ms", Long,
            default Some("604800000"), allowed Allowed::AtLeast(1), Dynamic,
            else ["log.roll.ms" * 1, "log.roll.hours" * 3_600_000];
        /// Whether a replica that is not in sync may become leader when no other is left, losing records. It has no
        /// effect as long as partitions have one replica, which is always in sync.
        unclean_leader_election_enable: bool = "unclean.leader.election.enable", Boolean,
            default Some("false"), allowed Allowed::Any, Dynamic,
            else ["unclean.leader.election.enable" * 1];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layers, Overrides, Scope, Settings, StaticSettings};

    #[test]
    fn names_are_unique_and_synonyms_are_broker_settings_of_the_same_type() {
        for (at, spec) in TopicConfig::SPECS.iter().enumerate() {
            assert!(
                TopicConfig::SPECS[..at]
                    .iter()
                    .all(|other| other.name != spec.name),
                "{} twice",
                spec.name
            );
            assert_eq!(spec.scope, Scope::Topic);
            assert!(!spec.synonyms.is_empty(), "{}", spec.name);
            for synonym in spec.synonyms {
                let broker = Settings::spec(synonym.name).unwrap_or_else(|| panic!("{}", synonym.name));
                assert!(
                    broker.kind == spec.kind || synonym.factor != 1,
                    "{}",
                    synonym.name
                );
            }
        }
    }

    #[test]
    fn defaults_are_the_same_on_both_levels() {
        let none = Overrides::new();
        let fixed = StaticSettings::default();
        let layers = Layers {
            node: &none,
            default: &none,
            fixed: &fixed,
        };
        let resolved = layers.topic_config(&none);
        let declared = TopicConfig::resolve(|spec| spec.default.map(str::to_string));
        assert_eq!(resolved, declared);
        for spec in TopicConfig::SPECS {
            let normal = spec
                .normalize(spec.default.expect("topic configs have defaults"))
                .expect(spec.name);
            assert_eq!(Some(normal.as_str()), spec.default, "{}", spec.name);
            for synonym in spec.synonyms {
                let broker = Settings::spec(synonym.name).expect("tested above");
                if let Some(default) = broker.default {
                    let scaled = match default.parse::<i64>() {
                        Ok(number) if synonym.factor != 1 => (number * synonym.factor).to_string(),
                        _ => default.to_string(),
                    };
                    assert_eq!(Some(scaled.as_str()), spec.default, "{}", spec.name);
                }
            }
        }
    }
}
