//! The CPUs this process may run on.

use rustix::thread::{CpuSet, sched_getaffinity};

/// The CPUs this process may use, ascending: its affinity, which is what container limits and `taskset` set; what the
/// machine has besides is none of our business.
pub fn available_cpus() -> Vec<usize> {
    match sched_getaffinity(None) {
        Ok(set) => (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect(),
        // Fails only on machines with more CPUs than the set can hold.
        Err(_) => (0..std::thread::available_parallelism().map_or(1, usize::from)).collect(),
    }
}
