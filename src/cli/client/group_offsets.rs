//! A group's committed offsets.

use std::collections::BTreeMap;

use super::client_error::error_code;
use super::{ClientError, ClusterClient, Partition};
use crate::wire::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::wire::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};

/// From version 10 on topics are named by id. A group may have offsets of a topic that has been deleted, which has no id
/// any more but should still be shown by its name.
const NEWEST_WITH_NAMES: i16 = 9;

/// Version 8 asks for several groups at once and has the answer elsewhere (KIP-709).
const FIRST_WITH_GROUPS: i16 = 8;

/// What a group has committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Offset of the next record to read.
    pub offset: i64,
    /// What the consumer has noted with it.
    pub metadata: String,
}

/// As whom to commit.
#[derive(Clone, Debug)]
pub struct CommitIdentity {
    /// The group's generation, -1 for somebody who is no member.
    pub generation: i32,
    /// The member, empty for somebody who is no member.
    pub member_id: String,
}

impl CommitIdentity {
    /// Somebody outside of the group; the broker lets them commit while the group has no members.
    pub fn outsider() -> CommitIdentity {
        CommitIdentity {
            generation: -1,
            member_id: String::new(),
        }
    }
}

/// All offsets the group has committed.
pub fn fetch_all_committed(
    client: &mut ClusterClient,
    group: &str,
) -> Result<BTreeMap<Partition, Committed>, ClientError> {
    fetch(client, group, None)
}

/// The offsets the group has committed for these partitions; those without one are not in the answer.
pub fn fetch_committed(
    client: &mut ClusterClient,
    group: &str,
    partitions: &[Partition],
) -> Result<BTreeMap<Partition, Committed>, ClientError> {
    fetch(client, group, Some(partitions))
}

fn fetch(
    client: &mut ClusterClient,
    group: &str,
    partitions: Option<&[Partition]>,
) -> Result<BTreeMap<Partition, Committed>, ClientError> {
    let topics = partitions.map(indexes_by_topic);
    client.retry(|client| {
        let node = client.find_coordinator(group)?;
        let many = client.node(node)?.knows::<OffsetFetchRequest>(FIRST_WITH_GROUPS);
        if many {
            fetch_with_groups(client, group, topics.as_ref())
        } else {
            fetch_one(client, group, topics.as_ref())
        }
    })
}

fn fetch_with_groups(
    client: &mut ClusterClient,
    group: &str,
    topics: Option<&BTreeMap<String, Vec<i32>>>,
) -> Result<BTreeMap<Partition, Committed>, ClientError> {
    let named = |(name, indexes): (&String, &Vec<i32>)| OffsetFetchRequestTopics {
        name: name.clone(),
        partition_indexes: indexes.clone(),
        ..Default::default()
    };
    let request = OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: group.to_owned(),
            topics: topics.map(|topics| topics.iter().map(named).collect()),
            ..Default::default()
        }],
        ..Default::default()
    };
    let node = client.find_coordinator(group)?;
    let response = client.call_node(node, &request, NEWEST_WITH_NAMES)?;
    let mut found = BTreeMap::new();
    for answer in response.groups {
        ClientError::check(format!("group {group}"), answer.error_code)?;
        for topic in answer.topics {
            for p in topic.partitions {
                let partition = Partition::new(&topic.name, p.partition_index);
                take(
                    &mut found,
                    partition,
                    p.error_code,
                    p.committed_offset,
                    p.metadata,
                )?;
            }
        }
    }
    Ok(found)
}

fn fetch_one(
    client: &mut ClusterClient,
    group: &str,
    topics: Option<&BTreeMap<String, Vec<i32>>>,
) -> Result<BTreeMap<Partition, Committed>, ClientError> {
    let named = |(name, indexes): (&String, &Vec<i32>)| OffsetFetchRequestTopic {
        name: name.clone(),
        partition_indexes: indexes.clone(),
    };
    let request = OffsetFetchRequest {
        group_id: group.to_owned(),
        topics: topics.map(|topics| topics.iter().map(named).collect()),
        ..Default::default()
    };
    let node = client.find_coordinator(group)?;
    let response = client.call_node(node, &request, FIRST_WITH_GROUPS - 1)?;
    ClientError::check(format!("group {group}"), response.error_code)?;
    let mut found = BTreeMap::new();
    for topic in response.topics {
        for p in topic.partitions {
            let partition = Partition::new(&topic.name, p.partition_index);
            take(
                &mut found,
                partition,
                p.error_code,
                p.committed_offset,
                p.metadata,
            )?;
        }
    }
    Ok(found)
}

fn take(
    found: &mut BTreeMap<Partition, Committed>,
    partition: Partition,
    code: i16,
    offset: i64,
    metadata: Option<String>,
) -> Result<(), ClientError> {
    ClientError::check(format!("committed offset of {partition}"), code)?;
    if offset >= 0 {
        found.insert(
            partition,
            Committed {
                offset,
                metadata: metadata.unwrap_or_default(),
            },
        );
    }
    Ok(())
}

/// Commits offsets. Tries until the deadline, except where the group itself refuses (`ILLEGAL_GENERATION` and the like).
pub fn commit_offsets(
    client: &mut ClusterClient,
    group: &str,
    identity: &CommitIdentity,
    offsets: &BTreeMap<Partition, i64>,
) -> Result<(), ClientError> {
    let mut topics: BTreeMap<String, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
    for (partition, offset) in offsets {
        topics
            .entry(partition.topic.to_string())
            .or_default()
            .push(OffsetCommitRequestPartition {
                partition_index: partition.index,
                committed_offset: *offset,
                committed_metadata: Some(String::new()),
                ..Default::default()
            });
    }
    let request = OffsetCommitRequest {
        group_id: group.to_owned(),
        generation_id_or_member_epoch: identity.generation,
        member_id: identity.member_id.clone(),
        topics: topics
            .into_iter()
            .map(|(name, partitions)| OffsetCommitRequestTopic {
                name,
                partitions,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    };
    client.call_coordinator(group, &request, NEWEST_WITH_NAMES, |response| {
        for topic in &response.topics {
            for partition in &topic.partitions {
                if error_code(partition.error_code).is_error() {
                    let what = format!(
                        "commit of group {group} for {}-{}",
                        topic.name, partition.partition_index
                    );
                    return ClientError::check(what, partition.error_code);
                }
            }
        }
        Ok(())
    })?;
    Ok(())
}

fn indexes_by_topic(partitions: &[Partition]) -> BTreeMap<String, Vec<i32>> {
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics
            .entry(partition.topic.to_string())
            .or_default()
            .push(partition.index);
    }
    topics
}
