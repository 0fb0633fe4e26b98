//! Turns a bit in a file that is closed: whoever reads damaged records must be told so, and everybody else must not notice.
//! A damaged index nobody must notice: the segment has the last word.

use std::ops::Range;
use std::path::Path;

use super::client::{Client, any_version};
use super::list_offset::{EARLIEST, list_offset};
use super::oracle::{Oracle, below};
use super::server_life::{DATA_DIR, SERVER};
use crate::base::ids::TopicPartition;
use crate::rt::sim;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::fetch::{FetchPartition, FetchRequest, FetchTopic, PartitionData};
use crate::wire::records::batches;

/// Where a batch has its leader epoch, which no checksum covers, here as in Kafka: a wrong one can't be told from a right one.
const LEADER_EPOCH: Range<usize> = 12..16;
/// Where it has its first offset, which is not covered either. That it does not fit is seen where there are no gaps.
const BASE_OFFSET: Range<usize> = 0..8;

/// What was damaged.
#[derive(Debug)]
pub struct Damage {
    /// The name of the partition's directory.
    dir: String,
    /// The offsets of the batch with the bit; `None` if the bit is of an index.
    batch: Option<Range<i64>>,
    /// The offsets of its segment: of what lies behind the batch some may not be found any more.
    segment: Range<i64>,
}

/// Turns a bit of a closed segment, if there is one. The server is not running.
pub fn turn_a_bit() -> Option<Damage> {
    let disk = sim::disk::of(SERVER);
    let files = disk.files_below(DATA_DIR).expect("a directory");
    let logs: Vec<(String, i64)> = files.iter().filter_map(|path| segment_of(path)).collect();
    // Where another follows. Retention may take what is damaged away before anybody looks.
    let closed: Vec<_> = logs
        .iter()
        .filter(|(dir, _)| ["/topic-", "/keyed-"].iter().any(|name| dir.contains(name)))
        .filter_map(|(dir, base)| {
            let later = logs.iter().filter(|(other, later)| other == dir && later > base);
            later.map(|(_, later)| *later).min().map(|end| (dir, *base..end))
        })
        .collect();
    if closed.is_empty() {
        return None;
    }
    let (dir, segment) = closed[below(closed.len() as u64) as usize].clone();
    let kind = ["index", "timeindex"][below(2) as usize];
    let index = format!("{dir}/{:020}.{kind}", segment.start);
    // It may have no entry.
    let has_entries = disk.read(&index).is_ok_and(|bytes| !bytes.is_empty());
    if below(4) == 0 && has_entries {
        disk.flip_random_bit(&index).expect("a file");
        return Some(Damage {
            dir: dir.rsplit('/').next().expect("a name").to_string(),
            batch: None,
            segment,
        });
    }
    let path = format!("{dir}/{:020}.log", segment.start);
    let bytes = disk.read(&path).expect("a file");
    let position = below(bytes.len() as u64) as usize;
    let mut at = 0;
    for batch in batches(&bytes) {
        let batch = batch.expect("a closed segment has whole batches");
        let next = at + batch.bytes().len();
        if position < next {
            let not_seen = LEADER_EPOCH.contains(&(position - at)) || BASE_OFFSET.contains(&(position - at));
            if not_seen {
                return None;
            }
            disk.flip_bit(&path, position as u64, below(8) as u8)
                .expect("a file");
            let header = batch.header();
            return Some(Damage {
                dir: dir.rsplit('/').next().expect("a name").to_string(),
                batch: Some(header.base_offset.0..header.next_offset().0),
                segment,
            });
        }
        at = next;
    }
    None
}

/// The directory and base offset of a segment's log file.
fn segment_of(path: &str) -> Option<(String, i64)> {
    let path = Path::new(path);
    let base = path.file_name()?.to_str()?.strip_suffix(".log")?.parse().ok()?;
    Some((path.parent()?.to_str()?.to_string(), base))
}

/// Reads everything: where the damage is there is an error, everywhere else what was promised.
pub async fn look_for_damage(oracle: &Oracle, damage: &Damage) {
    let mut client = Client::new(oracle);
    client.refresh_surely().await;
    for (name, partition) in oracle.live_partitions() {
        let here = damage.dir == format!("{name}-{}", partition.partition);
        let damaged = damage.batch.as_ref().filter(|_| here);
        let is_damaged = damaged.is_some();
        let start = match list_offset(&mut client, &name, partition, EARLIEST).await {
            Ok(start) => start,
            // It was found at the start, and the partition is offline.
            Err(_) if is_damaged => continue,
            Err(what) => panic!("{name} {partition:?} is not damaged: {what}"),
        };
        let mut position = start;
        let mut reported = false;
        while position < oracle.promised_end(partition) {
            let data = fetch_one(&mut client, &name, partition, position).await;
            match ErrorCode::from_code(data.error_code).expect("a known code") {
                ErrorCode::None => {
                    let records = data.records.unwrap_or_default();
                    let next = oracle.read(partition, &records);
                    position = next.unwrap_or_else(|| panic!("{name} {partition:?}: nothing at {position}"));
                }
                ErrorCode::CorruptMessage | ErrorCode::KafkaStorageError
                    if is_damaged && damage.segment.contains(&position) =>
                {
                    // A read of more than one batch is refused as a whole, so the error comes earlier, too.
                    let it = damaged.filter(|batch| batch.contains(&position));
                    reported |= it.is_some();
                    position = it.map_or(position + 1, |batch| batch.end);
                }
                // Its beginning goes all the time.
                ErrorCode::OffsetOutOfRange if oracle.promise(partition.topic).forgets() => {
                    let start = list_offset(&mut client, &name, partition, EARLIEST).await;
                    position = start.expect("nothing is wrong with it");
                }
                code => panic!("{name} {partition:?} at {position}: {code:?}, and {damage:?}"),
            }
        }
        assert!(!is_damaged || reported, "nobody was told of {damage:?}");
    }
}

async fn fetch_one(
    client: &mut Client,
    name: &str,
    partition: TopicPartition,
    position: i64,
) -> PartitionData {
    let request = FetchRequest {
        max_wait_ms: 0,
        max_bytes: 1 << 20,
        topics: vec![FetchTopic {
            topic: name.to_string(),
            topic_id: partition.topic,
            partitions: vec![FetchPartition {
                partition: partition.partition,
                fetch_offset: position,
                partition_max_bytes: [1, 5_000][below(2) as usize],
                ..FetchPartition::default()
            }],
        }],
        ..FetchRequest::default()
    };
    let port = client.leader(&partition).expect("a leader");
    let answer = client.call(port, any_version::<FetchRequest>(0), &request).await;
    let mut answer = answer.expect("an answer, for the server runs");
    answer.responses.remove(0).partitions.remove(0)
}
