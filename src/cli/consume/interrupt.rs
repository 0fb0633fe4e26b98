//! Ctrl-C as a wish to stop, so that a member can commit and leave its group.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Whether somebody wants us to stop.
#[derive(Clone, Debug)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens for SIGINT and SIGTERM from now on. The second one ends the process as if nobody listened.
    pub fn listen() -> anyhow::Result<Interrupt> {
        let wished = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: at the first signal the flag is still off, and only then is it set.
            flag::register_conditional_default(signal, wished.clone())
                .and_then(|_| flag::register(signal, wished.clone()))
                .context("cannot listen for signals")?;
        }
        Ok(Interrupt(wished))
    }

    /// Whether a signal has come.
    pub fn is_wished(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
