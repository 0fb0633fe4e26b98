//! Tasks, time, mailboxes and sync of the real runtime, on shards, the control thread and plain threads.

use corelane::rt::{self, mailbox};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

#[test]
fn tasks_are_awaited_detached_and_aborted() {
    async fn check() {
        assert_eq!(rt::spawn(async { 7 }).await, 7);
        let ran = Rc::new(Cell::new(0));
        drop(rt::spawn({
            let ran = ran.clone();
            async move {
                rt::yield_now().await;
                ran.set(1);
            }
        }));
        while ran.get() == 0 {
            rt::yield_now().await;
        }
        struct OnDrop(Rc<Cell<i32>>);
        impl Drop for OnDrop {
            fn drop(&mut self) {
                self.0.set(2);
            }
        }
        let on_drop = OnDrop(ran.clone());
        let endless = rt::spawn(async move {
            let _on_drop = on_drop;
            std::future::pending::<()>().await;
        });
        rt::yield_now().await;
        endless.abort();
        assert_eq!(endless.outcome().await, None);
        assert_eq!(ran.get(), 2);
    }
    rt::run_on_shard(check).expect("a shard");
    rt::block_on_control(check());
}

#[test]
fn timers_on_shards_and_on_the_control_thread() {
    async fn check() {
        let start = rt::now();
        rt::sleep(Duration::from_millis(20)).await;
        assert!(rt::now().since(start) >= Duration::from_millis(20));
        let late = rt::timeout(Duration::from_millis(10), std::future::pending::<()>()).await;
        assert_eq!(late, Err(rt::Elapsed));
        assert_eq!(rt::timeout(Duration::from_secs(3600), async { 5 }).await, Ok(5));
        // A sooner timer comes while the ticker sleeps for a later one.
        let later = rt::spawn(rt::sleep(Duration::from_secs(600)));
        rt::sleep(Duration::from_millis(5)).await;
        let start = rt::now();
        rt::sleep(Duration::from_millis(10)).await;
        let took = rt::now().since(start);
        assert!(took < Duration::from_secs(60), "{took:?}");
        later.abort();
        // Many at once, in any order.
        let tasks: Vec<_> = (0..500u64)
            .map(|n| {
                rt::spawn(async move {
                    let wait = Duration::from_millis(n * 7 % 50);
                    let start = rt::now();
                    rt::sleep(wait).await;
                    assert!(rt::now().since(start) >= wait);
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
    }
    rt::run_on_shard(check).expect("a shard");
    rt::block_on_control(check());
    // The thread's next control runtime starts its own ticker.
    rt::block_on_control(check());
}

#[test]
fn messages_go_between_shards_control_and_plain_threads() {
    const COUNT: u64 = 5000;
    let (to_shard, mut shard_inbox) = mailbox::channel::<u64>(16);
    let (to_control, mut control_inbox) = mailbox::channel::<u64>(4);
    let (done, is_done) = mpsc::channel();
    let shard = rt::spawn_shard("mailboxes".to_owned(), None, move || async move {
        // Sends back twice what it receives, and waits when the control thread is slow.
        while let Some(n) = shard_inbox.recv().await {
            to_control.send(n * 2).await.expect("control reads");
        }
        drop(to_control);
        done.send(()).expect("the test waits");
    })
    .expect("a shard");
    shard.expect_end();
    let second = to_shard.clone();
    let plain = thread::spawn(move || {
        // Odd numbers, from a thread without any executor.
        for n in (1..COUNT).step_by(2) {
            let mut message = n;
            while let Err(mailbox::TrySendError::Full(back)) = second.try_send(message) {
                message = back;
                thread::yield_now();
            }
        }
    });
    let sum = rt::block_on_control(async move {
        let sender = rt::spawn(async move {
            for n in (0..COUNT).step_by(2) {
                to_shard.send(n).await.expect("the shard reads");
            }
        });
        let (mut sum, mut count, mut batch) = (0, 0, Vec::new());
        let mut last_even = None;
        while let Some(n) = control_inbox.recv().await {
            batch.push(n);
            control_inbox.drain(&mut batch);
            for n in batch.drain(..) {
                if n % 4 == 0 {
                    assert!(last_even < Some(n), "messages of one sender keep their order");
                    last_even = Some(n);
                }
                sum += n;
                count += 1;
            }
        }
        sender.await;
        assert_eq!(count, COUNT);
        shard.join().await;
        sum
    });
    plain.join().expect("sent");
    is_done.recv().expect("the shard has ended");
    assert_eq!(sum, COUNT * (COUNT - 1));
}

#[test]
fn the_cpus_are_those_of_the_affinity() {
    let cpus = rt::available_cpus();
    assert!(!cpus.is_empty() && cpus.is_sorted());
    rt::probe().expect("the tests run where the broker can");
    let cpu = *cpus.last().expect("one at least");
    let (sender, mut receiver) = mailbox::channel(1);
    let (stay, mut may_end) = mailbox::channel::<()>(1);
    let shard = rt::spawn_shard("pinned".to_owned(), Some(cpu), move || async move {
        sender.send(rt::available_cpus()).await.expect("the test waits");
        may_end.recv().await;
    })
    .expect("a shard");
    shard.expect_end();
    rt::block_on_control(async move {
        assert_eq!(receiver.recv().await, Some(vec![cpu]));
        drop(stay);
        shard.join().await;
    });
    let nowhere = rt::spawn_shard("nowhere".to_owned(), Some(100_000), || async {}).expect_err("no such CPU");
    assert!(nowhere.to_string().contains("100000"), "{nowhere}");
}

#[test]
fn work_left_to_the_helper_thread_is_done_before_the_executor_ends() {
    let dir = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let root = dir.path().to_owned();
    rt::run_on_shard(move || async move {
        for n in 0..20 {
            // Polled once, then dropped: the job goes on.
            let path = root.join(format!("dir-{n}"));
            let _ = rt::timeout(Duration::ZERO, rt::disk::create_dir_all(path)).await;
        }
    })
    .expect("a shard");
    assert_eq!(std::fs::read_dir(dir.path()).expect("list").count(), 20);
}
