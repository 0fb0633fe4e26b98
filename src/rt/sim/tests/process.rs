//! Processes that die and come back.

use crate::rt::sim::{Exit, Sim};
use crate::rt::{self, disk, net, sim};
use bytes::BytesMut;
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

#[test]
fn a_killed_process_is_gone_with_tasks_and_sockets() {
    sim::check_seeds(
        "a_killed_process_is_gone_with_tasks_and_sockets",
        0..50,
        |seed| async move {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
            let held = Rc::new(());
            let (beats, held_there) = (Rc::new(Cell::new(0)), held.clone());
            let beats_there = beats.clone();
            let process = sim::spawn_process("victim", async move {
                let listener = net::bind(address).expect("bind").into_listener();
                rt::spawn(async move {
                    let _held = held_there;
                    loop {
                        beats_there.set(beats_there.get() + 1);
                        rt::sleep(Duration::from_millis(1)).await;
                    }
                });
                loop {
                    let stream = listener.accept().await.expect("accept");
                    rt::spawn(async move { stream.read_buf(&mut BytesMut::with_capacity(1)).await });
                }
            });
            rt::sleep(Duration::from_millis(20)).await;
            let stream = net::connect(address).await.expect("connect");
            rt::sleep(Duration::from_millis(seed % 5)).await;
            match seed % 2 {
                0 => sim::kill(process),
                _ => sim::sigkill(process),
            }
            assert_eq!(sim::exited(process).await, Exit::Killed);
            assert_eq!(Rc::strong_count(&held), 1, "its futures were dropped");
            let at_death = beats.get();
            assert!(matches!(
                stream.read_buf(&mut BytesMut::with_capacity(1)).await,
                Ok(0) | Err(_)
            ));
            rt::sleep(Duration::from_millis(20)).await;
            assert_eq!(beats.get(), at_death);
            net::connect(address).await.expect_err("nobody listens");
            let again = sim::spawn_process("victim", async move {
                net::bind(address).expect("the port is free");
            });
            assert_eq!(sim::exited(again).await, Exit::Finished);
        },
    );
}

#[test]
fn a_signal_spares_the_disk_and_names_choose_it() {
    sim::check_seeds("a_signal_spares_the_disk_and_names_choose_it", 0..20, |_| async {
        let writer = sim::spawn_process("a", async {
            disk::create_dir_all("/d").await.expect("mkdir");
            let options = disk::OpenOptions {
                write: true,
                create: true,
                ..disk::OpenOptions::default()
            };
            let file = disk::File::open("/d/f", &options).await.expect("open");
            let mut buffer = disk::IoBuf::with_capacity(4096);
            buffer.fill(7);
            file.write_at(buffer, 4096, 0).await.expect("write");
            sim::sigkill(sim::current_process());
            rt::sleep(Duration::from_secs(1)).await;
            panic!("it goes no further than to its next wait");
        });
        sim::exited(writer).await;
        let reader = sim::spawn_process("a", async {
            assert_eq!(disk::read_file("/d/f", 4096).await.expect("read"), [7; 4096]);
        });
        assert_eq!(sim::exited(reader).await, Exit::Finished);
        let other = sim::spawn_process("b", async {
            disk::read_file("/d/f", 4096).await.expect_err("another machine");
        });
        assert_eq!(sim::exited(other).await, Exit::Finished);
    });
}

#[test]
#[should_panic(expected = "inside a process")]
fn a_panic_in_a_process_fails_the_test() {
    Sim::new(0).run(async {
        let process = sim::spawn_process("p", async { panic!("inside a process") });
        sim::exited(process).await;
    });
}
