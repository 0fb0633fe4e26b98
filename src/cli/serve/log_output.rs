//! Where log lines go: standard error, for standard output says when the server is ready.

use std::io::{self, IsTerminal};

use anyhow::Context;
use tracing_subscriber::EnvFilter;

/// Logs by the setting `logging` from now on; with colours where a person looks on.
pub fn start_logging(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::builder().parse(filter).with_context(|| {
        format!(
            "the setting logging = {filter:?} can't be used; write a level (error, warn, info, debug, trace) or \
             levels by part, like info,corelane::log=debug"
        )
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    Ok(())
}
