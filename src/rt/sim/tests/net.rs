//! The simulated network.

use crate::rt::sim::net::NetPlan;
use crate::rt::{self, net, sim};
use bytes::BytesMut;
use std::io::{ErrorKind, IoSlice};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

fn port(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A server that sends back what it gets.
async fn echo(address: SocketAddr) {
    let listener = net::bind(address).expect("bind").into_listener();
    loop {
        let stream = listener.accept().await.expect("accept");
        rt::spawn(async move {
            let mut buffer = BytesMut::with_capacity(8192);
            while stream.read_buf(&mut buffer).await.unwrap_or(0) > 0 {
                if stream.send_all(&[IoSlice::new(&buffer.split())]).await.is_err() {
                    return;
                }
                buffer.reserve(8192);
            }
        });
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i / 251 + i * 7) as u8).collect()
}

#[test]
fn bytes_come_whole_and_in_order() {
    sim::check_seeds("bytes_come_whole_and_in_order", 0..50, |_| async {
        sim::spawn_process("server", echo(port(1)));
        rt::sleep(Duration::from_millis(1)).await;
        let stream = Rc::new(net::connect(port(1)).await.expect("connect"));
        assert_eq!(stream.peer_addr().expect("peer"), port(1));
        const LEN: usize = 300_000;
        let sender = rt::spawn({
            let stream = stream.clone();
            async move {
                let bytes = pattern(LEN);
                let slices: Vec<_> = bytes.chunks(9999).map(IoSlice::new).collect();
                stream.send_all(&slices).await.expect("send");
            }
        });
        let mut buffer = BytesMut::with_capacity(LEN);
        let mut reads = 0;
        while buffer.len() < LEN {
            let patience = Duration::from_micros(rt::random_u64() % 3000);
            if let Ok(n) = rt::timeout(patience, stream.read_buf(&mut buffer)).await {
                assert_ne!(n.expect("read"), 0);
                reads += 1;
            }
        }
        assert_eq!(buffer, pattern(LEN)[..]);
        assert!(reads > 10, "it comes in pieces");
        sender.await;
    });
}

#[test]
fn a_slow_reader_holds_the_sender_back() {
    sim::check_seeds("a_slow_reader_holds_the_sender_back", 0..10, |_| async {
        let listener = net::bind(port(1)).expect("bind").into_listener();
        let client = net::connect(port(1)).await.expect("connect");
        let server = listener.accept().await.expect("accept");
        let bytes = pattern(100_000);
        let slices = [IoSlice::new(&bytes)];
        let endless = rt::timeout(Duration::from_secs(5), client.send_all(&slices)).await;
        assert_eq!(endless.err(), Some(rt::Elapsed), "64 KiB fit and no more");
        let mut buffer = BytesMut::with_capacity(1 << 20);
        while rt::timeout(Duration::from_millis(5), server.read_buf(&mut buffer))
            .await
            .is_ok()
        {}
        assert_eq!(buffer.len(), 65_536);
    });
}

#[test]
fn ends_and_breaks_are_seen() {
    sim::check_seeds("ends_and_breaks_are_seen", 0..50, |_| async {
        let refused = net::connect(port(1)).await.expect_err("nobody listens");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let bound = net::bind(port(1)).expect("bind");
        assert_eq!(
            net::bind(port(1)).expect_err("taken").kind(),
            ErrorKind::AddrInUse
        );
        let listener = bound.into_listener();
        let mut buffer = BytesMut::with_capacity(100);

        // A shutdown comes after what was sent before, and wakes our own reader.
        let client = Rc::new(net::connect(port(1)).await.expect("connect"));
        let server = listener.accept().await.expect("accept");
        assert!(!server.peer_has_closed());
        let reader = rt::spawn({
            let client = client.clone();
            async move {
                client
                    .read_buf(&mut BytesMut::with_capacity(1))
                    .await
                    .map_or(0, |n| n)
            }
        });
        client
            .send_all(&[IoSlice::new(b"last words")])
            .await
            .expect("send");
        client.shutdown();
        assert_eq!(reader.await, 0);
        while server.read_buf(&mut buffer).await.expect("read") > 0 {}
        assert_eq!(buffer, b"last words"[..]);
        assert!(server.peer_has_closed());
        assert!(server.send_all(&[IoSlice::new(b"answer")]).await.is_err());

        // A cut is an error on both ends.
        let client = net::connect(port(1)).await.expect("connect");
        let server = listener.accept().await.expect("accept");
        sim::net::set_plan(NetPlan {
            cut_chance: 1.0,
            ..NetPlan::default()
        });
        assert_eq!(
            client
                .send_all(&[IoSlice::new(b"?")])
                .await
                .expect_err("cut")
                .kind(),
            ErrorKind::ConnectionReset
        );
        assert_eq!(
            server.read_buf(&mut buffer).await.expect_err("cut").kind(),
            ErrorKind::ConnectionReset
        );
        sim::net::set_plan(NetPlan::default());

        // A listener that is gone gives its port back.
        drop(listener);
        net::bind(port(1)).expect("free again");
    });
}

#[test]
fn a_partition_holds_everything_until_it_heals() {
    sim::check_seeds("a_partition_holds_everything_until_it_heals", 0..20, |_| async {
        let server = sim::spawn_process("server", echo(port(1)));
        rt::sleep(Duration::from_millis(1)).await;
        let stream = net::connect(port(1)).await.expect("connect");
        sim::net::partition(server, sim::current_process());
        stream.send_all(&[IoSlice::new(b"hello")]).await.expect("send");
        let mut buffer = BytesMut::with_capacity(5);
        assert!(
            rt::timeout(Duration::from_secs(60), stream.read_buf(&mut buffer))
                .await
                .is_err()
        );
        assert!(
            rt::timeout(Duration::from_secs(60), net::connect(port(1)))
                .await
                .is_err()
        );
        sim::net::heal(server, sim::current_process());
        while buffer.len() < 5 {
            stream.read_buf(&mut buffer).await.expect("read");
        }
        assert_eq!(buffer, b"hello"[..]);
        net::connect(port(1)).await.expect("connect");
    });
}
