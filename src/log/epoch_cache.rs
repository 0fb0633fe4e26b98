//! Which leader epoch began at which offset of a partition, and Kafka's file for it (`leader-epoch-checkpoint`).
//!
//! KIP-101 and KIP-279: a client or follower asks where an epoch ended, and learns what was cut since.

use crate::base::ids::{LeaderEpoch, Offset};
use std::fmt::Write;

/// The epochs of one partition that have records, oldest first; epochs and offsets both rise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochCache {
    entries: Vec<(LeaderEpoch, Offset)>,
}

/// A `leader-epoch-checkpoint` that can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MalformedEpochs;

impl EpochCache {
    /// Notes that records of `epoch` begin at `start`. True if that is news, so that the file has to be written.
    ///
    /// An epoch older than the newest is ignored: records keep the epoch they were written with.
    pub fn assign(&mut self, epoch: LeaderEpoch, start: Offset) -> bool {
        match self.entries.last() {
            Some(&(latest, _)) if epoch <= latest => false,
            Some(&(_, latest_start)) if start <= latest_start => {
                // The epochs at and behind this offset never got a record.
                self.entries.retain(|&(_, s)| s < start);
                self.entries.push((epoch, start));
                true
            }
            _ => {
                self.entries.push((epoch, start));
                true
            }
        }
    }

    /// The newest epoch that has records.
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|&(epoch, _)| epoch)
    }

    /// The epochs and where they begin.
    pub fn entries(&self) -> &[(LeaderEpoch, Offset)] {
        &self.entries
    }

    /// The largest epoch not above `epoch` and where it ended: where the next one begins, or `log_end`.
    ///
    /// `None` where Kafka answers "unknown": the epoch is older than all that is known, or from the future. `current`
    /// is the partition's present epoch, which need not have records yet.
    pub fn end_offset_for(
        &self,
        epoch: LeaderEpoch,
        current: LeaderEpoch,
        log_end: Offset,
    ) -> Option<(LeaderEpoch, Offset)> {
        if epoch < LeaderEpoch(0) {
            return None;
        }
        if epoch == current {
            return Some((epoch, log_end));
        }
        if epoch > current {
            return None;
        }
        let next = self.entries.iter().position(|&(e, _)| e > epoch);
        match next {
            None => {
                let latest = self.latest()?;
                Some((latest, log_end))
            }
            // Older than the oldest known: Kafka answers the epoch asked for and where the oldest begins.
            Some(0) => Some((epoch, self.entries[0].1)),
            Some(i) => Some((self.entries[i - 1].0, self.entries[i].1)),
        }
    }

    /// The epoch of the record at `offset`.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let next = self.entries.partition_point(|&(_, start)| start <= offset);
        next.checked_sub(1).map(|i| self.entries[i].0)
    }

    /// Forgets epochs that begin at or behind `end`, when the log is cut there.
    pub fn truncate_from(&mut self, end: Offset) {
        self.entries.retain(|&(_, start)| start < end);
    }

    /// Forgets epochs that ended before `start`, when the log's start moves there. The epoch the start lies in
    /// now begins there.
    pub fn truncate_to(&mut self, start: Offset) {
        if let Some(inside) = self.entries.iter().rposition(|&(_, s)| s <= start) {
            self.entries.drain(..inside);
            self.entries[0].1 = start;
        }
    }

    /// Renders Kafka's file: version 0, count, `epoch offset` per line.
    pub fn encode(&self) -> Vec<u8> {
        let mut text = format!("0\n{}\n", self.entries.len());
        for (epoch, start) in &self.entries {
            writeln!(text, "{epoch} {start}").expect("writing to a string");
        }
        text.into_bytes()
    }

    /// Reads Kafka's file. Epochs and offsets must rise.
    pub fn parse(bytes: &[u8]) -> Result<EpochCache, MalformedEpochs> {
        let text = std::str::from_utf8(bytes).map_err(|_| MalformedEpochs)?;
        let mut lines = text.lines();
        if lines.next() != Some("0") {
            return Err(MalformedEpochs);
        }
        let count: usize = lines.next().and_then(|l| l.parse().ok()).ok_or(MalformedEpochs)?;
        let mut entries: Vec<(LeaderEpoch, Offset)> = Vec::new();
        for line in lines {
            let (epoch, start) = line.split_once(' ').ok_or(MalformedEpochs)?;
            let epoch: i32 = epoch.parse().map_err(|_| MalformedEpochs)?;
            let start: i64 = start.parse().map_err(|_| MalformedEpochs)?;
            let rises = entries
                .last()
                .is_none_or(|&(e, s)| e < LeaderEpoch(epoch) && s <= Offset(start));
            if epoch < 0 || start < 0 || !rises {
                return Err(MalformedEpochs);
            }
            entries.push((LeaderEpoch(epoch), Offset(start)));
        }
        if entries.len() != count {
            return Err(MalformedEpochs);
        }
        Ok(EpochCache { entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(entries: &[(i32, i64)]) -> EpochCache {
        let mut cache = EpochCache::default();
        for &(epoch, start) in entries {
            assert!(cache.assign(LeaderEpoch(epoch), Offset(start)));
        }
        cache
    }

    #[test]
    fn golden() {
        let cache = cache(&[(0, 0), (3, 17)]);
        assert_eq!(cache.encode(), b"0\n2\n0 0\n3 17\n");
        assert_eq!(EpochCache::parse(b"0\n2\n0 0\n3 17\n"), Ok(cache));
        for bad in [
            "",
            "1\n0\n",
            "0\n1\n",
            "0\n2\n3 0\n3 1\n",
            "0\n2\n1 5\n2 4\n",
            "0\n1\n-1 0\n",
            "0\n1\nx\n",
        ] {
            assert_eq!(EpochCache::parse(bad.as_bytes()), Err(MalformedEpochs), "{bad:?}");
        }
    }

    #[test]
    fn the_end_of_an_epoch_is_where_the_next_begins() {
        let cache = cache(&[(2, 10), (4, 20), (5, 30)]);
        let end = |epoch| {
            cache
                .end_offset_for(LeaderEpoch(epoch), LeaderEpoch(7), Offset(40))
                .map(|(e, o)| (e.0, o.0))
        };
        assert_eq!(end(-1), None);
        assert_eq!(end(1), Some((1, 10)));
        assert_eq!(end(2), Some((2, 20)));
        assert_eq!(end(3), Some((2, 20)));
        assert_eq!(end(4), Some((4, 30)));
        assert_eq!(end(5), Some((5, 40)));
        assert_eq!(end(6), Some((5, 40)));
        assert_eq!(end(7), Some((7, 40)));
        assert_eq!(end(8), None);
    }

    #[test]
    fn an_epoch_without_records_gives_way() {
        let mut cache = cache(&[(0, 0), (1, 10)]);
        assert!(!cache.assign(LeaderEpoch(1), Offset(12)));
        assert!(!cache.assign(LeaderEpoch(0), Offset(12)));
        assert!(cache.assign(LeaderEpoch(2), Offset(10)));
        assert_eq!(
            cache.entries(),
            [(LeaderEpoch(0), Offset(0)), (LeaderEpoch(2), Offset(10))]
        );
        assert_eq!(cache.epoch_at(Offset(9)), Some(LeaderEpoch(0)));
        assert_eq!(cache.epoch_at(Offset(10)), Some(LeaderEpoch(2)));
        assert_eq!(EpochCache::default().epoch_at(Offset(10)), None);
    }

    #[test]
    fn cut_at_both_ends() {
        let mut cache = cache(&[(0, 0), (1, 10), (2, 20)]);
        cache.truncate_from(Offset(20));
        assert_eq!(cache.latest(), Some(LeaderEpoch(1)));
        cache.truncate_to(Offset(15));
        assert_eq!(cache.entries(), [(LeaderEpoch(1), Offset(15))]);
    }
}
