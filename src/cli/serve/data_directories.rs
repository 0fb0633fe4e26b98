//! All data directories: none twice, none in another, and the one with the metadata first.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::data_directory::{DataDirectory, TakeError};
use crate::config::Settings;
use crate::metadata::MetadataLog;

/// The data directories that no other server can use while this value lives.
#[derive(Debug)]
pub struct DataDirectories {
    paths: Vec<PathBuf>,
    founded: bool,
    /// Those that are there.
    _taken: Vec<DataDirectory>,
}

impl DataDirectories {
    /// Takes those that the settings say. One that is there and won't do is refused. One whose disk does not answer is left to be
    /// found offline, unless it is the only one.
    pub fn take(settings: &Settings) -> anyhow::Result<DataDirectories> {
        let given = if settings.data_dirs.is_empty() {
            std::slice::from_ref(&settings.data_dir)
        } else {
            &settings.data_dirs[..]
        };
        let mut paths: Vec<PathBuf> = Vec::with_capacity(given.len());
        let mut taken = Vec::with_capacity(given.len());
        let mut unanswered = None;
        for path in given {
            let path = std::path::absolute(path)
                .with_context(|| format!("the data directory {path:?} is no path"))?;
            // Made before it is compared: what is not there has no place yet. Whether that was possible is said below.
            let _ = std::fs::create_dir_all(&path);
            check_apart(&paths, &path)?;
            match DataDirectory::take(&path) {
                Ok(directory) => taken.push(directory),
                Err(TakeError::Disk(error)) if given.len() > 1 => {
                    tracing::error!("{error}");
                    unanswered = Some(error);
                }
                Err(TakeError::Disk(error) | TakeError::Refused(error)) => return Err(error),
            }
            paths.push(path);
        }
        let with_metadata: Vec<usize> = (0..paths.len())
            .filter(|nth| MetadataLog::is_in(&paths[*nth]))
            .collect();
        if let [one, other, ..] = with_metadata[..] {
            bail!(
                "the data directories {} and {} both hold the metadata of a cluster: they belong to two servers",
                paths[one].display(),
                paths[other].display()
            );
        }
        if let Some(error) = unanswered
            && with_metadata.is_empty()
        {
            return Err(error.context("no data directory that answers holds the metadata"));
        }
        if let Some(home) = with_metadata.first() {
            let home = paths.remove(*home);
            paths.insert(0, home);
        }
        Ok(DataDirectories {
            paths,
            founded: !with_metadata.is_empty(),
            _taken: taken,
        })
    }

    /// All of them, the one with the metadata first.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// The one with the metadata.
    pub fn home(&self) -> &Path {
        &self.paths[0]
    }

    /// Whether it has metadata already.
    pub fn founded(&self) -> bool {
        self.founded
    }
}

/// A directory is no other one, nor in it, nor around it.
fn check_apart(others: &[PathBuf], path: &Path) -> anyhow::Result<()> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let this = real(path);
    for other in others {
        let that = real(other);
        if this == that {
            bail!("the data directory {} is given twice", other.display());
        }
        if this.starts_with(&that) || that.starts_with(&this) {
            bail!(
                "one of the data directories {} and {} is in the other",
                other.display(),
                path.display()
            );
        }
    }
    Ok(())
}
