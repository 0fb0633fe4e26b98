//! Start-up trouble speaks: each thing that keeps a server from starting gives one clear message and an exit code that
//! is not 0.

mod fixture;

use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fixture::{Broker, Options};

/// Far more than a refusal takes; only a server that wrongly started reaches it.
const REFUSED_WITHIN: Duration = Duration::from_secs(60);

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("startup-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a temporary folder")
}

/// A server with one shard and any ports, in a folder of its own unless `more` says otherwise.
fn serve(folder: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
    command
        .current_dir(folder)
        .args(["serve", "--shards", "1"])
        .args(more);
    command
}

/// Runs a server that must refuse to start, and gives what it says.
#[track_caller]
fn refusal(mut command: Command) -> String {
    command
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("start the server");
    let deadline = Instant::now() + REFUSED_WITHIN;
    let status = loop {
        match child.try_wait().expect("wait") {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                child.kill().expect("kill");
                child.wait().expect("wait");
                panic!("the server did not refuse to start");
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let (mut said, mut printed) = (String::new(), String::new());
    child
        .stderr
        .take()
        .expect("piped")
        .read_to_string(&mut said)
        .expect("text");
    child
        .stdout
        .take()
        .expect("piped")
        .read_to_string(&mut printed)
        .expect("text");
    assert_eq!(status.code(), Some(1), "{said}");
    assert_eq!(printed, "", "nothing is ready");
    let errors = said.lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!(errors, 1, "one message: {said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[track_caller]
fn check(command: Command, expected: &[&str]) {
    let said = refusal(command);
    for part in expected {
        assert!(said.contains(part), "{part:?} is missing in: {said}");
    }
}

/// Says that a test can't run here. In CI it must.
fn skip(why: &str) {
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "CI must run this: {why}"
    );
    eprintln!("skipped: {why}");
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn a_taken_port_is_named() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    check(
        serve(folder.path(), &["--listen", &address]),
        &[&address, "taken by another program", "--listen"],
    );
}

#[test]
fn a_taken_port_within_the_range_is_named_with_the_range() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let second = taken.local_addr().expect("bound").port();
    let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
    let first = format!("127.0.0.1:{}", second - 1);
    command
        .current_dir(folder.path())
        .args(["serve", "--shards", "2", "--listen", &first]);
    let said = refusal(command);
    // Somebody else may have the first one just now.
    assert!(said.contains("taken by another program"), "{said}");
    assert!(
        said.contains(&format!("2 shards take the ports {} to {second}", second - 1)),
        "{said}"
    );
}

#[test]
fn a_foreign_address_is_named() {
    // From a range that is for documentation only (RFC 5737), so no machine has it.
    let folder = folder();
    check(
        serve(folder.path(), &["--listen", "192.0.2.1:9092"]),
        &["192.0.2.1:9092", "no such address", "--listen"],
    );
}

#[test]
fn a_data_directory_in_use_is_named_with_its_user() {
    let broker = Broker::start(Options::shards(1));
    let data_dir = broker.data_dir();
    let data_dir = data_dir.to_str().expect("text");
    let folder = folder();
    let command = serve(
        folder.path(),
        &["--listen", "localhost:0", "--data-dir", data_dir],
    );
    check(
        command,
        &[
            data_dir,
            "in use by another Corelane server",
            &format!("process {}", broker.pid()),
            "--data-dir",
        ],
    );
}

#[test]
fn a_killed_server_leaves_no_lock() {
    let mut broker = Broker::start(Options::shards(1));
    broker.sigkill_and_restart(1);
    broker.stop();
}

#[test]
fn a_directory_without_permission_is_named() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    std::fs::create_dir(&data_dir).expect("new");
    std::fs::set_permissions(&data_dir, PermissionsExt::from_mode(0o555)).expect("ours");
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("ours");
    let mut command = serve(folder.path(), &["--listen", "localhost:0", "--data-dir", "data"]);
    if is_root() {
        // Root may write anywhere; nobody may not.
        command.uid(65534).gid(65534);
    }
    check(
        command,
        &[
            data_dir.to_str().expect("text"),
            "has no permission",
            "--data-dir",
        ],
    );
    let mut command = serve(
        folder.path(),
        &["--listen", "localhost:0", "--data-dir", "data/inner"],
    );
    if is_root() {
        command.uid(65534).gid(65534);
    }
    check(
        command,
        &[
            "could not create the data directory",
            "has no permission",
            "--data-dir",
        ],
    );
}

#[test]
fn a_file_in_the_place_of_the_directory_is_named() {
    let folder = folder();
    std::fs::write(folder.path().join("file"), "").expect("new");
    for data_dir in ["file", "file/inner"] {
        let command = serve(
            folder.path(),
            &["--listen", "localhost:0", "--data-dir", data_dir],
        );
        check(
            command,
            &[
                "could not create the data directory",
                data_dir,
                "no directory",
                "--data-dir",
            ],
        );
    }
}

#[test]
fn data_directories_that_do_not_go_together_are_named() {
    let folder = folder();
    let both = |one: &str, other: &str| {
        serve(
            folder.path(),
            &["--listen", "localhost:0", "--data-dir", one, "--data-dir", other],
        )
    };
    check(both("a", "./a"), &["/a is given twice"]);
    std::os::unix::fs::symlink("a", folder.path().join("link")).expect("new");
    check(both("a", "link"), &["/a is given twice"]);
    check(
        both("a", "a/b/c"),
        &["one of the data directories", "is in the other"],
    );
    check(
        both("a/b", "a"),
        &["one of the data directories", "is in the other"],
    );
    let empty = &["--listen", "localhost:0", "--set", "data_dirs=a,,b"];
    check(serve(folder.path(), empty), &["a,,b", "data_dirs", "paths"]);
}

#[test]
fn data_directories_of_others_are_named() {
    let brokers = [(); 2].map(|()| {
        let mut broker = Broker::start(Options::shards(1).data_dirs(&["data", "more"]));
        broker.stop();
        broker
    });
    let dir = |broker: usize, name: &str| {
        let path = brokers[broker].data_dir_named(name);
        path.to_str().expect("text").to_owned()
    };
    let folder = folder();
    let both = |one: &str, other: &str| {
        serve(
            folder.path(),
            &["--listen", "localhost:0", "--data-dir", one, "--data-dir", other],
        )
    };
    check(
        both(&dir(0, "data"), &dir(1, "more")),
        &[
            &dir(1, "more"),
            "belongs to server 0 of cluster",
            "not to server 0",
        ],
    );
    check(
        both(&dir(0, "data"), &dir(1, "data")),
        &[&dir(0, "data"), &dir(1, "data"), "both hold the metadata"],
    );
    check(
        both(&dir(0, "more"), "new"),
        &[
            &dir(0, "more"),
            "belongs to server 0",
            "add the directory that has it",
        ],
    );
    let copy = folder.path().join("copy");
    std::fs::create_dir(&copy).expect("new");
    let owner = "meta.properties";
    std::fs::copy(format!("{}/{owner}", dir(0, "more")), copy.join(owner)).expect("copied");
    check(
        both(&dir(0, "more"), "copy"),
        &["belongs to server 0", "add the directory that has it"],
    );
    let copied = serve(
        folder.path(),
        &[
            "--listen",
            "localhost:0",
            "--data-dir",
            &dir(0, "data"),
            "--data-dir",
            &dir(0, "more"),
            "--data-dir",
            "copy",
        ],
    );
    check(copied, &["the same directory.id", "/copy"]);
    std::fs::write(copy.join(owner), "version=1\n").expect("written");
    check(
        both(&dir(0, "data"), "copy"),
        &["copy/meta.properties names no cluster"],
    );
}

#[test]
fn a_file_system_without_direct_io_is_named() {
    if !is_root() {
        return skip("only root can mount a file system without direct I/O");
    }
    let folder = folder();
    let mounted = folder.path().join("mounted");
    std::fs::create_dir(&mounted).expect("new");
    let mounted = std::ffi::CString::new(mounted.to_str().expect("text")).expect("no zero byte");
    let mut command = serve(
        folder.path(),
        &["--listen", "localhost:0", "--data-dir", "mounted/data"],
    );
    // SAFETY: between fork and exec only system calls with memory that was made before.
    unsafe {
        command.pre_exec(move || {
            let ramfs = c"ramfs".as_ptr();
            let private = libc::MS_REC | libc::MS_PRIVATE;
            let none = std::ptr::null();
            if libc::unshare(libc::CLONE_NEWNS) != 0
                || libc::mount(none, c"/".as_ptr(), none, private, none.cast()) != 0
                || libc::mount(ramfs, mounted.as_ptr(), ramfs, 0, none.cast()) != 0
            {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    if !may_mount() {
        return skip("this container may not mount file systems");
    }
    check(
        command,
        &["mounted/data (ramfs)", "does not take direct I/O", "--data-dir"],
    );
}

/// Whether a child can have a mount namespace of its own; in containers even root often can't.
fn may_mount() -> bool {
    let mut command = Command::new("true");
    // SAFETY: one system call between fork and exec.
    unsafe {
        command.pre_exec(|| match libc::unshare(libc::CLONE_NEWNS) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
    command.status().is_ok_and(|status| status.success())
}

#[test]
fn io_uring_that_is_denied_is_said_with_what_to_do() {
    let folder = folder();
    let mut command = serve(folder.path(), &["--listen", "localhost:0"]);
    // SAFETY: between fork and exec only system calls with memory on the stack.
    unsafe {
        command.pre_exec(deny_io_uring);
    }
    check(command, &["io_uring is denied", "seccomp", "io_uring_disabled"]);
}

/// What the default seccomp profiles of containers do: io_uring's system calls fail with EPERM.
fn deny_io_uring() -> std::io::Result<()> {
    const FIRST: u32 = libc::SYS_io_uring_setup as u32;
    const LAST: u32 = libc::SYS_io_uring_register as u32;
    let step = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let mut filter = [
        // The number of the system call is the first word of what the filter sees.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 2, FIRST),
        step(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K, 1, 0, LAST),
        step(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | libc::EPERM as u32,
        ),
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
fn too_few_open_files_are_said_with_what_to_do() {
    let folder = folder();
    let mut command = serve(folder.path(), &["--listen", "localhost:0"]);
    fixture::limit_open_files(&mut command, 100);
    check(
        command,
        &["at most 100 files", "needs 116", "ulimit -Hn", "LimitNOFILE"],
    );
}

#[test]
fn too_little_lockable_memory_is_said_with_what_to_do() {
    let folder = folder();
    let mut command = serve(folder.path(), &["--listen", "localhost:0"]);
    // SAFETY: one system call with memory on the stack between fork and exec.
    unsafe {
        command.pre_exec(|| {
            let limit = libc::rlimit {
                rlim_cur: 65_536,
                rlim_max: 65_536,
            };
            match libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
    check(
        command,
        &["lockable memory is 65536 bytes", "ulimit -l", "LimitMEMLOCK"],
    );
}

#[test]
fn a_wrong_settings_file_is_named_with_line_and_column() {
    let folder = folder();
    for (text, expected) in [
        (
            "num.partitions = 4\nshards 2\n",
            vec!["wrong.toml:2:", "not valid TOML"],
        ),
        (
            "num.partition = 4\n",
            vec![
                "wrong.toml:1:5",
                "`num.partition`",
                "did you mean `num.partitions`?",
            ],
        ),
        (
            "\n\n[log.retention]\nms = 'soon'\n",
            vec!["wrong.toml:4:1", "soon", "log.retention.ms", "at least -1"],
        ),
        (
            "retention.ms = 5\n",
            vec!["a setting of topics", "`log.retention.ms`"],
        ),
    ] {
        std::fs::write(folder.path().join("wrong.toml"), text).expect("ours");
        check(serve(folder.path(), &["--config", "wrong.toml"]), &expected);
    }
    check(
        serve(folder.path(), &["--config", "missing.toml"]),
        &["could not read the settings file missing.toml"],
    );
}

#[test]
fn wrong_options_are_named() {
    let folder = folder();
    for (options, expected) in [
        (
            ["--set", "num.partitions"],
            vec!["--set num.partitions", "key=value"],
        ),
        (
            ["--set", "durability=maybe"],
            vec!["--set durability=maybe", "one of: durable, relaxed"],
        ),
        (["--listen", "localhost"], vec!["--listen localhost", "HOST:PORT"]),
        (
            ["--cpus", "9000-1"],
            vec!["--cpus 9000-1", "CPU numbers and ranges"],
        ),
        (["--cpus", "8191"], vec!["CPU 8191", "may not use"]),
        (
            ["--set", "logging=a=b=c"],
            vec!["logging", "info,corelane::log=debug"],
        ),
        (
            ["--listen", "no-such-host.invalid:9092"],
            vec!["no-such-host.invalid:9092", "not known here"],
        ),
    ] {
        check(serve(folder.path(), &options), &expected);
    }
}

#[test]
fn damaged_metadata_is_named_with_file_and_position() {
    let mut broker = Broker::start(Options::shards(1));
    broker.stop();
    let metadata = broker.data_dir().join("metadata");
    let files = std::fs::read_dir(&metadata)
        .expect("there")
        .map(|entry| entry.expect("there").path());
    let log = files
        .filter(|path| path.extension().is_some_and(|end| end == "log"))
        .last()
        .expect("one log");
    let bytes = std::fs::read(&log).expect("ours");
    // A damaged batch with a good one behind it.
    let doubled: Vec<u8> = bytes
        .iter()
        .enumerate()
        .map(|(at, byte)| byte ^ u8::from(at == 9))
        .chain(bytes.clone())
        .collect();
    std::fs::write(&log, doubled).expect("ours");
    let folder = folder();
    let data_dir = broker.data_dir();
    let command = serve(
        folder.path(),
        &[
            "--listen",
            "localhost:0",
            "--data-dir",
            data_dir.to_str().expect("text"),
        ],
    );
    check(
        command,
        &[log.to_str().expect("text"), "damaged at byte 0", "backup"],
    );
}

#[test]
fn the_data_of_another_server_is_refused() {
    let mut broker = Broker::start(Options::shards(1).set("server_id", 3));
    broker.stop();
    let folder = folder();
    let data_dir = broker.data_dir();
    let command = serve(
        folder.path(),
        &[
            "--listen",
            "localhost:0",
            "--data-dir",
            data_dir.to_str().expect("text"),
        ],
    );
    check(command, &["server_id 3, not 0", "--set server_id=3"]);
}
