//! `__cluster_metadata`: what an Apache Kafka controller (KRaft) has written of topics and their configs. Only the records that tell what
//! a topic is; the number in front of each says of which type it is, see [`MetadataRecordType`].

use crate::base::ids::TopicId;
use crate::wire::codec::{DecodeError, Reader, messages};

/// Types of metadata records, as far as they are read here. Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataRecordType {
    /// [`TopicRecord`].
    Topic,
    /// [`PartitionRecord`].
    Partition,
    /// [`ConfigRecord`].
    Config,
    /// [`PartitionChangeRecord`].
    PartitionChange,
    /// [`RemoveTopicRecord`].
    RemoveTopic,
    /// [`ProducerIdsRecord`].
    ProducerIds,
    /// The records that follow count only when the transaction ends (KIP-868).
    BeginTransaction,
    /// They count.
    EndTransaction,
    /// They do not.
    AbortTransaction,
    /// Of anything else.
    Other(u32),
}

/// The frame around a metadata record: frame version 1, type and version of the record, each a varint. What follows is the record.
pub fn read_metadata_frame(r: &mut Reader<'_>) -> Result<(MetadataRecordType, i16), DecodeError> {
    let _frame_version = r.unsigned_varint()?;
    let kind = match r.unsigned_varint()? {
        2 => MetadataRecordType::Topic,
        3 => MetadataRecordType::Partition,
        4 => MetadataRecordType::Config,
        5 => MetadataRecordType::PartitionChange,
        9 => MetadataRecordType::RemoveTopic,
        15 => MetadataRecordType::ProducerIds,
        23 => MetadataRecordType::BeginTransaction,
        24 => MetadataRecordType::EndTransaction,
        25 => MetadataRecordType::AbortTransaction,
        other => MetadataRecordType::Other(other),
    };
    let version = r.unsigned_varint()?;
    // A version that no record can have fails when the record is read.
    Ok((kind, i16::try_from(version).unwrap_or(i16::MAX)))
}

messages! {
    data TopicRecord, versions 0-0, flexible 0+;

    struct TopicRecord {
        name: String, 0+;
        topic_id: TopicId, 0+;
    }
}

messages! {
    data PartitionRecord, versions 0-2, flexible 0+;

    struct PartitionRecord {
        partition_id: i32, 0+, default -1;
        topic_id: TopicId, 0+;
        replicas: Vec<i32>, 0+;
        isr: Vec<i32>, 0+;
        removing_replicas: Vec<i32>, 0+;
        adding_replicas: Vec<i32>, 0+;
        leader: i32, 0+, default -1;
        leader_epoch: i32, 0+, default -1;
        partition_epoch: i32, 0+, default -1;
        directories: Vec<TopicId>, 1+;
    } tagged {
        0: leader_recovery_state: i8, 0+;
        1: eligible_leader_replicas: Option<Vec<i32>>, 2+, nullable 2+;
        2: last_known_elr: Option<Vec<i32>>, 2+, nullable 2+;
    }
}

messages! {
    data PartitionChangeRecord, versions 0-2, flexible 0+;

    struct PartitionChangeRecord {
        partition_id: i32, 0+, default -1;
        topic_id: TopicId, 0+;
    } tagged {
        0: isr: Option<Vec<i32>>, 0+, nullable 0+;
        1: leader: i32, 0+, default -2;
    }
}

messages! {
    data ConfigRecord, versions 0-0, flexible 0+;

    struct ConfigRecord {
        resource_type: i8, 0+;
        resource_name: String, 0+;
        name: String, 0+;
        value: Option<String>, 0+, nullable 0+;
    }
}

messages! {
    data RemoveTopicRecord, versions 0-0, flexible 0+;

    struct RemoveTopicRecord {
        topic_id: TopicId, 0+;
    }
}

messages! {
    data ProducerIdsRecord, versions 0-0, flexible 0+;

    struct ProducerIdsRecord {
        broker_id: i32, 0+;
        broker_epoch: i64, 0+;
        next_producer_id: i64, 0+;
    }
}
