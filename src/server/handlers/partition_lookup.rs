//! Hot path: produce, step 3; fetch, step 3. From a partition's name to its log on this shard.

use std::rc::Rc;

use crate::base::ids::{LeaderEpoch, NodeId, TopicPartition};
use crate::log::PartitionLog;
use crate::metadata::{ClusterImage, TopicImage};
use crate::shard::{PartitionSlot, Shard};
use crate::wire::errors::ErrorCode;

/// Why a partition can't be used on this shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupError {
    /// The topic has no such partition.
    NoSuchPartition,
    /// Another node leads it.
    Elsewhere(NodeId, LeaderEpoch),
    /// It is here, but its log is damaged or its disk failed.
    Offline,
}

impl LookupError {
    /// Kafka's code for it.
    pub fn code(self) -> ErrorCode {
        match self {
            LookupError::NoSuchPartition => ErrorCode::UnknownTopicOrPartition,
            LookupError::Elsewhere(..) => ErrorCode::NotLeaderOrFollower,
            LookupError::Offline => ErrorCode::KafkaStorageError,
        }
    }
}

/// The log of a partition that this shard leads.
pub fn find(
    shard: &Shard,
    image: &ClusterImage,
    topic: &TopicImage,
    partition: i32,
) -> Result<Rc<PartitionLog>, LookupError> {
    let (leader, leader_epoch) = image
        .leader(topic, partition)
        .ok_or(LookupError::NoSuchPartition)?;
    if leader != shard.node_id {
        return Err(LookupError::Elsewhere(leader, leader_epoch));
    }
    match shard.partition(&TopicPartition {
        topic: topic.id(),
        partition,
    }) {
        Some(PartitionSlot::Online(log)) => Ok(log),
        Some(PartitionSlot::Offline) => Err(LookupError::Offline),
        // The image is shown once it has been applied, so this is a partition that is being deleted.
        None => Err(LookupError::NoSuchPartition),
    }
}

/// What a client's leader epoch means for a request (KIP-320); -1 asks for no check.
pub fn check_leader_epoch(log: &PartitionLog, known: LeaderEpoch) -> Result<(), ErrorCode> {
    if known.0 < 0 || known == log.leader_epoch() {
        Ok(())
    } else if known < log.leader_epoch() {
        Err(ErrorCode::FencedLeaderEpoch)
    } else {
        Err(ErrorCode::UnknownLeaderEpoch)
    }
}
