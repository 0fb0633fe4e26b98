//! A place in a partition's last segment from which recovery can go on, so that what was synced long ago isn't read again.

use super::partition::{PartitionState, SegmentIndex};
use super::producer::encode_snapshot;
use super::segment::TimestampOffset;
use crate::base::ids::Offset;
use std::fmt::Write;
use std::sync::Arc;

/// With more producers than this their state is in a file of its own. A guess: the checkpoint file, which holds the state
/// of the others, is written often, and grows by 170 bytes for each.
const MAX_INLINE_PRODUCERS: usize = 16;

/// What is known of a log up to a place between two of its batches. All before it is synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanPoint {
    /// The segment.
    pub base: Offset,
    /// The byte in its file.
    pub position: u64,
    /// The offset of the record that comes there.
    pub offset: Offset,
    /// The largest timestamp of the segment's first batch.
    pub first_timestamp_ms: Option<i64>,
    /// The largest timestamp of all its batches, -1 if none has one.
    pub newest_ms: i64,
    /// The time index entry for that.
    pub max_timestamp: Option<TimestampOffset>,
    /// The producers.
    pub producers: ProducersAt,
}

/// Where the producers' state at a scan point is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProducersAt {
    /// Here, as a producer snapshot.
    Inline(Arc<[u8]>),
    /// In the snapshot file with the point's offset.
    File,
}

impl ScanPoint {
    /// The place where the log ends now, and the producer snapshot that has to be written to a file first, if so. A scan point
    /// only counts when all before it is synced.
    ///
    /// `None` if the last segment is empty, or if there are many producers and `file_from` is not reached: a file is not
    /// written for each step.
    pub(super) fn at_end(state: &PartitionState, file_from: u64) -> Option<(ScanPoint, Option<Vec<u8>>)> {
        let segment = state.segments.back()?;
        let (SegmentIndex::Building(index), Some(newest_ms)) = (&segment.index, segment.newest_ms) else {
            return None;
        };
        let inline = state.producers.iter().len() <= MAX_INLINE_PRODUCERS;
        if segment.bytes == 0 || (!inline && segment.bytes < file_from) {
            return None;
        }
        let (producers, file) = match inline {
            _ if state.producers.is_empty() => (ProducersAt::Inline(Arc::default()), None),
            true => (
                ProducersAt::Inline(encode_snapshot(&state.producers).into()),
                None,
            ),
            false => (ProducersAt::File, Some(encode_snapshot(&state.producers))),
        };
        let point = ScanPoint {
            base: segment.base,
            position: segment.bytes,
            offset: state.positions.log_end,
            first_timestamp_ms: segment.first_timestamp_ms,
            newest_ms,
            max_timestamp: index.max_timestamp(),
            producers,
        };
        Some((point, file))
    }

    /// Renders it as words of a line of the checkpoint file: `base position offset first-timestamp newest-timestamp
    /// max-timestamp its-relative-offset producers`. The producers are a snapshot in hexadecimal, `-` for none, or `file`.
    pub(super) fn encode(&self, out: &mut String) {
        let word = |value: Option<i64>| value.map_or("-".to_string(), |value| value.to_string());
        let max = self.max_timestamp;
        write!(
            out,
            "{} {} {} {} {} {} {} ",
            self.base,
            self.position,
            self.offset,
            word(self.first_timestamp_ms),
            self.newest_ms,
            word(max.map(|max| max.timestamp_ms)),
            word(max.map(|max| i64::from(max.relative_offset))),
        )
        .expect("writing to a string");
        match &self.producers {
            ProducersAt::File => out.push_str("file"),
            ProducersAt::Inline(bytes) if bytes.is_empty() => out.push('-'),
            ProducersAt::Inline(bytes) => {
                for byte in bytes.iter() {
                    for digit in [byte >> 4, byte & 15] {
                        out.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
                    }
                }
            }
        }
    }

    /// Reads what `encode` has written.
    pub(super) fn parse<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<ScanPoint> {
        let base = Offset(words.next()?.parse().ok()?);
        let position = words.next()?.parse().ok()?;
        let offset = Offset(words.next()?.parse().ok()?);
        let first_timestamp_ms = parse_option(words.next()?)?;
        let newest_ms = words.next()?.parse().ok()?;
        let max_ms: Option<i64> = parse_option(words.next()?)?;
        let max_offset: Option<u32> = parse_option(words.next()?)?;
        let max_timestamp = match (max_ms, max_offset) {
            (Some(timestamp_ms), Some(relative_offset)) => Some(TimestampOffset {
                timestamp_ms,
                relative_offset,
            }),
            _ => None,
        };
        let producers = match words.next()? {
            "file" => ProducersAt::File,
            "-" => ProducersAt::Inline(Arc::default()),
            hex => ProducersAt::Inline(parse_hex(hex)?.into()),
        };
        Some(ScanPoint {
            base,
            position,
            offset,
            first_timestamp_ms,
            newest_ms,
            max_timestamp,
            producers,
        })
    }
}

/// The outer `None`: it is not a number.
fn parse_option<T: std::str::FromStr>(word: &str) -> Option<Option<T>> {
    match word {
        "-" => Some(None),
        number => number.parse().ok().map(Some),
    }
}

fn parse_hex(hex: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let digit = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    let bytes = pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    bytes.collect::<Option<Vec<u8>>>().filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_both_ways() {
        let mut point = ScanPoint {
            base: Offset(5),
            position: 12_345,
            offset: Offset(77),
            first_timestamp_ms: Some(-1),
            newest_ms: 99,
            max_timestamp: Some(TimestampOffset {
                timestamp_ms: 99,
                relative_offset: 3,
            }),
            producers: ProducersAt::Inline(vec![0, 0x1f, 0xff].into()),
        };
        let text = |point: &ScanPoint| {
            let mut text = String::new();
            point.encode(&mut text);
            text
        };
        assert_eq!(text(&point), "5 12345 77 -1 99 99 3 001fff");
        let read = |text: &str| ScanPoint::parse(&mut text.split(' '));
        assert_eq!(read(&text(&point)), Some(point.clone()));
        for producers in [ProducersAt::File, ProducersAt::Inline(Arc::default())] {
            point.producers = producers;
            point.first_timestamp_ms = None;
            point.max_timestamp = None;
            assert_eq!(read(&text(&point)), Some(point.clone()));
        }
        for bad in [
            "5 1 7 - 9 - -",
            "5 1 7 - 9 - - 0",
            "5 1 7 - 9 - - 0g",
            "5 1 x - 9 - - -",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
