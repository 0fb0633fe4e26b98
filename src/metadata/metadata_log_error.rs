//! What can go wrong with the metadata log.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why the log can't be read or written.
#[derive(Debug)]
pub enum MetadataLogError {
    /// The disk refuses.
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// The refusal.
        error: io::Error,
    },
    /// A file is not what was written.
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, in bytes from its start.
        position: u64,
        /// What is wrong there.
        message: String,
    },
    /// An earlier write failed: what is on disk is unknown, so nothing more is written.
    Poisoned {
        /// That failure.
        message: String,
    },
}

impl MetadataLogError {
    /// Whether there was no room on the disk, which may come back.
    pub fn is_no_room(&self) -> bool {
        match self {
            MetadataLogError::Io { error, .. } => is_no_room(error),
            _ => false,
        }
    }
}

/// Whether an operation failed for want of space.
pub(super) fn is_no_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

impl fmt::Display for MetadataLogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MetadataLogError::Io { doing, path, error } => {
                write!(f, "could not {doing} {}: {error}", path.display())
            }
            MetadataLogError::Damaged {
                path,
                position,
                message,
            } => write!(
                f,
                "{} is damaged at byte {position}: {message}; nothing was changed. Bring the file back from a backup",
                path.display()
            ),
            MetadataLogError::Poisoned { message } => {
                write!(
                    f,
                    "the metadata log takes no more changes since a write failed: {message}"
                )
            }
        }
    }
}

impl std::error::Error for MetadataLogError {}
