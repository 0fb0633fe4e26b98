//! Lists of CPUs as Linux writes them: `0-3,5`.

/// CPU numbers, ascending, none twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuList(pub Vec<usize>);

/// Largest CPU number accepted: what Linux can be built for (`CONFIG_NR_CPUS`).
const MAX_CPU: usize = 8191;

impl CpuList {
    /// Reads `0-3,5`. `None` for anything else, and for an empty list.
    pub fn parse(text: &str) -> Option<CpuList> {
        let mut cpus = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.trim().split_once('-').unwrap_or((part.trim(), part.trim()));
            let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            if first > last || last > MAX_CPU {
                return None;
            }
            cpus.extend(first..=last);
        }
        cpus.sort_unstable();
        cpus.dedup();
        Some(CpuList(cpus))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_single_cpus() {
        let cpus = |text| CpuList::parse(text).map(|list| list.0);
        assert_eq!(cpus("3"), Some(vec![3]));
        assert_eq!(cpus("0-2, 5,1"), Some(vec![0, 1, 2, 5]));
        for wrong in ["", "a", "3-1", "1-", "-1", "1,,2", "0-99999999"] {
            assert_eq!(cpus(wrong), None, "{wrong:?}");
        }
    }
}
