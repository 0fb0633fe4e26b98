//! What a topic promises its clients.

use super::oracle::below;

/// Values that make segments small enough that a short life has many of them.
const SMALL_INDEX: &str = "60";

/// What clients may rely on in a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Everything that was acknowledged stays.
    Everything,
    /// Records stay for this many milliseconds at least, unless a client deletes them.
    ForTime(i64),
    /// This many bytes stay at least, unless a client deletes them.
    ForBytes(i64),
    /// Of each key the newest record stays.
    NewestOfKey(Tombstones),
    /// Everything stays as long as the server lives: of what was acknowledged, a crash takes some of the end.
    UntilDeath,
}

/// How long the record stays that says that a key is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tombstones {
    Stay,
    MayGo,
}

impl Promise {
    /// A topic with retention.
    pub fn retention() -> Promise {
        match below(2) {
            0 => Promise::ForTime(300 + below(1500) as i64),
            _ => Promise::ForBytes(2_000 + below(30_000) as i64),
        }
    }

    /// A topic with compaction.
    pub fn compaction() -> Promise {
        Promise::NewestOfKey([Tombstones::Stay, Tombstones::MayGo][below(2) as usize])
    }

    /// Whether the log's start moves.
    pub fn forgets(self) -> bool {
        matches!(self, Promise::ForTime(_) | Promise::ForBytes(_))
    }

    /// Whether records of closed segments may go from between others.
    pub fn compacts(self) -> bool {
        matches!(self, Promise::NewestOfKey(_))
    }

    /// The configs of a topic that promises this.
    pub fn configs(self) -> Vec<(&'static str, String)> {
        let mut configs = vec![
            ("segment.index.bytes", SMALL_INDEX.to_string()),
            (
                "index.interval.bytes",
                ["300", "3000"][below(2) as usize].to_string(),
            ),
            ("file.delete.delay.ms", below(60).to_string()),
        ];
        match self {
            Promise::Everything if below(2) == 0 => configs.clear(),
            Promise::Everything => {}
            Promise::ForTime(ms) => configs.push(("retention.ms", ms.to_string())),
            Promise::ForBytes(bytes) => {
                configs.push(("retention.bytes", bytes.to_string()));
                configs.push(("retention.ms", "-1".to_string()));
            }
            Promise::NewestOfKey(tombstones) => {
                let retention_ms = match tombstones {
                    Tombstones::Stay => "86400000",
                    Tombstones::MayGo => ["0", "200"][below(2) as usize],
                };
                configs.push(("cleanup.policy", "compact".to_string()));
                configs.push(("delete.retention.ms", retention_ms.to_string()));
                configs.push(("min.cleanable.dirty.ratio", "0.01".to_string()));
            }
            Promise::UntilDeath => configs.push(("durability", "relaxed".to_string())),
        }
        configs
    }

    /// A config that may change while the topic is used, and a value that keeps the promise.
    pub fn another_config(self) -> (&'static str, String) {
        match self {
            Promise::ForTime(ms) => ("retention.ms", (ms * (1 + below(3) as i64)).to_string()),
            Promise::ForBytes(bytes) => ("retention.bytes", (bytes * (1 + below(3) as i64)).to_string()),
            Promise::NewestOfKey(_) if below(2) == 0 => (
                "min.cleanable.dirty.ratio",
                ["0.0", "0.3", "0.9"][below(3) as usize].to_string(),
            ),
            Promise::UntilDeath if below(2) == 0 => (
                "durability",
                ["durable", "relaxed"][below(2) as usize].to_string(),
            ),
            _ => (
                "segment.index.bytes",
                [SMALL_INDEX, "120", "100000"][below(3) as usize].to_string(),
            ),
        }
    }
}
