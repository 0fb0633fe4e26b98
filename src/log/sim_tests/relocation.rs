//! Moves between two data directories, with a crash at any operation: what was acknowledged is there once, in one of them.

use super::crashes::ended;
use super::lifecycle::{batch, read_all, small_segments, spec};
use super::oracle::below;
use crate::base::ids::{DirectoryId, ShardId};
use crate::log::*;
use crate::rt;
use crate::rt::sim::{self, disk::FaultPlan};
use crate::wire::records::batches;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// What is outside of the server's process: what its clients were told, and its metadata.
#[derive(Default)]
struct Outside {
    /// How many records were acknowledged, and how many were appended at most.
    acknowledged: Cell<usize>,
    appended: Cell<usize>,
    /// Which of both directories the metadata names.
    in_second: Cell<bool>,
    moves: Cell<usize>,
    /// Whether a crash is planned.
    may_crash: Cell<bool>,
}

const DIRS: [&str; 2] = ["/one", "/two"];
const RECORD_BYTES: usize = 700;

fn value(number: usize) -> Vec<u8> {
    let mut value = vec![number as u8; RECORD_BYTES];
    value[..8].copy_from_slice(&(number as u64).to_be_bytes());
    value
}

/// The numbers of the records, in order.
async fn numbers(log: &Rc<PartitionLog>) -> Vec<usize> {
    let all = read_all(log).await.expect("read");
    let mut numbers = Vec::new();
    for batch in batches(&all) {
        for record in batch.expect("whole").records().expect("not compressed") {
            let value = record.expect("a record").value.expect("a value").to_vec();
            numbers.push(u64::from_be_bytes(value[..8].try_into().expect("8 bytes")) as usize);
        }
    }
    numbers
}

async fn live(outside: Rc<Outside>, moves: usize) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let data_dirs = DataDirs::open(&DIRS.map(Into::into), true).map_err(|e| text(&e))?;
    data_dirs.claim("cluster", 0).map_err(|e| text(&e))?;
    let ids = data_dirs.online_ids();
    let [one, two] = ids[..] else {
        return Err("a directory is offline".to_string());
    };
    let assigned = |outside: &Outside| -> DirectoryId { if outside.in_second.get() { two } else { one } };
    let spec = PartitionSpec {
        config: Arc::new(TopicLogConfig {
            retention_ms: -1,
            ..small_segments()
        }),
        ..spec(1, small_segments())
    };
    let of_metadata = [(spec.id(), &*spec.topic_name, assigned(&outside))];
    data_dirs.settle(of_metadata.into_iter()).map_err(|e| text(&e))?;
    assert_eq!(data_dirs.misplaced(spec.id()), None);
    let mut logs = Vec::new();
    for directory in data_dirs.all() {
        let data_dir = directory.online().ok_or("offline")?.clone();
        let options = ShardLogOptions {
            wal_file_bytes: 128 << 10,
            wal_files: 2,
            flush_bytes: 4 << 10,
            checkpoint_interval_ms: 30,
            producer_id_expiration_ms: i64::MAX,
            ..ShardLogOptions::new(data_dir, ShardId(0))
        };
        logs.push(ShardLog::open(options).await.map_err(|e| text(&e))?);
    }
    let mut log = None;
    for (nth, shard) in logs.iter().enumerate() {
        let here = (nth == 1) == outside.in_second.get();
        let specs = if here { vec![spec.clone()] } else { Vec::new() };
        for (_, recovered) in shard.recover(specs).await {
            log = Some(recovered.map_err(|e| text(&e))?);
        }
    }
    let mut log = log.expect("one has it");
    data_dirs.remove_recovered_wals().map_err(|e| text(&e))?;
    for shard in &logs {
        shard.start().await.map_err(|e| text(&e))?;
    }
    check(&outside, &log).await;
    for _ in 0..moves {
        let writer = rt::spawn(write(outside.clone(), log.clone()));
        let (old, new) = match outside.in_second.get() {
            true => (&logs[1], &logs[0]),
            false => (&logs[0], &logs[1]),
        };
        let to = if outside.in_second.get() { one } else { two };
        let never = || false;
        let mut future = new.begin_move(log.clone()).await.map_err(|e| text(&e))?;
        while !future.catch_up(f64::MAX, &never).await.map_err(|e| text(&e))? {}
        let pause = future.complete(to, &never).await.map_err(|e| text(&e))?;
        rt::sleep(Duration::from_micros(below(2000))).await;
        outside.in_second.set(!outside.in_second.get());
        rt::sleep(Duration::from_micros(below(2000))).await;
        pause.keep();
        log = new.adopt(future, &spec).await.map_err(|e| text(&e))?;
        old.let_go(spec.id()).await.map_err(|e| text(&e))?;
        writer.await;
        check(&outside, &log).await;
        outside.moves.set(outside.moves.get() + 1);
    }
    for shard in &logs {
        shard.shutdown().await.map_err(|e| text(&e))?;
    }
    data_dirs.mark_clean_shutdown().map_err(|e| text(&e))
}

/// Writes until the log is paused.
async fn write(outside: Rc<Outside>, log: Rc<PartitionLog>) {
    for _ in 0..40 {
        let number = outside.appended.get();
        match log.append(batch(1, &value(number)), AppendOrigin::Client) {
            Ok(appended) => {
                outside.appended.set(number + 1);
                if log.wait_durable(appended.last_offset.plus(1)).await.is_ok() {
                    outside
                        .acknowledged
                        .set(outside.acknowledged.get().max(number + 1));
                }
            }
            Err(AppendError::Stopped(_)) => return,
            Err(e) => panic!("{e}"),
        }
    }
}

async fn check(outside: &Outside, log: &Rc<PartitionLog>) {
    let found = numbers(log).await;
    assert!(
        found.iter().copied().eq(0..found.len()),
        "each once, and in order: {found:?}"
    );
    assert!(found.len() >= outside.acknowledged.get(), "acknowledged and lost");
    assert!(found.len() <= outside.appended.get(), "nothing is invented");
    // What a crash has taken was not acknowledged: its numbers are free again.
    outside.appended.set(found.len());
}

/// One life of the server, which may be cut short at any moment. It never fails by itself.
async fn one_life(outside: &Rc<Outside>, plan: FaultPlan, killed_after: Option<Duration>, moves: usize) {
    sim::disk::of("server").set_faults(plan);
    let wrong = Rc::new(RefCell::new(None));
    let server = sim::spawn_process("server", {
        let (outside, wrong) = (outside.clone(), wrong.clone());
        async move {
            let lived = live(outside, moves).await;
            // A planned crash shows as an error of whatever comes next, and happens at the next wait.
            rt::yield_now().await;
            *wrong.borrow_mut() = lived.err();
        }
    });
    if let Some(after) = killed_after {
        rt::sleep(after).await;
        match below(2) {
            0 => sim::kill(server),
            _ => sim::sigkill(server),
        }
    }
    let exit = ended(server).await;
    assert_eq!(wrong.take(), None, "nothing but the power has failed");
    assert!(exit == sim::Exit::Finished || killed_after.is_some() || outside.may_crash.get());
}

#[test]
fn a_crash_at_any_operation_of_a_move_leaves_one_whole_log() {
    sim::check_seeds(
        "a_crash_at_any_operation_of_a_move_leaves_one_whole_log",
        0..150,
        |_| async {
            let outside = Rc::new(Outside::default());
            for _ in 0..6 {
                let by_time = below(3) == 0;
                let plan = FaultPlan {
                    crash_at_op: (!by_time).then(|| 1 + below(400)),
                    ..FaultPlan::default()
                };
                outside.may_crash.set(!by_time);
                let killed_after = by_time.then(|| Duration::from_micros(below(150_000)));
                one_life(&outside, plan, killed_after, 4).await;
            }
            outside.may_crash.set(false);
            one_life(&outside, FaultPlan::default(), None, 2).await;
            assert!(outside.moves.get() >= 2 && outside.acknowledged.get() > 0);
            // Only what the metadata names, and nothing of what was in the making.
            let disk = sim::disk::of("server");
            let files = DIRS.map(|dir| disk.files_below(dir).expect("a directory"));
            let is_left = |nth: usize, part: &str| files[nth].iter().any(|path| path.contains(part));
            let here = usize::from(outside.in_second.get());
            assert!(is_left(here, "/orders-0/") && !is_left(1 - here, "/orders-0/"));
            for nth in 0..2 {
                assert!(
                    !is_left(nth, "-future/") && !is_left(nth, "-stray/"),
                    "{files:#?}"
                );
            }
        },
    );
}
