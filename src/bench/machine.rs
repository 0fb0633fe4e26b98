//! What a result has to say about the machine it is from.

use serde::{Deserialize, Serialize};

/// A machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// Release of its kernel.
    pub kernel: String,
    /// Model of its first CPU, as far as it tells.
    pub cpu: String,
    /// Its CPUs.
    pub cpus: usize,
    /// Main memory in GiB.
    pub memory_gib: f64,
}

impl Machine {
    /// The one this runs on.
    pub fn this() -> Machine {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        let kib = total.and_then(|total| total.trim().trim_end_matches(" kB").parse().ok());
        Machine {
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            cpu: model.map_or_else(
                || "unknown".to_string(),
                |model| model.trim_start_matches([' ', '\t', ':']).to_string(),
            ),
            cpus: cpuinfo
                .lines()
                .filter(|line| line.starts_with("processor"))
                .count(),
            memory_gib: kib.unwrap_or(0.0) / f64::from(1 << 20),
        }
    }
}
