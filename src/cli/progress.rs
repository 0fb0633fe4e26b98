//! A progress bar on stderr where work is long, and only if a person sees it.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Counts what has been done: records, and bytes of them.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    records: u64,
}

impl Progress {
    /// A bar that ends at `total_bytes`, or a spinner if nobody knows where the end is. Nothing is drawn if stderr is no
    /// terminal, if the program's own output goes to the same terminal line by line, or if asked to be quiet.
    pub fn new(total_bytes: Option<u64>, shown: Shown) -> Progress {
        let bar = match (shown, total_bytes) {
            (Shown::No, _) => ProgressBar::hidden(),
            (Shown::IfTerminal, _) if !std::io::stderr().is_terminal() => ProgressBar::hidden(),
            (Shown::IfTerminal, Some(total)) => {
                ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr()).with_style(style(
                    "{bar:40} {bytes}/{total_bytes} {binary_bytes_per_sec} {msg} {eta}",
                ))
            }
            (Shown::IfTerminal, None) => ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
                .with_style(style("{spinner} {bytes} {binary_bytes_per_sec} {msg} {elapsed}")),
        };
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress { bar, records: 0 }
    }

    /// Adds what has just been done.
    pub fn add(&mut self, records: u64, bytes: u64) {
        self.records += records;
        self.bar.inc(bytes);
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("{} records", self.records));
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Whether a bar may be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Never.
    No,
    /// If stderr is a terminal.
    IfTerminal,
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is a constant")
}
