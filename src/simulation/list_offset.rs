//! Asks where a partition begins or ends.

use super::client::{Client, Unanswered, any_version};
use crate::base::ids::TopicPartition;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};

pub const EARLIEST: i64 = -2;
pub const LATEST: i64 = -1;

/// Where a partition begins or ends. The answer is held against what was said before.
pub async fn list_offset(
    client: &mut Client,
    name: &str,
    partition: TopicPartition,
    timestamp: i64,
) -> Result<i64, String> {
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: name.to_string(),
            partitions: vec![ListOffsetsPartition {
                partition_index: partition.partition,
                timestamp,
                ..ListOffsetsPartition::default()
            }],
        }],
        ..ListOffsetsRequest::default()
    };
    let oracle = client.oracle.clone();
    let (start, end) = (oracle.promised_start(partition), oracle.promised_end(partition));
    let port = client.leader(&partition).ok_or("no leader")?;
    let answer = client
        .call(port, any_version::<ListOffsetsRequest>(1), &request)
        .await;
    let answer = answer.map_err(|Unanswered| "no answer to ListOffsets")?;
    let found = &answer.topics[0].partitions[0];
    match ErrorCode::from_code(found.error_code).expect("a known code") {
        ErrorCode::None => {}
        code @ (ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError) => {
            return Err(format!("{code:?}"));
        }
        code => panic!("{name} {partition:?}: {code:?}"),
    }
    match timestamp {
        EARLIEST => oracle.saw_start(partition, start, found.offset),
        _ => oracle.saw_end(partition, end, found.offset),
    }
    Ok(found.offset)
}
