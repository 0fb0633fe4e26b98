//! Our own checkpoint file: recovery point and log start of each partition, by topic id, and how much of each write-ahead
//! log is no longer needed.
//!
//! Kafka's files name partitions by topic name only, so that a topic created anew under an old name would be measured
//! by the old one's offsets. Lines of text: the version (2), the number of partitions, per partition
//! `topic-id partition recovery-point log-start high-watermark` and the words of a scan point if there is one
//! (`scan_point.rs`), per write-ahead log `wal run shard retired-below`, and the CRC-32C of all before it in hexadecimal.
//! Version 1 is the same without scan points.

use super::data_dir::Checkpoint;
use super::scan_point::ScanPoint;
use crate::base::ids::{Offset, TopicId, TopicPartition};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

/// By run and shard: the frame number below which all frames are no longer needed.
pub type RetiredWals = BTreeMap<(u64, u16), u64>;

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryCheckpoint {
    /// By partition.
    pub partitions: Vec<(TopicPartition, Checkpoint)>,
    /// By write-ahead log.
    pub wals: RetiredWals,
}

impl RecoveryCheckpoint {
    /// Renders the file.
    pub fn encode(&self) -> Vec<u8> {
        let mut text = format!("2\n{}\n", self.partitions.len());
        for (id, point) in &self.partitions {
            write!(
                text,
                "{} {} {} {} {}",
                id.topic, id.partition, point.recovery_point, point.log_start, point.high_watermark
            )
            .expect("writing to a string");
            if let Some(scan_point) = &point.scan_point {
                text.push(' ');
                scan_point.encode(&mut text);
            }
            text.push('\n');
        }
        for ((run, shard), retired_below) in &self.wals {
            writeln!(text, "wal {run} {shard} {retired_below}").expect("writing to a string");
        }
        let crc = crc32c::crc32c(text.as_bytes());
        writeln!(text, "{crc:08x}").expect("writing to a string");
        text.into_bytes()
    }

    /// Reads the file. `None` unless all of it is as it was written.
    pub fn parse(bytes: &[u8]) -> Option<RecoveryCheckpoint> {
        let (body, crc) = bytes.split_at_checked(bytes.len().checked_sub(9)?)?;
        let crc = u32::from_str_radix(std::str::from_utf8(crc.strip_suffix(b"\n")?).ok()?, 16).ok()?;
        if crc != crc32c::crc32c(body) {
            return None;
        }
        let mut lines = std::str::from_utf8(body).ok()?.lines();
        if !matches!(lines.next()?, "1" | "2") {
            return None;
        }
        let count: usize = lines.next()?.parse().ok()?;
        let mut checkpoint = RecoveryCheckpoint::default();
        for line in lines {
            match line.strip_prefix("wal ") {
                Some(wal) => checkpoint.wals.extend([parse_wal(wal)?]),
                None => checkpoint.partitions.push(parse_partition(line)?),
            }
        }
        (checkpoint.partitions.len() == count).then_some(checkpoint)
    }
}

fn parse_wal(line: &str) -> Option<((u64, u16), u64)> {
    let mut words = line.split(' ');
    let wal = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let retired_below = words.next()?.parse().ok()?;
    words.next().is_none().then_some((wal, retired_below))
}

fn parse_partition(line: &str) -> Option<(TopicPartition, Checkpoint)> {
    let mut words = line.split(' ').peekable();
    let topic = TopicId::parse(words.next()?)?;
    let partition = words.next()?.parse().ok()?;
    let mut offset = || words.next()?.parse().ok().map(Offset);
    let mut point = Checkpoint {
        recovery_point: offset()?,
        log_start: offset()?,
        high_watermark: offset()?,
        scan_point: None,
    };
    if words.peek().is_some() {
        point.scan_point = Some(Arc::new(ScanPoint::parse(&mut words)?));
    }
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
            scan_point: None,
        };
        let words = "3 4096 17 5 6 6 1 -";
        let scan_point = ScanPoint::parse(&mut words.split(' ')).map(Arc::new);
        let scanned = (
            TopicPartition { partition: 4, ..id },
            Checkpoint {
                scan_point,
                ..point.clone()
            },
        );
        let checkpoint = RecoveryCheckpoint {
            partitions: vec![(id, point), scanned],
            wals: RetiredWals::from([((5, 1), 44)]),
        };
        let bytes = checkpoint.encode();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(
            text.starts_with(
                "2\n2\nAAECAwQFBgcICQoLDA0ODw 3 17 2 20\nAAECAwQFBgcICQoLDA0ODw 4 17 2 20 3 4096 17 5 6 6 1 -\nwal 5 1 44\n"
            ),
            "{text}"
        );
        assert_eq!(RecoveryCheckpoint::parse(&bytes), Some(checkpoint));
        let empty = RecoveryCheckpoint::default();
        assert_eq!(RecoveryCheckpoint::parse(&empty.encode()), Some(empty));
        for i in 0..bytes.len() {
            assert_eq!(RecoveryCheckpoint::parse(&bytes[..i]), None, "cut at {i}");
            let mut bad = bytes.clone();
            bad[i] ^= 1;
            assert_eq!(RecoveryCheckpoint::parse(&bad), None, "byte {i}");
        }
    }
}
