//! How many files and sockets may be open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Below this a server of some hundred partitions and connections runs out. A guess.
const ENOUGH: u64 = 4096;

/// Raises the soft limit to the hard one, which every process may. The soft limit is 1024 on most systems for the sake
/// of programs from the time of `select`.
pub fn raise_open_files() {
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
    if open_files < ENOUGH {
        tracing::warn!(
            open_files,
            "few files may be open: connections and partitions are limited by it. Raise the hard limit with `ulimit -Hn`, \
             LimitNOFILE= in a systemd unit, or --ulimit nofile= with docker run"
        );
    }
}
