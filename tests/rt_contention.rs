//! Shards on a machine with more to do than it has cores for.

use corelane::rt;
use corelane::rt::disk::{File, IoBuf, OpenOptions};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// Far more than the work takes; a shard that has gone to sleep never comes to its end.
const HANGS_AFTER: Duration = Duration::from_secs(90);

/// Each write and each start of an executor is a chance to be kept from the core at the wrong moment: between arming the
/// preemption timer and running the tasks, for longer than that timer. With so many, a runtime that then sleeps on its work
/// is caught in about every second run.
const SHARDS: usize = 3;
const BUSY_THREADS: usize = 3;
const ROUNDS: usize = 20;
const WRITES: usize = 40;
const WRITE_BYTES: usize = 1 << 20;

#[test]
fn shards_that_are_kept_from_their_core_go_on_with_their_work() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let stop = Arc::new(AtomicBool::new(false));
    let busy: Vec<_> = (0..BUSY_THREADS)
        .map(|_| {
            let stop = stop.clone();
            thread::spawn(move || {
                pin_to_one_cpu();
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        })
        .collect();
    let (done, is_done) = mpsc::channel();
    for shard in 0..SHARDS {
        let (done, path) = (done.clone(), folder.path().join(shard.to_string()));
        thread::spawn(move || {
            pin_to_one_cpu();
            for _ in 0..ROUNDS {
                let path = path.clone();
                rt::run_on_shard(move || write_again_and_again(path)).expect("a shard");
            }
            done.send(()).expect("the test waits");
        });
    }
    let outcomes: Vec<_> = (0..SHARDS).map(|_| is_done.recv_timeout(HANGS_AFTER)).collect();
    stop.store(true, Ordering::Relaxed);
    busy.into_iter()
        .for_each(|thread| thread.join().expect("a busy thread"));
    assert!(
        outcomes.iter().all(Result::is_ok),
        "a shard sleeps although it has work"
    );
}

/// The same one for all shards; their helper threads and the kernel's workers inherit it.
fn pin_to_one_cpu() {
    let mut set = rustix::thread::CpuSet::new();
    set.set(rt::available_cpus()[0]);
    rustix::thread::sched_setaffinity(None, &set).expect("pin");
}

async fn write_again_and_again(path: PathBuf) {
    let options = OpenOptions {
        write: true,
        create: true,
        ..OpenOptions::default()
    };
    let file = File::open(&path, &options).await.expect("open");
    for _ in 0..WRITES {
        let buffer = IoBuf::with_capacity(WRITE_BYTES);
        file.write_at(buffer, WRITE_BYTES, 0).await.expect("write");
    }
    file.close().await.expect("close");
}
