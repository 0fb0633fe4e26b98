//! What of a log may be compacted, and whether that is due: pure. Kafka's `LogCleanerManager`.

use crate::base::ids::Offset;
use crate::log::TopicLogConfig;

/// What selection looks at in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentFacts {
    pub base: Offset,
    /// Where the next one begins, or the log ends.
    pub end: Offset,
    pub bytes: u64,
    /// Whether all of it is in its file, synced, and nothing will be added.
    pub closed: bool,
    /// Its largest timestamp, in ms, if somebody has looked.
    pub newest_ms: Option<i64>,
    /// The timestamp of its first batch, in ms, if somebody has looked.
    pub first_ms: Option<i64>,
}

/// Where a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogPlaces {
    pub log_start: Offset,
    /// Up to here it was compacted.
    pub compacted_below: Offset,
    /// Records from here on are not decided: no consumer may see them yet, or they are not durable.
    pub stable_below: Offset,
}

/// The part of a log that is compacted next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Dirt {
    /// Where it begins.
    pub from: Offset,
    /// Where it ends.
    pub until: Offset,
    /// Its share of what has been compacted and what can be.
    pub ratio: f64,
    /// Whether it must be compacted now, however little it is: `max.compaction.lag.ms`.
    pub overdue: bool,
}

/// Where the dirty part of a log begins.
pub(super) fn first_dirty(segments: &[SegmentFacts], places: &LogPlaces) -> Offset {
    let last = segments.last().map_or(places.log_start, |s| s.base);
    // Behind the active segment nothing was ever compacted: what says so is of another log.
    match places.compacted_below {
        below if below > last => places.log_start,
        below => below.max(places.log_start),
    }
}

/// The part of a log that can be compacted. `None` if there is nothing.
pub(super) fn dirt(
    segments: &[SegmentFacts],
    places: LogPlaces,
    config: &TopicLogConfig,
    now_ms: i64,
) -> Option<Dirt> {
    let from = first_dirty(segments, &places);
    let too_young = |s: &SegmentFacts| {
        config.min_compaction_lag_ms > 0
            && s.newest_ms
                .is_none_or(|newest| newest > now_ms.saturating_sub(config.min_compaction_lag_ms))
    };
    let whole = segments.len().saturating_sub(1);
    let old = segments[..whole].iter().take_while(|s| s.end <= from).count();
    let dirty = segments[old..whole]
        .iter()
        .take_while(|s| s.closed && s.end <= places.stable_below && !too_young(s))
        .count();
    let dirty = &segments[old..old + dirty];
    let until = dirty.last()?.end;
    let sum = |segments: &[SegmentFacts]| segments.iter().map(|s| s.bytes).sum::<u64>() as f64;
    // A segment that is dirty in part counts as dirty.
    let (clean_bytes, dirty_bytes) = (sum(&segments[..old]), sum(dirty));
    let earliest = dirty.iter().filter_map(|s| s.first_ms).filter(|ms| *ms > 0).min();
    let lag_ms = config.max_compaction_lag_ms.max(config.min_compaction_lag_ms);
    let ratio = match clean_bytes + dirty_bytes {
        0.0 => 0.0,
        all => dirty_bytes / all,
    };
    Some(Dirt {
        from,
        until,
        ratio,
        overdue: dirty_bytes > 0.0 && earliest.is_some_and(|ms| now_ms.saturating_sub(ms) > lag_ms),
    })
}

impl Dirt {
    /// Whether it is to be compacted.
    pub fn is_due(&self, config: &TopicLogConfig) -> bool {
        self.overdue || self.ratio > config.min_cleanable_dirty_ratio
    }
}

/// The dirtiest of those that are due. As in Kafka, one that is overdue only has to be among them.
pub(super) fn dirtiest<T>(due: impl Iterator<Item = (T, Dirt)>) -> Option<(T, Dirt)> {
    due.max_by(|(_, a), (_, b)| a.ratio.total_cmp(&b.ratio))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::CleanupPolicy;

    fn config() -> TopicLogConfig {
        TopicLogConfig {
            cleanup_policy: CleanupPolicy::Compact,
            ..TopicLogConfig::default()
        }
    }

    /// Five closed segments of 100 offsets and bytes each, one ms per offset, and an active one.
    fn log() -> Vec<SegmentFacts> {
        (0..6)
            .map(|i| SegmentFacts {
                base: Offset(i * 100),
                end: Offset(i * 100 + 100),
                bytes: 100,
                closed: i < 5,
                newest_ms: Some(i * 100 + 99),
                first_ms: Some(i * 100),
            })
            .collect()
    }

    const PLACES: LogPlaces = LogPlaces {
        log_start: Offset(0),
        compacted_below: Offset(0),
        stable_below: Offset(600),
    };

    fn range(log: &[SegmentFacts], places: LogPlaces, config: &TopicLogConfig) -> Option<(i64, i64)> {
        dirt(log, places, config, 1000).map(|d| (d.from.0, d.until.0))
    }

    #[test]
    fn closed_and_stable_segments_are_compacted() {
        let (log, config) = (log(), config());
        assert_eq!(range(&log, PLACES, &config), Some((0, 500)));
        let stable = |offset| LogPlaces {
            stable_below: Offset(offset),
            ..PLACES
        };
        assert_eq!(range(&log, stable(499), &config), Some((0, 400)));
        assert_eq!(range(&log, stable(99), &config), None);
        let mut open = log.clone();
        open[3].closed = false;
        assert_eq!(range(&open, PLACES, &config), Some((0, 300)));
        assert_eq!(range(&log[..1], PLACES, &config), None);
    }

    #[test]
    fn it_goes_on_where_it_ended() {
        let (log, config) = (log(), config());
        let compacted = |offset, log_start| LogPlaces {
            compacted_below: Offset(offset),
            log_start: Offset(log_start),
            ..PLACES
        };
        assert_eq!(range(&log, compacted(300, 0), &config), Some((300, 500)));
        assert_eq!(range(&log, compacted(350, 0), &config), Some((350, 500)));
        assert_eq!(range(&log, compacted(500, 0), &config), None);
        assert_eq!(range(&log, compacted(100, 250), &config), Some((250, 500)));
        // What speaks of another log does not count.
        assert_eq!(range(&log, compacted(501, 0), &config), Some((0, 500)));
        let ratio = |places| dirt(&log, places, &config, 1000).unwrap().ratio;
        assert_eq!(ratio(PLACES), 1.0);
        assert_eq!(ratio(compacted(300, 0)), 0.4);
    }

    #[test]
    fn the_young_wait_and_the_old_do_not() {
        let log = log();
        let mut config = config();
        config.min_compaction_lag_ms = 700;
        // Of segment 2 the largest timestamp is 299, of segment 3 it is 399.
        assert_eq!(range(&log, PLACES, &config), Some((0, 300)));
        config.min_compaction_lag_ms = 0;
        config.min_cleanable_dirty_ratio = 0.5;
        let places = LogPlaces {
            compacted_below: Offset(400),
            ..PLACES
        };
        let little = |config: &TopicLogConfig| dirt(&log, places, config, 1000).unwrap();
        assert!(!little(&config).is_due(&config));
        config.max_compaction_lag_ms = 600;
        assert!(!little(&config).is_due(&config));
        config.max_compaction_lag_ms = 599;
        assert!(little(&config).overdue && little(&config).is_due(&config));
    }

    #[test]
    fn the_ratio_must_be_passed_and_the_dirtiest_is_first() {
        let mut config = config();
        let dirt = |ratio| Dirt {
            from: Offset(0),
            until: Offset(1),
            ratio,
            overdue: false,
        };
        assert!(!dirt(0.5).is_due(&config) && dirt(0.51).is_due(&config));
        config.min_cleanable_dirty_ratio = 0.0;
        assert!(!dirt(0.0).is_due(&config));
        let first = dirtiest([(1, dirt(0.6)), (2, dirt(0.9)), (3, dirt(0.7))].into_iter());
        assert_eq!(first.unwrap().0, 2);
        assert!(dirtiest(std::iter::empty::<((), Dirt)>()).is_none());
    }
}
