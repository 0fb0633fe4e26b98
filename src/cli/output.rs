//! Standard output, for people or for machines.

use std::io::{self, IsTerminal, Write};

use anyhow::Context;
use serde_json::Value;

use super::table::Table;

/// Who reads what a command prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Tables and sentences.
    Human,
    /// One JSON value.
    Json,
}

impl Format {
    /// From the flag `--json`.
    pub fn from_flag(json: bool) -> Format {
        if json { Format::Json } else { Format::Human }
    }
}

/// Prints one JSON value, indented if a person looks at it.
pub fn print_json(value: &Value) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let text = if out.is_terminal() {
        format!("{value:#}")
    } else {
        value.to_string()
    };
    written(writeln!(out, "{text}"))
}

/// Prints a table.
pub fn print_table(table: &Table) -> anyhow::Result<()> {
    let mut text = Vec::new();
    table.write(&mut text).expect("memory takes all");
    written(io::stdout().lock().write_all(&text))
}

/// Prints a line.
pub fn print_line(line: &str) -> anyhow::Result<()> {
    written(writeln!(io::stdout().lock(), "{line}"))
}

/// Says what failed to be written; a reader that has gone away can be told apart by `is_reader_gone`.
pub fn written(result: io::Result<()>) -> anyhow::Result<()> {
    result.context("could not write to standard output")
}

/// Whether the failure is only that whoever read our output (`| head`) has seen enough.
pub fn is_reader_gone(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
        && error.to_string().contains("standard output")
}
