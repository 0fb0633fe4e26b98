//! A stored record as bytes, and back, in the versions Apache Kafka 4.3 writes.

use std::fmt;
use std::rc::Rc;

use bytes::Bytes;

use super::{CommittedOffset, OffsetKey, StoredGroup, StoredMember, StoredRecord};
use crate::base::ids::{LeaderEpoch, Offset, TopicId};
use crate::wire::codec::{DecodeError, EncodeError, Message, Reader};
use crate::wire::messages::stored::classic_group::MemberMetadata;
use crate::wire::messages::stored::{
    GroupMetadataKey, GroupMetadataValue, LegacyOffsetCommitKey, OffsetCommitKey, OffsetCommitValue,
    to_record, to_record_key,
};

/// Types of records, in front of their keys. Kafka's numbers.
const LEGACY_OFFSET_COMMIT: i16 = 0;
const OFFSET_COMMIT: i16 = 1;
const GROUP_METADATA: i16 = 2;

/// The last version of `GroupMetadataValue` that older brokers can read.
const GROUP_METADATA_VALUE: i16 = 3;
/// The version of `OffsetCommitValue` with a topic id.
const OFFSET_WITH_TOPIC_ID: i16 = 4;
/// The last one without.
const OFFSET_WITHOUT_TOPIC_ID: i16 = 3;
/// The only one with a time of expiry. It has neither leader epoch nor topic id.
const OFFSET_WITH_EXPIRY: i16 = 1;

/// A record that is not what its key says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MalformedRecord {
    /// Every record here has a key.
    NoKey,
    /// The bytes do not make a key or value of their version.
    Bytes(DecodeError),
}

impl fmt::Display for MalformedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MalformedRecord::NoKey => f.write_str("it has no key"),
            MalformedRecord::Bytes(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for MalformedRecord {}

impl From<DecodeError> for MalformedRecord {
    fn from(error: DecodeError) -> MalformedRecord {
        MalformedRecord::Bytes(error)
    }
}

impl StoredRecord {
    /// Key and value. Fails if a text in it is longer than the format has room for.
    pub fn to_bytes(&self) -> Result<(Bytes, Option<Bytes>), EncodeError> {
        match self {
            StoredRecord::Group { group, value } => {
                let key = to_record_key(
                    &GroupMetadataKey {
                        group: group.to_string(),
                    },
                    GROUP_METADATA,
                )?;
                let value = value
                    .as_ref()
                    .map(|value| to_record(&to_group_value(value), GROUP_METADATA_VALUE));
                Ok((key, value.transpose()?))
            }
            StoredRecord::Offset { key, value } => {
                let key = OffsetCommitKey {
                    group: key.group.to_string(),
                    topic: key.topic.to_string(),
                    partition: key.partition,
                };
                let value = value
                    .as_ref()
                    .map(|value| to_record(&to_offset_value(value), offset_value_version(value)));
                Ok((to_record_key(&key, OFFSET_COMMIT)?, value.transpose()?))
            }
        }
    }

    /// A record read back; `None` if it is of a type that is none of ours (other group protocols share the topic).
    /// What it keeps is copied out of the bytes.
    pub fn from_bytes(
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<Option<StoredRecord>, MalformedRecord> {
        let mut key = Reader::of_slice(key.ok_or(MalformedRecord::NoKey)?);
        let record = match key.i16()? {
            LEGACY_OFFSET_COMMIT => {
                let key = LegacyOffsetCommitKey::decode(&mut key, 0)?;
                offset_record(key.group, key.topic, key.partition, value)?
            }
            OFFSET_COMMIT => {
                let key = OffsetCommitKey::decode(&mut key, 0)?;
                offset_record(key.group, key.topic, key.partition, value)?
            }
            GROUP_METADATA => {
                let group = GroupMetadataKey::decode(&mut key, 0)?.group.into();
                let value = value.map(read_value).transpose()?.map(from_group_value);
                StoredRecord::Group { group, value }
            }
            _ => return Ok(None),
        };
        Ok(Some(record))
    }
}

fn offset_record(
    group: String,
    topic: String,
    partition: i32,
    value: Option<&[u8]>,
) -> Result<StoredRecord, MalformedRecord> {
    let key = OffsetKey {
        group: group.into(),
        topic: topic.into(),
        partition,
    };
    let value = value.map(read_value).transpose()?.map(from_offset_value);
    Ok(StoredRecord::Offset { key, value })
}

fn read_value<M: Message>(bytes: &[u8]) -> Result<M, DecodeError> {
    let mut r = Reader::of_slice(bytes);
    let version = r.i16()?;
    M::decode(&mut r, version)
}

fn offset_value_version(value: &CommittedOffset) -> i16 {
    if value.expire_timestamp_ms.is_some() {
        OFFSET_WITH_EXPIRY
    } else if value.topic_id == TopicId::ZERO {
        OFFSET_WITHOUT_TOPIC_ID
    } else {
        OFFSET_WITH_TOPIC_ID
    }
}

fn to_offset_value(value: &CommittedOffset) -> OffsetCommitValue {
    OffsetCommitValue {
        offset: value.offset.0,
        leader_epoch: value.leader_epoch.0,
        metadata: value.metadata.to_string(),
        commit_timestamp: value.commit_timestamp_ms,
        expire_timestamp: value.expire_timestamp_ms.unwrap_or(-1),
        topic_id: value.topic_id,
    }
}

fn from_offset_value(value: OffsetCommitValue) -> CommittedOffset {
    CommittedOffset {
        offset: Offset(value.offset),
        leader_epoch: LeaderEpoch(value.leader_epoch),
        metadata: value.metadata.into(),
        commit_timestamp_ms: value.commit_timestamp,
        expire_timestamp_ms: (value.expire_timestamp >= 0).then_some(value.expire_timestamp),
        topic_id: value.topic_id,
    }
}

fn to_group_value(value: &StoredGroup) -> GroupMetadataValue {
    let text = |text: &Rc<str>| text.to_string();
    let members = value.members.iter().map(|member| MemberMetadata {
        member_id: text(&member.member_id),
        group_instance_id: member.instance_id.as_ref().map(text),
        client_id: text(&member.client_id),
        client_host: text(&member.client_host),
        rebalance_timeout: member.rebalance_timeout_ms,
        session_timeout: member.session_timeout_ms,
        subscription: member.subscription.clone(),
        assignment: member.assignment.clone(),
    });
    GroupMetadataValue {
        protocol_type: value.protocol_type.as_ref().map(text).unwrap_or_default(),
        generation: value.generation,
        protocol: value.protocol.as_ref().map(text),
        leader: value.leader.as_ref().map(text),
        current_state_timestamp: value.state_timestamp_ms.unwrap_or(-1),
        members: members.collect(),
    }
}

fn from_group_value(value: GroupMetadataValue) -> StoredGroup {
    let members = value.members.into_iter().map(|member| StoredMember {
        member_id: member.member_id.into(),
        instance_id: member.group_instance_id.map(Rc::from),
        client_id: member.client_id.into(),
        client_host: member.client_host.into(),
        // Records of version 0 have one timeout for both.
        rebalance_timeout_ms: match member.rebalance_timeout {
            -1 => member.session_timeout,
            timeout_ms => timeout_ms,
        },
        session_timeout_ms: member.session_timeout,
        subscription: member.subscription,
        assignment: member.assignment,
    });
    StoredGroup {
        members: members.collect(),
        protocol_type: Some(Rc::from(value.protocol_type)).filter(|name: &Rc<str>| !name.is_empty()),
        generation: value.generation,
        protocol: value.protocol.map(Rc::from),
        leader: value.leader.map(Rc::from),
        state_timestamp_ms: (value.current_state_timestamp >= 0).then_some(value.current_state_timestamp),
    }
}
