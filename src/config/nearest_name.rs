//! "Did you mean ...?"

/// Longest name that is compared with others: twice the longest setting there is.
const MAX_COMPARED_BYTES: usize = 100;

/// Of `names` the one nearest to `wrong`, if it is near enough to be what was meant.
pub fn nearest_name<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Names come from clients too: a comparison costs the product of the lengths.
    if wrong.len() > MAX_COMPARED_BYTES {
        return None;
    }
    // A third of the name may be wrong; beyond that a guess helps nobody.
    let limit = (wrong.chars().count() / 3).max(2);
    names
        .map(|name| (edit_distance(wrong, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one text into the other.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("abc", "abc"), 0);
        assert_eq!(edit_distance("abc", "acb"), 1);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
    }

    #[test]
    fn only_near_names_are_suggested() {
        let names = ["num.partitions", "log.retention.ms", "data_dir"];
        let nearest = |wrong| nearest_name(wrong, names.iter().copied());
        assert_eq!(nearest("num.partition"), Some("num.partitions"));
        assert_eq!(nearest("num_partitions"), Some("num.partitions"));
        assert_eq!(nearest("datadir"), Some("data_dir"));
        assert_eq!(nearest("zookeeper.connect"), None);
    }
}
