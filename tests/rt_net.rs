//! TCP of the real runtime.

use bytes::BytesMut;
use corelane::rt::{self, net};
use std::cell::Cell;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{BorrowedFd, RawFd};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i / 251 + i * 7) as u8).collect()
}

/// Runs `serve` with a listener on a shard and `client` with its address on a plain thread.
fn with_server<F: Future<Output = ()> + 'static>(
    serve: impl FnOnce(net::Listener) -> F + Send + 'static,
    client: impl FnOnce(SocketAddr) + Send + 'static,
) {
    let bound = net::bind(loopback()).expect("bind");
    let address = bound.local_addr();
    let client = thread::spawn(move || client(address));
    rt::run_on_shard(move || serve(bound.into_listener())).expect("a shard");
    client.join().expect("the client is content");
}

async fn read_exactly(stream: &net::Stream, len: usize) -> BytesMut {
    let mut buffer = BytesMut::with_capacity(len);
    while buffer.len() < len {
        assert_ne!(
            stream.read_buf(&mut buffer).await.expect("read"),
            0,
            "the peer goes on"
        );
    }
    buffer
}

#[test]
fn requests_of_every_size_come_whole() {
    // Around the size of the landing buffer, the socket's buffers, and much more than those.
    const SIZES: [usize; 9] = [1, 100, 4095, 4096, 4097, 8192, 100_000, 1 << 20, 5 << 20];
    with_server(
        |listener| async move {
            let stream = listener.accept().await.expect("accept");
            for size in SIZES {
                assert_eq!(read_exactly(&stream, size).await, pattern(size));
            }
            let mut buffer = BytesMut::with_capacity(10);
            assert_eq!(stream.read_buf(&mut buffer).await.expect("end"), 0);
            assert_eq!(stream.read_buf(&mut buffer).await.expect("still the end"), 0);
        },
        |address| {
            let mut stream = TcpStream::connect(address).expect("connect");
            for size in SIZES {
                stream.write_all(&pattern(size)).expect("write");
                // Now the server waits, then it does not: both ways of reading are taken.
                thread::sleep(Duration::from_millis(5));
            }
        },
    );
}

#[test]
fn vectored_sends_arrive_in_order_through_a_slow_reader() {
    let parts: Vec<Vec<u8>> = (0..3000usize)
        .map(|n| pattern(n * 13 % 4000 + usize::from(n % 5 != 0)))
        .collect();
    let whole = parts.concat();
    with_server(
        move |listener| async move {
            let stream = listener.accept().await.expect("accept");
            let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
            stream.send_all(&slices).await.expect("send");
            stream.send_all(&[]).await.expect("nothing");
            stream
                .send_all(&[IoSlice::new(&[]), IoSlice::new(b"end"), IoSlice::new(&[])])
                .await
                .expect("send");
        },
        move |address| {
            let mut stream = TcpStream::connect(address).expect("connect");
            let mut read = Vec::new();
            let mut chunk = vec![0; 70_001];
            loop {
                let n = stream.read(&mut chunk).expect("read");
                if n == 0 {
                    break;
                }
                read.extend_from_slice(&chunk[..n]);
                if read.len() % 5 == 0 {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            assert_eq!(&read[..whole.len()], &whole[..]);
            assert_eq!(&read[whole.len()..], b"end");
        },
    );
}

#[test]
fn one_task_reads_while_another_writes() {
    const LEN: usize = 8 << 20;
    with_server(
        |listener| async move {
            let stream = Rc::new(listener.accept().await.expect("accept"));
            let reader = rt::spawn({
                let stream = stream.clone();
                async move { assert_eq!(read_exactly(&stream, LEN).await, pattern(LEN)) }
            });
            let writer = rt::spawn({
                let stream = stream.clone();
                async move {
                    stream
                        .send_all(&[IoSlice::new(&pattern(LEN))])
                        .await
                        .expect("send")
                }
            });
            reader.await;
            writer.await;
        },
        |address| {
            let stream = TcpStream::connect(address).expect("connect");
            let mut sending = stream.try_clone().expect("a second handle");
            let sender = thread::spawn(move || sending.write_all(&pattern(LEN)).expect("write"));
            let mut read = vec![0; LEN];
            (&stream).read_exact(&mut read).expect("read");
            assert_eq!(read, pattern(LEN));
            sender.join().expect("sent");
        },
    );
}

#[test]
fn a_dropped_read_loses_nothing() {
    // The client sends a chunk each time a read was dropped, so chunks meet waiting reads, dropped ones, and none.
    let (gave_up, next_chunk) = mpsc::channel();
    with_server(
        move |listener| async move {
            let stream = listener.accept().await.expect("accept");
            let mut buffer = BytesMut::with_capacity(1 << 20);
            while buffer.len() < 200_000 {
                match rt::timeout(Duration::from_millis(1), stream.read_buf(&mut buffer)).await {
                    Ok(n) => assert_ne!(n.expect("read"), 0),
                    Err(rt::Elapsed) => {
                        let _ = gave_up.send(());
                    }
                }
            }
            assert_eq!(buffer, pattern(200_000));
        },
        move |address| {
            let mut stream = TcpStream::connect(address).expect("connect");
            for chunk in pattern(200_000).chunks(10_000) {
                next_chunk.recv().expect("a read is dropped when nothing comes");
                stream.write_all(chunk).expect("write");
            }
        },
    );
}

#[test]
fn a_shutdown_wakes_the_reader_and_the_writer() {
    with_server(
        |listener| async move {
            let stream = Rc::new(listener.accept().await.expect("accept"));
            let reader = rt::spawn({
                let stream = stream.clone();
                async move {
                    matches!(
                        stream.read_buf(&mut BytesMut::with_capacity(100)).await,
                        Ok(0) | Err(_)
                    )
                }
            });
            // The client reads nothing, so this waits for room.
            let writer = rt::spawn({
                let stream = stream.clone();
                async move {
                    stream
                        .send_all(&[IoSlice::new(&vec![1; 64 << 20])])
                        .await
                        .is_err()
                }
            });
            rt::sleep(Duration::from_millis(50)).await;
            stream.shutdown();
            stream.shutdown();
            assert!(
                rt::timeout(Duration::from_secs(10), reader)
                    .await
                    .expect("the reader wakes")
            );
            assert!(
                rt::timeout(Duration::from_secs(10), writer)
                    .await
                    .expect("the writer wakes")
            );
        },
        |address| {
            let mut stream = TcpStream::connect(address).expect("connect");
            // Stays until the server has closed.
            thread::sleep(Duration::from_millis(200));
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        },
    );
}

#[test]
fn a_broken_connection_is_an_error_and_not_a_signal() {
    with_server(
        |listener| async move {
            let stream = listener.accept().await.expect("accept");
            let error = loop {
                match stream.send_all(&[IoSlice::new(&pattern(100_000))]).await {
                    Ok(()) => {}
                    Err(error) => break error,
                }
            };
            assert!(
                matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
                "{error}"
            );
        },
        |address| {
            let stream = TcpStream::connect(address).expect("connect");
            stream.shutdown(Shutdown::Both).expect("shutdown");
        },
    );
}

#[test]
fn connecting_from_a_shard() {
    let listener = TcpListener::bind(loopback()).expect("bind");
    let address = listener.local_addr().expect("address");
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("accept");
        let mut request = [0; 4];
        stream.read_exact(&mut request).expect("read");
        stream.write_all(&request).expect("write");
    });
    rt::run_on_shard(move || async move {
        let stream = net::connect(address).await.expect("connect");
        assert_eq!(stream.peer_addr().expect("address"), address);
        stream
            .send_all(&[IoSlice::new(b"pi"), IoSlice::new(b"ng")])
            .await
            .expect("send");
        assert_eq!(read_exactly(&stream, 4).await, b"ping"[..]);
    })
    .expect("a shard");
    server.join().expect("served");
    let closed = rt::run_on_shard(move || async move { net::connect(address).await.map(|_| ()) });
    assert_eq!(
        closed.expect("a shard").expect_err("nobody listens").kind(),
        ErrorKind::ConnectionRefused
    );
}

#[test]
fn a_port_is_taken_once() {
    let first = net::bind(loopback()).expect("bind");
    let second = net::bind(first.local_addr()).expect_err("taken");
    assert_eq!(second.kind(), ErrorKind::AddrInUse);
}

#[test]
fn the_unspecified_ipv6_address_takes_ipv4_too() {
    let Ok(bound) = net::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))) else {
        eprintln!("skipped: no IPv6 here");
        return;
    };
    let port = bound.local_addr().port();
    for address in [
        SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
    ] {
        TcpStream::connect(address).expect("both families reach it");
    }
}

#[test]
fn a_dropped_accept_loses_no_connection() {
    with_server(
        |listener| async move {
            let mut accepted = 0;
            while accepted < 50 {
                // Most of these are dropped while they wait.
                if let Ok(stream) = rt::timeout(Duration::from_millis(1), listener.accept()).await {
                    stream
                        .expect("accept")
                        .send_all(&[IoSlice::new(b"!")])
                        .await
                        .expect("send");
                    accepted += 1;
                }
            }
        },
        |address| {
            for n in 0..50u64 {
                thread::sleep(Duration::from_millis(n % 4));
                let mut stream = TcpStream::connect(address).expect("connect");
                let mut answer = [0];
                stream
                    .read_exact(&mut answer)
                    .expect("this connection was accepted");
            }
        },
    );
}

#[test]
fn accepted_sockets_neither_block_nor_are_inherited() {
    with_server(
        |listener| async move {
            let stream = listener.accept().await.expect("accept");
            let (local, peer) = (
                stream.local_addr().expect("local"),
                stream.peer_addr().expect("peer"),
            );
            let fd = descriptor_of(local, peer);
            // SAFETY: the stream above keeps it open.
            let fd = unsafe { BorrowedFd::borrow_raw(fd) };
            let flags = rustix::fs::fcntl_getfl(fd).expect("flags");
            assert!(flags.contains(rustix::fs::OFlags::NONBLOCK));
            let flags = rustix::io::fcntl_getfd(fd).expect("flags");
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
            assert!(socket2::SockRef::from(&fd).tcp_nodelay().expect("nodelay"));
        },
        |address| {
            let mut stream = TcpStream::connect(address).expect("connect");
            let _ = stream.read(&mut [0]);
        },
    );
}

/// The descriptor of the connection between the two.
fn descriptor_of(local: SocketAddr, peer: SocketAddr) -> RawFd {
    let descriptors = std::fs::read_dir("/proc/self/fd").expect("proc");
    descriptors
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<RawFd>().ok())
        .find(|fd| {
            // SAFETY: asked for its addresses only; if another thread closes it meanwhile that fails.
            let socket = unsafe { BorrowedFd::borrow_raw(*fd) };
            let socket = socket2::SockRef::from(&socket);
            let address = |a: std::io::Result<socket2::SockAddr>| a.ok().and_then(|a| a.as_socket());
            address(socket.local_addr()) == Some(local) && address(socket.peer_addr()) == Some(peer)
        })
        .expect("the connection has a descriptor")
}

#[test]
fn a_busy_shard_serves_its_timers_and_connections() {
    with_server(
        |listener| async move {
            let stop = Rc::new(Cell::new(false));
            let busy = rt::spawn({
                let stop = stop.clone();
                async move {
                    while !stop.get() {
                        let step = Instant::now();
                        while step.elapsed() < Duration::from_micros(100) {}
                        rt::yield_if_needed().await;
                    }
                }
            });
            let stream = listener.accept().await.expect("accept");
            let mut slept = Vec::new();
            for _ in 0..20 {
                let start = rt::now();
                rt::sleep(Duration::from_millis(2)).await;
                slept.push(rt::now().since(start));
                let byte = read_exactly(&stream, 1).await;
                stream.send_all(&[IoSlice::new(&byte)]).await.expect("send");
            }
            stop.set(true);
            busy.await;
            slept.sort_unstable();
            // With the preemption timer left at its default of 100 ms each of these takes that long.
            assert!(slept[10] < Duration::from_millis(90), "{slept:?}");
        },
        |address| {
            let mut stream = TcpStream::connect(address).expect("connect");
            for _ in 0..20 {
                stream.write_all(b"?").expect("write");
                stream.read_exact(&mut [0]).expect("read");
            }
        },
    );
}

#[test]
fn many_connections_at_once() {
    const THREADS: usize = 4;
    const EACH: usize = 25;
    with_server(
        |listener| async move {
            let mut tasks = Vec::new();
            for _ in 0..THREADS * EACH {
                let stream = listener.accept().await.expect("accept");
                tasks.push(rt::spawn(async move {
                    let mut buffer = BytesMut::with_capacity(10_000);
                    while stream.read_buf(&mut buffer).await.expect("read") > 0 {
                        stream
                            .send_all(&[IoSlice::new(&buffer.split())])
                            .await
                            .expect("send");
                        buffer.reserve(10_000);
                    }
                }));
            }
            for task in tasks {
                task.await;
            }
        },
        |address| {
            let threads: Vec<_> = (0..THREADS)
                .map(|_| {
                    thread::spawn(move || {
                        let mut streams: Vec<_> = (0..EACH)
                            .map(|_| TcpStream::connect(address).expect("connect"))
                            .collect();
                        for round in 1..20 {
                            let request = pattern(round * 700);
                            for stream in &mut streams {
                                stream.write_all(&request).expect("write");
                            }
                            for stream in &mut streams {
                                let mut answer = vec![0; request.len()];
                                stream.read_exact(&mut answer).expect("read");
                                assert_eq!(answer, request);
                            }
                        }
                    })
                })
                .collect();
            for thread in threads {
                thread.join().expect("every answer came");
            }
        },
    );
}

#[test]
fn the_end_of_a_peer_is_seen_without_reading() {
    let (told, wait) = mpsc::channel();
    with_server(
        |listener| async move {
            let stream = listener.accept().await.expect("accept");
            assert!(!stream.peer_has_closed());
            told.send(()).expect("the client waits");
            let deadline = Instant::now() + Duration::from_secs(30);
            while !stream.peer_has_closed() {
                assert!(Instant::now() < deadline, "it was not seen");
                rt::sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(&read_exactly(&stream, 5).await[..], b"bytes");
        },
        move |address| {
            let mut socket = TcpStream::connect(address).expect("connect");
            wait.recv().expect("the server has looked");
            socket.write_all(b"bytes").expect("sent");
        },
    );
}
