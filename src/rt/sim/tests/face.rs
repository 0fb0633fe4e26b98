//! The parts of the face that both backends share, tested where everything can be ordered at will.

use crate::rt::sync::{Budget, Event, oneshot};
use crate::rt::{self, mailbox, sim};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

#[test]
fn time_is_virtual_and_never_early() {
    sim::check_seeds("time_is_virtual_and_never_early", 0..50, |_| async {
        let (start, wall) = (rt::now(), rt::wall_ms());
        rt::sleep(Duration::from_secs(3600)).await;
        let took = rt::now().since(start);
        assert!(
            took >= Duration::from_secs(3600) && took < Duration::from_millis(3_600_010),
            "{took:?}"
        );
        assert!((3_599_999..3_600_010).contains(&(rt::wall_ms() - wall)));
        sim::jump_wall_ms(-5000);
        assert!((3_594_999..3_595_010).contains(&(rt::wall_ms() - wall)));
        // Whatever order the timers were made in, they fire in the order of their deadlines.
        let fired = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let fired = fired.clone();
                rt::spawn(async move {
                    let ms = rt::random_u64() % 100_000;
                    let start = rt::now();
                    rt::sleep(Duration::from_millis(ms)).await;
                    assert!(rt::now().since(start) >= Duration::from_millis(ms));
                    fired.borrow_mut().push(rt::now());
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
        assert!(fired.borrow().is_sorted());
    });
}

#[test]
fn timeouts_drop_what_is_late() {
    sim::check_seeds("timeouts_drop_what_is_late", 0..20, |_| async {
        struct OnDrop(Rc<Cell<bool>>);
        impl Drop for OnDrop {
            fn drop(&mut self) {
                self.0.set(true);
            }
        }
        let dropped = Rc::new(Cell::new(false));
        let on_drop = OnDrop(dropped.clone());
        let late = rt::timeout(Duration::from_millis(5), async move {
            let _on_drop = on_drop;
            rt::sleep(Duration::from_millis(50)).await;
        });
        assert_eq!(late.await, Err(rt::Elapsed));
        assert!(dropped.get());
        assert_eq!(
            rt::timeout(Duration::from_millis(50), rt::sleep(Duration::from_millis(5))).await,
            Ok(())
        );
    });
}

#[test]
fn tasks_are_aborted_and_their_ends_seen() {
    sim::check_seeds("tasks_are_aborted_and_their_ends_seen", 0..20, |_| async {
        let alive = Rc::new(());
        let held = alive.clone();
        let task = rt::spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        rt::yield_if_needed().await;
        task.abort();
        assert_eq!(task.outcome().await, None);
        assert_eq!(Rc::strong_count(&alive), 1, "the future was dropped");
        let finished = rt::spawn(async { 5 });
        rt::sleep(Duration::from_millis(1)).await;
        finished.abort();
        assert_eq!(finished.outcome().await, Some(5));
    });
}

#[test]
fn events_reach_every_wait_made_before() {
    sim::check_seeds("events_reach_every_wait_made_before", 0..50, |_| async {
        let event = Event::new();
        let state = Rc::new(Cell::new(0));
        let waiters: Vec<_> = (0..20)
            .map(|n| {
                let (event, state) = (event.clone(), state.clone());
                rt::spawn(async move {
                    // Reaches the number it waits for, however the notifications fall.
                    while state.get() < n {
                        let wait = event.wait();
                        if n % 3 == 0 {
                            // Given up and taken up again.
                            let _ = rt::timeout(Duration::from_millis(1), event.wait()).await;
                        }
                        if state.get() < n {
                            wait.await;
                        }
                    }
                })
            })
            .collect();
        while state.get() < 20 {
            rt::sleep(Duration::from_millis(rt::random_u64() % 3)).await;
            state.set(state.get() + 1);
            event.notify_all();
        }
        for waiter in waiters {
            waiter.await;
        }
        // One made after does not see what was before.
        event.notify_all();
        let wait = event.wait();
        assert_eq!(
            rt::timeout(Duration::from_millis(5), wait).await,
            Err(rt::Elapsed)
        );
    });
}

#[test]
fn oneshots_give_the_value_or_the_end() {
    sim::check_seeds("oneshots_give_the_value_or_the_end", 0..20, |_| async {
        let (sender, receiver) = oneshot::channel();
        let waiting = rt::spawn(receiver);
        rt::yield_if_needed().await;
        assert_eq!(sender.send(3), Ok(()));
        assert_eq!(waiting.await, Some(3));
        let (sender, receiver) = oneshot::channel::<i32>();
        let waiting = rt::spawn(receiver);
        rt::yield_if_needed().await;
        drop(sender);
        assert_eq!(waiting.await, None);
        let (sender, receiver) = oneshot::channel();
        drop(receiver);
        assert!(sender.is_closed());
        assert_eq!(sender.send(4), Err(4));
    });
}

#[test]
fn budgets_are_fair_and_lose_nothing() {
    sim::check_seeds("budgets_are_fair_and_lose_nothing", 0..100, |_| async {
        let budget = Budget::new(100);
        let served = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..40usize)
            .map(|_| {
                let (budget, served) = (budget.clone(), served.clone());
                rt::spawn(async move {
                    let n = 1 + (rt::random_u64() % 150) as usize;
                    let patience = Duration::from_millis(rt::random_u64() % 40);
                    let Ok(mut permit) = rt::timeout(patience, budget.take(n)).await else {
                        return;
                    };
                    assert_eq!(permit.len(), n.min(100));
                    served.borrow_mut().push(n);
                    rt::sleep(Duration::from_millis(rt::random_u64() % 10)).await;
                    permit.shrink_to(permit.len() / 2);
                    rt::sleep(Duration::from_millis(rt::random_u64() % 10)).await;
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
        assert_eq!(budget.free(), 100, "everything came back");
        // A small request behind a large one waits for its turn.
        let first = budget.take(60).await;
        let large = rt::spawn({
            let budget = budget.clone();
            async move { budget.take(100).await }
        });
        rt::sleep(Duration::from_millis(1)).await;
        assert!(budget.try_take(1).is_none());
        let small = rt::spawn({
            let budget = budget.clone();
            async move { budget.take(1).await }
        });
        rt::sleep(Duration::from_millis(1)).await;
        // If the large one gives up, those behind it go on.
        large.abort();
        assert_eq!(small.await.len(), 1);
        drop(first);
        assert_eq!(budget.free(), 100);
    });
}

#[test]
fn mailboxes_are_bounded_ordered_and_lose_nothing() {
    sim::check_seeds(
        "mailboxes_are_bounded_ordered_and_lose_nothing",
        0..100,
        |_| async {
            let (sender, mut receiver) = mailbox::channel::<(usize, u64)>(3);
            let unsent = Rc::new(Cell::new(0));
            for task in 0..5 {
                let (sender, unsent) = (sender.clone(), unsent.clone());
                rt::spawn(async move {
                    for n in 0..30 {
                        let patience = Duration::from_millis(rt::random_u64() % 8);
                        match rt::timeout(patience, sender.send((task, n))).await {
                            Ok(sent) => sent.expect("the receiver lives"),
                            // It was not sent; the next one takes its place.
                            Err(rt::Elapsed) => unsent.set(unsent.get() + 1),
                        }
                    }
                });
            }
            drop(sender);
            let mut last = [None; 5];
            let (mut count, mut batch) = (0, Vec::new());
            loop {
                let patience = Duration::from_millis(rt::random_u64() % 5);
                match rt::timeout(patience, receiver.recv()).await {
                    Ok(Some(message)) => batch.push(message),
                    Ok(None) => break,
                    Err(rt::Elapsed) => {}
                }
                if rt::random_u64().is_multiple_of(2) {
                    assert!(receiver.drain(&mut batch) <= 6);
                }
                for (task, n) in batch.drain(..) {
                    assert!(last[task] < Some(n));
                    last[task] = Some(n);
                    count += 1;
                }
                rt::sleep(Duration::from_millis(rt::random_u64() % 3)).await;
            }
            assert_eq!(count + unsent.get(), 150);
            let (sender, receiver) = mailbox::channel(1);
            sender.send(1).await.expect("room");
            let waiting = rt::spawn({
                let sender = sender.clone();
                async move { sender.send(2).await }
            });
            rt::yield_if_needed().await;
            drop(receiver);
            assert_eq!(waiting.await, Err(mailbox::Closed(2)));
            assert_eq!(sender.try_send(3), Err(mailbox::TrySendError::Closed(3)));
        },
    );
}

#[test]
fn shards_end_when_they_are_told_to() {
    sim::check_seeds("shards_end_when_they_are_told_to", 0..20, |_| async {
        let (stop, mut is_stopped) = mailbox::channel::<()>(1);
        let shard = rt::spawn_shard("one".to_owned(), Some(0), move || async move {
            assert_eq!(is_stopped.recv().await, Some(()));
        })
        .expect("a shard");
        rt::sleep(Duration::from_millis(5)).await;
        shard.expect_end();
        stop.send(()).await.expect("the shard reads");
        shard.join().await;
    });
}

#[test]
#[should_panic(expected = "shard thread quitter ended although nobody told it to")]
fn a_shard_that_ends_by_itself_fails_the_test() {
    sim::Sim::new(0).run(async {
        let _shard = rt::spawn_shard("quitter".to_owned(), None, || async {});
        rt::sleep(Duration::from_secs(1)).await;
    });
}
