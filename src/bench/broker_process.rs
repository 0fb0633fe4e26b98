//! What the broker's process used, as the kernel counts it.

use std::time::Duration;

use anyhow::Context;

/// A broker process on this machine.
#[derive(Clone, Copy, Debug)]
pub struct BrokerProcess {
    pid: u32,
}

impl BrokerProcess {
    /// # Errors
    /// When there is no such process.
    pub fn new(pid: u32) -> anyhow::Result<BrokerProcess> {
        let process = BrokerProcess { pid };
        process.cpu_time()?;
        Ok(process)
    }

    /// CPU time of all its threads since its start, in user and kernel mode.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn cpu_time(self) -> anyhow::Result<Duration> {
        let path = format!("/proc/{}/stat", self.pid);
        let stat = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        let ticks = cpu_ticks(&stat).with_context(|| format!("{path} is not as expected"))?;
        Ok(Duration::from_secs_f64(
            ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
        ))
    }

    /// Resident memory in bytes.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn resident_bytes(self) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/statm", self.pid);
        let statm = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        let pages: u64 = statm
            .split(' ')
            .nth(1)
            .and_then(|field| field.parse().ok())
            .with_context(|| format!("{path} is not as expected"))?;
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
    fn this_process_has_used_memory() {
        let me = BrokerProcess::new(std::process::id()).expect("this process");
        assert!(me.resident_bytes().expect("this process") > 0);
    }
}
