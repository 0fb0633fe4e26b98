//! The simulated disk: what must survive a crash does, and what may be lost is lost with some seed.

use crate::rt::disk::{File, IoBuf, OpenOptions};
use crate::rt::sim::Sim;
use crate::rt::sim::disk::FaultPlan;
use crate::rt::{self, disk, sim};
use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

fn create() -> OpenOptions {
    OpenOptions {
        read: true,
        write: true,
        create: true,
        ..OpenOptions::default()
    }
}

async fn write(file: &File, byte: u8, position: u64, blocks: usize) -> io::Result<()> {
    let mut buffer = IoBuf::with_capacity(blocks * 4096);
    buffer.fill(byte);
    file.write_at(buffer, blocks * 4096, position).await.map(|_| ())
}

/// Runs `work` on the disk `d` with many seeds, takes the power away, and gives what `look` finds then, each
/// possibility once.
fn outcomes<T, W, L>(work: impl Fn() -> W, look: impl Fn() -> L) -> BTreeSet<T>
where
    T: Ord + 'static,
    W: Future<Output = ()> + 'static,
    L: Future<Output = T> + 'static,
{
    (0..200)
        .map(|seed| {
            let (work, look) = (work(), look());
            Sim::new(seed).run(async move {
                let worker = sim::spawn_process("d", async move {
                    work.await;
                    sim::kill(sim::current_process());
                });
                sim::exited(worker).await;
                let found = Rc::new(std::cell::RefCell::new(None));
                let looker = sim::spawn_process("d", {
                    let found = found.clone();
                    async move {
                        let value = look.await;
                        *found.borrow_mut() = Some(value);
                    }
                });
                sim::exited(looker).await;
                let value = found.borrow_mut().take();
                value.expect("looked")
            })
        })
        .collect()
}

/// The first bytes of a file's sectors, or nothing if there is no file.
async fn sectors(path: &str) -> Option<Vec<u8>> {
    let bytes = disk::read_file(path, 1 << 20).await.ok()?;
    Some(bytes.chunks(512).map(|sector| sector[0]).collect())
}

#[test]
fn a_synced_file_with_a_synced_name_survives() {
    let outcomes = outcomes(
        || async {
            disk::create_dir_all("/a/b").await.expect("mkdir");
            let file = File::open("/a/b/f", &create()).await.expect("open");
            write(&file, 1, 0, 2).await.expect("write");
            file.datasync().await.expect("sync");
            for dir in ["/a/b", "/a", "/"] {
                disk::sync_dir(dir).await.expect("sync");
            }
        },
        || sectors("/a/b/f"),
    );
    assert_eq!(outcomes, BTreeSet::from([Some(vec![1; 16])]));
}

#[test]
fn a_name_needs_its_directory_synced_and_data_its_file() {
    let outcomes_of_name = outcomes(
        || async {
            let file = File::open("/f", &create()).await.expect("open");
            write(&file, 1, 0, 1).await.expect("write");
            file.datasync().await.expect("sync");
        },
        || sectors("/f"),
    );
    assert_eq!(outcomes_of_name, BTreeSet::from([None, Some(vec![1; 8])]));
    let outcomes_of_data = outcomes(
        || async {
            let file = File::open("/f", &create()).await.expect("open");
            disk::sync_dir("/").await.expect("sync");
            write(&file, 1, 0, 1).await.expect("write");
        },
        || sectors("/f"),
    );
    assert!(outcomes_of_data.contains(&Some(vec![])), "lost");
    assert!(outcomes_of_data.contains(&Some(vec![1; 8])), "kept");
    assert!(outcomes_of_data.contains(&Some(vec![0; 8])), "only the length");
    assert!(
        outcomes_of_data.len() > 8,
        "torn in many ways: {}",
        outcomes_of_data.len()
    );
    assert!(!outcomes_of_data.contains(&None), "the name was synced");
}

#[test]
fn a_dsync_write_is_durable_and_one_in_flight_is_torn() {
    let outcomes = outcomes(
        || async {
            let file = Rc::new(
                File::open(
                    "/f",
                    &OpenOptions {
                        dsync: true,
                        ..create()
                    },
                )
                .await
                .expect("open"),
            );
            disk::sync_dir("/").await.expect("sync");
            write(&file, 1, 0, 2).await.expect("write");
            let second = rt::spawn({
                let file = file.clone();
                async move { write(&file, 2, 0, 1).await }
            });
            rt::yield_now().await;
            rt::yield_now().await;
            drop(second);
        },
        || sectors("/f"),
    );
    for outcome in &outcomes {
        let outcome = outcome.as_ref().expect("the name was synced");
        assert_eq!(outcome[8..], [1; 8], "what was ready is there");
        assert!(outcome[..8].iter().all(|byte| [1, 2].contains(byte)));
    }
    assert!(outcomes.len() > 10, "{}", outcomes.len());
}

#[test]
fn a_durable_write_is_not_undone_by_an_older_one() {
    let outcomes = outcomes(
        || async {
            let lazy = File::open("/f", &create()).await.expect("open");
            disk::sync_dir("/").await.expect("sync");
            write(&lazy, 1, 0, 2).await.expect("write");
            let eager = File::open(
                "/f",
                &OpenOptions {
                    dsync: true,
                    ..create()
                },
            )
            .await
            .expect("open");
            write(&eager, 2, 0, 1).await.expect("write");
        },
        || sectors("/f"),
    );
    for outcome in &outcomes {
        assert_eq!(outcome.as_ref().expect("a name")[..8], [2; 8]);
    }
    assert!(outcomes.len() > 5);
}

#[test]
fn renames_are_atomic_and_ordered_within_a_directory() {
    let outcomes = outcomes(
        || async {
            disk::write_file_atomic("/one", b"1".to_vec())
                .await
                .expect("write");
            disk::write_file_atomic("/two", b"2".to_vec())
                .await
                .expect("write");
            // Neither of these is synced.
            disk::rename("/one", "/moved").await.expect("rename");
            disk::rename("/two", "/moved").await.expect("rename");
        },
        || async {
            let names = disk::read_dir("/").await.expect("list");
            let names: Vec<_> = names.into_iter().map(|entry| entry.name).collect();
            (names, disk::read_file("/moved", 10).await.ok())
        },
    );
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let expected = BTreeSet::from([
        (names(&["one", "two"]), None),
        (names(&["moved", "two"]), Some(b"1".to_vec())),
        (names(&["moved"]), Some(b"2".to_vec())),
    ]);
    assert_eq!(outcomes, expected);
}

#[test]
fn removed_names_come_back_unless_synced() {
    let outcomes = outcomes(
        || async {
            disk::write_file_atomic("/f", b"x".to_vec()).await.expect("write");
            disk::write_file_atomic("/g", b"x".to_vec()).await.expect("write");
            disk::remove_file("/f").await.expect("remove");
            disk::sync_dir("/").await.expect("sync");
            disk::remove_file("/g").await.expect("remove");
        },
        || async { disk::read_dir("/").await.expect("list").len() },
    );
    assert_eq!(outcomes, BTreeSet::from([0, 1]));
}

#[test]
fn moves_between_directories_take_their_past_along() {
    let outcomes = outcomes(
        || async {
            disk::create_dir_all("/a").await.expect("mkdir");
            disk::create_dir_all("/b").await.expect("mkdir");
            disk::sync_dir("/").await.expect("sync");
            let file = File::open("/a/f", &create()).await.expect("open");
            write(&file, 1, 0, 1).await.expect("write");
            file.datasync().await.expect("sync");
            disk::rename("/a/f", "/b/f").await.expect("rename");
            disk::sync_dir("/b").await.expect("sync");
        },
        || async { (sectors("/a/f").await, sectors("/b/f").await) },
    );
    assert_eq!(outcomes, BTreeSet::from([(None, Some(vec![1; 8]))]));
}

#[test]
fn lengths_survive_in_order() {
    let outcomes = outcomes(
        || async {
            let file = File::open("/f", &create()).await.expect("open");
            disk::sync_dir("/").await.expect("sync");
            write(&file, 1, 0, 2).await.expect("write");
            file.datasync().await.expect("sync");
            file.set_len(4096).await.expect("cut");
            file.set_len(12_288).await.expect("extend");
        },
        || async {
            disk::read_file("/f", 1 << 20)
                .await
                .expect("there")
                .chunks(4096)
                .map(|b| b[0])
                .collect::<Vec<_>>()
        },
    );
    assert_eq!(outcomes, BTreeSet::from([vec![1, 1], vec![1], vec![1, 0, 0]]));
}

#[test]
fn an_atomic_file_is_old_or_new() {
    let outcomes = outcomes(
        || async {
            disk::write_file_atomic("/f", vec![1; 5000]).await.expect("write");
            // The crash comes at any step of the second.
            let steps = 1 + rt::random_u64() % 6;
            sim::disk::set_faults(FaultPlan {
                crash_at_op: Some(steps),
                ..FaultPlan::default()
            });
            match rt::random_u64() % 2 {
                0 => drop(disk::write_file_atomic("/f", vec![2; 7000]).await),
                _ => drop(disk::blocking::write_file_atomic("/f", &[2; 7000])),
            }
        },
        || async { disk::read_file("/f", 10_000).await.expect("always there") },
    );
    assert_eq!(outcomes, BTreeSet::from([vec![1; 5000], vec![2; 7000]]));
}

#[test]
fn a_planned_crash_comes_at_its_operation() {
    for at in 1..=4 {
        Sim::new(at).run(async move {
            let process = sim::spawn_process("d", async move {
                sim::disk::set_faults(FaultPlan {
                    crash_at_op: Some(at),
                    ..FaultPlan::default()
                });
                let file = File::open("/f", &create()).await.expect("open");
                write(&file, 1, 0, 1).await.expect("write");
                file.datasync().await.expect("sync");
                disk::sync_dir("/").await.expect("sync");
                panic!("it crashed before");
            });
            assert_eq!(sim::exited(process).await, sim::Exit::Killed);
            assert_eq!(sim::disk::of("d").changes_started(), at);
        });
    }
}

#[test]
fn faults_come_as_planned() {
    sim::check_seeds("faults_come_as_planned", 0..50, |_| async {
        let file = File::open("/some/f", &create()).await.expect_err("no directory");
        assert_eq!(file.kind(), ErrorKind::NotFound);
        let file = File::open("/f", &create()).await.expect("open");
        let other = File::open("/other", &create()).await.expect("open");
        write(&file, 1, 0, 1).await.expect("write");
        sim::disk::set_faults(FaultPlan {
            write_error: 1.0,
            read_error: 1.0,
            sync_error: 1.0,
            only_paths_with: Some("/f".to_owned()),
            ..FaultPlan::default()
        });
        write(&file, 2, 0, 1).await.expect_err("planned");
        file.read_at(0, 1).await.expect_err("planned");
        file.datasync().await.expect_err("planned");
        write(&other, 2, 0, 1).await.expect("another path");
        sim::disk::set_faults(FaultPlan {
            capacity_bytes: Some(4 * 4096),
            ..FaultPlan::default()
        });
        write(&other, 3, 0, 3).await.expect("room");
        assert_eq!(
            write(&other, 3, 3 * 4096, 1).await.expect_err("full").kind(),
            ErrorKind::StorageFull
        );
        assert_eq!(
            other.preallocate(1 << 20).await.expect_err("full").kind(),
            ErrorKind::StorageFull
        );
        write(&other, 4, 0, 1)
            .await
            .expect("what is there can be overwritten");
        disk::remove_file("/f").await.expect("remove");
        write(&other, 3, 3 * 4096, 1).await.expect("room again");
        let before = sim::disk::of("main").read("/other").expect("read");
        let position = sim::disk::of("main").flip_random_bit("/other").expect("flip");
        let after = other.read_at(0, before.len()).await.expect("read");
        let differing: Vec<_> = (0..before.len()).filter(|at| before[*at] != after[*at]).collect();
        assert_eq!(differing, [position as usize]);
        let start = rt::now();
        let slow = Duration::from_secs(3);
        sim::disk::set_faults(FaultPlan {
            slow_chance: 1.0,
            slow,
            ..FaultPlan::default()
        });
        other.datasync().await.expect("sync");
        assert!(rt::now().since(start) >= slow);
    });
}

#[test]
fn a_full_disk_takes_no_more_until_there_is_room() {
    sim::check_seeds("a_full_disk_takes_no_more", 0..20, |_| async {
        let process = sim::spawn_process("m", async {
            let own = sim::disk::of("m");
            sim::disk::set_faults(FaultPlan {
                capacity_bytes: Some(10 * 4096),
                ..FaultPlan::default()
            });
            let full = |error: io::Error| assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            let file = File::open("/f", &create()).await.expect("open");
            file.preallocate(8 * 4096).await.expect("room for eight");
            assert_eq!(own.free_bytes(), 2 * 4096);
            full(file.preallocate(11 * 4096).await.expect_err("eleven"));
            // What is reserved needs no room.
            own.occupy(2 * 4096);
            write(&file, 1, 0, 8).await.expect("reserved");
            full(write(&file, 2, 7 * 4096, 2).await.expect_err("a ninth block"));
            // The part of it that has room may be there.
            let last = file.read_at(7 * 4096, 8192).await.expect("read");
            assert!(last[..] == [1; 4096] || last[..] == [2; 4096]);
            full(
                File::open("/g", &create())
                    .await
                    .expect_err("no block for a name"),
            );
            full(disk::create_dir_all("/d").await.expect_err("no block for a name"));
            full(
                disk::write_file_atomic("/f", vec![3])
                    .await
                    .expect_err("no block"),
            );
            disk::rename("/f", "/h").await.expect("needs no room");
            // Whoever took it gives it back.
            own.occupy(0);
            write(&file, 2, 7 * 4096, 2).await.expect("there is room");
            assert_eq!(disk::space("/").await.expect("space").usable_bytes, 4096);
            file.set_len(4096).await.expect("cut");
            assert_eq!(own.free_bytes(), 9 * 4096);
            disk::remove_file("/h").await.expect("remove");
            assert_eq!(own.free_bytes(), 10 * 4096);
        });
        assert_eq!(sim::exited(process).await, sim::Exit::Finished);
    });
}

#[test]
fn a_failed_sync_loses_writes_for_good() {
    let outcomes = outcomes(
        || async {
            let file = File::open("/f", &create()).await.expect("open");
            disk::sync_dir("/").await.expect("sync");
            write(&file, 1, 0, 2).await.expect("write");
            file.datasync().await.expect("sync");
            write(&file, 2, 0, 1).await.expect("write");
            write(&file, 2, 4096, 1).await.expect("write");
            sim::disk::set_faults(FaultPlan {
                sync_error: 1.0,
                ..FaultPlan::default()
            });
            file.datasync().await.expect_err("planned");
            sim::disk::set_faults(FaultPlan::default());
            file.datasync().await.expect("it says so");
            assert_eq!(file.read_at(0, 8192).await.expect("read")[..], [2; 8192]);
        },
        || async {
            disk::read_file("/f", 1 << 20)
                .await
                .expect("there")
                .chunks(4096)
                .map(|b| b[0])
                .collect::<Vec<_>>()
        },
    );
    assert_eq!(
        outcomes,
        BTreeSet::from([vec![1, 1], vec![1, 2], vec![2, 1], vec![2, 2]])
    );
}

#[test]
fn blocking_files_live_on_the_same_disk() {
    use disk::blocking;
    let outcomes = outcomes(
        || async {
            blocking::create_dir_all("/m").expect("mkdir");
            blocking::sync_dir("/").expect("sync");
            let mut log = blocking::AppendFile::open("/m/log").expect("open");
            blocking::sync_dir("/m").expect("sync");
            log.append(b"durable ").expect("append");
            log.sync_data().expect("sync");
            log.append(b"maybe").expect("append");
            assert_eq!(log.len().expect("len"), 13);
            assert_eq!(
                disk::read_file("/m/log", 100).await.expect("read"),
                b"durable maybe"
            );
        },
        || async {
            let mut log = blocking::AppendFile::open("/m/log").expect("open");
            let found = blocking::read("/m/log", 100).expect("read");
            log.set_len(8).expect("cut");
            log.append(b"again").expect("append");
            assert_eq!(blocking::read("/m/log", 100).expect("read"), b"durable again");
            found
        },
    );
    assert!(outcomes.contains(&b"durable maybe"[..]));
    assert!(outcomes.contains(&b"durable "[..]));
    assert!(outcomes.iter().all(|found| found.starts_with(b"durable ")));
}

#[test]
fn a_planned_crash_counts_what_is_near() {
    Sim::new(1).run(async move {
        let process = sim::spawn_process("d", async move {
            sim::disk::set_faults(FaultPlan {
                crash_at_op: Some(2),
                crash_near: Some("/f".to_string()),
                ..FaultPlan::default()
            });
            let other = File::open("/other", &create()).await.expect("open");
            write(&other, 1, 0, 1).await.expect("not counted");
            let file = File::open("/f", &create()).await.expect("the first");
            write(&other, 2, 4096, 1).await.expect("not counted");
            let _ = disk::rename("/f", "/g").await;
            drop(file);
            panic!("it crashed before");
        });
        assert_eq!(sim::exited(process).await, sim::Exit::Killed);
    });
}

#[test]
fn names_may_survive_out_of_order() {
    let there = |names_out_of_order: bool| {
        outcomes(
            move || async move {
                sim::disk::set_faults(FaultPlan {
                    names_out_of_order,
                    ..FaultPlan::default()
                });
                File::open("/a", &create()).await.expect("open");
                disk::rename("/a", "/b").await.expect("rename");
                File::open("/c", &create()).await.expect("open");
            },
            || async {
                let entries = disk::read_dir("/").await.expect("a list");
                entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>()
            },
        )
    };
    let lists = |lists: &[&[&str]]| -> BTreeSet<Vec<String>> {
        let list = |list: &&[&str]| list.iter().map(|name| name.to_string()).collect();
        lists.iter().map(list).collect()
    };
    assert_eq!(there(false), lists(&[&[], &["a"], &["b"], &["b", "c"]]));
    // The new file may be there without what was before it, but a move never without what it moves.
    let all = lists(&[&[], &["a"], &["b"], &["c"], &["a", "c"], &["b", "c"]]);
    assert_eq!(there(true), all);
}
