//! Settings with a few named values, as types.

use crate::config::setting_spec::split_list;

/// When an append is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Durability {
    /// After it is on disk.
    Durable,
    /// When it is in memory, as Apache Kafka does by default. A crash of the machine or of the server may lose it.
    Relaxed,
}

impl Durability {
    pub(crate) const NAMES: &'static [&'static str] = &["durable", "relaxed"];

    pub(crate) fn of(name: &str) -> Durability {
        match name {
            "durable" => Durability::Durable,
            "relaxed" => Durability::Relaxed,
            other => unreachable!("checked before: {other}"),
        }
    }

    /// The setting's value.
    pub fn name(self) -> &'static str {
        match self {
            Durability::Durable => "durable",
            Durability::Relaxed => "relaxed",
        }
    }
}

/// What happens to old records. Both may hold at once, and neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CleanupPolicy {
    /// Old segments are deleted by time and size.
    pub delete: bool,
    /// Of each key only the newest record is kept.
    pub compact: bool,
}

impl CleanupPolicy {
    pub(crate) const NAMES: &'static [&'static str] = &["compact", "delete"];

    pub(crate) fn of(list: &str) -> CleanupPolicy {
        let items = split_list(list);
        CleanupPolicy {
            delete: items.contains(&"delete"),
            compact: items.contains(&"compact"),
        }
    }
}

/// How batches are compressed on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompressionType {
    /// As the producer sent them.
    Producer,
    /// Not at all.
    Uncompressed,
    /// With gzip.
    Gzip,
    /// With Snappy.
    Snappy,
    /// With LZ4.
    Lz4,
    /// With Zstandard.
    Zstd,
}

impl CompressionType {
    pub(crate) const NAMES: &'static [&'static str] =
        &["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"];

    pub(crate) fn of(name: &str) -> CompressionType {
        match name {
            "producer" => CompressionType::Producer,
            "uncompressed" => CompressionType::Uncompressed,
            "gzip" => CompressionType::Gzip,
            "snappy" => CompressionType::Snappy,
            "lz4" => CompressionType::Lz4,
            "zstd" => CompressionType::Zstd,
            other => unreachable!("checked before: {other}"),
        }
    }
}

/// Whose clock a record's timestamp is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's, at the append.
    LogAppendTime,
}

impl TimestampType {
    pub(crate) const NAMES: &'static [&'static str] = &["CreateTime", "LogAppendTime"];

    pub(crate) fn of(name: &str) -> TimestampType {
        match name {
            "CreateTime" => TimestampType::CreateTime,
            "LogAppendTime" => TimestampType::LogAppendTime,
            other => unreachable!("checked before: {other}"),
        }
    }
}
