//! The same transactions, compacted by Kafka and by us: the same records and markers survive, and readers of what is committed see the same.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use corelane::base::ids::{ProducerEpoch, ProducerId};
use corelane::wire::records::{BatchBuilder, Compression, batches};

use crate::fixture::Broker;
use crate::import::{CODECS, built, noise};
use crate::kafka_server::KafkaServer;
use crate::talk::{Seen, Talk, records, until, wait_until_compacted};
use crate::{storage, succeeded};

const TOPIC: &str = "compacted.transactions";
/// So long that nothing is compacted before it is to be.
const LATER: &str = "9223372036854775807";
/// Each has its transactions. With `true` they end as since Kafka 4.0: with a new epoch of the producer, which the marker has.
const PRODUCERS: [(&str, bool); 3] = [
    ("compacted-one", false),
    ("compacted-two", true),
    ("compacted-three", true),
];
/// In the first records go, in the next markers get their time, and in the one after that they go.
const ROUNDS: usize = 4;

/// What was left after a round.
#[derive(Debug, PartialEq)]
pub struct Survivors {
    /// Where the last segment begins.
    last: i64,
    /// Of each batch that has records: its first offset, and whether they are control records.
    batches: Vec<(i64, bool)>,
    records: Vec<Seen>,
    committed: Vec<Seen>,
}

/// What was left after each of the rounds, and the batches without records that stayed for their producers, by last offset.
pub struct Compacted {
    pub rounds: Vec<Survivors>,
    pub emptied: Vec<i64>,
}

/// Writes transactions to Kafka that overlap each other; every third is aborted.
pub fn fill(kafka: &KafkaServer) {
    let mut talk = Talk::to(&kafka.bootstrap());
    let configs = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "1048576"),
        ("min.cleanable.dirty.ratio", "0.0"),
        ("min.compaction.lag.ms", LATER),
        ("delete.retention.ms", "1"),
    ];
    talk.create(TOPIC, 1, &configs);
    let mut producers = PRODUCERS.map(|(id, _)| talk.init_producer(Some(id)));
    let mut sequences = [0; 3];
    let mut ended = 0;
    for round in 0..45 {
        for (which, (id, _)) in PRODUCERS.iter().enumerate() {
            talk.add_to_transaction(id, producers[which], TOPIC, 0);
            let producer = producers[which];
            let (id, epoch) = (ProducerId(producer.id), ProducerEpoch(producer.epoch));
            let builder = batch(round * 3 + which as i32).producer(id, epoch, sequences[which]);
            talk.produce(TOPIC, 0, built(builder.transactional()), Some(PRODUCERS[which].0));
            sequences[which] += 3;
        }
        talk.produce(TOPIC, 0, built(batch(1000 + round)), None);
        for (which, (id, with_epoch)) in PRODUCERS.iter().enumerate() {
            // Those of the third one are longer.
            if which == 2 && round % 4 != 0 {
                continue;
            }
            ended += 1;
            let committed = ended % 3 != 0;
            if *with_epoch {
                producers[which] = talk.end_transaction_with_epoch(id, producers[which], committed);
                sequences[which] = 0;
            } else {
                talk.end_transaction(id, producers[which], committed);
            }
        }
    }
    until("the transactions' markers", || match talk.ends(TOPIC, 0) {
        (high_watermark, last_stable) if high_watermark == last_stable => Ok(()),
        ends => Err(format!("an open transaction at {ends:?}")),
    });
}

/// Three records. Some keys come again after a while, some never; some values are null.
fn batch(number: i32) -> BatchBuilder {
    // Of now: Kafka forgets producers whose newest timestamp is a day old.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let time = now.as_millis() as i64;
    let mut builder = BatchBuilder::new(CODECS[number as usize % CODECS.len()]);
    let value = noise(number as u32, 12_000);
    for (key, has_value) in [
        (format!("often {}", number % 7), true),
        (format!("seldom {}", number * 7 % 61), number % 4 != 0),
        (format!("once {number}"), number % 9 != 0),
    ] {
        let value = has_value.then_some(&value[key.len() * 300..]);
        builder.append(time, Some(key.as_bytes()), value, &[]);
    }
    builder
}

/// Takes the topic in, as it is in the stopped Kafka: not yet compacted.
pub fn import(kafka: &KafkaServer, broker: &Broker) {
    let arguments = ["import", "--topic", TOPIC, "--data-dir"];
    let said = succeeded(storage(&arguments, &[&broker.data_dir(), &kafka.log_dir()]));
    assert!(said.contains(&format!("{TOPIC}: imported")), "{said}");
}

/// Has a broker compact it, some times.
pub fn compact(address: &str, log_dir: &Path) -> Compacted {
    let mut talk = Talk::to(address);
    let mut rounds: Vec<Survivors> = Vec::new();
    let mut emptied = Vec::new();
    for round in 0..ROUNDS {
        talk.set_config(TOPIC, "min.compaction.lag.ms", LATER);
        for number in 0..3 {
            // Old enough not to be of any moment.
            let mut builder = BatchBuilder::new(Compression::None);
            let value = noise((round * 3 + number) as u32, 600_000);
            builder.append(1_700_000_000_000, Some(b"filler"), Some(&value), &[]);
            talk.produce(TOPIC, 0, built(builder), None);
        }
        talk.set_config(TOPIC, "min.compaction.lag.ms", "0");
        let before = rounds.last().map_or(0, |round| round.last);
        let last = until("compaction of a round", || {
            match wait_until_compacted(log_dir, TOPIC, 0) {
                base if base > before => Ok(base),
                base => Err(format!("compacted up to {base}")),
            }
        });
        let bytes = talk.batches(TOPIC, 0, 0);
        let mut left = Vec::new();
        emptied.clear();
        for batch in batches(&bytes) {
            let header = *batch.expect("whole").header();
            match header.record_count {
                _ if header.base_offset.0 >= last => break,
                0 => emptied.push(header.last_offset().0),
                _ => left.push((header.base_offset.0, header.attributes.is_control())),
            }
        }
        let mut committed = talk.committed_records(TOPIC, 0);
        committed.retain(|record| record.0 < last);
        let mut records = records(&bytes);
        records.retain(|record| record.0 < last);
        rounds.push(Survivors {
            last,
            batches: left,
            records,
            committed,
        });
    }
    Compacted { rounds, emptied }
}

/// That nothing is left of aborted transactions, that markers stayed first and went later, and that both brokers left the same.
pub fn compare(ours: &Compacted, kafkas: &Compacted) {
    for (round, (ours, kafkas)) in ours.rounds.iter().zip(&kafkas.rounds).enumerate() {
        assert_eq!(ours.last, kafkas.last, "round {round}");
        assert_eq!(ours.batches, kafkas.batches, "round {round}");
        assert!(ours.records == kafkas.records, "round {round}: other records");
        assert!(
            ours.committed == kafkas.committed,
            "round {round}: others are committed"
        );
        assert!(
            ours.records == ours.committed,
            "round {round}: aborted records are left"
        );
    }
    let markers = |round: usize| ours.rounds[round].batches.iter().filter(|one| one.1).count();
    assert!(
        markers(0) > 100 && markers(ROUNDS - 1) < markers(0) - 30,
        "{} and {}",
        markers(0),
        markers(ROUNDS - 1)
    );
    // Kafka keeps the last batch of a round in addition.
    assert!(!ours.emptied.is_empty());
    for last_offset in &ours.emptied {
        assert!(
            kafkas.emptied.contains(last_offset),
            "{last_offset}: {:?}",
            kafkas.emptied
        );
    }
}

/// Has Kafka's tool look at every file that our compaction has left.
pub fn dump(kafka: &KafkaServer, broker: &Broker) {
    let mut files = Vec::new();
    crate::add_dumpable(&broker.data_dir().join(format!("{TOPIC}-0")), &mut files);
    assert!(
        files
            .iter()
            .any(|file| file.extension().is_some_and(|one| one == "txnindex"))
    );
    crate::dump(kafka, &files);
}
