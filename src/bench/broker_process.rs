//! What the broker's process used, as the kernel counts it.

use std::time::Duration;

use anyhow::Context;

/// What a process has used since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessUse {
    /// CPU time of all its threads, in user and kernel mode.
    pub cpu: Duration,
    /// Bytes it caused to be read from disks.
    pub disk_read_bytes: u64,
    /// Bytes it caused to be written to disks, now or later by the kernel.
    pub disk_written_bytes: u64,
    /// How often its threads waited or were made to.
    pub context_switches: u64,
}

impl ProcessUse {
    /// What was used since `before`. Threads that have ended take their context switches with them.
    pub fn since(self, before: ProcessUse) -> ProcessUse {
        ProcessUse {
            cpu: self.cpu.saturating_sub(before.cpu),
            disk_read_bytes: self.disk_read_bytes.saturating_sub(before.disk_read_bytes),
            disk_written_bytes: self.disk_written_bytes.saturating_sub(before.disk_written_bytes),
            context_switches: self.context_switches.saturating_sub(before.context_switches),
        }
    }

    /// Adds to it.
    pub fn add(&mut self, more: ProcessUse) {
        self.cpu += more.cpu;
        self.disk_read_bytes += more.disk_read_bytes;
        self.disk_written_bytes += more.disk_written_bytes;
        self.context_switches += more.context_switches;
    }
}

/// A broker process on this machine.
#[derive(Clone, Copy, Debug)]
pub struct BrokerProcess {
    pid: u32,
}

impl BrokerProcess {
    /// # Errors
    /// When there is no such process, or it is somebody else's.
    pub fn new(pid: u32) -> anyhow::Result<BrokerProcess> {
        let process = BrokerProcess { pid };
        process.used()?;
        Ok(process)
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn used(self) -> anyhow::Result<ProcessUse> {
        let stat = self.read("stat")?;
        let ticks = cpu_ticks(&stat)
            .with_context(|| format!("the stat of process {} is not as expected", self.pid))?;
        let io = self.read("io")?;
        let mut context_switches = 0;
        let tasks = format!("/proc/{}/task", self.pid);
        for task in std::fs::read_dir(&tasks).with_context(|| tasks.clone())? {
            // A thread may end between the two looks.
            if let Ok(status) = std::fs::read_to_string(task?.path().join("status")) {
                context_switches += field(&status, "voluntary_ctxt_switches:").unwrap_or(0);
                context_switches += field(&status, "nonvoluntary_ctxt_switches:").unwrap_or(0);
            }
        }
        Ok(ProcessUse {
            cpu: Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64),
            disk_read_bytes: field(&io, "read_bytes:").unwrap_or(0),
            disk_written_bytes: field(&io, "write_bytes:").unwrap_or(0),
            context_switches,
        })
    }

    fn read(self, file: &str) -> anyhow::Result<String> {
        let path = format!("/proc/{}/{file}", self.pid);
        std::fs::read_to_string(&path).with_context(|| path.clone())
    }

    /// Resident memory in bytes.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn resident_bytes(self) -> anyhow::Result<u64> {
        let statm = self.read("statm")?;
        let pages: u64 = statm
            .split(' ')
            .nth(1)
            .and_then(|field| field.parse().ok())
            .with_context(|| format!("the statm of process {} is not as expected", self.pid))?;
        Ok(pages * rustix::param::page_size() as u64)
    }
}

/// `utime + stime` of `/proc/PID/stat`. The process name, in parentheses, may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    // The name is field 2, the state behind it field 3; utime is field 14, stime 15 (proc_pid_stat(5)).
    let mut fields = behind_name.split_ascii_whitespace().skip(14 - 3);
    let utime: u64 = fields.next()?.parse().ok()?;
    let stime: u64 = fields.next()?.parse().ok()?;
    Some(utime + stime)
}

/// The number behind a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_ticks_are_found_behind_any_name() {
        let stat = "7 (a ) 1 b) S 1 7 7 0 -1 4194560 1 2 3 4 250 130 9 9 20 0 1 0 77 0 0";
        assert_eq!(cpu_ticks(stat), Some(380));
        assert_eq!(cpu_ticks("nothing"), None);
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let status = "Name:\tx\nvoluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t5\n";
        assert_eq!(field(status, "voluntary_ctxt_switches:"), Some(12));
        assert_eq!(field(status, "nonvoluntary_ctxt_switches:"), Some(5));
        assert_eq!(
            field("cancelled_write_bytes: 4\nwrite_bytes: 9\n", "write_bytes:"),
            Some(9)
        );
        assert_eq!(field(status, "read_bytes:"), None);
    }

    #[test]
    fn this_process_has_used_memory() {
        let me = BrokerProcess::new(std::process::id()).expect("this process");
        assert!(me.resident_bytes().expect("this process") > 0);
    }
}
