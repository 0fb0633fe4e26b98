//! Kafka's text format for one offset per partition: `recovery-point-offset-checkpoint` and its siblings.
//!
//! Line 1 the version (0), line 2 the number of entries, then `topic partition offset` per line.

use crate::base::ids::Offset;
use std::fmt::Write;

/// A partition as these files name it.
pub type NamedPartition = (String, i32);

/// Why a checkpoint file can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MalformedCheckpoint {
    /// Line number from 1.
    pub line: usize,
}

/// Renders entries.
pub fn encode<'a>(entries: impl ExactSizeIterator<Item = (&'a str, i32, Offset)>) -> Vec<u8> {
    let mut text = format!("0\n{}\n", entries.len());
    for (topic, partition, offset) in entries {
        writeln!(text, "{topic} {partition} {offset}").expect("writing to a string");
    }
    text.into_bytes()
}

/// Reads entries. The count must fit, and no partition may come twice.
pub fn parse(bytes: &[u8]) -> Result<Vec<(NamedPartition, Offset)>, MalformedCheckpoint> {
    let bad = |line| MalformedCheckpoint { line };
    let text = std::str::from_utf8(bytes).map_err(|_| bad(1))?;
    let mut lines = text.lines();
    if lines.next() != Some("0") {
        return Err(bad(1));
    }
    let count: usize = lines.next().and_then(|l| l.parse().ok()).ok_or(bad(2))?;
    let mut entries = Vec::with_capacity(count.min(bytes.len()));
    for (i, line) in lines.enumerate() {
        let mut words = line.split(' ');
        let entry = (|| {
            let topic = words.next().filter(|t| !t.is_empty())?;
            let partition: i32 = words.next()?.parse().ok()?;
            let offset: i64 = words.next()?.parse().ok()?;
            (words.next().is_none() && partition >= 0 && offset >= 0)
                .then(|| ((topic.to_string(), partition), Offset(offset)))
        })();
        entries.push(entry.ok_or(bad(i + 3))?);
    }
    let mut names: Vec<_> = entries.iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    if entries.len() != count || names.len() != count {
        return Err(bad(2));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let text = encode([("t", 0, Offset(17)), ("a.b", 3, Offset(0))].into_iter());
        assert_eq!(text, b"0\n2\nt 0 17\na.b 3 0\n");
        let back = parse(&text).unwrap();
        assert_eq!(
            back,
            [(("t".into(), 0), Offset(17)), (("a.b".into(), 3), Offset(0))]
        );
        assert_eq!(parse(b"0\n0\n").unwrap(), []);
    }

    #[test]
    fn damage_is_refused() {
        for (text, line) in [
            ("", 1),
            ("1\n0\n", 1),
            ("0\n", 2),
            ("0\n99999999999999\n", 2),
            ("0\n1\n", 2),
            ("0\n1\nt 0 1\nu 0 1\n", 2),
            ("0\n2\nt 0 1\nt 0 1\n", 2),
            ("0\n1\nt 0\n", 3),
            ("0\n1\nt 0 1 2\n", 3),
            ("0\n1\nt -1 2\n", 3),
            ("0\n1\nt 0 -2\n", 3),
        ] {
            assert_eq!(
                parse(text.as_bytes()),
                Err(MalformedCheckpoint { line }),
                "{text:?}"
            );
        }
        assert!(parse(&[0xff, 0xfe]).is_err());
    }
}
