//! A classic group as its record has it.

use std::rc::Rc;

use bytes::Bytes;

/// The last generation that was written (`GroupMetadataValue`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredGroup {
    /// `consumer`, `connect`, ...; none for a group that never had members.
    pub protocol_type: Option<Rc<str>>,
    /// Number of the generation.
    pub generation: i32,
    /// The protocol the members voted for; none while the group is empty.
    pub protocol: Option<Rc<str>>,
    /// Member id of the leader.
    pub leader: Option<Rc<str>>,
    /// When the group came into its state, milliseconds since 1970. None in records older than v2.
    pub state_timestamp_ms: Option<i64>,
    /// The members with their assignments, by member id.
    pub members: Vec<StoredMember>,
}

/// A member of a stored generation (`MemberMetadata`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMember {
    /// The id the coordinator gave it.
    pub member_id: Rc<str>,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Rc<str>>,
    /// `client.id`
    pub client_id: Rc<str>,
    /// The client's address, with Kafka's leading slash.
    pub client_host: Rc<str>,
    /// How long a rebalance waits for it.
    pub rebalance_timeout_ms: i32,
    /// How long it may be silent.
    pub session_timeout_ms: i32,
    /// Its metadata for the group's protocol.
    pub subscription: Bytes,
    /// What the leader assigned to it.
    pub assignment: Bytes,
}
