//! What is damaged in a partition, what a repair would do about it, what that loses and what it keeps: pure.

use super::partition_look::PartitionLook;
use crate::base::ids::Offset;
use crate::log::inspect::SegmentSurvey;
use crate::log::{PartitionOffline, WalSpan};

/// Offsets from one up to another, which is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offsets {
    /// The first.
    pub from: Offset,
    /// Behind the last.
    pub to: Offset,
}

/// A damaged place in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The segment.
    pub base: Offset,
    /// The first byte.
    pub position: u64,
    /// How many bytes.
    pub bytes: u64,
    /// What is wrong there.
    pub what: String,
    /// The offset expected there.
    pub from: Offset,
    /// Where records go on, in this segment or the next.
    pub to: Option<Offset>,
}

/// Bytes to take out of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The segment.
    pub base: Offset,
    /// Ranges of bytes, first and behind the last, ascending. What is behind them moves up.
    pub ranges: Vec<(u64, u64)>,
    /// The length of its file before.
    pub log_bytes: u64,
}

/// How it stands with a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// All of it is there.
    Whole,
    /// It comes up, and what is damaged can't be read.
    Damaged,
    /// It does not come up.
    Offline,
}

/// What to do about a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairPlan {
    /// How it stands.
    pub state: State,
    /// Why it is offline, in recovery's words.
    pub reason: Option<String>,
    /// Damaged places in segments.
    pub places: Vec<Place>,
    /// What to take out of segments.
    pub cuts: Vec<Cut>,
    /// Where the segments end when that is done.
    pub segments_end: Offset,
    /// Where a segment is to begin for that, without records.
    pub begin_at: Option<Offset>,
    /// Records that stay in segments.
    pub kept_records: u64,
    /// Bytes that stay in segments.
    pub kept_bytes: u64,
    /// What write-ahead logs put back behind the segments.
    pub put_back: Vec<Offsets>,
    /// Offsets that are lost, ascending.
    pub lost: Vec<Offsets>,
    /// Whether nobody knows if more is lost.
    pub lost_unknown: bool,
    /// The offset of the next record.
    pub goes_on_at: Offset,
    /// What the command can do nothing about; then it does nothing.
    pub beyond: Vec<String>,
    /// What is to be known.
    pub notes: Vec<String>,
}

impl RepairPlan {
    /// Judges a partition. `wal_damage` says whether its write-ahead logs have lost frames of nobody knows whom.
    pub fn of(look: &PartitionLook, wal_damage: &[crate::log::Damage]) -> RepairPlan {
        let mut plan = RepairPlan {
            state: State::Whole,
            reason: look.verdict.as_ref().err().map(ToString::to_string),
            places: Vec::new(),
            cuts: Vec::new(),
            segments_end: Offset::ZERO,
            begin_at: None,
            kept_records: 0,
            kept_bytes: 0,
            put_back: Vec::new(),
            lost: Vec::new(),
            lost_unknown: false,
            goes_on_at: Offset::ZERO,
            beyond: look.beyond.clone(),
            notes: look.notes.clone(),
        };
        match &look.verdict {
            Err(PartitionOffline::File(error)) => plan.beyond.push(format!("{error}: no file is damaged")),
            Err(PartitionOffline::Damaged(damage)) => plan.lost_unknown = wal_damage.contains(damage),
            Ok(_) => {}
        }
        plan.look_at_segments(look);
        plan.look_at_write_ahead_logs(look);
        for (base, what) in &look.index_trouble {
            plan.notes.push(format!(
                "{:020}.log: {what}; it is made anew from the segment, and nothing is lost",
                base.0
            ));
        }
        if look.segments.iter().any(|segment| segment.transactional) && !plan.lost.is_empty() {
            plan.notes.push(
                "there are transactions in it: if a marker is among what is lost, consumers that read committed records pass over what \
                 that producer wrote up to its next marker"
                    .to_string(),
            );
        }
        plan.state = match (
            &look.verdict,
            plan.places.is_empty() && look.to_rebuild.is_empty(),
        ) {
            (Err(_), _) => State::Offline,
            (Ok(_), false) => State::Damaged,
            (Ok(_), true) => State::Whole,
        };
        plan
    }

    /// Whether there is something to do, and nothing stands against it.
    pub fn can_be_repaired(&self) -> bool {
        self.state != State::Whole && self.beyond.is_empty()
    }

    fn look_at_segments(&mut self, look: &PartitionLook) {
        for (at, segment) in look.segments.iter().enumerate() {
            let next = look.segments.get(at + 1);
            self.kept_records += segment.records;
            self.kept_bytes += segment.log_bytes - segment.zeros;
            if let Some(next) = next
                && next.base < segment.next_offset
            {
                self.beyond.push(format!(
                    "{:020}.log begins before offset {}, where the segment before it ends: one of the two is from elsewhere",
                    next.base.0, segment.next_offset
                ));
            }
            self.gaps(look, segment);
            match next {
                Some(next) => self.closed_segment(segment, next.base),
                None => self.last_segment(look, segment),
            }
        }
        // What is before the log's start was deleted.
        if self.segments_end < look.known.log_start {
            self.segments_end = look.known.log_start;
            self.begin_at = Some(self.segments_end);
        }
        if let Some(first) = look.segments.first()
            && look.known.log_start < first.base
        {
            self.notes.push(format!(
                "the log began at offset {}, and there is no segment before {}",
                look.known.log_start, first.base
            ));
        }
    }

    /// Compaction, imports and repairs leave gaps, and note a recovery point behind them.
    fn gaps(&mut self, look: &PartitionLook, segment: &SegmentSurvey) {
        if segment.base < look.known.recovery_point || look.verdict.is_ok() {
            return;
        }
        self.lost.extend(
            segment
                .gaps
                .iter()
                .map(|(from, to)| Offsets { from: *from, to: *to }),
        );
    }

    fn closed_segment(&mut self, segment: &SegmentSurvey, next_base: Offset) {
        let mut ranges = Vec::new();
        for bad in &segment.bad {
            let to = bad.to.unwrap_or(next_base);
            self.place(
                segment.base,
                (bad.position, bad.bytes),
                &bad.what,
                bad.from,
                Some(to),
            );
            self.lose(bad.from, to);
            ranges.push((bad.position, bad.position + bad.bytes));
        }
        if segment.zeros > 0 && segment.next_offset < next_base {
            let position = segment.log_bytes - segment.zeros;
            let what = "zeros where records belong";
            self.place(
                segment.base,
                (position, segment.zeros),
                what,
                segment.next_offset,
                Some(next_base),
            );
            self.lose(segment.next_offset, next_base);
            ranges.push((position, segment.log_bytes));
        }
        self.cut(segment, ranges);
        self.segments_end = next_base;
    }

    fn last_segment(&mut self, look: &PartitionLook, segment: &SegmentSurvey) {
        self.segments_end = segment.next_offset;
        let Some(first) = segment.bad.first() else {
            return;
        };
        let synced = look.known.recovery_point;
        if first.from >= synced && first.to.is_none() {
            // A write that a crash has cut short looks like this. Recovery ends the log there, whatever the repair does.
            self.notes.push(format!(
                "{:020}.log: torn at byte {}, offset {}, behind all that is known to be synced: the next start cuts off {} bytes; if they \
                 were acknowledged, a write-ahead log has them",
                segment.base.0, first.position, first.from, first.bytes
            ));
            self.kept_bytes -= first.bytes;
            return;
        }
        if covers(&look.wal, first.from, segment.next_offset) {
            // All from there on is in the write-ahead log: nothing is lost if it comes from there.
            let bytes = segment.log_bytes - segment.zeros - first.position;
            self.place(
                segment.base,
                (first.position, bytes),
                &first.what,
                first.from,
                None,
            );
            self.segments_end = first.from;
            self.kept_records -= segment.records_behind;
            self.kept_bytes -= bytes;
            self.cuts.push(Cut {
                base: segment.base,
                ranges: vec![(first.position, segment.log_bytes)],
                log_bytes: segment.log_bytes,
            });
            return;
        }
        let mut ranges = Vec::new();
        for bad in &segment.bad {
            self.place(
                segment.base,
                (bad.position, bad.bytes),
                &bad.what,
                bad.from,
                bad.to,
            );
            if let Some(to) = bad.to {
                self.lose(bad.from, to);
            }
            ranges.push((bad.position, bad.position + bad.bytes));
        }
        self.cut(segment, ranges);
    }

    fn place(
        &mut self,
        base: Offset,
        (position, bytes): (u64, u64),
        what: &str,
        from: Offset,
        to: Option<Offset>,
    ) {
        self.places.push(Place {
            base,
            position,
            bytes,
            what: what.to_string(),
            from,
            to,
        });
    }

    fn cut(&mut self, segment: &SegmentSurvey, ranges: Vec<(u64, u64)>) {
        if ranges.is_empty() {
            return;
        }
        let bytes: u64 = ranges.iter().map(|(from, to)| to - from).sum();
        let padding = match ranges.last() {
            Some((from, to)) if *to == segment.log_bytes => segment.zeros.min(to - from),
            _ => 0,
        };
        self.kept_bytes -= bytes - padding;
        self.cuts.push(Cut {
            base: segment.base,
            ranges,
            log_bytes: segment.log_bytes,
        });
    }

    fn lose(&mut self, from: Offset, to: Offset) {
        if from >= to {
            return;
        }
        match self.lost.last_mut() {
            Some(last) if last.to == from => last.to = to,
            _ => self.lost.push(Offsets { from, to }),
        }
    }

    /// Goes through what write-ahead logs have, as the salvaging recovery will.
    fn look_at_write_ahead_logs(&mut self, look: &PartitionLook) {
        let mut end = self.segments_end;
        for span in &look.wal {
            if span.to <= end {
                continue;
            }
            let skip_to = if span.whole { span.from } else { span.to };
            if skip_to > end {
                self.lose(end, skip_to);
                end = skip_to;
            }
            if span.whole {
                let from = span.from.max(end);
                match self.put_back.last_mut() {
                    Some(last) if last.to == from => last.to = span.to,
                    _ => self.put_back.push(Offsets { from, to: span.to }),
                }
                end = span.to;
            }
        }
        let floor = match &look.verdict {
            Ok((_, end)) => *end,
            Err(_) => look.heard_of.max(look.known.log_start),
        };
        self.lose(end, floor);
        self.goes_on_at = end.max(floor);
    }
}

/// Whether whole entries of write-ahead logs have all records from one offset on, and at least up to another.
fn covers(spans: &[WalSpan], from: Offset, to: Offset) -> bool {
    let mut reached = None;
    for span in spans.iter().filter(|span| span.whole) {
        let at = reached.unwrap_or(from);
        if span.from <= at && span.to > at {
            reached = Some(span.to);
        }
    }
    reached.is_some_and(|reached| reached >= to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{TopicId, TopicPartition};
    use crate::log::inspect::BadPlace;
    use crate::log::{Checkpoint, Damage};

    fn segment(base: i64, next: i64, bad: Vec<BadPlace>) -> SegmentSurvey {
        SegmentSurvey {
            base: Offset(base),
            log_bytes: 1000,
            batches: 10,
            records: 10,
            records_behind: 4,
            next_offset: Offset(next),
            gaps: Vec::new(),
            bad,
            zeros: 0,
            transactional: false,
        }
    }

    fn bad(from: i64, to: Option<i64>) -> BadPlace {
        BadPlace {
            position: 300,
            bytes: if to.is_some() { 100 } else { 700 },
            what: "checksum".to_string(),
            from: Offset(from),
            to: to.map(Offset),
        }
    }

    fn span(from: i64, to: i64, whole: bool) -> WalSpan {
        WalSpan {
            from: Offset(from),
            to: Offset(to),
            whole,
            path: "w".into(),
            position: 0,
        }
    }

    fn look(synced: i64, offline: bool, segments: Vec<SegmentSurvey>, wal: Vec<WalSpan>) -> PartitionLook {
        let damage = Damage {
            path: "x".into(),
            position: 1,
            offset: None,
            what: "it is".to_string(),
        };
        let heard_of = segments
            .last()
            .map_or(Offset(synced), |s| s.next_offset.max(Offset(synced)));
        PartitionLook {
            id: TopicPartition {
                topic: TopicId([1; 16]),
                partition: 0,
            },
            topic: "t".into(),
            dir: "t-0".into(),
            verdict: match offline {
                true => Err(PartitionOffline::Damaged(damage)),
                false => Ok((Offset(0), heard_of)),
            },
            known: Checkpoint::at_rest(Offset(0), Offset(synced)),
            wal,
            segments,
            heard_of,
            index_trouble: Vec::new(),
            to_rebuild: Vec::new(),
            notes: Vec::new(),
            beyond: Vec::new(),
        }
    }

    fn ranges(all: &[Offsets]) -> Vec<(i64, i64)> {
        all.iter().map(|one| (one.from.0, one.to.0)).collect()
    }

    #[test]
    fn a_place_in_a_closed_segment_is_cut_out_and_the_rest_stays() {
        let segments = vec![segment(0, 10, vec![bad(3, Some(5))]), segment(10, 20, vec![])];
        let plan = RepairPlan::of(&look(20, false, segments, vec![]), &[]);
        assert_eq!((plan.state, plan.goes_on_at), (State::Damaged, Offset(20)));
        assert_eq!(ranges(&plan.lost), [(3, 5)]);
        assert_eq!(plan.cuts[0].ranges, [(300, 400)]);
        assert_eq!((plan.kept_records, plan.kept_bytes), (20, 1900));
    }

    #[test]
    fn a_torn_end_behind_what_is_synced_is_left_to_the_server() {
        let torn = vec![segment(0, 10, vec![bad(10, None)])];
        let plan = RepairPlan::of(&look(10, false, torn, vec![]), &[]);
        assert_eq!((plan.state, plan.notes.len()), (State::Whole, 1));
        assert!(plan.cuts.is_empty() && plan.lost.is_empty());
    }

    #[test]
    fn offsets_of_acknowledged_records_are_not_given_again() {
        let short = vec![segment(0, 10, vec![bad(10, None)])];
        let plan = RepairPlan::of(&look(30, true, short, vec![]), &[]);
        assert_eq!((plan.state, plan.goes_on_at), (State::Offline, Offset(30)));
        assert_eq!(ranges(&plan.lost), [(10, 30)]);
    }

    #[test]
    fn what_the_write_ahead_log_has_is_put_back() {
        let short = vec![segment(0, 10, vec![bad(10, None)])];
        let wal = vec![span(5, 20, true), span(20, 25, false), span(25, 28, true)];
        let plan = RepairPlan::of(&look(30, true, short, wal), &[]);
        assert_eq!(ranges(&plan.put_back), [(10, 20), (25, 28)]);
        assert_eq!(ranges(&plan.lost), [(20, 25), (28, 30)]);

        // In the middle of the last segment: all from there on comes from the write-ahead log, if it has it.
        let middle = || vec![segment(0, 10, vec![bad(4, Some(6))])];
        let plan = RepairPlan::of(&look(10, false, middle(), vec![span(2, 12, true)]), &[]);
        assert_eq!(
            (plan.segments_end, plan.cuts[0].ranges[0]),
            (Offset(4), (300, 1000))
        );
        assert!(plan.lost.is_empty() && plan.goes_on_at == Offset(12));
        let plan = RepairPlan::of(&look(10, false, middle(), vec![span(2, 8, true)]), &[]);
        assert_eq!((ranges(&plan.lost), plan.goes_on_at), (vec![(4, 6)], Offset(10)));
    }

    #[test]
    fn what_can_t_be_cut_is_said() {
        let segments = vec![segment(0, 10, vec![]), segment(8, 20, vec![])];
        let plan = RepairPlan::of(&look(20, true, segments, vec![]), &[]);
        assert!(!plan.can_be_repaired() && plan.beyond.len() == 1);
    }
}
