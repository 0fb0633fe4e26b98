//! What happens when things go wrong that end processes or need limits of their own: each test runs itself again as a
//! child process.

use bytes::BytesMut;
use corelane::rt::{self, net};
use std::io::{IoSlice, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};
use std::time::Duration;

const CHILD: &str = "CORELANE_TEST_CHILD";
const SIGABRT: i32 = 6;

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Runs the test of that name again, in a child process started by `shell` words.
fn child(test: &str, limits: &str) -> Output {
    let this = std::env::current_exe().expect("this test's program");
    Command::new("sh")
        .arg("-c")
        .arg(format!(
            "{limits} exec \"$0\" --exact {test} --nocapture --test-threads=1"
        ))
        .arg(this)
        .env(CHILD, "1")
        .output()
        .expect("a shell")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The control thread of the children: waits for ever.
fn wait_for_ever() -> ! {
    loop {
        std::thread::park();
    }
}

#[test]
fn a_panic_on_a_shard_ends_the_process() {
    if is_child() {
        let _healthy = rt::spawn_shard("healthy".to_owned(), None, std::future::pending).expect("a shard");
        let _sick = rt::spawn_shard("sick".to_owned(), None, || async {
            rt::spawn(async { panic!("an invariant is broken") });
            std::future::pending().await
        })
        .expect("a shard");
        wait_for_ever();
    }
    let output = child("a_panic_on_a_shard_ends_the_process", "");
    assert_eq!(output.status.signal(), Some(SIGABRT), "{output:?}");
    assert!(stderr(&output).contains("an invariant is broken"), "{output:?}");
    assert!(
        stderr(&output).contains("shard thread sick panicked"),
        "{output:?}"
    );
}

#[test]
fn a_shard_that_ends_by_itself_ends_the_process() {
    if is_child() {
        let _shard = rt::spawn_shard("quitter".to_owned(), None, || async {}).expect("a shard");
        wait_for_ever();
    }
    let output = child("a_shard_that_ends_by_itself_ends_the_process", "");
    assert_eq!(output.status.signal(), Some(SIGABRT), "{output:?}");
    assert!(
        stderr(&output).contains("shard thread quitter ended although nobody told it to"),
        "{output:?}"
    );
}

#[test]
fn too_little_lockable_memory_is_said() {
    if is_child() {
        let probed = rt::probe().expect_err("too little");
        eprintln!("probe: {probed}");
        let spawned = rt::spawn_shard("poor".to_owned(), None, || async {}).expect_err("too little");
        assert_eq!(probed, spawned);
        return;
    }
    let output = child("too_little_lockable_memory_is_said", "ulimit -l 64;");
    assert!(output.status.success(), "{output:?}");
    assert!(
        stderr(&output).contains("probe: the limit of lockable memory is 65536 bytes"),
        "{output:?}"
    );
    assert!(stderr(&output).contains("ulimit -l 512"), "{output:?}");
}

#[test]
fn a_low_soft_limit_is_raised_to_the_hard_one() {
    if is_child() {
        rt::probe().expect("the hard limit is enough");
        assert_eq!(rt::run_on_shard(|| async { 1 }), Ok(1));
        return;
    }
    let output = child("a_low_soft_limit_is_raised_to_the_hard_one", "ulimit -S -l 64;");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_denied_io_uring_is_said() {
    if is_child() {
        deny_io_uring();
        eprintln!("probe: {}", rt::probe().expect_err("denied"));
        return;
    }
    let output = child("a_denied_io_uring_is_said", "");
    assert!(output.status.success(), "{output:?}");
    assert!(
        stderr(&output).contains("probe: io_uring is denied"),
        "{output:?}"
    );
    assert!(stderr(&output).contains("seccomp"), "{output:?}");
}

/// Does what container runtimes do: io_uring_setup fails with EPERM from now on, for this thread.
fn deny_io_uring() {
    const LOAD_NUMBER: libc::sock_filter = libc::sock_filter {
        code: 0x20,
        jt: 0,
        jf: 0,
        k: 0,
    };
    const IF_IS_SETUP: libc::sock_filter = libc::sock_filter {
        code: 0x15,
        jt: 0,
        jf: 1,
        k: libc::SYS_io_uring_setup as u32,
    };
    const FAIL: libc::sock_filter = libc::sock_filter {
        code: 0x06,
        jt: 0,
        jf: 0,
        k: libc::SECCOMP_RET_ERRNO | libc::EPERM as u32,
    };
    const ALLOW: libc::sock_filter = libc::sock_filter {
        code: 0x06,
        jt: 0,
        jf: 0,
        k: libc::SECCOMP_RET_ALLOW,
    };
    let mut filter = [LOAD_NUMBER, IF_IS_SETUP, FAIL, ALLOW];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the program is well formed and outlives the call, which copies it.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program),
            0
        );
    }
}

#[test]
fn without_descriptors_accepting_neither_spins_nor_starves_others() {
    if is_child() {
        accept_without_descriptors();
        return;
    }
    // Enough for the executor's own, too few for the clients.
    let output = child(
        "without_descriptors_accepting_neither_spins_nor_starves_others",
        "ulimit -n 64;",
    );
    assert!(output.status.success(), "{output:?}");
}

fn accept_without_descriptors() {
    let bound = net::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("bind");
    let address = bound.local_addr();
    rt::run_on_shard(move || async move {
        let listener = bound.into_listener();
        let mut client = TcpStream::connect(address).expect("connect");
        let first = listener.accept().await.expect("accept");
        // Takes every descriptor there is.
        let mut hoard = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            hoard.push(file);
        }
        // One for a client that cannot be accepted.
        hoard.pop();
        let mut waiting = TcpStream::connect(address).expect("connect");
        let accepting = rt::spawn(async move {
            let mut errors = 0;
            loop {
                match listener.accept().await {
                    Ok(stream) => return (stream, errors),
                    Err(_) => errors += 1,
                }
            }
        });
        // Meanwhile the connection that exists is served.
        for n in 0..100u8 {
            client.write_all(&[n]).expect("write");
            let mut buffer = BytesMut::with_capacity(1);
            assert_eq!(first.read_buf(&mut buffer).await.expect("read"), 1);
            first.send_all(&[IoSlice::new(&buffer)]).await.expect("send");
            client.read_exact(&mut [0]).expect("read");
            rt::sleep(Duration::from_millis(3)).await;
        }
        drop(hoard);
        let (second, errors) = accepting.await;
        // About six in 300 ms; a loop that spins makes hundreds of thousands.
        assert!((1..100).contains(&errors), "{errors} errors");
        second.send_all(&[IoSlice::new(b"!")]).await.expect("send");
        waiting.read_exact(&mut [0]).expect("read");
    })
    .expect("a shard");
}
