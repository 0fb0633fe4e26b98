//! An Apache Kafka broker for tests that move files to it and from it: one node, broker and controller in one, its data in a
//! temporary folder.

// Each test binary includes this file and uses its own part of it.
#![allow(dead_code)]

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::kafka_jars::KafkaJars;

/// Only a hang reaches it: a Java virtual machine on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(180);

/// A broker's folder, and its process while it runs.
pub struct KafkaServer {
    jars: &'static KafkaJars,
    folder: tempfile::TempDir,
    port: u16,
    process: Option<Child>,
}

impl KafkaServer {
    /// Formats a folder and starts a broker on it. `properties` are added to its settings.
    pub fn start(jars: &'static KafkaJars, properties: &[&str]) -> KafkaServer {
        let folder = tempfile::Builder::new()
            .prefix("kafka-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("a temporary folder");
        // Both are free now; Kafka has to know them beforehand.
        let ports: Vec<TcpListener> = (0..2)
            .map(|_| TcpListener::bind("127.0.0.1:0").expect("a port"))
            .collect();
        let port = |n: usize| ports[n].local_addr().expect("bound").port();
        let (broker, controller) = (port(0), port(1));
        let data = folder.path().join("data");
        let mut settings = format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{broker}\ncontroller.listener.names=CONTROLLER\nlog.dirs={}\n\
             offsets.topic.num.partitions=3\noffsets.topic.replication.factor=1\ntransaction.state.log.num.partitions=2\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
             group.initial.rebalance.delay.ms=0\n",
            data.display()
        );
        for property in properties {
            settings.push_str(property);
            settings.push('\n');
        }
        fs::write(folder.path().join("server.properties"), settings).expect("written");
        drop(ports);
        let mut server = KafkaServer {
            jars,
            folder,
            port: broker,
            process: None,
        };
        let formatted = server
            .java("kafka.tools.StorageTool")
            .args([
                "format",
                "-t",
                "4L6g3nShT-eMCtK--X86sw",
                "--standalone",
                "-c",
                "server.properties",
            ])
            .output()
            .expect("java runs");
        assert!(
            formatted.status.success(),
            "{}",
            String::from_utf8_lossy(&formatted.stderr)
        );
        server.start_again();
        server
    }

    /// Starts the stopped broker on its data.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "the broker runs already");
        let log = File::create(self.folder.path().join("broker.log")).expect("a file");
        let child = self
            .java("kafka.Kafka")
            .arg("server.properties")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("java runs");
        self.process = Some(child);
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(self.bootstrap()).is_err() {
            let ended = self.process.as_mut().expect("started").try_wait().expect("asked");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "Apache Kafka did not start:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Stops the broker in order.
    pub fn stop(&mut self) {
        let mut child = self.process.take().expect("the broker runs");
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("SIGTERM");
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().expect("asked").is_none() {
            if Instant::now() > deadline {
                child.kill().expect("kill");
                panic!("Apache Kafka did not stop:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where clients connect.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its log directory.
    pub fn log_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What the process has said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("broker.log")).unwrap_or_default()
    }

    /// A command that runs one of Kafka's classes in the broker's folder.
    pub fn java(&self, class: &str) -> Command {
        let mut command = Command::new("java");
        // Made to start quickly rather than to run long.
        command.args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        command.arg("-cp").arg(self.jars.class_path()).arg(class);
        command.current_dir(self.folder.path());
        command
    }
}

impl Drop for KafkaServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
            if std::thread::panicking() {
                eprintln!("Apache Kafka said:\n{}", self.log());
            }
        }
    }
}

/// All files below a folder with their bytes, to see that nothing has changed them.
pub fn files_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("listed") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).expect("read");
                found.push((path, bytes));
            }
        }
    }
    found.sort();
    found
}
