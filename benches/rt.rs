//! What the runtime's face costs: the sockets, the disk, the timers.

use bytes::BytesMut;
use corelane::rt::{self, disk, net};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::future::{Future, poll_fn};
use std::io::{IoSlice, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;

/// Runs both sides of a connection, each with the number of rounds; the time the client's side takes once both stand.
fn connection<F: Future<Output = ()> + 'static>(
    rounds: u64,
    server: impl FnOnce(net::Stream, u64) -> F + Send + 'static,
    client: impl FnOnce(TcpStream, u64) + Send + 'static,
) -> Duration {
    let bound = net::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("bind");
    let address = bound.local_addr();
    let client = thread::spawn(move || {
        let mut stream = TcpStream::connect(address).expect("connect");
        stream.set_nodelay(true).expect("nodelay");
        stream.read_exact(&mut [0]).expect("the server is ready");
        let start = Instant::now();
        client(stream, rounds);
        start.elapsed()
    });
    rt::run_on_shard(move || async move {
        let stream = bound.into_listener().accept().await.expect("accept");
        stream.send_all(&[IoSlice::new(&[0])]).await.expect("send");
        server(stream, rounds).await;
    })
    .expect("a shard");
    client.join().expect("the client is content")
}

fn sockets(c: &mut Criterion) {
    let mut group = c.benchmark_group("net");
    group.bench_function("echo 100 bytes", |b| {
        b.iter_custom(|rounds| {
            connection(
                rounds,
                |stream, _| async move {
                    let mut buffer = BytesMut::with_capacity(64 * 1024);
                    while stream.read_buf(&mut buffer).await.expect("read") > 0 {
                        stream.send_all(&[IoSlice::new(&buffer)]).await.expect("send");
                        buffer.clear();
                    }
                },
                |mut stream, rounds| {
                    for _ in 0..rounds {
                        stream.write_all(&[1; 100]).expect("write");
                        stream.read_exact(&mut [0; 100]).expect("read");
                    }
                },
            )
        });
    });
    group.throughput(Throughput::Bytes(MIB as u64));
    group.bench_function("receive 1 MiB", |b| {
        b.iter_custom(|rounds| {
            connection(
                rounds,
                |stream, rounds| async move {
                    let mut buffer = BytesMut::with_capacity(MIB);
                    let mut left = rounds * MIB as u64;
                    while left > 0 {
                        left -= stream.read_buf(&mut buffer).await.expect("read") as u64;
                        if buffer.len() == MIB {
                            buffer.clear();
                        }
                    }
                    stream.send_all(&[IoSlice::new(&[0])]).await.expect("send");
                },
                |mut stream, rounds| {
                    let frame = vec![1; MIB];
                    for _ in 0..rounds {
                        stream.write_all(&frame).expect("write");
                    }
                    stream.read_exact(&mut [0]).expect("read");
                },
            )
        });
    });
    group.bench_function("send 1 MiB in 64 slices", |b| {
        b.iter_custom(|rounds| {
            connection(
                rounds,
                |stream, rounds| async move {
                    let frame = vec![1; MIB];
                    let slices: Vec<_> = frame.chunks(MIB / 64).map(IoSlice::new).collect();
                    for _ in 0..rounds {
                        stream.send_all(&slices).await.expect("send");
                    }
                },
                |mut stream, rounds| {
                    let mut frame = vec![0; MIB];
                    for _ in 0..rounds {
                        stream.read_exact(&mut frame).expect("read");
                    }
                },
            )
        });
    });
    group.finish();
}

/// Writes `rounds` times `len` bytes into a file that is written already, `depth` at a time.
fn write_durably(rounds: u64, len: usize, depth: u64) -> Duration {
    const FILE_BYTES: u64 = 32 * MIB as u64;
    let dir = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    rt::run_on_shard(move || async move {
        let options = disk::OpenOptions {
            write: true,
            create: true,
            dsync: true,
            ..disk::OpenOptions::default()
        };
        let file = Rc::new(
            disk::File::open(dir.path().join("file"), &options)
                .await
                .expect("open"),
        );
        file.preallocate(FILE_BYTES).await.expect("preallocate");
        let mut buffer = disk::IoBuf::with_capacity(MIB);
        buffer.fill(1);
        for position in (0..FILE_BYTES).step_by(MIB) {
            buffer = file.write_at(buffer, MIB, position).await.expect("write");
        }
        let start = Instant::now();
        let tasks: Vec<_> = (0..depth)
            .map(|task| {
                let file = file.clone();
                rt::spawn(async move {
                    let mut buffer = disk::IoBuf::with_capacity(len);
                    for round in (task..rounds).step_by(depth as usize) {
                        let position = round * len as u64 % FILE_BYTES;
                        buffer = file.write_at(buffer, len, position).await.expect("write");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
        start.elapsed()
    })
    .expect("a shard")
}

fn disks(c: &mut Criterion) {
    let mut group = c.benchmark_group("disk");
    group.sample_size(10);
    group.bench_function("durable write of 4 KiB", |b| {
        b.iter_custom(|rounds| write_durably(rounds, 4096, 1))
    });
    group.throughput(Throughput::Bytes(MIB as u64));
    group.bench_function("durable write of 1 MiB, 8 in flight", |b| {
        b.iter_custom(|rounds| write_durably(rounds, MIB, 8));
    });
    group.finish();
}

fn timers(c: &mut Criterion) {
    c.bench_function("a timer armed and dropped", |b| {
        b.iter_custom(|rounds| {
            rt::run_on_shard(move || async move {
                let _other = rt::spawn(rt::sleep(Duration::from_secs(1000)));
                let start = Instant::now();
                for round in 0..rounds {
                    let mut sleep = pin!(rt::sleep(Duration::from_millis(500 + round % 100)));
                    poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_pending())).await;
                }
                start.elapsed()
            })
            .expect("a shard")
        });
    });
}

criterion_group!(benches, sockets, disks, timers);
criterion_main!(benches);
