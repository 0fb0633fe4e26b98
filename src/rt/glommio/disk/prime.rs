//! Lets glommio find out how a device is read, before anything depends on it.
//!
//! glommio decides per executor and device whether to poll for completions, with a read of the first file that is
//! opened there. If that file is empty the read never reaches the device, succeeds, and from then on all reads of that
//! executor fail with EOPNOTSUPP on a device that cannot poll. So the first file is one of ours, with a block in it.

use super::super::blocking_job;
use crate::base::limits::DISK_BLOCK_BYTES;
use crate::rt::sync::Budget;
use ::glommio::io::DmaFile;
use std::cell::RefCell;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

thread_local! {
    /// Devices this executor has been primed for.
    static PRIMED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    /// One at a time, for others must not open their files meanwhile.
    static TURN: Budget = Budget::new(1);
}

/// Keeps the file names of executors, and of runs that crashed, apart.
static FILES: AtomicU64 = AtomicU64::new(0);

pub(in crate::rt) async fn prime(dir: &Path) -> io::Result<()> {
    // A look at the directory's inode, which is in memory: not worth a helper thread.
    let device = fs::metadata(dir)?.dev();
    if is_primed(device) {
        return Ok(());
    }
    let _turn = TURN.with(|turn| turn.take(1)).await;
    if is_primed(device) {
        return Ok(());
    }
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let path = dir.join(format!(".corelane-prime-{}-{number}", std::process::id()));
    let written = path.clone();
    blocking_job::run(move || fs::write(&written, [0; DISK_BLOCK_BYTES])).await?;
    let opened = open(&path).await;
    blocking_job::run(move || fs::remove_file(&path)).await?;
    opened?;
    PRIMED.with_borrow_mut(|primed| primed.push(device));
    Ok(())
}

/// The directory of a file that is going to be opened.
pub(super) async fn prime_parent_of(path: &Path) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => return Ok(()),
    };
    prime(&parent).await
}

async fn open(path: &Path) -> io::Result<()> {
    match DmaFile::open(path).await.map_err(io::Error::from) {
        Ok(file) => file.close().await.map_err(io::Error::from),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!(
                "{}: this file system does not support direct I/O (O_DIRECT). Put the data on one that does, \
                 such as ext4 or XFS.",
                path.parent().unwrap_or(path).display()
            ),
        )),
        Err(error) => Err(error),
    }
}

fn is_primed(device: u64) -> bool {
    PRIMED.with_borrow(|primed| primed.contains(&device))
}
