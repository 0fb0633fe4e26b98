//! What brokers and clients keep in the protocol's encoding: keys and values of the internal topics' records, records of
//! Kafka's cluster metadata, and what members of a group tell each other.
//!
//! In records of the coordinators a two-byte number stands in front: for a value the version of its layout, for a
//! key the type of the record. [`to_record`] and [`Reader::i16`](crate::wire::codec::Reader::i16) with
//! [`Message::decode`] deal with it.

pub mod classic_group;
pub mod cluster_metadata;
pub mod consumer_group;
pub mod consumer_protocol;
pub mod control_records;
pub mod offset_commit_records;
pub mod share_group;
pub mod share_state;
pub mod streams_group;
pub mod transaction_log;

pub use classic_group::{GroupMetadataKey, GroupMetadataValue};
pub use cluster_metadata::{
    ConfigRecord, MetadataRecordType, PartitionChangeRecord, PartitionRecord, ProducerIdsRecord,
    RemoveTopicRecord, TopicRecord, read_metadata_frame,
};
pub use consumer_group::{
    ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataKey,
    ConsumerGroupMetadataValue, ConsumerGroupPartitionMetadataKey, ConsumerGroupPartitionMetadataValue,
    ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue,
    ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue,
};
pub use consumer_protocol::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
pub use control_records::{ControlRecordTypeSchema, EndTxnMarker};
pub use offset_commit_records::{
    LegacyOffsetCommitKey, LegacyOffsetCommitValue, OffsetCommitKey, OffsetCommitValue,
};
pub use share_group::{
    ShareGroupCurrentMemberAssignmentKey, ShareGroupCurrentMemberAssignmentValue,
    ShareGroupMemberMetadataKey, ShareGroupMemberMetadataValue, ShareGroupMetadataKey,
    ShareGroupMetadataValue, ShareGroupStatePartitionMetadataKey, ShareGroupStatePartitionMetadataValue,
    ShareGroupTargetAssignmentMemberKey, ShareGroupTargetAssignmentMemberValue,
    ShareGroupTargetAssignmentMetadataKey, ShareGroupTargetAssignmentMetadataValue,
};
pub use share_state::{ShareSnapshotKey, ShareSnapshotValue, ShareUpdateKey, ShareUpdateValue};
pub use streams_group::{
    StreamsGroupCurrentMemberAssignmentKey, StreamsGroupCurrentMemberAssignmentValue,
    StreamsGroupMemberMetadataKey, StreamsGroupMemberMetadataValue, StreamsGroupMetadataKey,
    StreamsGroupMetadataValue, StreamsGroupTargetAssignmentMemberKey,
    StreamsGroupTargetAssignmentMemberValue, StreamsGroupTargetAssignmentMetadataKey,
    StreamsGroupTargetAssignmentMetadataValue, StreamsGroupTopologyKey, StreamsGroupTopologyValue,
};
pub use transaction_log::{TransactionLogKey, TransactionLogValue};

use bytes::Bytes;

use crate::wire::codec::{EncodeError, Message, Writer};

/// The bytes of a message that has its number in front: the version for values and for the consumer protocol.
pub fn to_record<M: Message>(message: &M, version: i16) -> Result<Bytes, EncodeError> {
    let mut w = Writer::new();
    w.i16(version);
    message.encode(&mut w, version)?;
    Ok(w.into_bytes())
}

/// The bytes of a record's key: the type of the record in front, layout 0 behind it.
pub fn to_record_key<M: Message>(key: &M, record_type: i16) -> Result<Bytes, EncodeError> {
    let mut w = Writer::new();
    w.i16(record_type);
    key.encode(&mut w, 0)?;
    Ok(w.into_bytes())
}
