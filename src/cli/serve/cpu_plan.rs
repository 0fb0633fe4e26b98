//! How many shards there are and where they run.

use anyhow::bail;

use crate::base::ids::NODES_PER_SERVER;
use crate::config::Settings;

/// A CPU for each shard, or none for a shard that the kernel may move about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuPlan {
    /// One entry per shard.
    pub cpus: Vec<Option<usize>>,
}

impl CpuPlan {
    /// How many shards there are.
    pub fn shards(&self) -> u16 {
        u16::try_from(self.cpus.len()).expect("limited by the setting")
    }

    /// Plans by the settings and the CPUs this process may use.
    ///
    /// Shards are pinned where the list says so, and where they take all CPUs there are. Fewer shards than CPUs are left
    /// to the kernel: two servers on one machine would else share the first CPU and leave the others idle.
    pub fn new(settings: &Settings, available: &[usize]) -> anyhow::Result<CpuPlan> {
        let listed = settings.cpus.as_ref().map(|list| list.0.as_slice());
        if let Some(missing) = listed
            .unwrap_or_default()
            .iter()
            .find(|cpu| !available.contains(cpu))
        {
            bail!(
                "cpus names CPU {missing}, which this process may not use; it may use {}",
                ranges(available)
            );
        }
        let cpus = listed.unwrap_or(available);
        let most = usize::try_from(NODES_PER_SERVER).expect("positive");
        let shards = settings.shards.map_or(cpus.len().min(most), usize::from);
        let pinned = listed.is_some() || shards >= cpus.len();
        let cpu_of = |shard: usize| pinned.then(|| cpus[shard % cpus.len()]);
        Ok(CpuPlan {
            cpus: (0..shards).map(cpu_of).collect(),
        })
    }
}

/// CPU numbers as Linux writes them.
fn ranges(cpus: &[usize]) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for cpu in cpus {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == *cpu => *last = *cpu,
            _ => parts.push((*cpu, *cpu)),
        }
    }
    let part = |(first, last): &(usize, usize)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    };
    parts.iter().map(part).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StaticSettings;

    #[track_caller]
    fn check(settings: &[&str], available: &[usize], expected: Result<&[Option<usize>], &str>) {
        let mut fixed = StaticSettings::default();
        for setting in settings {
            fixed.add_assignment(setting).expect("a good setting");
        }
        let plan = CpuPlan::new(&fixed.settings(), available);
        match expected {
            Ok(cpus) => assert_eq!(plan.expect("possible").cpus, cpus),
            Err(message) => assert_eq!(plan.expect_err("impossible").to_string(), message),
        }
    }

    #[test]
    fn shards_are_pinned_where_that_helps() {
        check(&[], &[0, 1], Ok(&[Some(0), Some(1)]));
        check(&["shards=2"], &[4, 5], Ok(&[Some(4), Some(5)]));
        check(&["shards=1"], &[0, 1], Ok(&[None]));
        check(&["shards=3"], &[0, 1], Ok(&[Some(0), Some(1), Some(0)]));
        check(&["cpus=1"], &[0, 1], Ok(&[Some(1)]));
        check(&["cpus=0-1", "shards=1"], &[0, 1], Ok(&[Some(0)]));
        let message = "cpus names CPU 7, which this process may not use; it may use 0-2,5";
        check(&["cpus=1,7"], &[0, 1, 2, 5], Err(message));
    }
}
