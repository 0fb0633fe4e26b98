//! What a group refuses, and why. The server maps each to Kafka's error code in one place.

use std::fmt;

/// A refusal of the coordinator. Named as Kafka's error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupError {
    /// The shard does not lead the group's partition.
    NotCoordinator,
    /// The partition's records are still being read.
    CoordinatorLoadInProgress,
    /// The state could not be written, or the partition went away while the answer was waited for.
    CoordinatorNotAvailable,
    /// The group id is empty where it must not be.
    InvalidGroupId,
    /// No such group.
    GroupIdNotFound,
    /// The group has members, so it can be neither deleted nor changed from outside.
    NonEmptyGroup,
    /// No such member.
    UnknownMemberId,
    /// The member has to join again with the id it was just given (KIP-394).
    MemberIdRequired,
    /// Another member took over this `group.instance.id` (KIP-345).
    FencedInstanceId,
    /// The member speaks of a generation that is not the current one.
    IllegalGeneration,
    /// A rebalance is under way: join again.
    RebalanceInProgress,
    /// The protocol type differs from the group's, or there is no protocol that all members know.
    InconsistentGroupProtocol,
    /// The session timeout is out of the broker's bounds.
    InvalidSessionTimeout,
    /// `group.max.size` members are there already.
    GroupMaxSizeReached,
    /// The metadata of a commit is longer than `offset.metadata.max.bytes`.
    OffsetMetadataTooLarge,
    /// A transaction that commits an offset for the partition is still open.
    UnstableOffsetCommit,
    /// Members are subscribed to the topic, so its offsets stay.
    GroupSubscribedToTopic,
    /// The coordinator has as many groups as it may.
    TooManyGroups,
    /// The record that would hold the state is larger than a batch of the internal topic may be.
    RecordTooLarge,
}

impl fmt::Display for GroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            GroupError::NotCoordinator => "this node is not the coordinator of the group",
            GroupError::CoordinatorLoadInProgress => "the coordinator is still loading its groups",
            GroupError::CoordinatorNotAvailable => "the coordinator is not available",
            GroupError::InvalidGroupId => "the group id is not valid",
            GroupError::GroupIdNotFound => "the group does not exist",
            GroupError::NonEmptyGroup => "the group is not empty",
            GroupError::UnknownMemberId => "the member is not known in the group",
            GroupError::MemberIdRequired => "the member has to join with the id it was given",
            GroupError::FencedInstanceId => "another member took over the group instance id",
            GroupError::IllegalGeneration => "the generation is not the group's current one",
            GroupError::RebalanceInProgress => "the group is rebalancing",
            GroupError::InconsistentGroupProtocol => "the protocols do not fit those of the group",
            GroupError::InvalidSessionTimeout => "the session timeout is out of bounds",
            GroupError::GroupMaxSizeReached => "the group is full",
            GroupError::OffsetMetadataTooLarge => "the metadata of the offset is too large",
            GroupError::UnstableOffsetCommit => "a transaction on the offset is still open",
            GroupError::GroupSubscribedToTopic => "the group is subscribed to the topic",
            GroupError::TooManyGroups => "the coordinator has as many groups as it may",
            GroupError::RecordTooLarge => "the group's state is too large for a record",
        };
        f.write_str(text)
    }
}

impl std::error::Error for GroupError {}
