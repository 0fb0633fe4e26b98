//! Which neighbouring segments become one: pure. Kafka's `Cleaner.groupSegmentsBySize`.

use crate::base::ids::Offset;

/// A closed segment, as compaction sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OldSegment {
    pub base: Offset,
    /// Where the next one begins.
    pub end: Offset,
    pub bytes: u64,
    /// See `Segment::version`.
    pub version: u32,
    /// Whether its index of aborted transactions has entries.
    pub tells_aborted: bool,
}

/// Groups of neighbours that fit into one segment together, by size and by the range of a relative offset. Each has one
/// at least.
pub(super) fn group_segments(segments: &[OldSegment], segment_bytes: u64) -> Vec<&[OldSegment]> {
    let mut groups = Vec::new();
    let mut rest = segments;
    while let Some(first) = rest.first() {
        let mut bytes = first.bytes;
        let mut len = 1;
        while let Some(next) = rest.get(len) {
            let fits =
                bytes + next.bytes <= segment_bytes && next.end.0 - 1 - first.base.0 <= i64::from(i32::MAX);
            if !fits {
                break;
            }
            bytes += next.bytes;
            len += 1;
        }
        let (group, others) = rest.split_at(len);
        groups.push(group);
        rest = others;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(segments: &[(i64, i64, u64)], expected: &[usize]) {
        let segments: Vec<_> = segments
            .iter()
            .map(|&(base, end, bytes)| OldSegment {
                base: Offset(base),
                end: Offset(end),
                bytes,
                version: 0,
                tells_aborted: false,
            })
            .collect();
        let lens: Vec<_> = group_segments(&segments, 100).iter().map(|g| g.len()).collect();
        assert_eq!(lens, expected);
    }

    #[test]
    fn neighbours_that_fit_become_one() {
        check(&[], &[]);
        check(&[(0, 10, 200)], &[1]);
        check(&[(0, 10, 50), (10, 20, 50), (20, 30, 1), (30, 40, 0)], &[2, 2]);
        let far = i64::from(i32::MAX);
        check(&[(0, 10, 1), (10, far + 1, 1), (far + 1, far + 2, 1)], &[2, 1]);
    }
}
