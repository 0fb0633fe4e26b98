//! The line that shows how a run goes, on a terminal only.

use std::io::{IsTerminal, Write};

use super::meter::Slice;

/// Written over itself each second, and gone at the end.
pub struct LiveLine {
    terminal: bool,
}

impl LiveLine {
    /// Nothing is shown where nobody looks.
    pub fn new() -> LiveLine {
        LiveLine {
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// Shows the last slice.
    pub fn show(&mut self, slice: &Slice) {
        if !self.terminal {
            return;
        }
        let line = format!(
            "{:5.0} s  {:9.0} requests/s  {:8.1} MB/s  p50 {:.3} ms  p99 {:.3} ms  max {:.3} ms",
            slice.at_s,
            slice.requests as f64 / slice.seconds,
            slice.batch_bytes as f64 / 1e6 / slice.seconds,
            slice.p50_ms,
            slice.p99_ms,
            slice.max_ms
        );
        // A line that can't be shown is no reason to end a run.
        let _ = write!(std::io::stderr(), "\r{line}\x1b[K");
    }
}

impl Drop for LiveLine {
    fn drop(&mut self) {
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
