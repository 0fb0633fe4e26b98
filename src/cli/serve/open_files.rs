//! How many files and sockets may be open.

use anyhow::bail;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::shard::OpenFileLimits;

/// Below this a server of some hundred partitions and connections runs out. A guess.
const ENOUGH: u64 = 4096;

const HOW_TO_RAISE: &str = "Raise the hard limit with `ulimit -Hn`, LimitNOFILE= in a systemd unit, or --ulimit nofile= with docker run";

/// Raises the soft limit to the hard one, which every process may, and divides it. The soft limit is 1024 on most systems for
/// the sake of programs from the time of `select`.
pub fn plan_open_files(shards: u16, directories: usize) -> anyhow::Result<OpenFileLimits> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(%error, "could not raise the limit of open files");
    }
    let open_files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let limits = match OpenFileLimits::plan(open_files, shards, directories) {
        Ok(limits) => limits,
        Err(least) => bail!(
            "at most {open_files} files may be open, and a server with --shards {shards} needs {least}. {HOW_TO_RAISE}, or use \
             fewer shards or data directories"
        ),
    };
    if open_files < ENOUGH {
        tracing::warn!(
            open_files,
            connections_per_shard = limits.connections,
            "few files may be open: connections are limited by it. {HOW_TO_RAISE}"
        );
    }
    Ok(limits)
}
