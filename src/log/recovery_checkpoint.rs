//! Our own checkpoint file: recovery point and log start of each partition, by topic id.
//!
//! Kafka's files name partitions by topic name only, so that a topic created anew under an old name would be measured
//! by the old one's offsets. Lines of text: the version (1), the number of entries, per entry
//! `topic-id partition recovery-point log-start high-watermark`, and the CRC-32C of all before it in hexadecimal.

use super::data_dir::Checkpoint;
use crate::base::ids::{Offset, TopicId, TopicPartition};
use std::fmt::Write;

/// Renders the file.
pub fn encode(entries: impl ExactSizeIterator<Item = (TopicPartition, Checkpoint)>) -> Vec<u8> {
    let mut text = format!("1\n{}\n", entries.len());
    for (id, point) in entries {
        writeln!(
            text,
            "{} {} {} {} {}",
            id.topic, id.partition, point.recovery_point, point.log_start, point.high_watermark
        )
        .expect("writing to a string");
    }
    let crc = crc32c::crc32c(text.as_bytes());
    writeln!(text, "{crc:08x}").expect("writing to a string");
    text.into_bytes()
}

/// Reads the file. `None` unless all of it is as it was written.
pub fn parse(bytes: &[u8]) -> Option<Vec<(TopicPartition, Checkpoint)>> {
    let (body, crc) = bytes.split_at_checked(bytes.len().checked_sub(9)?)?;
    let crc = u32::from_str_radix(std::str::from_utf8(crc.strip_suffix(b"\n")?).ok()?, 16).ok()?;
    if crc != crc32c::crc32c(body) {
        return None;
    }
    let mut lines = std::str::from_utf8(body).ok()?.lines();
    if lines.next()? != "1" {
        return None;
    }
    let count: usize = lines.next()?.parse().ok()?;
    let entries: Vec<_> = lines.map(parse_entry).collect::<Option<_>>()?;
    (entries.len() == count).then_some(entries)
}

fn parse_entry(line: &str) -> Option<(TopicPartition, Checkpoint)> {
    let mut words = line.split(' ');
    let topic = TopicId::parse(words.next()?)?;
    let partition = words.next()?.parse().ok()?;
    let mut offset = || words.next()?.parse().ok().map(Offset);
    let point = Checkpoint {
        recovery_point: offset()?,
        log_start: offset()?,
        high_watermark: offset()?,
    };
    words
        .next()
        .is_none()
        .then_some((TopicPartition { topic, partition }, point))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_and_every_damage() {
        let id = TopicPartition {
            topic: TopicId(std::array::from_fn(|i| i as u8)),
            partition: 3,
        };
        let point = Checkpoint {
            recovery_point: Offset(17),
            log_start: Offset(2),
            high_watermark: Offset(20),
        };
        let bytes = encode([(id, point)].into_iter());
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(
            text.starts_with("1\n1\nAAECAwQFBgcICQoLDA0ODw 3 17 2 20\n"),
            "{text}"
        );
        assert_eq!(parse(&bytes), Some(vec![(id, point)]));
        assert_eq!(parse(&encode([].into_iter())), Some(vec![]));
        for i in 0..bytes.len() {
            assert_eq!(parse(&bytes[..i]), None, "cut at {i}");
            let mut bad = bytes.clone();
            bad[i] ^= 1;
            assert_eq!(parse(&bad), None, "byte {i}");
        }
    }
}
