//! Makes a write-ahead log file: written through with zeros once, so that later writes change no metadata of the file system.

use crate::log::FileError;
use crate::log::data_dir::DataDir;
use crate::log::file_names::{WAL_DIR, WalFileId};
use crate::rt::disk::{self, File, IoBuf, OpenOptions};
use std::path::Path;

const ZERO_WRITE_BYTES: usize = 1 << 20;

/// Makes a file of `bytes` zeros and opens it so that each write is durable when it is ready.
pub(in crate::log) async fn create_wal_file(
    data_dir: &DataDir,
    id: WalFileId,
    bytes: u64,
) -> Result<File, FileError> {
    let path = data_dir.wal_path(id);
    let failed = |operation| {
        let path = path.clone();
        move |e: std::io::Error| FileError::new(path, operation, &e)
    };
    let options = OpenOptions {
        write: true,
        // Never over a file that is there: it may hold the only copy of something.
        create_new: true,
        ..OpenOptions::default()
    };
    let file = File::open(&path, &options).await.map_err(failed("open"))?;
    if let Err(e) = fill_with_zeros(&file, &path, bytes).await {
        // Nothing counts on it yet. If it can't go, its name stays in use, and no file is made instead of it.
        let _ = file.close().await;
        let _ = disk::remove_file(&path).await;
        return Err(e);
    }
    file.close().await.map_err(failed("close"))?;
    let wal_dir = data_dir.path().join(WAL_DIR);
    disk::sync_dir(&wal_dir)
        .await
        .map_err(|e| FileError::new(&wal_dir, "sync", &e))?;
    let options = OpenOptions {
        write: true,
        dsync: true,
        ..OpenOptions::default()
    };
    File::open(&path, &options).await.map_err(failed("open"))
}

async fn fill_with_zeros(file: &File, path: &Path, bytes: u64) -> Result<(), FileError> {
    let failed = |operation| move |e: std::io::Error| FileError::new(path, operation, &e);
    file.preallocate(bytes).await.map_err(failed("allocate"))?;
    let mut zeros = IoBuf::with_capacity(ZERO_WRITE_BYTES.min(bytes as usize));
    let mut position = 0;
    while position < bytes {
        let len = (bytes - position).min(zeros.capacity() as u64) as usize;
        zeros[..len].fill(0);
        zeros = file
            .write_at(zeros, len, position)
            .await
            .map_err(failed("write"))?;
        position += len as u64;
    }
    file.datasync().await.map_err(failed("sync"))
}
