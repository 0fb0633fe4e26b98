//! Which shards have come how far: the roll call at the start and at the stop.

use crate::base::ids::ShardId;

/// How far a shard has come. Later stages are larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Recovering,
    Recovered,
    Serving,
    /// It has said its last word.
    Ended,
}

/// One entry per shard.
pub(super) struct Roll {
    stages: Vec<Stage>,
    /// The version of the image each serves by.
    applied: Vec<u64>,
}

impl Roll {
    pub(super) fn new(shards: u16, version: u64) -> Roll {
        let shards = usize::from(shards);
        Roll {
            stages: vec![Stage::Recovering; shards],
            applied: vec![version; shards],
        }
    }

    /// Notes that a shard has come to a stage. Stages are never left backwards.
    pub(super) fn reached(&mut self, shard: ShardId, stage: Stage) {
        let entry = &mut self.stages[usize::from(shard.0)];
        assert!(*entry < stage, "shard {shard} says {stage:?} after {entry:?}");
        *entry = stage;
    }

    /// Whether no shard is before this stage.
    pub(super) fn all_at(&self, stage: Stage) -> bool {
        self.stages.iter().all(|entry| *entry >= stage)
    }

    /// Notes the version of the image a shard serves by.
    pub(super) fn applied(&mut self, shard: ShardId, version: u64) {
        let entry = &mut self.applied[usize::from(shard.0)];
        assert!(
            *entry <= version,
            "shard {shard} went back from image {entry} to {version}"
        );
        *entry = version;
    }

    /// The newest version that every shard serves by. A shard that has ended waits for nothing and nobody for it.
    pub(super) fn applied_by_all(&self) -> u64 {
        let serving = self
            .stages
            .iter()
            .zip(&self.applied)
            .filter(|(stage, _)| **stage < Stage::Ended);
        serving.map(|(_, version)| *version).min().unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_shard_decides() {
        let mut roll = Roll::new(2, 5);
        roll.reached(ShardId(0), Stage::Recovered);
        assert!(!roll.all_at(Stage::Recovered));
        roll.reached(ShardId(1), Stage::Recovered);
        assert!(roll.all_at(Stage::Recovered));
        roll.applied(ShardId(0), 9);
        assert_eq!(roll.applied_by_all(), 5);
        roll.applied(ShardId(1), 7);
        assert_eq!(roll.applied_by_all(), 7);
        roll.reached(ShardId(1), Stage::Ended);
        assert_eq!(roll.applied_by_all(), 9);
    }

    #[test]
    #[should_panic(expected = "after Serving")]
    fn a_shard_does_not_go_back() {
        let mut roll = Roll::new(1, 0);
        roll.reached(ShardId(0), Stage::Serving);
        roll.reached(ShardId(0), Stage::Recovered);
    }
}
