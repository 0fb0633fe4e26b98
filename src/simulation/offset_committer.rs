//! A client that commits rising offsets in the name of a group without members, and looks what is committed.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::client::{Client, Unanswered, any_version};
use super::oracle::{Oracle, below};
use crate::base::ids::{TopicId, TopicPartition};
use crate::rt;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::wire::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};

/// The first version of OffsetFetch that asks for many groups.
const MANY_GROUPS: i16 = 8;

/// The first version of OffsetCommit with static members.
const STATIC_MEMBERS: i16 = 7;

/// Who commits.
#[derive(Clone, Debug, Default)]
pub struct Membership {
    pub member_id: String,
    pub generation: i32,
    /// Of a static member.
    pub instance: Option<String>,
}

impl Membership {
    /// A group without members.
    pub fn none() -> Membership {
        Membership {
            member_id: String::new(),
            generation: -1,
            instance: None,
        }
    }
}

/// Commits until told to stop.
pub async fn commit(
    oracle: Oracle,
    group: String,
    partitions: Vec<(String, TopicPartition)>,
    stop: Rc<Cell<bool>>,
) {
    let mut client = Client::new(&oracle);
    let mut offset = 0;
    let mut port = client.coordinator(&group).await;
    while !stop.get() {
        offset += 1 + below(10) as i64;
        let (name, partition) = partitions[below(partitions.len() as u64) as usize].clone();
        let committed = commit_offset(
            &mut client,
            port,
            &group,
            &Membership::none(),
            (&name, partition),
            offset,
        )
        .await;
        let fetched = committed_offset(&mut client, port, &group, (&name, partition)).await;
        for outcome in [committed.map(|()| 0), fetched] {
            if let Err(what) = outcome {
                match what {
                    // The topic of offsets was made a moment ago, or is being loaded.
                    Some(_) => client.pause().await,
                    None => client.trouble("no answer").await,
                }
                port = client.coordinator(&group).await;
            }
        }
        rt::sleep(Duration::from_micros(below(20_000))).await;
    }
}

/// Commits one offset.
pub async fn commit_offset(
    client: &mut Client,
    port: u16,
    group: &str,
    by: &Membership,
    (name, partition): (&str, TopicPartition),
    offset: i64,
) -> Result<(), Option<ErrorCode>> {
    let request = OffsetCommitRequest {
        group_id: group.to_string(),
        generation_id_or_member_epoch: by.generation,
        member_id: by.member_id.clone(),
        group_instance_id: by.instance.clone(),
        topics: vec![OffsetCommitRequestTopic {
            name: name.to_string(),
            topic_id: partition.topic,
            partitions: vec![OffsetCommitRequestPartition {
                partition_index: partition.partition,
                committed_offset: offset,
                committed_metadata: Some(format!("at {offset}")),
                ..OffsetCommitRequestPartition::default()
            }],
        }],
        ..OffsetCommitRequest::default()
    };
    let first_version = if by.instance.is_some() { STATIC_MEMBERS } else { 0 };
    client.oracle.committing(group, partition, offset);
    let answer = client
        .call(port, any_version::<OffsetCommitRequest>(first_version), &request)
        .await;
    let answer = answer.map_err(|Unanswered| None)?;
    let code = answer.topics[0].partitions[0].error_code;
    checked(code, by)?;
    client.oracle.committed(group, partition, offset);
    Ok(())
}

/// What is committed; -1 for nothing.
pub async fn committed_offset(
    client: &mut Client,
    port: u16,
    group: &str,
    (name, partition): (&str, TopicPartition),
) -> Result<i64, Option<ErrorCode>> {
    let version = any_version::<OffsetFetchRequest>(1);
    let mut request = OffsetFetchRequest::default();
    if version < MANY_GROUPS {
        request.group_id = group.to_string();
        request.topics = Some(vec![OffsetFetchRequestTopic {
            name: name.to_string(),
            partition_indexes: vec![partition.partition],
        }]);
    } else {
        request.groups = vec![OffsetFetchRequestGroup {
            group_id: group.to_string(),
            topics: Some(vec![OffsetFetchRequestTopics {
                name: name.to_string(),
                topic_id: partition.topic,
                partition_indexes: vec![partition.partition],
            }]),
            ..OffsetFetchRequestGroup::default()
        }];
    }
    let promised = client.oracle.promised_commit(group, partition);
    let answer = client
        .call(port, version, &request)
        .await
        .map_err(|Unanswered| None)?;
    let (code, offset, metadata) = match answer.groups.into_iter().next() {
        Some(group) if group.error_code != 0 => (group.error_code, -1, None),
        Some(mut group) => {
            let topic = group.topics.remove(0);
            assert!(
                topic.name == name || topic.topic_id == partition.topic && topic.topic_id != TopicId::ZERO
            );
            let found = &topic.partitions[0];
            (found.error_code, found.committed_offset, found.metadata.clone())
        }
        None if answer.error_code != 0 => (answer.error_code, -1, None),
        None => {
            let found = &answer.topics[0].partitions[0];
            (found.error_code, found.committed_offset, found.metadata.clone())
        }
    };
    checked(code, &Membership::none())?;
    client.oracle.saw_commit(group, partition, promised, offset);
    if offset != -1 {
        assert_eq!(
            metadata,
            Some(format!("at {offset}")),
            "metadata belongs to its offset"
        );
    }
    Ok(offset)
}

/// Which errors a coordinator may give.
fn checked(code: i16, by: &Membership) -> Result<(), Option<ErrorCode>> {
    let code = ErrorCode::from_code(code).expect("a known code");
    let of_coordinator = matches!(
        code,
        ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable | ErrorCode::CoordinatorLoadInProgress
    );
    let of_member = matches!(
        code,
        ErrorCode::UnknownMemberId
            | ErrorCode::FencedInstanceId
            | ErrorCode::IllegalGeneration
            | ErrorCode::RebalanceInProgress
    );
    match code {
        ErrorCode::None => Ok(()),
        _ if of_coordinator || (of_member && by.generation != -1) => Err(Some(code)),
        _ => panic!("{code:?} for a request of {by:?}"),
    }
}
