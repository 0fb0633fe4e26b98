//! What is asked of a coordinator, and what it answers. The group's own words: the handlers translate Kafka's requests.

use std::rc::Rc;

use bytes::Bytes;

use super::error::GroupError;
use crate::base::ids::{LeaderEpoch, Offset, TopicId};

/// A protocol (assignor) a member knows, with its metadata for it (for consumers: the subscription).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// The name, as `range` or `cooperative-sticky`.
    pub name: Rc<str>,
    /// Opaque to the coordinator, but for the topics of consumers.
    pub metadata: Bytes,
}

/// Whether a member has to come back with the id it is given before it takes part (KIP-394).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewMemberPolicy {
    /// JoinGroup v0 to v3: a member takes part with its first request.
    JoinsAtOnce,
    /// JoinGroup v4 and up.
    ReturnsWithId,
}

/// Whether the leader can be told to keep the assignment as it is (KIP-814).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipAssignment {
    /// JoinGroup v0 to v8.
    Unknown,
    /// JoinGroup v9 and up.
    Understood,
}

/// A member wants to take part.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    /// The group.
    pub group: Rc<str>,
    /// Empty on the first join.
    pub member_id: Rc<str>,
    /// What a new member's id is made unique with: a random UUID as text.
    pub fresh_uuid: String,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Rc<str>>,
    /// `client.id`
    pub client_id: Rc<str>,
    /// The client's address, with Kafka's leading slash.
    pub client_host: Rc<str>,
    /// How long the member may be silent.
    pub session_timeout_ms: i32,
    /// How long a rebalance waits for the member.
    pub rebalance_timeout_ms: i32,
    /// `consumer`, `connect`, ...
    pub protocol_type: Rc<str>,
    /// In the member's order of preference.
    pub protocols: Vec<Protocol>,
    /// Set by the request's version.
    pub new_member_policy: NewMemberPolicy,
    /// Set by the request's version.
    pub skip_assignment: SkipAssignment,
    /// Why the client joins, for the log.
    pub reason: Option<String>,
}

/// The answer to a join. On an error only `member_id` says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinAnswer {
    /// None if the member takes part.
    pub error: Option<GroupError>,
    /// The member's id from now on; empty if it has to start anew.
    pub member_id: Rc<str>,
    /// The generation, -1 on an error.
    pub generation: i32,
    /// The group's protocol type.
    pub protocol_type: Option<Rc<str>>,
    /// The protocol the members voted for.
    pub protocol: Option<Rc<str>>,
    /// The leader's member id.
    pub leader: Rc<str>,
    /// True if the leader must not assign anew.
    pub skip_assignment: bool,
    /// For the leader: all members.
    pub members: Vec<JoinedMember>,
}

/// A member as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// The member's id.
    pub member_id: Rc<str>,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Rc<str>>,
    /// Its metadata for the chosen protocol.
    pub metadata: Bytes,
}

impl JoinAnswer {
    /// The answer for a join that is refused.
    pub fn refused(error: GroupError, member_id: Rc<str>) -> JoinAnswer {
        JoinAnswer {
            error: Some(error),
            member_id,
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: Rc::from(""),
            skip_assignment: false,
            members: Vec::new(),
        }
    }
}

/// A member wants its assignment; the leader brings everybody's.
#[derive(Clone, Debug)]
pub struct SyncRequest {
    /// The group.
    pub group: Rc<str>,
    /// The member.
    pub member_id: Rc<str>,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Rc<str>>,
    /// The generation the member joined.
    pub generation: i32,
    /// None before SyncGroup v5.
    pub protocol_type: Option<Rc<str>>,
    /// None before SyncGroup v5.
    pub protocol: Option<Rc<str>>,
    /// By member id; from the leader only.
    pub assignments: Vec<(Rc<str>, Bytes)>,
}

/// The answer to a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncAnswer {
    /// The group's protocol type.
    pub protocol_type: Option<Rc<str>>,
    /// The group's protocol.
    pub protocol: Option<Rc<str>>,
    /// What the leader assigned to the member.
    pub assignment: Bytes,
}

/// A member is alive.
#[derive(Clone, Debug)]
pub struct HeartbeatRequest {
    /// The group.
    pub group: Rc<str>,
    /// The member.
    pub member_id: Rc<str>,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Rc<str>>,
    /// The generation the member is in.
    pub generation: i32,
}

/// Members leave, or are removed by an administrator.
#[derive(Clone, Debug)]
pub struct LeaveRequest {
    /// The group.
    pub group: Rc<str>,
    /// Who leaves.
    pub members: Vec<LeavingMember>,
}

/// One of the members that leave.
#[derive(Clone, Debug)]
pub struct LeavingMember {
    /// May be empty for a static member.
    pub member_id: Rc<str>,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Rc<str>>,
    /// Why, for the log.
    pub reason: Option<String>,
}

/// Offsets to commit, from a member, a simple consumer or an administrator.
#[derive(Clone, Debug)]
pub struct CommitRequest {
    /// The group.
    pub group: Rc<str>,
    /// Empty for a simple consumer.
    pub member_id: Rc<str>,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Rc<str>>,
    /// -1 for a simple consumer.
    pub generation: i32,
    /// A time to keep the offsets of the client's own (v2 to v4).
    pub retention_ms: Option<i64>,
    /// What to commit. The topics exist: that was looked up before.
    pub partitions: Vec<CommitPartition>,
}

/// One offset to commit.
#[derive(Clone, Debug)]
pub struct CommitPartition {
    /// The topic's name.
    pub topic: Rc<str>,
    /// The topic's id.
    pub topic_id: TopicId,
    /// The partition's index.
    pub partition: i32,
    /// The next record to consume.
    pub offset: Offset,
    /// Leader epoch of the last record consumed, or -1.
    pub leader_epoch: LeaderEpoch,
    /// The client's own note.
    pub metadata: Rc<str>,
}

/// Offsets to forget.
#[derive(Clone, Debug)]
pub struct OffsetDeleteRequest {
    /// The group.
    pub group: Rc<str>,
    /// Topic and partition.
    pub partitions: Vec<(Rc<str>, i32)>,
}

/// A group as DescribeGroups shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// `Stable`, `PreparingRebalance`, ...
    pub state: &'static str,
    /// Empty for a group without.
    pub protocol_type: Rc<str>,
    /// The protocol in use; empty unless the group is stable.
    pub protocol: Rc<str>,
    /// The members.
    pub members: Vec<MemberDescription>,
}

/// A member as DescribeGroups shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberDescription {
    /// The member's id.
    pub member_id: Rc<str>,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Rc<str>>,
    /// `client.id`
    pub client_id: Rc<str>,
    /// The client's address, with Kafka's leading slash.
    pub client_host: Rc<str>,
    /// Metadata for the protocol in use; empty unless the group is stable.
    pub metadata: Bytes,
    /// What the leader assigned to it.
    pub assignment: Bytes,
}

/// A group as ListGroups shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupListing {
    /// The group.
    pub group: Rc<str>,
    /// Empty for a group without.
    pub protocol_type: Rc<str>,
    /// `Stable`, `PreparingRebalance`, ...
    pub state: &'static str,
}

/// What a group committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchedOffset {
    /// Nothing.
    Absent,
    /// A transaction that would change it is open, and the client asked for stable offsets only.
    Unstable,
    /// This.
    Committed {
        /// The next record to consume.
        offset: Offset,
        /// Leader epoch of the last record consumed, or -1.
        leader_epoch: LeaderEpoch,
        /// The client's own note.
        metadata: Rc<str>,
    },
}

/// Whether offsets that open transactions may change can be answered (KIP-447).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stability {
    /// The last committed ones are fine.
    Any,
    /// They are to be reported as unstable.
    Required,
}
