//! Brokers that are started and stopped by a command, for measuring several in turn.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::affinity;
use super::broker_client::BrokerClient;

/// How long a broker may take to answer its first request, and to end.
const READY_WITHIN: Duration = Duration::from_secs(120);
const STOPPED_WITHIN: Duration = Duration::from_secs(60);

/// Between two looks at whether it does.
const POLL_EVERY: Duration = Duration::from_millis(2);

/// A broker to be measured, or what is to be done before it is started: `NAME=COMMAND`.
#[derive(Clone, Debug)]
pub struct BrokerCommand {
    /// What it is called in results.
    pub name: String,
    /// For a shell. `{port}` is the port to listen on (the next one is free as well), `{dir}` an empty directory.
    pub command: String,
}

impl std::str::FromStr for BrokerCommand {
    type Err = String;

    fn from_str(text: &str) -> Result<BrokerCommand, String> {
        let (name, command) = text.split_once('=').ok_or("expected NAME=COMMAND")?;
        let fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
        if name.is_empty() || !name.chars().all(fine) {
            return Err(format!(
                "`{name}` is not a name of letters, digits, `-`, `_` and `.`"
            ));
        }
        if !command.contains("{port}") {
            return Err("the command has no {port} to listen on".to_string());
        }
        Ok(BrokerCommand {
            name: name.to_string(),
            command: command.to_string(),
        })
    }
}

/// A broker that runs. It is killed when this value goes.
pub struct RunningBroker {
    process: Child,
    dir: PathBuf,
    /// Where it listens.
    pub bootstrap: String,
    /// From the start of the command to the first answer, in seconds.
    pub start_s: f64,
}

impl BrokerCommand {
    /// Starts it on some CPUs, with its directory below `lab`, and waits until it answers. `prepare` is run before, and must
    /// have ended well; it does not count as part of the start.
    ///
    /// # Errors
    /// When it can't be started or does not answer in time; the end of its output is in the text.
    pub fn start(
        &self,
        prepare: Option<&BrokerCommand>,
        lab: &Path,
        cpus: &[usize],
    ) -> anyhow::Result<RunningBroker> {
        let dir = lab.join(&self.name);
        remove_dir(&dir)?;
        std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        let output = lab.join(format!("{}.log", self.name));
        let log = File::create(&output).with_context(|| output.display().to_string())?;
        let port = free_port()?;
        if let Some(prepare) = prepare {
            let ended = prepare.shell(port, &dir, &log)?.status()?;
            ensure!(
                ended.success(),
                "{} was not prepared; the output ends:\n{}",
                self.name,
                tail(&output)
            );
        }
        let mut command = self.shell(port, &dir, &log)?;
        let begin = Instant::now();
        let process = affinity::with(cpus, || command.spawn())?
            .with_context(|| format!("`{}` was not started", self.command))?;
        let mut running = RunningBroker {
            process,
            dir,
            bootstrap: format!("127.0.0.1:{port}"),
            start_s: 0.0,
        };
        while BrokerClient::connect(&running.bootstrap).is_err() {
            let ended = running.process.try_wait()?;
            if ended.is_some() || begin.elapsed() > READY_WITHIN {
                bail!("{} did not start; its output ends:\n{}", self.name, tail(&output));
            }
            std::thread::sleep(POLL_EVERY);
        }
        running.start_s = begin.elapsed().as_secs_f64();
        Ok(running)
    }

    fn shell(&self, port: u16, dir: &Path, log: &File) -> anyhow::Result<Command> {
        let command = self
            .command
            .replace("{port}", &port.to_string())
            .replace("{dir}", &dir.to_string_lossy());
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("exec {command}")])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?);
        Ok(shell)
    }
}

impl RunningBroker {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Stops it in good order and removes its data.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, Signal::TERM).context("stopping the broker")?;
        let begin = Instant::now();
        while self.process.try_wait()?.is_none() {
            ensure!(
                begin.elapsed() < STOPPED_WITHIN,
                "the broker did not end within {STOPPED_WITHIN:?} of SIGTERM"
            );
            std::thread::sleep(POLL_EVERY);
        }
        remove_dir(&self.dir)?;
        // What it left in the page cache must not be written while the next one is measured.
        rustix::fs::sync();
        Ok(())
    }
}

impl Drop for RunningBroker {
    fn drop(&mut self) {
        // It has ended already, as a rule.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port nobody listens on, with the next one free as well.
fn free_port() -> anyhow::Result<u16> {
    for _ in 0..100 {
        let first = TcpListener::bind("127.0.0.1:0")?;
        let port = first.local_addr()?.port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no two ports in a row are free")
}

fn remove_dir(dir: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| dir.display().to_string())
        }
        _ => Ok(()),
    }
}

fn tail(path: &Path) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_needs_a_name_and_a_port() {
        let broker: BrokerCommand = "a-1=serve --listen :{port} --set x=y".parse().expect("a command");
        assert_eq!(broker.name, "a-1");
        assert_eq!(broker.command, "serve --listen :{port} --set x=y");
        for bad in ["serve {port}", "=serve {port}", "../a=serve {port}", "a=serve"] {
            assert!(bad.parse::<BrokerCommand>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_broker_that_ends_at_once_is_reported_with_what_it_said() {
        let lab = tempfile::tempdir().expect("a folder");
        let broker: BrokerCommand = "bad=sh -c 'echo no disk for {port}; exit 1'"
            .parse()
            .expect("a command");
        let error = broker
            .start(None, lab.path(), &[])
            .err()
            .expect("it does not answer");
        assert!(error.to_string().contains("no disk for"), "{error}");
    }
}
