//! A progress bar on stderr where work is long, and only if a person sees it.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const RECORDS: &str = "{bar:40} {human_pos}/{human_len} records {msg} {eta}";

/// Counts what has been done: records, and bytes of them.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    total: Total,
    records: u64,
    bytes: u64,
}

/// Where the end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    /// After so many bytes.
    Bytes(u64),
    /// After so many records.
    Records(u64),
    /// Nobody knows.
    Unknown,
}

impl Progress {
    /// A bar, or a spinner if nobody knows where the end is. Nothing is drawn if stderr is no terminal, or if asked not to.
    pub fn new(total: Total, shown: Shown) -> Progress {
        let (length, template) = match total {
            Total::Bytes(bytes) => (
                Some(bytes),
                "{bar:40} {bytes}/{total_bytes} {binary_bytes_per_sec} {msg} {eta}",
            ),
            Total::Records(records) => (Some(records), RECORDS),
            Total::Unknown => (None, "{spinner} {bytes} {binary_bytes_per_sec} {msg} {elapsed}"),
        };
        if shown == Shown::No || !std::io::stderr().is_terminal() {
            return Progress {
                bar: ProgressBar::hidden(),
                total,
                records: 0,
                bytes: 0,
            };
        }
        let bar =
            ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr()).with_style(style(template));
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress {
            bar,
            total,
            records: 0,
            bytes: 0,
        }
    }

    /// It has turned out that the end comes after so many records.
    pub fn set_total(&mut self, records: u64) {
        self.total = Total::Records(records);
        if !self.bar.is_hidden() {
            self.bar.set_length(records);
            self.bar.set_style(style(RECORDS));
        }
    }

    /// Adds what has just been done.
    pub fn add(&mut self, records: u64, bytes: u64) {
        if self.bar.is_hidden() {
            return;
        }
        self.records += records;
        self.bytes += bytes;
        match self.total {
            Total::Records(_) => {
                self.bar.set_position(self.records);
                self.bar
                    .set_message(indicatif::BinaryBytes(self.bytes).to_string());
            }
            Total::Bytes(_) | Total::Unknown => {
                self.bar.set_position(self.bytes);
                self.bar.set_message(format!("{} records", self.records));
            }
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
