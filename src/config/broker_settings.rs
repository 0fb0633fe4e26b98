//! The list of broker settings.

use crate::base::limits::MAX_FRAME_BYTES;
use crate::config::choices::{CleanupPolicy, CompressionType, Durability, TimestampType};
use crate::config::cpu_list::CpuList;
use crate::config::listen_address::ListenAddress;
use crate::config::setting_spec::{Allowed, split_list};
use crate::config::settings_macro::settings;

/// Largest server id whose node ids fit in Kafka's 32 bits.
const MAX_SERVER_ID: i64 = (i32::MAX as i64 - 999) / 1000;

settings! {
    /// The settings of one node, resolved: what admin requests set on this node, else what they set for all nodes,
    /// else what the settings file and the command line say, else the default.
    pub struct Settings of Broker {
        /// Number of this server in its cluster. Node ids are this times 1000 plus the shard. It can't change once
        /// the data directory is in use.
        server_id: i32 = "server_id", Int,
            default Some("0"), allowed Allowed::Between(0, MAX_SERVER_ID), Restart;
        /// Addresses to listen on, HOST:PORT, several separated by commas. Shard n listens on the port n further on.
        /// `localhost` means both 127.0.0.1 and ::1, `[::]` all addresses of IPv6 and IPv4. Port 0 finds a free range.
        listen: Vec<ListenAddress> = "listen", List,
            default Some("localhost:9092"),
            allowed Allowed::Checked(|item| ListenAddress::parse(item).is_some(), "HOST:PORT, an IPv6 address in brackets"),
            Restart;
        /// Host name or address that clients are told to connect to. Without it each client is told the address by
        /// which it has reached the server, which is right unless addresses are translated on the way.
        advertised_host: Option<String> = "advertised_host", String,
            default None, allowed Allowed::Checked(|host| !host.is_empty(), "a host name or an address"), Restart;
        /// Port of shard 0 that clients are told, shard n is n further on. Without it the port they have reached.
        advertised_port: Option<u16> = "advertised_port", Int,
            default None, allowed Allowed::Between(1, 65_535), Restart;
        /// Directory for all data. It needs a file system with direct I/O (ext4, xfs, btrfs; not tmpfs before
        /// Linux 6.6).
        data_dir: String = "data_dir", String,
            default Some("./corelane-data"), allowed Allowed::Checked(|path| !path.is_empty(), "a path"), Restart;
        /// Directories for all data, several separated by commas, or a list. Without it the one that `data_dir` says. New
        /// partitions go to the one that has the fewest. The first of them gets the metadata at the first start; wherever in
        /// the list it stands later, it can't be done without. Each has its own write-ahead logs.
        data_dirs: Vec<String> = "data_dirs", String,
            default Some(""),
            allowed Allowed::Checked(|list| split_list(list).iter().all(|path| !path.is_empty()), "paths, separated by commas"),
            Restart;
        /// Number of shards: cores that serve, each with its own port. Without it one for each CPU the process may use.
        shards: Option<u16> = "shards", Int,
            default None, allowed Allowed::Between(1, 1000), Restart;
        /// CPUs to run the shards on, like 0-3,6. Without it those the process may use.
        cpus: Option<CpuList> = "cpus", String,
            default None, allowed Allowed::Checked(|list| CpuList::parse(list).is_some(), "CPU numbers and ranges, like 0-3,6"),
            Restart;
        /// What is logged to standard error: a level (error, warn, info, debug, trace), or levels by part, like
        /// info,corelane::log=debug.
        logging: String = "logging", String,
            default Some("info"), allowed Allowed::Any, Restart;
        /// When produced records are acknowledged: `durable` after they are on disk, `relaxed` when they are in
        /// memory, as Apache Kafka does by default. What was acknowledged relaxed, a crash may lose.
        durability: Durability = "durability", String,
            default Some("durable"), allowed Allowed::OneOf(Durability::NAMES), Dynamic;
        /// Memory per shard, in bytes, for requests that are being received, and records that wait for the disk. When
        /// it is used up, sockets are not read until some is free.
        request_memory_bytes: usize = "request_memory_bytes", Long,
            default Some("268435456"), allowed Allowed::AtLeast(MAX_FRAME_BYTES as i64), Restart;
        /// Memory per shard, in bytes, for answers to fetches that are being sent.
        fetch_memory_bytes: usize = "fetch_memory_bytes", Long,
            default Some("134217728"), allowed Allowed::AtLeast(MAX_FRAME_BYTES as i64), Restart;
        /// Memory per shard, in bytes, for the newest records of all partitions, those not yet in their segments and
        /// those kept for consumers that read along.
        tail_memory_bytes: usize = "tail_memory_bytes", Long,
            default Some("268435456"), allowed Allowed::AtLeast(16_777_216), Restart;
        /// Memory per shard, in bytes, for records read back from disk.
        read_cache_memory_bytes: usize = "read_cache_memory_bytes", Long,
            default Some("67108864"), allowed Allowed::AtLeast(0), Restart;
        /// Size in bytes of one write-ahead log file.
        wal_file_bytes: u64 = "wal_file_bytes", Long,
            default Some("67108864"), allowed Allowed::Between(8_388_608, 1_073_741_824), Restart;
        /// Write-ahead log files that each shard uses in turn.
        wal_files: u16 = "wal_files", Int,
            default Some("4"), allowed Allowed::Between(2, 64), Restart;
        /// Disk space, in bytes, kept for when the disk is full: group offsets, checkpoints and changes of the cluster, such as
        /// the deletion of a topic, use it then. Produced records are refused before it is touched, with a retriable error, and
        /// taken again when twice as much is free. On a small disk it is a sixteenth of the disk.
        disk_reserve_bytes: u64 = "disk_reserve_bytes", Long,
            default Some("67108864"), allowed Allowed::Between(1_048_576, 1_099_511_627_776), Restart;
        /// Whether the checksum of each batch that is read back from disk is checked before it is sent. A batch that is damaged
        /// is answered with CORRUPT_MESSAGE and logged with its place; it never reaches a consumer.
        check_crcs_on_read: bool = "check_crcs_on_read", Boolean,
            default Some("true"), allowed Allowed::Any, Dynamic;
        /// Rack of this server, told to clients so that they can read from near. Without it the server's own name.
        broker_rack: Option<String> = "broker.rack", String,
            default None, allowed Allowed::Any, Restart;

        /// Partitions of a topic that is created without saying how many.
        num_partitions: i32 = "num.partitions", Int,
            default Some("1"), allowed Allowed::AtLeast(1), Restart;
        /// Replicas of a topic that is created without saying how many. No more than there are servers.
        default_replication_factor: i32 = "default.replication.factor", Int,
            default Some("1"), allowed Allowed::AtLeast(1), Restart;
        /// Whether a topic is created when a client asks for it and it does not exist.
        auto_create_topics_enable: bool = "auto.create.topics.enable", Boolean,
            default Some("true"), allowed Allowed::Any, Restart;
        /// Whether clients may delete topics.
        delete_topic_enable: bool = "delete.topic.enable", Boolean,
            default Some("true"), allowed Allowed::Any, Restart;

        /// Open connections that each shard accepts at most.
        max_connections: usize = "max.connections", Int,
            default Some("2147483647"), allowed Allowed::AtLeast(0), Dynamic;
        /// Milliseconds without a request after which a connection is closed. Negative: never.
        connections_max_idle_ms: i64 = "connections.max.idle.ms", Long,
            default Some("600000"), allowed Allowed::Any, Restart;
        /// Largest request, in bytes.
        socket_request_max_bytes: usize = "socket.request.max.bytes", Int,
            default Some("104857600"), allowed Allowed::Between(1, MAX_FRAME_BYTES as i64), Restart;
        /// Most bytes of records in one answer to a fetch.
        fetch_max_bytes: usize = "fetch.max.bytes", Int,
            default Some("57671680"), allowed Allowed::AtLeast(1024), Restart;
        /// Fetch sessions that each shard keeps (KIP-227).
        max_incremental_fetch_session_cache_slots: usize = "max.incremental.fetch.session.cache.slots", Int,
            default Some("1000"), allowed Allowed::AtLeast(0), Restart;
        /// Most partitions that one DescribeTopicPartitions answer holds.
        max_request_partition_size_limit: i32 = "max.request.partition.size.limit", Int,
            default Some("2000"), allowed Allowed::AtLeast(1), Restart;
        /// Milliseconds without a write after which an idempotent producer is forgotten.
        producer_id_expiration_ms: i32 = "producer.id.expiration.ms", Int,
            default Some("86400000"), allowed Allowed::AtLeast(1), Dynamic;

        /// Milliseconds that the first rebalance of an empty group waits for more members.
        group_initial_rebalance_delay_ms: i32 = "group.initial.rebalance.delay.ms", Int,
            default Some("3000"), allowed Allowed::AtLeast(0), Restart;
        /// Longest session timeout a group member may ask for, in milliseconds.
        group_max_session_timeout_ms: i32 = "group.max.session.timeout.ms", Int,
            default Some("1800000"), allowed Allowed::AtLeast(0), Restart;
        /// Shortest session timeout a group member may ask for, in milliseconds.
        group_min_session_timeout_ms: i32 = "group.min.session.timeout.ms", Int,
            default Some("6000"), allowed Allowed::AtLeast(0), Restart;
        /// Most members of a group.
        group_max_size: i32 = "group.max.size", Int,
            default Some("2147483647"), allowed Allowed::AtLeast(1), Restart;
        /// Most bytes of metadata with a committed offset.
        offset_metadata_max_bytes: i32 = "offset.metadata.max.bytes", Int,
            default Some("4096"), allowed Allowed::AtLeast(0), Restart;
        /// Milliseconds between looks for committed offsets that have expired.
        offsets_retention_check_interval_ms: i64 = "offsets.retention.check.interval.ms", Long,
            default Some("600000"), allowed Allowed::AtLeast(1), Restart;
        /// Minutes that committed offsets are kept after their group has become empty.
        offsets_retention_minutes: i32 = "offsets.retention.minutes", Int,
            default Some("10080"), allowed Allowed::AtLeast(1), Restart;
        /// Partitions of `__consumer_offsets`, when it is created.
        offsets_topic_num_partitions: i32 = "offsets.topic.num.partitions", Int,
            default Some("50"), allowed Allowed::AtLeast(1), Restart;
        /// Segment size in bytes of `__consumer_offsets`, when it is created.
        offsets_topic_segment_bytes: i32 = "offsets.topic.segment.bytes", Int,
            default Some("104857600"), allowed Allowed::AtLeast(1_048_576), Restart;

        /// Bytes of the metadata log after which it is replaced by a snapshot.
        metadata_log_max_record_bytes_between_snapshots: u64 = "metadata.log.max.record.bytes.between.snapshots", Long,
            default Some("20971520"), allowed Allowed::AtLeast(1), Restart;

        /// Default of the topic config `cleanup.policy`.
        log_cleanup_policy: CleanupPolicy = "log.cleanup.policy", List,
            default Some("delete"), allowed Allowed::ListOf(CleanupPolicy::NAMES), Dynamic;
        /// Default of the topic config `compression.gzip.level`.
        compression_gzip_level: i32 = "compression.gzip.level", Int,
            default Some("-1"), allowed Allowed::MinusOneOrBetween(1, 9), Dynamic;
        /// Default of the topic config `compression.lz4.level`.
        compression_lz4_level: i32 = "compression.lz4.level", Int,
            default Some("9"), allowed Allowed::Between(1, 17), Dynamic;
        /// Default of the topic config `compression.type`.
        compression_type: CompressionType = "compression.type", String,
            default Some("producer"), allowed Allowed::OneOf(CompressionType::NAMES), Dynamic;
        /// Default of the topic config `compression.zstd.level`.
        compression_zstd_level: i32 = "compression.zstd.level", Int,
            default Some("3"), allowed Allowed::Between(-131_072, 22), Dynamic;
        /// Milliseconds between two looks for partitions that are to be compacted.
        log_cleaner_backoff_ms: u64 = "log.cleaner.backoff.ms", Long,
            default Some("15000"), allowed Allowed::AtLeast(1), Dynamic;
        /// Memory of the server, in bytes, for the keys of the partitions it compacts: 24 bytes per key. Each shard has its
        /// share and uses it only while it compacts. What does not fit in is compacted in several passes.
        log_cleaner_dedupe_buffer_size: u64 = "log.cleaner.dedupe.buffer.size", Long,
            default Some("134217728"), allowed Allowed::AtLeast(1_048_576), Dynamic;
        /// How many bytes per second the server reads and writes for compaction. Each shard has its share.
        log_cleaner_io_max_bytes_per_second: f64 = "log.cleaner.io.max.bytes.per.second", Double,
            default Some("1000000000000000"), allowed Allowed::RatioBetween(10_000.0, 1e15), Dynamic;
        /// How many bytes per second a shard copies where partitions are moved between data directories.
        replica_alter_log_dirs_io_max_bytes_per_second: i64 = "replica.alter.log.dirs.io.max.bytes.per.second", Long,
            default Some("9223372036854775807"), allowed Allowed::AtLeast(0), Dynamic;
        /// Default of the topic config `delete.retention.ms`.
        log_cleaner_delete_retention_ms: i64 = "log.cleaner.delete.retention.ms", Long,
            default Some("86400000"), allowed Allowed::AtLeast(0), Dynamic;
        /// Default of the topic config `max.compaction.lag.ms`.
        log_cleaner_max_compaction_lag_ms: i64 = "log.cleaner.max.compaction.lag.ms", Long,
            default Some("9223372036854775807"), allowed Allowed::AtLeast(1), Dynamic;
        /// Default of the topic config `min.cleanable.dirty.ratio`.
        log_cleaner_min_cleanable_ratio: f64 = "log.cleaner.min.cleanable.ratio", Double,
            default Some("0.5"), allowed Allowed::RatioBetween(0.0, 1.0), Dynamic;
        /// Default of the topic config `min.compaction.lag.ms`.
        log_cleaner_min_compaction_lag_ms: i64 = "log.cleaner.min.compaction.lag.ms", Long,
            default Some("0"), allowed Allowed::AtLeast(0), Dynamic;
        /// Milliseconds between two writes of the checkpoint files, which shorten the recovery after a crash.
        log_flush_offset_checkpoint_interval_ms: u64 = "log.flush.offset.checkpoint.interval.ms", Int,
            default Some("60000"), allowed Allowed::AtLeast(1), Restart;
        /// Default of the topic config `flush.messages`.
        log_flush_interval_messages: i64 = "log.flush.interval.messages", Long,
            default Some("9223372036854775807"), allowed Allowed::AtLeast(1), Dynamic;
        /// Default of the topic config `flush.ms`.
        log_flush_interval_ms: Option<i64> = "log.flush.interval.ms", Long,
            default None, allowed Allowed::AtLeast(0), Dynamic;
        /// Default of the topic config `index.interval.bytes`.
        log_index_interval_bytes: i32 = "log.index.interval.bytes", Int,
            default Some("4096"), allowed Allowed::AtLeast(0), Dynamic;
        /// Default of the topic config `segment.index.bytes`.
        log_index_size_max_bytes: i32 = "log.index.size.max.bytes", Int,
            default Some("10485760"), allowed Allowed::AtLeast(4), Dynamic;
        /// Default of the topic config `message.timestamp.after.max.ms`.
        log_message_timestamp_after_max_ms: i64 = "log.message.timestamp.after.max.ms", Long,
            default Some("3600000"), allowed Allowed::AtLeast(0), Dynamic;
        /// Default of the topic config `message.timestamp.before.max.ms`.
        log_message_timestamp_before_max_ms: i64 = "log.message.timestamp.before.max.ms", Long,
            default Some("9223372036854775807"), allowed Allowed::AtLeast(0), Dynamic;
        /// Default of the topic config `message.timestamp.type`.
        log_message_timestamp_type: TimestampType = "log.message.timestamp.type", String,
            default Some("CreateTime"), allowed Allowed::OneOf(TimestampType::NAMES), Dynamic;
        /// Default of the topic config `preallocate`.
        log_preallocate: bool = "log.preallocate", Boolean,
            default Some("false"), allowed Allowed::Any, Dynamic;
        /// Default of the topic config `retention.bytes`.
        log_retention_bytes: i64 = "log.retention.bytes", Long,
            default Some("-1"), allowed Allowed::Any, Dynamic;
        /// Milliseconds between two looks for segments that have lived long enough.
        log_retention_check_interval_ms: u64 = "log.retention.check.interval.ms", Long,
            default Some("300000"), allowed Allowed::AtLeast(1), Restart;
        /// Default of the topic config `retention.ms`, in milliseconds. Wins over minutes and hours.
        log_retention_ms: Option<i64> = "log.retention.ms", Long,
            default None, allowed Allowed::AtLeast(-1), Dynamic;
        /// Default of the topic config `retention.ms`, in minutes. Wins over hours.
        log_retention_minutes: Option<i32> = "log.retention.minutes", Int,
            default None, allowed Allowed::AtLeast(-1), Restart;
        /// Default of the topic config `retention.ms`, in hours.
        log_retention_hours: i32 = "log.retention.hours", Int,
            default Some("168"), allowed Allowed::AtLeast(-1), Restart;
        /// Default of the topic config `segment.jitter.ms`, in milliseconds. Wins over hours.
        log_roll_jitter_ms: Option<i64> = "log.roll.jitter.ms", Long,
            default None, allowed Allowed::AtLeast(0), Dynamic;
        /// Default of the topic config `segment.jitter.ms`, in hours.
        log_roll_jitter_hours: i32 = "log.roll.jitter.hours", Int,
            default Some("0"), allowed Allowed::AtLeast(0), Restart;
        /// Default of the topic config `segment.ms`, in milliseconds. Wins over hours.
        log_roll_ms: Option<i64> = "log.roll.ms", Long,
            default None, allowed Allowed::AtLeast(1), Dynamic;
        /// Default of the topic config `segment.ms`, in hours.
        log_roll_hours: i32 = "log.roll.hours", Int,
            default Some("168"), allowed Allowed::AtLeast(1), Restart;
        /// Default of the topic config `segment.bytes`.
        log_segment_bytes: i32 = "log.segment.bytes", Int,
            default Some("1073741824"), allowed Allowed::AtLeast(1_048_576), Dynamic;
        /// Default of the topic config `file.delete.delay.ms`.
        log_segment_delete_delay_ms: i64 = "log.segment.delete.delay.ms", Long,
            default Some("60000"), allowed Allowed::AtLeast(0), Dynamic;
        /// Default of the topic config `max.message.bytes`: the largest record batch, in bytes.
        message_max_bytes: i32 = "message.max.bytes", Int,
            default Some("1048588"), allowed Allowed::AtLeast(0), Dynamic;
        /// Default of the topic config `min.insync.replicas`.
        min_insync_replicas: i32 = "min.insync.replicas", Int,
            default Some("1"), allowed Allowed::AtLeast(1), Dynamic;
        /// Default of the topic config `unclean.leader.election.enable`.
        unclean_leader_election_enable: bool = "unclean.leader.election.enable", Boolean,
            default Some("false"), allowed Allowed::Any, Dynamic;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Scope;

    #[test]
    fn names_are_unique_and_defaults_are_allowed() {
        for (at, spec) in Settings::SPECS.iter().enumerate() {
            assert!(
                Settings::SPECS[..at].iter().all(|other| other.name != spec.name),
                "{} twice",
                spec.name
            );
            assert_eq!(spec.scope, Scope::Broker);
            assert!(spec.synonyms.is_empty());
            if let Some(default) = spec.default {
                assert_eq!(
                    spec.normalize(default).expect(spec.name),
                    default,
                    "{}",
                    spec.name
                );
            }
        }
    }
}
