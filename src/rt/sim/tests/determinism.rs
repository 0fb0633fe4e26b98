//! The same seed gives the same run.

use crate::rt::sim::Sim;
use crate::rt::{self, disk, mailbox, net, sim};
use bytes::BytesMut;
use std::collections::BTreeSet;
use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

/// Some of everything: tasks, timers, randomness, files, sockets, a mailbox, a crash.
async fn workload() -> Vec<u64> {
    let mut seen = Vec::new();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 9092));
    let server = sim::spawn_process("server", async move {
        disk::create_dir_all("/data").await.expect("mkdir");
        let options = disk::OpenOptions {
            write: true,
            create: true,
            ..disk::OpenOptions::default()
        };
        let file = Rc::new(disk::File::open("/data/file", &options).await.expect("open"));
        let listener = net::bind(address).expect("bind").into_listener();
        for n in 0.. {
            let stream = listener.accept().await.expect("accept");
            let file = file.clone();
            rt::spawn(async move {
                let mut buffer = BytesMut::with_capacity(1000);
                while stream.read_buf(&mut buffer).await.unwrap_or(0) > 0 {
                    let block = disk::IoBuf::with_capacity(4096);
                    file.write_at(block, 4096, n * 4096).await.expect("write");
                    if stream.send_all(&[IoSlice::new(&buffer.split())]).await.is_err() {
                        return;
                    }
                    buffer.reserve(1000);
                }
            });
        }
    });
    rt::sleep(Duration::from_millis(5)).await;
    let (sender, mut receiver) = mailbox::channel(4);
    for n in 0..10u64 {
        let sender = sender.clone();
        rt::spawn(async move {
            rt::sleep(Duration::from_millis(rt::random_u64() % 20)).await;
            let stream = net::connect(address).await.expect("connect");
            stream
                .send_all(&[IoSlice::new(&[n as u8; 100])])
                .await
                .expect("send");
            let mut buffer = BytesMut::with_capacity(100);
            while buffer.len() < 100 {
                stream.read_buf(&mut buffer).await.expect("read");
            }
            sender.send(n).await.expect("the test reads");
        });
    }
    drop(sender);
    while let Some(n) = receiver.recv().await {
        seen.push(n);
    }
    sim::kill(server);
    sim::exited(server).await;
    seen.push(
        sim::disk::of("server")
            .read("/data/file")
            .map_or(0, |bytes| bytes.len() as u64),
    );
    seen.push(rt::now().0);
    seen
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let mut hashes = BTreeSet::new();
    let mut orders = BTreeSet::new();
    for seed in 0..30 {
        let (mut once, mut twice) = (Sim::new(seed), Sim::new(seed));
        let seen = once.run(workload());
        assert_eq!(seen, twice.run(workload()));
        assert_eq!(once.trace_hash(), twice.trace_hash());
        hashes.insert(once.trace_hash());
        orders.insert(seen);
    }
    assert_eq!(hashes.len(), 30, "every seed gives another run");
    assert!(orders.len() > 20, "only {} different outcomes", orders.len());
}

#[test]
fn a_failing_seed_panics_and_the_next_simulation_works() {
    let mut sim = Sim::new(1);
    let failed = catch_unwind(AssertUnwindSafe(|| {
        sim.run(async {
            rt::spawn(rt::sleep(Duration::from_secs(1)));
            let _port = net::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 1))).expect("bind");
            rt::yield_now().await;
            panic!("as it was asked to");
        })
    }));
    assert!(failed.is_err());
    assert_eq!(Sim::new(1).run(async { 1 }), 1);
}

#[test]
#[should_panic(expected = "stuck")]
fn a_hang_is_a_failure() {
    Sim::new(0).run(std::future::pending::<()>());
}

#[test]
#[should_panic(expected = "too long")]
fn endless_waiting_is_a_failure() {
    Sim::new(0).time_limit(Duration::from_secs(60)).run(async {
        loop {
            rt::sleep(Duration::from_secs(1)).await;
        }
    });
}
