//! What a coordinator reacts to, and what it wants done.

use std::rc::Rc;

use super::error::GroupError;
use super::request::{
    CommitRequest, HeartbeatRequest, JoinAnswer, JoinRequest, LeaveRequest, OffsetDeleteRequest, SyncAnswer,
    SyncRequest,
};
use super::stored::StoredRecord;
use crate::base::ids::{Offset, TopicId};
use crate::base::time::{Monotonic, WallMs};

/// The time of an event, on both clocks: timeouts go by the one, records by the other.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For timeouts.
    pub monotonic: Monotonic,
    /// For what is written.
    pub wall: WallMs,
}

/// Who waits for an answer. Allotted by the driver, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What a coordinator reacts to.
#[derive(Debug)]
pub enum Event {
    /// JoinGroup. Answered with [`Answer::Join`], maybe much later.
    Join(RequestId, JoinRequest),
    /// SyncGroup. Answered with [`Answer::Sync`], maybe much later.
    Sync(RequestId, SyncRequest),
    /// Heartbeat. Answered with [`Answer::Heartbeat`].
    Heartbeat(RequestId, HeartbeatRequest),
    /// LeaveGroup. Answered with [`Answer::Leave`].
    Leave(RequestId, LeaveRequest),
    /// OffsetCommit. Answered with [`Answer::Partitions`], one result per partition, in the request's order.
    CommitOffsets(RequestId, CommitRequest),
    /// OffsetDelete. Answered with [`Answer::Partitions`], one result per partition, in the request's order.
    DeleteOffsets(RequestId, OffsetDeleteRequest),
    /// DeleteGroups, one group. Answered with [`Answer::Deleted`].
    DeleteGroup(RequestId, Rc<str>),
    /// A deadline may be due. Takes one; to be repeated while `next_deadline` is not in the future.
    Tick,
    /// Expired offsets of the group, and the group itself if nothing is left, are to go.
    /// To be repeated while it brings an append: each removes a bounded number.
    ExpireOffsets(Rc<str>),
    /// The topic was deleted: the group's offsets for it are to go, but not those of a new topic of the same name.
    /// To be repeated while it brings an append.
    ForgetTopic {
        group: Rc<str>,
        topic: Rc<str>,
        topic_id: TopicId,
    },
    /// The records of the last append stand in the log from this offset on.
    Appended { first_offset: Offset },
    /// The last append was refused.
    AppendRefused(GroupError),
}

/// What a coordinator wants done, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Append all these records to the partition, in this order, without awaiting; the next event has to be
    /// [`Event::Appended`] or [`Event::AppendRefused`]. Comes at most once per event, as its last command.
    Append(Vec<StoredRecord>),
    /// Send the answer once the condition holds.
    Answer {
        request: RequestId,
        answer: Answer,
        after: After,
    },
}

/// What must hold before an answer may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Nothing: it tells of no state that could be lost.
    Nothing,
    /// All that was appended up to now is durable.
    Durable,
}

/// An answer, by kind of request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To a join.
    Join(JoinAnswer),
    /// To a sync.
    Sync(Result<SyncAnswer, GroupError>),
    /// To a heartbeat.
    Heartbeat(Result<(), GroupError>),
    /// To a leave: a result per member, in the request's order.
    Leave(Result<Vec<Result<(), GroupError>>, GroupError>),
    /// To a commit or a deletion of offsets: a result per partition, in the request's order.
    Partitions(Result<Vec<Result<(), GroupError>>, GroupError>),
    /// To the deletion of a group.
    Deleted(Result<(), GroupError>),
}
