//! Where to begin reading, or where to set a group: on the command line, and in a partition.

use std::collections::BTreeMap;

use crate::cli::client::{ClientError, ClusterClient, EARLIEST, Isolation, LATEST, Partition, list_offsets};
use crate::cli::point_in_time::{now_ms, parse_point};

/// A place that each partition has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartPoint {
    /// The first record that is there.
    Beginning,
    /// Behind the last one.
    End,
    /// That offset, or the nearest there is.
    Offset(i64),
    /// So many records before the end.
    BeforeEnd(i64),
    /// The first record that is not older, in ms since 1970.
    Time(i64),
}

/// Reads `beginning`, `end`, `42`, `-100`, or a time.
pub fn parse_start_point(text: &str) -> Result<StartPoint, String> {
    match text {
        "beginning" | "earliest" => return Ok(StartPoint::Beginning),
        "end" | "latest" => return Ok(StartPoint::End),
        _ => {}
    }
    if let Ok(number) = text.parse::<i64>() {
        return Ok(if text.starts_with('-') {
            StartPoint::BeforeEnd(number.saturating_neg())
        } else {
            StartPoint::Offset(number)
        });
    }
    parse_point(text, now_ms()).map(StartPoint::Time).ok_or_else(|| {
        "write beginning, end, an offset (42), so many before the end (-100), or a time (15m, 2026-01-31T12:00:00Z, \
         @1700000000000)"
            .to_owned()
    })
}

/// The offset of that place in each of the partitions.
pub fn resolve(
    client: &mut ClusterClient,
    partitions: &[Partition],
    point: StartPoint,
    isolation: Isolation,
) -> Result<BTreeMap<Partition, i64>, ClientError> {
    let all = || partitions.iter().cloned();
    let ends = list_offsets(client, all(), LATEST, isolation)?;
    let starts = list_offsets(client, all(), EARLIEST, isolation)?;
    let at_time = match point {
        StartPoint::Time(ms) => list_offsets(client, all(), ms, isolation)?,
        _ => BTreeMap::new(),
    };
    let resolved = partitions.iter().map(|partition| {
        let start = starts
            .get(partition)
            .and_then(|listed| listed.offset)
            .unwrap_or(0);
        let end = ends
            .get(partition)
            .and_then(|listed| listed.offset)
            .unwrap_or(start)
            .max(start);
        let offset = match point {
            StartPoint::Beginning => start,
            StartPoint::End => end,
            StartPoint::Offset(offset) => offset,
            StartPoint::BeforeEnd(count) => end.saturating_sub(count),
            StartPoint::Time(_) => at_time
                .get(partition)
                .and_then(|listed| listed.offset)
                .unwrap_or(end),
        };
        (partition.clone(), offset.clamp(start, end))
    });
    Ok(resolved.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_points_are_read() {
        assert_eq!(parse_start_point("beginning"), Ok(StartPoint::Beginning));
        assert_eq!(parse_start_point("end"), Ok(StartPoint::End));
        assert_eq!(parse_start_point("42"), Ok(StartPoint::Offset(42)));
        assert_eq!(parse_start_point("-100"), Ok(StartPoint::BeforeEnd(100)));
        assert_eq!(parse_start_point("@1000"), Ok(StartPoint::Time(1000)));
        assert_eq!(parse_start_point("1970-01-02"), Ok(StartPoint::Time(86_400_000)));
        assert!(matches!(parse_start_point("15m"), Ok(StartPoint::Time(_))));
        assert!(parse_start_point("begining").is_err());
    }
}
