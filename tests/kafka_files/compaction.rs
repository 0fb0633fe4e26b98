//! The same records, compacted by Kafka and by us: the same ones survive.

use std::path::Path;

use corelane::wire::records::BatchBuilder;

use crate::import::{CODECS, FIRST_TIMESTAMP_MS, built, noise};
use crate::talk::{Seen, Talk, records, until, wait_until_compacted};

/// Tombstones stay for a day, or go with the next compaction.
const TOPICS: [(&str, &str); 2] = [("twins-kept", "86400000"), ("twins-dropped", "1")];
/// So long that nothing is compacted while records are written.
const LATER: &str = "9223372036854775807";

/// What survived, with where each topic's last segment begins.
#[derive(Debug, PartialEq)]
pub struct Survivors(Vec<(i64, Vec<Seen>)>);

/// Writes to a broker, has it compact all closed segments, twice, and gives what is left.
pub fn survivors(address: &str, log_dir: &Path) -> Survivors {
    let mut talk = Talk::to(address);
    for (topic, delete_retention_ms) in TOPICS {
        let configs = [
            ("cleanup.policy", "compact"),
            ("segment.bytes", "1048576"),
            ("min.cleanable.dirty.ratio", "0.0"),
            ("min.compaction.lag.ms", LATER),
            ("delete.retention.ms", delete_retention_ms),
        ];
        talk.create(topic, 1, &configs);
    }
    let mut last = [0; 2];
    for round in 0..2 {
        for (topic, _) in TOPICS {
            talk.set_config(topic, "min.compaction.lag.ms", LATER);
            (0..300).for_each(|number| write(&mut talk, topic, round * 300 + number));
            talk.set_config(topic, "min.compaction.lag.ms", "0");
        }
        for (which, (topic, _)) in TOPICS.iter().enumerate() {
            let before = last[which];
            last[which] = until("compaction of a round", || {
                match wait_until_compacted(log_dir, topic, 0) {
                    base if base > before => Ok(base),
                    base => Err(format!("compacted up to {base}")),
                }
            });
        }
    }
    let left = TOPICS.iter().zip(last).map(|((topic, _), last)| {
        let mut seen = records(&talk.batches(topic, 0, 0));
        seen.retain(|record| record.0 < last);
        (last, seen)
    });
    Survivors(left.collect())
}

/// Batches of three records: keys come again after different times, some once; some values are null, and some of these are the last.
fn write(talk: &mut Talk, topic: &str, number: i32) {
    let mut builder = BatchBuilder::new(CODECS[number as usize % CODECS.len()]);
    let time = FIRST_TIMESTAMP_MS + i64::from(number) * 10;
    let often = format!("often {}", number % 7);
    let seldom = format!("seldom {}", number * 7 % 97);
    let once = format!("once {number}");
    let value = noise(number as u32, 8_000);
    builder.append(
        time,
        Some(often.as_bytes()),
        Some(&value),
        &[("n", Some(often.as_bytes()))],
    );
    let tombstone = number % 3 == 0;
    builder.append(
        time + 1,
        Some(seldom.as_bytes()),
        (!tombstone).then_some(&value[..100]),
        &[],
    );
    let tombstone = number % 10 == 0;
    builder.append(
        time + 2,
        Some(once.as_bytes()),
        (!tombstone).then_some(&value[..10]),
        &[],
    );
    talk.produce(topic, 0, built(builder), None);
}

/// That the comparison is one: keys were replaced, tombstones stayed in one topic, and some of them went in the other.
pub fn check_bite(survivors: &Survivors) {
    let tombstones = |which: usize| {
        survivors.0[which]
            .1
            .iter()
            .filter(|record| record.3.is_none())
            .count()
    };
    assert!(survivors.0[0].1.len() < 1500 && survivors.0[0].1.len() > 500);
    assert!(
        tombstones(0) > tombstones(1) && tombstones(1) > 0,
        "{} and {}",
        tombstones(0),
        tombstones(1)
    );
}
