//! Where partitions begin, end, or have a certain time.

use std::collections::{BTreeMap, BTreeSet};

use super::{AutoCreate, ClientError, ClusterClient, Isolation, Partition};
use crate::base::ids::NodeId;
use crate::wire::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsTopic,
};

/// In place of a timestamp: the first offset that is there.
pub const EARLIEST: i64 = -2;

/// In place of a timestamp: the offset the next record will get.
pub const LATEST: i64 = -1;

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedOffset {
    /// The offset; `None` if no record is that late.
    pub offset: Option<i64>,
}

/// Asks the leaders of the partitions for the offset at `timestamp`: `EARLIEST`, `LATEST`, or that of the first record
/// not older than so many ms since 1970. Tries until the deadline.
pub fn list_offsets(
    client: &mut ClusterClient,
    partitions: impl IntoIterator<Item = Partition>,
    timestamp: i64,
    isolation: Isolation,
) -> Result<BTreeMap<Partition, ListedOffset>, ClientError> {
    let mut found = BTreeMap::new();
    let mut missing: BTreeSet<Partition> = partitions.into_iter().collect();
    let mut first = true;
    client.retry(|client| {
        if !std::mem::take(&mut first) {
            let topics: BTreeSet<&str> = missing.iter().map(|partition| &*partition.topic).collect();
            client.refresh(&topics.into_iter().collect::<Vec<_>>(), AutoCreate::Denied)?;
        }
        let mut failed = None;
        for (node, partitions) in by_leader(client, &missing)? {
            let request = request_for(&partitions, timestamp, isolation);
            let response = client.call_node(node, &request, i16::MAX)?;
            for topic in response.topics {
                for answer in topic.partitions {
                    let partition = Partition::new(&topic.name, answer.partition_index);
                    match ClientError::check(format!("partition {partition}"), answer.error_code) {
                        Ok(()) => {
                            missing.remove(&partition);
                            found.insert(partition, listed(&answer));
                        }
                        Err(error) => failed = Some(error),
                    }
                }
            }
        }
        failed.map_or(Ok(()), Err)
    })?;
    Ok(found)
}

fn listed(answer: &ListOffsetsPartitionResponse) -> ListedOffset {
    ListedOffset {
        offset: Some(answer.offset).filter(|offset| *offset >= 0),
    }
}

fn by_leader(
    client: &ClusterClient,
    partitions: &BTreeSet<Partition>,
) -> Result<BTreeMap<NodeId, Vec<Partition>>, ClientError> {
    let mut by_leader: BTreeMap<NodeId, Vec<Partition>> = BTreeMap::new();
    for partition in partitions {
        let leader = client.cluster().leader(&partition.topic, partition.index);
        let leader = leader.ok_or_else(|| ClientError::NoNode {
            what: format!("partition {partition}"),
        })?;
        by_leader.entry(leader).or_default().push(partition.clone());
    }
    Ok(by_leader)
}

fn request_for(partitions: &[Partition], timestamp: i64, isolation: Isolation) -> ListOffsetsRequest {
    let mut topics: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for partition in partitions {
        topics
            .entry(&partition.topic)
            .or_default()
            .push(ListOffsetsPartition {
                partition_index: partition.index,
                timestamp,
                ..Default::default()
            });
    }
    ListOffsetsRequest {
        replica_id: -1,
        isolation_level: isolation.level(),
        topics: topics
            .into_iter()
            .map(|(name, partitions)| ListOffsetsTopic {
                name: name.to_owned(),
                partitions,
            })
            .collect(),
        ..Default::default()
    }
}
