//! On which CPUs this process and what it starts may run.

use anyhow::Context;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Keeps the calling thread on one CPU.
///
/// # Errors
/// When there is no such CPU for this process.
pub fn stay_on(cpu: usize) -> anyhow::Result<()> {
    set(&[cpu])
}

/// Whether the calling thread may run on one CPU only.
pub fn is_on_one_cpu() -> bool {
    sched_getaffinity(None).is_ok_and(|cpus| cpus.count() == 1)
}

/// Does something on these CPUs, on any if none is named: a process started by it stays on them.
///
/// # Errors
/// When there are no such CPUs for this process.
pub fn with<T>(cpus: &[usize], act: impl FnOnce() -> T) -> anyhow::Result<T> {
    if cpus.is_empty() {
        return Ok(act());
    }
    let before = sched_getaffinity(None).context("asking for the CPUs")?;
    set(cpus)?;
    let done = act();
    sched_setaffinity(None, &before).context("going back to the CPUs before")?;
    Ok(done)
}

fn set(cpus: &[usize]) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        anyhow::ensure!(*cpu < CpuSet::MAX_CPU, "there is no CPU {cpu}");
        set.set(*cpu);
    }
    sched_setaffinity(None, &set).with_context(|| format!("CPUs {cpus:?} can't be used"))
}
