//! Runs the compiled command line against a broker.

// Each test binary includes this file and uses its own part of it.
#![allow(dead_code)]

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::fixture::{Broker, Options};

/// With the address of a broker in there, the tests run against that one: the command line is for any Kafka broker.
const OTHER_BROKER: &str = "CORELANE_CLI_TEST_BOOTSTRAP";

/// A broker, and the command line pointed at it.
pub struct Cli {
    pub broker: Option<Broker>,
    bootstrap: String,
    suffix: String,
}

impl Cli {
    /// Starts a broker of two shards, unless another one is to be used.
    pub fn start() -> Cli {
        // Names are the test run's own, so that runs against the same broker do not meet.
        let suffix = format!("{}-{:?}", std::process::id(), std::thread::current().id());
        let suffix = suffix.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        match std::env::var(OTHER_BROKER) {
            Ok(bootstrap) => Cli {
                broker: None,
                bootstrap,
                suffix,
            },
            Err(_) => {
                let options = Options::shards(2)
                    .set("group.initial.rebalance.delay.ms", 0)
                    .set("num.partitions", 4)
                    .set("auto.create.topics.enable", true);
                let broker = Broker::start(options);
                let bootstrap = broker.bootstrap().to_owned();
                Cli {
                    broker: Some(broker),
                    bootstrap,
                    suffix,
                }
            }
        }
    }

    /// A name for a topic or group.
    pub fn name(&self, base: &str) -> String {
        format!("{base}-{}", self.suffix)
    }

    /// The address to connect to. Changes when the broker is started again.
    pub fn bootstrap(&self) -> &str {
        self.broker
            .as_ref()
            .map_or(&self.bootstrap, |broker| broker.bootstrap())
    }

    /// The command with these arguments, and the broker's address.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = corelane(args);
        command.args(["--bootstrap", self.bootstrap()]);
        command
    }

    /// Runs a command that must succeed, and gives what it printed.
    pub fn run(&self, args: &[&str]) -> Vec<u8> {
        self.run_with(args, b"")
    }

    /// The same with something on stdin.
    pub fn run_with(&self, args: &[&str], stdin: &[u8]) -> Vec<u8> {
        let output = feed(self.command(args), stdin);
        assert!(
            output.status.success(),
            "corelane {args:?} failed: {}",
            stderr(&output)
        );
        output.stdout
    }

    /// What a command printed, as text.
    pub fn text(&self, args: &[&str]) -> String {
        String::from_utf8(self.run(args)).expect("UTF-8")
    }

    /// What a command printed, as JSON.
    pub fn json(&self, args: &[&str]) -> Value {
        serde_json::from_slice(&self.run(args)).expect("JSON")
    }

    /// Runs a command that must fail with exit code 1, and gives what it said.
    pub fn fails(&self, args: &[&str]) -> String {
        let output = feed(self.command(args), b"");
        assert_eq!(
            output.status.code(),
            Some(1),
            "corelane {args:?}: {}",
            stderr(&output)
        );
        stderr(&output)
    }

    /// Starts a command that goes on.
    pub fn spawn(&self, args: &[&str], stdout: Stdio) -> Child {
        let mut command = self.command(args);
        command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped());
        command.spawn().expect("start the command")
    }

    /// Stops the broker, which must have logged no error.
    pub fn stop(mut self) {
        if let Some(broker) = &mut self.broker {
            broker.stop();
        }
    }
}

/// The command with these arguments.
pub fn corelane(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
    command.args(args).env("NO_COLOR", "1");
    command
}

/// Runs a command with something on stdin.
pub fn feed(mut command: Command, stdin: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start the command");
    let mut pipe = child.stdin.take().expect("piped");
    let stdin = stdin.to_vec();
    let writer = std::thread::spawn(move || {
        // A command that does not read to the end closes the pipe, which is its business.
        let _ = pipe.write_all(&stdin);
    });
    let output = child.wait_with_output().expect("wait for the command");
    writer.join().expect("writer");
    output
}

/// What a command said on stderr.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
