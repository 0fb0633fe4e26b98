//! One committed offset.

use std::rc::Rc;

use crate::base::ids::{LeaderEpoch, Offset, TopicId};

/// What a group committed for one partition (`OffsetCommitValue`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next record to consume.
    pub offset: Offset,
    /// Leader epoch of the last record consumed, -1 if the client did not say.
    pub leader_epoch: LeaderEpoch,
    /// The client's own note.
    pub metadata: Rc<str>,
    /// When it was committed, milliseconds since 1970.
    pub commit_timestamp_ms: i64,
    /// When it expires, if the client asked for a time of its own (OffsetCommit v2 to v4).
    pub expire_timestamp_ms: Option<i64>,
    /// The topic's id at the time of the commit; [`TopicId::ZERO`] in records of old brokers.
    pub topic_id: TopicId,
}

impl CommittedOffset {
    /// True if the offset was committed for another topic of the same name. An id that is not known fits any.
    pub fn is_of_another_topic(&self, topic_id: TopicId) -> bool {
        self.topic_id != TopicId::ZERO && topic_id != TopicId::ZERO && self.topic_id != topic_id
    }
}
