//! A start that goes well, and the end of a server: what it says, where it listens, how it stops.

mod fixture;

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use fixture::{Broker, Options};
use rustix::process::{Pid, Signal, kill_process};

/// A server that was started with these options and says it is ready.
struct Started {
    child: Child,
    addresses: Vec<SocketAddr>,
    _folder: tempfile::TempDir,
}

fn start(options: &[&str]) -> Started {
    start_changed(options, |_| {})
}

fn start_changed(options: &[&str], change: impl FnOnce(&mut Command)) -> Started {
    let folder = tempfile::Builder::new()
        .prefix("startup-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
    command
        .current_dir(folder.path())
        .arg("serve")
        .args(options)
        .env("NO_COLOR", "1");
    change(&mut command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("piped"))
        .read_line(&mut line)
        .expect("text");
    let addresses = line
        .strip_prefix("ready ")
        .map(str::split_whitespace)
        .map(|all| all.map(|a| a.parse().expect("an address")).collect());
    let Some(addresses) = addresses else {
        let mut said = String::new();
        let _ = child.kill();
        child
            .stderr
            .take()
            .expect("piped")
            .read_to_string(&mut said)
            .expect("text");
        child.wait().expect("wait");
        panic!("not ready: {line:?}\n{said}");
    };
    Started {
        child,
        addresses,
        _folder: folder,
    }
}

impl Started {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("running");
    }

    /// Waits for the end; gives the exit code and what was said.
    fn end(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.child
            .stderr
            .take()
            .expect("piped")
            .read_to_string(&mut said)
            .expect("text");
        (self.child.wait().expect("wait").code(), said)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn every_shard_listens_on_a_port_of_its_own_for_each_address() {
    let server = start(&["--listen", "localhost:0", "--shards", "3"]);
    let per_address: Vec<&[SocketAddr]> = server.addresses.chunks(3).collect();
    // Where the machine has no IPv6 there is one.
    assert!((1..=2).contains(&per_address.len()), "{:?}", server.addresses);
    let base = server.addresses[0].port();
    for ports in per_address {
        assert!(ports[0].ip().is_loopback());
        let offsets: Vec<u16> = ports.iter().map(|address| address.port() - base).collect();
        assert_eq!(offsets, [0, 1, 2], "the same ports on every address");
    }
    for address in &server.addresses {
        TcpStream::connect(address).expect("it listens");
    }
    server.signal(Signal::TERM);
    let (code, said) = server.end();
    assert_eq!(code, Some(0), "{said}");
    for part in [
        "3 shards",
        "listens on",
        "data in",
        "corelane-data",
        "durable",
        "try next",
        "corelane topic create",
    ] {
        assert!(said.contains(part), "{part:?} is missing in: {said}");
    }
}

#[test]
fn all_addresses_means_both_protocols() {
    let server = start(&["--listen", "[::]:0", "--shards", "1"]);
    assert_eq!(server.addresses.len(), 1);
    TcpStream::connect(("127.0.0.1", server.addresses[0].port())).expect("IPv4");
    if TcpListener::bind("[::1]:0").is_ok() {
        TcpStream::connect(("::1", server.addresses[0].port())).expect("IPv6");
    }
    server.signal(Signal::INT);
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn without_ipv6_the_server_listens_on_ipv4_and_says_so() {
    for (listen, note) in [
        ("localhost:0", "::1 is not an address of this machine"),
        ("[::]:0", "this machine has no IPv6"),
    ] {
        let server = start_changed(&["--listen", listen, "--shards", "2"], |command| {
            // SAFETY: between fork and exec only system calls with memory on the stack.
            unsafe {
                command.pre_exec(deny_ipv6);
            }
        });
        assert_eq!(server.addresses.len(), 2);
        assert!(
            server.addresses.iter().all(SocketAddr::is_ipv4),
            "{:?}",
            server.addresses
        );
        TcpStream::connect(("127.0.0.1", server.addresses[0].port())).expect("it listens");
        server.signal(Signal::TERM);
        let (code, said) = server.end();
        assert_eq!(code, Some(0));
        assert!(said.contains(note), "{said}");
    }
}

/// A kernel without IPv6, as the process sees it: there are no sockets of that family.
fn deny_ipv6() -> std::io::Result<()> {
    let step = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let error = libc::SECCOMP_RET_ERRNO | libc::EAFNOSUPPORT as u32;
    let mut filter = [
        // The number of the system call is the first word of what the filter sees, its first argument begins at byte 16.
        step(load, 0, 0, 0),
        step(equal, 0, 3, libc::SYS_socket as u32),
        step(load, 0, 0, 16),
        step(equal, 0, 1, libc::AF_INET6 as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, error),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the program points to the filter, which lives until the call is over.
    let refused = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) != 0
    };
    if refused {
        Err(std::io::Error::last_os_error())
    } else {
        Ok(())
    }
}

#[test]
fn a_connected_client_does_not_keep_the_server_from_stopping() {
    let server = start(&["--listen", "127.0.0.1:0", "--shards", "2"]);
    let idle: Vec<TcpStream> = server
        .addresses
        .iter()
        .map(|address| TcpStream::connect(address).expect("it listens"))
        .collect();
    server.signal(Signal::TERM);
    assert_eq!(server.end().0, Some(0));
    drop(idle);
}

#[test]
fn a_settings_file_is_followed_and_the_command_line_wins() {
    let folder = tempfile::Builder::new()
        .prefix("startup-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a folder");
    let file = folder.path().join("corelane.toml");
    std::fs::write(
        &file,
        "shards = 3\ndurability = 'relaxed'\nlisten = ['127.0.0.1:0']\n",
    )
    .expect("ours");
    let server = start(&["--config", file.to_str().expect("text"), "--set", "shards=2"]);
    assert_eq!(server.addresses.len(), 2);
    server.signal(Signal::TERM);
    let (code, said) = server.end();
    assert_eq!(code, Some(0));
    assert!(
        said.contains("relaxed: what is acknowledged is in memory"),
        "{said}"
    );
}

#[test]
fn a_server_starts_on_its_data_with_any_number_of_shards() {
    let mut broker = Broker::start(Options::shards(2));
    for shards in [1, 3, 2] {
        broker.stop();
        broker.start_again(shards);
    }
    broker.stop();
}
