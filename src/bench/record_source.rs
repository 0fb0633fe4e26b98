//! Where the records of a workload come from: values, keys, and the batches made of them.

use anyhow::{Context, ensure};
use bytes::Bytes;

use super::workload::{KeyDistribution, Payload, Records, Workload};
use crate::wire::records::BatchBuilder;

/// The most that the batches of a workload may have together before they repeat.
const MAX_PREBUILT_BYTES: usize = 64 << 20;

/// Batches with keys that are built before they repeat, at most.
const MAX_VARIANTS: usize = 32;

/// Largest payload file.
const MAX_PAYLOAD_BYTES: u64 = 256 << 20;

/// Gives one record after the other, the same ones in each run.
pub struct RecordSource {
    random: Random,
    values: Values,
    keys: Option<Keys>,
}

enum Values {
    /// Bytes that don't compress or repeat, so many.
    Random { value: Vec<u8> },
    /// Values from a file, in turn.
    Given { values: Vec<Vec<u8>>, next: usize },
}

struct Keys {
    count: u64,
    distribution: KeyDistribution,
    /// Of `Zipf`: the sum of the weights up to each key.
    sums: Vec<f64>,
    key: Vec<u8>,
}

/// xorshift64*: any numbers will do that are the same in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// From 0 to 1.
    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

impl RecordSource {
    /// # Errors
    /// When the payload file can't be read or has nothing in it.
    pub fn new(records: &Records) -> anyhow::Result<RecordSource> {
        let values = match &records.payload_file {
            None => Values::Random {
                value: vec![0; records.bytes],
            },
            Some(path) => {
                let size = std::fs::metadata(path)
                    .with_context(|| path.display().to_string())?
                    .len();
                ensure!(
                    size <= MAX_PAYLOAD_BYTES,
                    "{} has {size} bytes; at most {MAX_PAYLOAD_BYTES} are taken",
                    path.display()
                );
                let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
                let values: Vec<Vec<u8>> = match records.payload {
                    Payload::Whole => vec![bytes],
                    Payload::Lines => bytes
                        .split(|byte| *byte == b'\n')
                        .filter(|line| !line.is_empty())
                        .map(<[u8]>::to_vec)
                        .collect(),
                };
                ensure!(!values.is_empty(), "{} has nothing in it", path.display());
                Values::Given { values, next: 0 }
            }
        };
        let keys = records.keys.map(|count| Keys {
            count,
            distribution: records.key_distribution,
            sums: match records.key_distribution {
                KeyDistribution::Uniform => Vec::new(),
                KeyDistribution::Zipf => (1..=count)
                    .scan(0.0, |sum, rank| {
                        *sum += 1.0 / rank as f64;
                        Some(*sum)
                    })
                    .collect(),
            },
            key: Vec::new(),
        });
        Ok(RecordSource {
            random: Random(0x9e37_79b9_7f4a_7c15),
            values,
            keys,
        })
    }

    /// The next record: key and value.
    pub fn next(&mut self) -> (Option<&[u8]>, &[u8]) {
        let key = self.keys.as_mut().map(|keys| keys.next(&mut self.random));
        let value = match &mut self.values {
            Values::Random { value } => {
                for chunk in value.chunks_mut(8) {
                    chunk.copy_from_slice(&self.random.next().to_le_bytes()[..chunk.len()]);
                }
                &value[..]
            }
            Values::Given { values, next } => {
                let value = &values[*next];
                *next = (*next + 1) % values.len();
                value
            }
        };
        (key, value)
    }

    /// A batch: as many records as fit into `batch_bytes` before compression, at least one. Also gives their number.
    ///
    /// # Errors
    /// When the batch can't be built.
    pub fn batch(&mut self, workload: &Workload, now_ms: i64) -> anyhow::Result<(Bytes, u64)> {
        let producers = &workload.producers;
        let mut builder = BatchBuilder::new(producers.compression.into());
        loop {
            let (key, value) = self.next();
            let bound = BatchBuilder::record_bytes_bound(key, Some(value), &[]);
            if !builder.is_empty() && builder.size_bytes() + bound > producers.batch_bytes {
                break;
            }
            builder.append(now_ms, key, Some(value), &[]);
        }
        let records = builder.len() as u64;
        Ok((builder.build()?.freeze(), records))
    }

    /// The batches a workload sends again and again, all of one size. Several only where keys should differ and all have
    /// the same size because nothing else does.
    ///
    /// # Errors
    /// When a batch can't be built.
    pub fn prebuilt(&mut self, workload: &Workload, now_ms: i64) -> anyhow::Result<(Vec<Bytes>, u64)> {
        let (first, records) = self.batch(workload, now_ms)?;
        let same_size = workload.producers.compression == super::workload::BatchCompression::None
            && matches!(self.values, Values::Random { .. });
        let partitions = workload.topics.partitions as usize * workload.topics.count;
        let mut batches = vec![first];
        if self.keys.is_some() && same_size {
            let fit = MAX_PREBUILT_BYTES / (batches[0].len() * partitions).max(1);
            while batches.len() < fit.clamp(1, MAX_VARIANTS) {
                let (batch, count) = self.batch(workload, now_ms)?;
                ensure!(
                    batch.len() == batches[0].len() && count == records,
                    "batches of one workload have different sizes"
                );
                batches.push(batch);
            }
        }
        Ok((batches, records))
    }
}

impl Keys {
    /// All keys have the same length, so that records have.
    fn next(&mut self, random: &mut Random) -> &[u8] {
        let index = match self.distribution {
            KeyDistribution::Uniform => random.below(self.count),
            KeyDistribution::Zipf => {
                let sum = self.sums.last().copied().unwrap_or(0.0) * random.part();
                self.sums.partition_point(|upto| *upto < sum) as u64
            }
        };
        self.key.clear();
        self.key.extend_from_slice(format!("key-{index:010}").as_bytes());
        &self.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &str) -> Records {
        toml::from_str(text).expect("records")
    }

    #[test]
    fn keys_follow_their_distribution() {
        let count = |text: &str| {
            let mut source = RecordSource::new(&records(text)).expect("a source");
            let mut counts = std::collections::BTreeMap::new();
            for _ in 0..10_000 {
                let (key, value) = source.next();
                assert_eq!(value.len(), 8);
                *counts.entry(key.expect("a key").to_vec()).or_insert(0u32) += 1;
            }
            counts
        };
        let uniform = count("bytes = 8\nkeys = 10");
        assert_eq!(uniform.len(), 10);
        assert!(
            uniform.values().all(|count| (800..1200).contains(count)),
            "{uniform:?}"
        );
        let zipf = count("bytes = 8\nkeys = 10\nkey_distribution = \"zipf\"");
        let of = |key: &[u8]| zipf.get(key).copied().unwrap_or(0);
        let (first, last) = (of(b"key-0000000000"), of(b"key-0000000009"));
        assert!((8 * last..13 * last).contains(&first), "{zipf:?}");
    }

    #[test]
    fn lines_of_a_file_are_values_in_turn() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "one\ntwo\n\nthree").expect("writing");
        let mut given = records("bytes = 1");
        given.payload_file = Some(file.path().to_path_buf());
        let mut source = RecordSource::new(&given).expect("a source");
        let values: Vec<Vec<u8>> = (0..4).map(|_| source.next().1.to_vec()).collect();
        assert_eq!(
            values,
            [
                b"one".to_vec(),
                b"two".to_vec(),
                b"three".to_vec(),
                b"one".to_vec()
            ]
        );
        given.payload = Payload::Whole;
        let mut source = RecordSource::new(&given).expect("a source");
        assert_eq!(source.next().1, b"one\ntwo\n\nthree");
    }
}
