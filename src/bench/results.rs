//! Files of results: one JSON report after the other, a line each.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, ensure};

use super::report::Report;

/// Reads all reports of a file.
///
/// # Errors
/// When it can't be read, is empty, or has something else in it.
pub fn read(path: &Path) -> anyhow::Result<Vec<Report>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let reports: Result<Vec<Report>, _> = serde_json::Deserializer::from_str(&text)
        .into_iter::<Report>()
        .collect();
    let reports =
        reports.with_context(|| format!("{} has something else than results in it", path.display()))?;
    ensure!(!reports.is_empty(), "{} is empty", path.display());
    Ok(reports)
}

/// Adds a report to a file.
///
/// # Errors
/// When it can't be written.
pub fn append(path: &Path, report: &Report) -> anyhow::Result<()> {
    let write = || -> anyhow::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        writeln!(file, "{}", serde_json::to_string(report)?)?;
        Ok(())
    };
    write().with_context(|| path.display().to_string())
}

/// Reads files and names each report after its file, with a number where a file has several.
///
/// # Errors
/// As `read`.
pub fn read_named(paths: &[impl AsRef<Path>]) -> anyhow::Result<Vec<(String, Report)>> {
    let mut named = Vec::new();
    for path in paths {
        let reports = read(path.as_ref())?;
        let several = reports.len() > 1;
        for (i, report) in reports.into_iter().enumerate() {
            let mut name = name(path.as_ref());
            if several {
                name = format!("{name} #{}", i + 1);
            }
            named.push((name, report));
        }
    }
    Ok(named)
}

/// What a file of results is called.
pub fn name(path: &Path) -> String {
    path.file_stem()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}
