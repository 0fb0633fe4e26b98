//! Which segments have lived long enough: the decision alone, without a file or a clock.

use super::TopicLogConfig;
use crate::base::ids::Offset;

/// What retention looks at in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentAge {
    /// Offset behind its last record: where the next one begins.
    pub end: Offset,
    /// Its size.
    pub bytes: u64,
    /// What its age is counted from, in ms: the largest timestamp of its records. `None`: it has to be looked up.
    pub newest_ms: Option<i64>,
}

/// What of a log may go at most, and where it begins now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogBounds {
    /// The log's start.
    pub log_start: Offset,
    /// Records behind this are kept: they are not durable, or no consumer may see them yet.
    pub deletable_below: Offset,
}

/// What is to be done with a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retention {
    /// Nothing.
    Keep,
    /// The log is to begin here; the segments before it can go.
    BeginAt(Offset),
    /// The age of this segment decides, and is not known.
    LookUp(usize),
}

/// Decides as Kafka's `UnifiedLog.deleteOldSegments`: first go segments that lie before the log's start, whatever the
/// policy is; then, oldest first, those without which the log has at least `retention.bytes` still; then those
/// whose largest timestamp is older than `retention.ms`. A segment with a timestamp in the future is kept, and all behind it.
/// The last segment goes like the others if it has records, so that an idle topic becomes empty.
pub(super) fn decide(
    segments: &[SegmentAge],
    bounds: LogBounds,
    config: &TopicLogConfig,
    now_ms: i64,
) -> Retention {
    let old = segments.split_last().map_or(0, |(_, closed)| {
        closed.iter().take_while(|s| s.end <= bounds.log_start).count()
    });
    let mut begin = bounds.log_start;
    if !config.cleanup_policy.deletes() {
        return Retention::Keep;
    }
    let by_size = config.retention_bytes >= 0;
    let by_age = config.retention_ms >= 0;
    let mut bytes: u64 = segments[old..].iter().map(|s| s.bytes).sum();
    let mut size_counts = by_size;
    for (index, segment) in segments.iter().enumerate().skip(old) {
        if segment.bytes == 0 || segment.end > bounds.deletable_below {
            break;
        }
        size_counts &= bytes - bytes.min(segment.bytes) >= config.retention_bytes.unsigned_abs();
        if !size_counts {
            if !by_age {
                break;
            }
            match segment.newest_ms {
                None => return Retention::LookUp(index),
                Some(newest_ms) if now_ms.saturating_sub(newest_ms) <= config.retention_ms => break,
                Some(_) => {}
            }
        }
        bytes -= segment.bytes;
        begin = begin.max(segment.end);
    }
    match begin > bounds.log_start {
        true => Retention::BeginAt(begin),
        false => Retention::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::CleanupPolicy;

    /// Segments of ten records and 100 bytes each, by their largest timestamps.
    fn segments(newest_ms: &[i64]) -> Vec<SegmentAge> {
        let segment = |(i, newest_ms): (usize, &i64)| SegmentAge {
            end: Offset(10 * (i as i64 + 1)),
            bytes: 100,
            newest_ms: Some(*newest_ms),
        };
        newest_ms.iter().enumerate().map(segment).collect()
    }

    fn config(retention_ms: i64, retention_bytes: i64) -> TopicLogConfig {
        TopicLogConfig {
            retention_ms,
            retention_bytes,
            ..TopicLogConfig::default()
        }
    }

    fn begin(segments: &[SegmentAge], config: &TopicLogConfig, now_ms: i64) -> Option<i64> {
        let bounds = LogBounds {
            log_start: Offset(0),
            deletable_below: Offset(i64::MAX),
        };
        match decide(segments, bounds, config, now_ms) {
            Retention::Keep => None,
            Retention::BeginAt(offset) => Some(offset.0),
            Retention::LookUp(index) => panic!("{index} is known"),
        }
    }

    #[test]
    fn the_largest_timestamp_of_a_whole_segment_decides() {
        let all = segments(&[1000, 2000, 3000]);
        let by_age = config(500, -1);
        assert_eq!(begin(&all, &by_age, 1500), None, "exactly as old as it may be");
        assert_eq!(begin(&all, &by_age, 1501), Some(10));
        assert_eq!(begin(&all, &by_age, 2500), Some(10));
        assert_eq!(begin(&all, &by_age, 2501), Some(20));
        assert_eq!(begin(&all, &by_age, 9000), Some(30), "the active segment as well");
        assert_eq!(begin(&all, &config(-1, -1), i64::MAX), None);
        assert_eq!(begin(&all, &config(0, -1), 1000), None);
        assert_eq!(begin(&all, &config(0, -1), 1001), Some(10));
    }

    #[test]
    fn a_young_segment_keeps_all_behind_it() {
        assert_eq!(
            begin(&segments(&[1000, 9000, 1000]), &config(500, -1), 5000),
            Some(10)
        );
        // A timestamp in the future is no age at all, and no overflow.
        assert_eq!(begin(&segments(&[i64::MAX, 1000]), &config(0, -1), 5000), None);
        assert_eq!(
            begin(&segments(&[i64::MIN, 6000]), &config(0, -1), 5000),
            Some(10)
        );
    }

    #[test]
    fn size_leaves_at_least_what_is_to_be_kept() {
        let all = segments(&[0, 0, 0]);
        for (retention_bytes, expected) in [
            (300, None),
            (299, None),
            (201, None),
            (200, Some(10)),
            (199, Some(10)),
            (100, Some(20)),
            (1, Some(20)),
            (0, Some(30)),
        ] {
            assert_eq!(
                begin(&all, &config(-1, retention_bytes), 0),
                expected,
                "{retention_bytes}"
            );
        }
    }

    #[test]
    fn size_first_then_age() {
        let all = segments(&[9000, 1000, 9000]);
        assert_eq!(begin(&all, &config(500, 200), 5000), Some(20));
        assert_eq!(begin(&all, &config(500, 300), 5000), None);
    }

    #[test]
    fn only_a_policy_that_deletes_deletes() {
        let all = segments(&[0, 0]);
        for (policy, expected) in [
            (CleanupPolicy::Delete, Some(20)),
            (CleanupPolicy::CompactAndDelete, Some(20)),
            (CleanupPolicy::Compact, None),
            (CleanupPolicy::Keep, None),
        ] {
            let config = TopicLogConfig {
                cleanup_policy: policy,
                ..config(1, 1)
            };
            assert_eq!(begin(&all, &config, 5000), expected, "{policy:?}");
        }
    }

    #[test]
    fn what_is_not_durable_or_empty_stays() {
        let mut all = segments(&[0, 0, 0]);
        let mut bounds = LogBounds {
            log_start: Offset(0),
            deletable_below: Offset(29),
        };
        let decided = |all: &[SegmentAge], bounds| decide(all, bounds, &config(1, 0), 5000);
        assert_eq!(decided(&all, bounds), Retention::BeginAt(Offset(20)));
        bounds.deletable_below = Offset(30);
        all[2].bytes = 0;
        all[2].end = Offset(20);
        assert_eq!(decided(&all, bounds), Retention::BeginAt(Offset(20)));
        assert_eq!(decided(&all[2..], bounds), Retention::Keep);
        assert_eq!(decided(&[], bounds), Retention::Keep);
    }

    #[test]
    fn segments_before_the_start_do_not_count() {
        let bounds = LogBounds {
            log_start: Offset(15),
            deletable_below: Offset(30),
        };
        let all = segments(&[9000, 9000, 9000]);
        // 200 bytes are left behind the first segment.
        assert_eq!(decide(&all, bounds, &config(-1, 200), 0), Retention::Keep);
        assert_eq!(
            decide(&all, bounds, &config(-1, 100), 0),
            Retention::BeginAt(Offset(20))
        );
    }

    #[test]
    fn an_unknown_age_is_asked_for_only_when_it_decides() {
        let bounds = LogBounds {
            log_start: Offset(0),
            deletable_below: Offset(30),
        };
        let mut all = segments(&[1000, 1000, 1000]);
        all[0].newest_ms = None;
        all[1].newest_ms = None;
        assert_eq!(decide(&all, bounds, &config(500, -1), 5000), Retention::LookUp(0));
        assert_eq!(decide(&all, bounds, &config(-1, -1), 5000), Retention::Keep);
        // Size takes the first without a look; the age of the second decides.
        assert_eq!(
            decide(&all, bounds, &config(500, 200), 5000),
            Retention::LookUp(1)
        );
        all[0].newest_ms = Some(1000);
        assert_eq!(decide(&all, bounds, &config(500, -1), 5000), Retention::LookUp(1));
        all[0].newest_ms = Some(4999);
        assert_eq!(decide(&all, bounds, &config(500, -1), 5000), Retention::Keep);
    }
}
