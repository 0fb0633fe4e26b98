//! How the files and sockets that the system lets a server have open are shared among its parts.

/// What the process has besides its shards: standard streams, locks, the metadata log, the control thread's own.
const PROCESS_FILES: u64 = 48;
/// What a shard has besides its logs: its rings and their events, its listeners, what its helper threads have open for a moment.
const SHARD_FILES: u64 = 24;
/// What a shard's log in one directory has besides segments: write-ahead logs, one being made, a checkpoint being written, old ones
/// read at a start.
const LOG_FILES: u64 = 12;
/// With fewer segment files in each log, or fewer connections on each shard, it is not worth starting. A guess.
const LEAST: u64 = 8;
/// More segment files are not kept open. A guess: opening one takes some 50 us, and the kernel keeps about a KiB for each.
const MOST_SEGMENT_FILES: u64 = 2048;

/// The share of each part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFileLimits {
    /// Segment files that the log of a shard in one directory keeps open.
    pub segment_files: usize,
    /// Connections of a shard.
    pub connections: usize,
}

impl OpenFileLimits {
    /// Divides what may be open: a quarter for segment files that stay open, a quarter for those in use beyond that, by
    /// reads and background work, and half for connections. The error is the smallest limit that would do.
    pub fn plan(limit: u64, shards: u16, directories: usize) -> Result<OpenFileLimits, u64> {
        let shards = u64::from(shards.max(1));
        let logs = shards * directories.max(1) as u64;
        let fixed = PROCESS_FILES + shards * SHARD_FILES + logs * LOG_FILES;
        let least = fixed + (4 * LEAST * logs).max(2 * LEAST * shards);
        if limit < least {
            return Err(least);
        }
        let rest = limit - fixed;
        let segment_files = (rest / 4 / logs).min(MOST_SEGMENT_FILES);
        // What segment files leave is for connections.
        let connections = (rest - 2 * segment_files * logs) / shards;
        Ok(OpenFileLimits {
            segment_files: usize::try_from(segment_files).unwrap_or(usize::MAX),
            connections: usize::try_from(connections).unwrap_or(usize::MAX),
        })
    }

    /// For tests: as many as a server with one shard may have where the limit is high.
    pub fn plenty() -> OpenFileLimits {
        OpenFileLimits::plan(1 << 20, 1, 1).expect("plenty")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_together_stay_below_the_limit() {
        for limit in [150, 256, 1024, 20_000, 1 << 30, u64::MAX] {
            for (shards, directories) in [(1, 1), (2, 1), (8, 1), (2, 4), (64, 12)] {
                let logs = u64::from(shards) * directories as u64;
                match OpenFileLimits::plan(limit, shards, directories) {
                    Ok(plan) => {
                        assert!(plan.segment_files as u64 >= LEAST && plan.connections as u64 >= LEAST);
                        let segments = logs * plan.segment_files as u64;
                        let connections = u64::from(shards) * plan.connections as u64;
                        assert!(2 * segments + connections + PROCESS_FILES <= limit);
                    }
                    Err(least) => {
                        assert!(least > limit);
                        assert!(OpenFileLimits::plan(least, shards, directories).is_ok());
                    }
                }
            }
        }
    }

    #[test]
    fn a_low_limit_serves_a_few() {
        let plan = OpenFileLimits::plan(256, 1, 1).unwrap();
        assert_eq!(
            plan,
            OpenFileLimits {
                segment_files: 43,
                connections: 86
            }
        );
        assert_eq!(OpenFileLimits::plan(64, 1, 1), Err(116));
    }
}
