//! Where records go: stdout, and a count that may end it.

use std::io::{self, BufWriter, StdoutLock, Write};

use super::record_format::RecordPrinter;
use crate::cli::client::Partition;
use crate::cli::output::written;
use crate::cli::progress::Progress;
use crate::wire::records::Record;

/// Whether more records are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appetite {
    /// More, please.
    More,
    /// That was the last one.
    Full,
}

/// Prints records.
pub struct Sink {
    out: BufWriter<StdoutLock<'static>>,
    printer: RecordPrinter,
    left: Option<u64>,
    progress: Progress,
}

impl Sink {
    /// Prints at most `count` records.
    pub fn new(printer: RecordPrinter, count: Option<u64>, progress: Progress) -> Sink {
        let out = BufWriter::with_capacity(256 * 1024, io::stdout().lock());
        Sink {
            out,
            printer,
            left: count,
            progress,
        }
    }

    /// So many records are to come.
    pub fn expect(&mut self, records: u64) {
        self.progress.set_total(records);
    }

    /// Prints a record. It may not be seen before `flush`.
    pub fn take(&mut self, partition: &Partition, record: &Record<'_>) -> anyhow::Result<Appetite> {
        written(self.printer.print(&mut self.out, partition, record))?;
        let bytes = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        self.progress.add(1, bytes as u64);
        let Some(left) = &mut self.left else {
            return Ok(Appetite::More);
        };
        *left -= 1;
        Ok(if *left == 0 {
            Appetite::Full
        } else {
            Appetite::More
        })
    }

    /// Whoever reads our output has everything now.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        written(self.out.flush())
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.progress.finish();
    }
}
