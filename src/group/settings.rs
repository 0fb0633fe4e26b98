//! The settings a coordinator works by, resolved.

use std::time::Duration;

use crate::base::limits::MAX_GROUP_MEMBERS;
use crate::config::Settings;

/// What groups are allowed and how long things wait. Named after Kafka's broker settings.
#[derive(Clone, Debug)]
pub struct GroupSettings {
    /// `group.min.session.timeout.ms`
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`
    pub max_session_timeout_ms: i32,
    /// `group.initial.rebalance.delay.ms`
    pub initial_rebalance_delay_ms: i32,
    /// `group.max.size`, at most [`MAX_GROUP_MEMBERS`].
    pub max_size: usize,
    /// `offset.metadata.max.bytes`; counted in UTF-16 units, as Kafka does.
    pub offset_metadata_max_bytes: usize,
    /// `offsets.retention.minutes`
    pub offsets_retention: Duration,
    /// `offsets.retention.check.interval.ms`
    pub offsets_retention_check_interval: Duration,
}

/// How long the JoinGroup of a member that does not know its id yet may stay parked. Such a member cannot send
/// heartbeats, and a client that went away must not hold up its group for good. The figure is Apache Kafka's.
pub const NEW_MEMBER_JOIN_TIMEOUT_MS: i32 = 5 * 60 * 1000;

impl Default for GroupSettings {
    /// Apache Kafka's defaults.
    fn default() -> GroupSettings {
        GroupSettings {
            min_session_timeout_ms: 6_000,
            max_session_timeout_ms: 1_800_000,
            initial_rebalance_delay_ms: 3_000,
            max_size: MAX_GROUP_MEMBERS,
            offset_metadata_max_bytes: 4096,
            offsets_retention: Duration::from_secs(7 * 24 * 60 * 60),
            offsets_retention_check_interval: Duration::from_secs(600),
        }
    }
}

impl From<&Settings> for GroupSettings {
    fn from(settings: &Settings) -> GroupSettings {
        let milliseconds = |ms: i64| Duration::from_millis(ms.unsigned_abs());
        GroupSettings {
            min_session_timeout_ms: settings.group_min_session_timeout_ms,
            max_session_timeout_ms: settings.group_max_session_timeout_ms,
            initial_rebalance_delay_ms: settings.group_initial_rebalance_delay_ms,
            max_size: MAX_GROUP_MEMBERS.min(settings.group_max_size.unsigned_abs() as usize),
            offset_metadata_max_bytes: settings.offset_metadata_max_bytes.unsigned_abs() as usize,
            offsets_retention: Duration::from_secs(
                60 * u64::from(settings.offsets_retention_minutes.unsigned_abs()),
            ),
            offsets_retention_check_interval: milliseconds(settings.offsets_retention_check_interval_ms),
        }
    }
}
