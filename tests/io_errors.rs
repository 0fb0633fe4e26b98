//! A real broker and real I/O errors: file systems of their own, on loop devices, which fail all of a sudden. What they hold decides
//! what goes offline: a data directory, a write-ahead log, one partition. When they are mended nothing that was acknowledged is lost.
//!
//! Each test runs with every way to make a file system fail that the machine has, and says which it has not: device-mapper's
//! error target, below the file system; and the shutdown of an ext4 file system by `FS_IOC_SHUTDOWN`, as its own error
//! handling does it. Both need root.

mod fixture;

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use corelane::wire::errors::ErrorCode;
use fixture::partitions::{consume, create, described, error, partitions, produce};
use fixture::{Broker, Options};

const TOPIC: &str = "spread";
const PARTITIONS: i32 = 6;
const IMAGE_BYTES: u64 = 160 << 20;
/// Only a hang reaches it.
const DEADLINE: Duration = Duration::from_secs(120);

/// A way to make a file system fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Breaker {
    /// Its device becomes one of which every sector fails.
    DeviceMapper,
    /// It refuses everything with an I/O error, as after an error it could not handle.
    Shutdown,
}

/// A file system that can fail, mounted somewhere.
struct Disk {
    folder: tempfile::TempDir,
    place: PathBuf,
    /// The loop device and the name above it, with device-mapper.
    mapped: Option<(String, String)>,
}

/// Runs a test with each way that works here.
fn with_each_breaker(test: impl Fn(&dyn Fn(&Path) -> Disk)) {
    for breaker in [Breaker::DeviceMapper, Breaker::Shutdown] {
        let trial = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
        if let Err(why) = Disk::mount(breaker, trial.path()).and_then(|disk| disk.try_to_fail()) {
            let why = why.lines().next().unwrap_or_default();
            println!("SKIPPED: {breaker:?}: {why}");
            eprintln!("SKIPPED: {breaker:?}: {why}");
            continue;
        }
        test(&|place| Disk::mount(breaker, place).expect("as a moment ago"));
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    match Command::new(program).args(arguments).output() {
        Ok(done) if done.status.success() => Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned()),
        Ok(done) => Err(format!(
            "{program}: {}",
            String::from_utf8_lossy(&done.stderr).trim()
        )),
        Err(error) => Err(format!("{program}: {error}")),
    }
}

impl Disk {
    /// An empty file system at this place, which exists. The error says what the machine does not allow.
    fn mount(breaker: Breaker, place: &Path) -> Result<Disk, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("mounting needs root".to_owned());
        }
        let folder = tempfile::Builder::new()
            .prefix("failing-disk-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("a temporary folder");
        let mut disk = Disk {
            folder,
            place: place.to_owned(),
            mapped: None,
        };
        let image = disk.image();
        File::create(&image)
            .and_then(|file| file.set_len(IMAGE_BYTES))
            .expect("an image");
        run("mkfs.ext4", &["-q", "-F", "-m", "0", &image])?;
        if breaker == Breaker::DeviceMapper {
            let device = run("losetup", &["--find", "--show", &image])?;
            let name = format!(
                "corelane-test-{}-{}",
                std::process::id(),
                device.replace('/', "-")
            );
            let made = run("dmsetup", &["create", &name, "--table", &whole(&device)]);
            disk.mapped = Some((device, name));
            made?;
        }
        disk.attach()?;
        fs::remove_dir(disk.place.join("lost+found")).expect("an empty folder");
        Ok(disk)
    }

    fn image(&self) -> String {
        self.folder.path().join("image").display().to_string()
    }

    fn attach(&self) -> Result<(), String> {
        let place = self.place.display().to_string();
        match &self.mapped {
            Some((_, name)) => run("mount", &[&format!("/dev/mapper/{name}"), &place])?,
            None => run("mount", &["-o", "loop", &self.image(), &place])?,
        };
        Ok(())
    }

    /// From now on everything fails.
    fn fail(&self) {
        self.try_to_fail().expect("as a moment ago");
    }

    fn try_to_fail(&self) -> Result<(), String> {
        match &self.mapped {
            Some((_, name)) => {
                let error = format!("0 {} error", IMAGE_BYTES / 512);
                run("dmsetup", &["suspend", "--noflush", "--nolockfs", name])?;
                run("dmsetup", &["load", name, "--table", &error])?;
                run("dmsetup", &["resume", name]).map(drop)
            }
            None => shut_down(&self.place).map_err(|error| format!("FS_IOC_SHUTDOWN: {error}")),
        }
    }

    /// What was durable is there again. Nobody uses it.
    fn mend(&self) {
        self.detach();
        if let Some((device, name)) = &self.mapped {
            run("dmsetup", &["load", name, "--table", &whole(device)]).expect("loaded");
            run("dmsetup", &["suspend", name]).expect("suspended");
            run("dmsetup", &["resume", name]).expect("resumed");
        }
        self.attach().expect("mounted again");
    }

    fn detach(&self) {
        let place = self.place.display().to_string();
        let deadline = Instant::now() + DEADLINE;
        // The kernel may still be closing files of a process that has ended.
        while let Err(why) = run("umount", &[&place]) {
            assert!(Instant::now() < deadline, "{why}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = run("umount", &["--lazy", &self.place.display().to_string()]);
        if let Some((device, name)) = &self.mapped {
            let _ = run("dmsetup", &["remove", "--force", name]);
            let _ = run("losetup", &["--detach", device]);
        }
    }
}

fn whole(device: &str) -> String {
    format!("0 {} linear {device} 0", IMAGE_BYTES / 512)
}

/// Shuts a file system down without writing its journal: what was not synced is lost.
fn shut_down(place: &Path) -> std::io::Result<()> {
    const FS_IOC_SHUTDOWN: libc::c_ulong = 0x8004_587d;
    const WITHOUT_JOURNAL: u32 = 2;
    let dir = File::open(place)?;
    let flags = WITHOUT_JOURNAL;
    // SAFETY: the call reads the 32 bits it is given a pointer to, which live until it returns.
    match unsafe { libc::ioctl(dir.as_raw_fd(), FS_IOC_SHUTDOWN as _, &raw const flags) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

#[track_caller]
fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is() {
        assert!(Instant::now() < deadline, "in time: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn lines_with(log: &[String], text: &str) -> usize {
    log.iter().filter(|line| line.contains(text)).count()
}

/// A broker with a second data directory, with partitions in both and a record in each. `second` is the second's path, with the name
/// `more`. Gives the partitions in it.
fn spread(second: &Path) -> (Broker, Vec<i32>) {
    let options = Options::shards(2)
        .data_dirs(&["data", second.to_str().expect("text")])
        .set("wal_file_bytes", 8 << 20)
        .set("wal_files", 2);
    let broker = Broker::start(options);
    create(&broker, TOPIC, PARTITIONS);
    for partition in 0..PARTITIONS {
        assert_eq!(produce(&broker, TOPIC, partition, "first"), Ok(0));
    }
    let more = described(&broker, TOPIC)["more"].clone().expect("online");
    assert_eq!(more.len(), 3);
    (broker, more)
}

/// Every record that was acknowledged is there, once, and more are taken.
fn all_is_there(broker: &Broker, acknowledged: &[usize]) {
    for (partition, acknowledged) in acknowledged.iter().enumerate() {
        let partition = partition as i32;
        let values = consume(broker, TOPIC, partition).expect("online");
        assert!(
            values.len() >= *acknowledged,
            "{} of {acknowledged} in {partition}",
            values.len()
        );
        assert_eq!(values[0], "first");
        assert!(values[1..].iter().all(|value| value.starts_with("more")));
        assert_eq!(
            produce(broker, TOPIC, partition, "more at last"),
            Ok(values.len() as i64)
        );
    }
}

#[test]
fn a_disk_that_fails_takes_the_partitions_of_its_directory_offline() {
    with_each_breaker(|mount| {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
        let disk = mount(folder.path());
        let (mut broker, more) = spread(&folder.path().join("more"));
        disk.fail();
        let mut acknowledged = vec![1; PARTITIONS as usize];
        // What was read a moment ago may be in memory: writing tells.
        assert_eq!(
            produce(&broker, TOPIC, more[0], "more"),
            Err(ErrorCode::KafkaStorageError)
        );
        for address in broker.addresses() {
            wait_until("each node knows", || {
                let found = partitions(address, TOPIC);
                more.iter().all(|p| found[*p as usize].leader_id == -1)
            });
            for partition in partitions(address, TOPIC) {
                let is_here = !more.contains(&partition.partition_index);
                let expected = match is_here {
                    true => ErrorCode::None,
                    false => ErrorCode::LeaderNotAvailable,
                };
                assert_eq!(error(partition.error_code), expected, "{partition:?}");
                assert_eq!(partition.offline_replicas.is_empty(), is_here, "{partition:?}");
            }
        }
        for partition in 0..PARTITIONS {
            let (produced, fetched) = (
                produce(&broker, TOPIC, partition, "more"),
                consume(&broker, TOPIC, partition),
            );
            if more.contains(&partition) {
                assert_eq!(produced, Err(ErrorCode::KafkaStorageError));
                assert_eq!(fetched, Err(ErrorCode::KafkaStorageError));
            } else {
                assert_eq!(produced, Ok(1));
                assert_eq!(fetched, Ok(vec!["first".to_owned(), "more".to_owned()]));
                acknowledged[partition as usize] += 1;
            }
        }
        let found = described(&broker, TOPIC);
        assert_eq!(found["more"], Err(ErrorCode::KafkaStorageError));
        assert_eq!(found["data"].as_ref().expect("online").len(), 3);
        create(&broker, "new", 4);
        for partition in 0..4 {
            assert_eq!(produce(&broker, "new", partition, "first"), Ok(0));
        }
        let log = broker.stop_with_log();
        assert_eq!(lines_with(&log, "a data directory is offline"), 1, "{log:#?}");
        disk.mend();
        broker.start_again(1);
        assert_eq!(described(&broker, TOPIC)["more"], Ok(more));
        all_is_there(&broker, &acknowledged);
        broker.stop();
    });
}

#[test]
fn a_disk_that_fails_under_a_write_ahead_log_stops_appends_and_reads_go_on() {
    with_each_breaker(|mount| {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
        let second = folder.path().join("more");
        fs::create_dir_all(second.join("wal")).expect("a folder");
        let disk = mount(&second.join("wal"));
        let (mut broker, more) = spread(&second);
        disk.fail();
        let mut acknowledged = vec![1; PARTITIONS as usize];
        for round in 1..=2 {
            for partition in 0..PARTITIONS {
                let produced = produce(&broker, TOPIC, partition, "more");
                let records = match more.contains(&partition) {
                    true => {
                        assert_eq!(produced, Err(ErrorCode::KafkaStorageError));
                        1
                    }
                    false => {
                        assert_eq!(produced, Ok(round));
                        acknowledged[partition as usize] += 1;
                        round as usize + 1
                    }
                };
                let fetched = consume(&broker, TOPIC, partition).expect("reads go on");
                assert_eq!(fetched.len(), records);
            }
        }
        assert!(
            partitions(broker.bootstrap(), TOPIC)
                .iter()
                .all(|p| p.leader_id >= 0)
        );
        assert_eq!(
            described(&broker, TOPIC)["more"],
            Err(ErrorCode::KafkaStorageError)
        );
        let mut nth = 0;
        wait_until("new partitions go elsewhere", || {
            nth += 1;
            let topic = format!("new-{nth}");
            create(&broker, &topic, 4);
            described(&broker, &topic)["data"].as_ref().expect("online").len() == 4
        });
        let log = broker.sigkill_with_log();
        assert_eq!(lines_with(&log, "a data directory is offline"), 0, "{log:#?}");
        assert!(lines_with(&log, "its write-ahead log failed") >= 1, "{log:#?}");
        disk.mend();
        broker.start_again(2);
        all_is_there(&broker, &acknowledged);
        broker.stop();
    });
}

#[test]
fn a_disk_that_fails_under_one_partition_takes_it_offline_alone() {
    with_each_breaker(|mount| {
        let mut broker = Broker::start(Options::shards(1));
        create(&broker, TOPIC, 2);
        for partition in 0..2 {
            assert_eq!(produce(&broker, TOPIC, partition, "first"), Ok(0));
        }
        broker.stop();
        // Its files go to a file system of their own.
        let place = broker.data_dir().join(format!("{TOPIC}-0"));
        let aside = broker.data_dir_named("aside");
        fs::rename(&place, &aside).expect("moved aside");
        fs::create_dir(&place).expect("a folder");
        let disk = mount(&place);
        for entry in fs::read_dir(&aside).expect("listed") {
            let entry = entry.expect("listed");
            fs::copy(entry.path(), place.join(entry.file_name())).expect("copied");
        }
        rustix::fs::syncfs(File::open(&place).expect("a folder")).expect("synced");
        broker.start_again(1);
        assert_eq!(produce(&broker, TOPIC, 0, "more"), Ok(1));
        disk.fail();
        // Large enough to go to the segment without the write-ahead log.
        let large = format!("more {}", "x".repeat(600 << 10));
        let mut acknowledged = 2;
        wait_until("it takes no more", || match produce(&broker, TOPIC, 0, &large) {
            Ok(offset) => {
                assert_eq!(offset as usize, acknowledged);
                acknowledged += 1;
                false
            }
            Err(code) => {
                assert_eq!(code, ErrorCode::KafkaStorageError);
                true
            }
        });
        for offset in 1..20 {
            assert_eq!(produce(&broker, TOPIC, 1, "more"), Ok(offset));
        }
        create(&broker, "new", 1);
        assert_eq!(produce(&broker, "new", 0, "first"), Ok(0));
        let log = broker.sigkill_with_log();
        assert_eq!(lines_with(&log, "a data directory is offline"), 0, "{log:#?}");
        assert_eq!(
            lines_with(&log, "a partition takes no more records"),
            1,
            "{log:#?}"
        );
        disk.mend();
        broker.start_again(1);
        all_is_there(&broker, &[acknowledged, 20]);
        broker.stop();
    });
}
