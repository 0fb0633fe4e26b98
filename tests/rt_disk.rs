//! The disk of the real runtime.

use corelane::rt::{self, disk};
use std::io::ErrorKind;
use tempfile::TempDir;

/// Direct I/O needs a real file system, and /tmp may be one in memory.
fn dir() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory for the test")
}

fn read_write() -> disk::OpenOptions {
    disk::OpenOptions {
        read: true,
        write: true,
        create: true,
        ..disk::OpenOptions::default()
    }
}

fn pattern(len: usize, salt: usize) -> Vec<u8> {
    (0..len).map(|i| (i / 7 * 31 + i + salt * 101) as u8).collect()
}

async fn write(file: &disk::File, bytes: &[u8], position: u64) {
    let mut buffer = disk::IoBuf::with_capacity(bytes.len());
    buffer[..bytes.len()].copy_from_slice(bytes);
    file.write_at(buffer, bytes.len(), position).await.expect("write");
}

#[test]
fn a_new_file_first_is_read_rightly() {
    // The first file an executor opens is empty: without priming, its later reads fail with EOPNOTSUPP.
    let dir = dir();
    rt::run_on_shard(move || async move {
        let file = disk::File::open(dir.path().join("first"), &read_write())
            .await
            .expect("open");
        write(&file, &pattern(8192, 1), 0).await;
        file.datasync().await.expect("sync");
        assert_eq!(*file.read_at(0, 8192).await.expect("read"), pattern(8192, 1)[..]);
        file.close().await.expect("close");
        let left = disk::read_dir(dir.path()).await.expect("list");
        assert_eq!(left.len(), 1, "the priming file is gone: {left:?}");
    })
    .expect("a shard");
}

#[test]
fn reads_of_any_alignment_and_at_the_end() {
    let dir = dir();
    rt::run_on_shard(move || async move {
        let path = dir.path().join("file");
        let content = pattern(10_000, 2);
        std::fs::write(&path, &content).expect("write");
        let options = disk::OpenOptions {
            read: true,
            ..disk::OpenOptions::default()
        };
        let file = disk::File::open(&path, &options).await.expect("open");
        assert_eq!(file.len().expect("len"), 10_000);
        for position in [
            0, 1, 511, 4095, 4096, 5000, 8191, 8192, 9000, 9999, 10_000, 12_288, 50_000,
        ] {
            for len in [0, 1, 100, 4096, 5000, 10_000, 20_000] {
                let read = file.read_at(position as u64, len).await.expect("read");
                let from = position.min(content.len());
                let to = (position + len).min(content.len());
                assert_eq!(*read, content[from..to], "{len} at {position}");
            }
        }
        let read = file.read_at(100, 1000).await.expect("read");
        let slice = read.slice(10..20).slice(5..);
        drop(read);
        assert_eq!(*slice, content[115..120]);
        file.close().await.expect("close");
    })
    .expect("a shard");
}

#[test]
fn many_writes_in_flight_and_buffers_come_back() {
    let dir = dir();
    rt::run_on_shard(move || async move {
        let path = dir.path().join("file");
        let options = disk::OpenOptions {
            dsync: true,
            ..read_write()
        };
        let file = std::rc::Rc::new(disk::File::open(&path, &options).await.expect("open"));
        file.preallocate(1 << 20).await.expect("preallocate");
        assert_eq!(file.len().expect("len"), 0, "preallocation keeps the length");
        let tasks: Vec<_> = (0..32)
            .map(|n| {
                let file = file.clone();
                rt::spawn(async move {
                    let mut buffer = disk::IoBuf::with_capacity(60_000);
                    assert_eq!(buffer.capacity(), 61_440);
                    // Longer, shorter, and as long as the buffer: what comes back always has the capacity again.
                    for len in [4096, 61_440, 8192, 12_288] {
                        buffer[..len].copy_from_slice(&pattern(len, n));
                        buffer = file
                            .write_at(buffer, len, n as u64 * 61_440)
                            .await
                            .expect("write");
                        assert_eq!(buffer.capacity(), 61_440);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
        let all = std::fs::read(&path).expect("read");
        assert_eq!(all.len(), 32 * 61_440);
        for n in 0..32 {
            let part = &all[n * 61_440..(n + 1) * 61_440];
            assert_eq!(part[..12_288], pattern(12_288, n));
            assert_eq!(part[12_288..], pattern(61_440, n)[12_288..]);
        }
    })
    .expect("a shard");
}

#[test]
fn misaligned_writes_are_refused() {
    let dir = dir();
    rt::run_on_shard(move || async move {
        let file = disk::File::open(dir.path().join("file"), &read_write())
            .await
            .expect("open");
        for (len, position) in [(100, 0), (4096, 1), (0, 0), (8192, 0)] {
            let refused = file
                .write_at(disk::IoBuf::with_capacity(4096), len, position)
                .await;
            assert_eq!(refused.expect_err("refused").kind(), ErrorKind::InvalidInput);
        }
        file.close().await.expect("close");
    })
    .expect("a shard");
}

#[test]
fn names_and_small_files() {
    let dir = dir();
    rt::run_on_shard(move || async move {
        let root = dir.path();
        disk::create_dir_all(root.join("a/b")).await.expect("mkdir");
        disk::write_file_atomic(root.join("a/b/file"), b"one".to_vec())
            .await
            .expect("write");
        disk::write_file_atomic(root.join("a/b/file"), b"another".to_vec())
            .await
            .expect("write");
        assert_eq!(
            disk::read_file(root.join("a/b/file"), 7).await.expect("read"),
            b"another"
        );
        let too_large = disk::read_file(root.join("a/b/file"), 6)
            .await
            .expect_err("too large");
        assert_eq!(too_large.kind(), ErrorKind::FileTooLarge);
        disk::rename(root.join("a/b/file"), root.join("a/moved"))
            .await
            .expect("rename");
        disk::sync_dir(root.join("a")).await.expect("sync");
        let names = disk::read_dir(root.join("a")).await.expect("list");
        let names: Vec<_> = names.iter().map(|e| (e.name.as_str(), e.is_dir, e.len)).collect();
        assert_eq!(names, [("b", true, 0), ("moved", false, 7)]);
        let missing = disk::remove_file(root.join("a/b/file"))
            .await
            .expect_err("missing");
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        disk::remove_dir_all(root.join("a")).await.expect("remove");
        let missing = disk::File::open(root.join("a/moved"), &read_write())
            .await
            .expect_err("missing");
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    })
    .expect("a shard");
}

#[test]
fn files_are_opened_while_others_are_removed() {
    // The runtime below looks up an opened file by its name, and panics if that is gone by then.
    let dir = dir();
    rt::run_on_shard(move || async move {
        let path = std::rc::Rc::new(dir.path().join("file"));
        let remover = rt::spawn({
            let path = path.clone();
            async move {
                for _ in 0..200 {
                    let _ = disk::remove_file(&*path).await;
                }
            }
        });
        let openers: Vec<_> = (0..4)
            .map(|_| {
                let path = path.clone();
                rt::spawn(async move {
                    for _ in 0..100 {
                        let file = disk::File::open(&*path, &read_write()).await.expect("open");
                        write(&file, &[1; 4096], 0).await;
                        // By its descriptor: the name may be gone.
                        assert_eq!(file.len().expect("len"), 4096);
                        file.close().await.expect("close");
                    }
                })
            })
            .collect();
        for opener in openers {
            opener.await;
        }
        remover.await;
    })
    .expect("a shard");
}

#[test]
fn the_control_threads_files() {
    use disk::blocking;
    let dir = dir();
    let root = dir.path().join("meta");
    blocking::create_dir_all(&root).expect("mkdir");
    let path = root.join("log");
    let mut log = blocking::AppendFile::open(&path).expect("open");
    assert!(log.is_empty().expect("len"));
    log.append(b"one two").expect("append");
    log.sync_data().expect("sync");
    log.set_len(4).expect("cut");
    log.append(b"three").expect("append");
    assert_eq!(log.len().expect("len"), 9);
    blocking::sync_dir(&root).expect("sync");
    assert_eq!(blocking::read(&path, 9).expect("read"), b"one three");
    assert_eq!(
        blocking::read(&path, 8).expect_err("too large").kind(),
        ErrorKind::FileTooLarge
    );
    blocking::write_file_atomic(root.join("snapshot"), b"s").expect("write");
    blocking::rename(&path, root.join("old")).expect("rename");
    let names: Vec<_> = blocking::read_dir(&root)
        .expect("list")
        .into_iter()
        .map(|e| e.name)
        .collect();
    assert_eq!(names, ["old", "snapshot"]);
    blocking::remove_file(root.join("old")).expect("remove");
    blocking::remove_dir_all(&root).expect("remove");
    assert_eq!(
        blocking::read_dir(&root).expect_err("gone").kind(),
        ErrorKind::NotFound
    );
}
