//! One member of a classic group.

use std::rc::Rc;

use bytes::Bytes;

use crate::group::event::RequestId;
use crate::group::request::{JoinRequest, Protocol};
use crate::group::stored::StoredMember;

/// A member, with the requests of it that are parked.
#[derive(Clone, Debug)]
pub struct Member {
    /// The id the coordinator gave it.
    pub id: Rc<str>,
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
    /// In its order of preference. After a restart only the one that was chosen.
    pub protocols: Vec<Protocol>,
    /// What the leader assigned to it; empty until then.
    pub assignment: Bytes,
    /// Has not seen the end of its first join phase, so it cannot send heartbeats yet.
    pub is_new: bool,
    /// Its parked JoinGroup.
    pub join: Option<RequestId>,
    /// Its parked SyncGroup.
    pub sync: Option<RequestId>,
}

impl Member {
    /// A member that joins for the first time.
    pub fn joining(id: Rc<str>, join: &JoinRequest) -> Member {
        Member {
            id,
            instance_id: join.instance_id.clone(),
            client_id: join.client_id.clone(),
            client_host: join.client_host.clone(),
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            session_timeout_ms: join.session_timeout_ms,
            protocols: join.protocols.clone(),
            assignment: Bytes::new(),
            is_new: true,
            join: None,
            sync: None,
        }
    }

    /// A member as it was written.
    pub fn restored(stored: &StoredMember, protocol: &Rc<str>) -> Member {
        Member {
            id: stored.member_id.clone(),
            instance_id: stored.instance_id.clone(),
            client_id: stored.client_id.clone(),
            client_host: stored.client_host.clone(),
            rebalance_timeout_ms: stored.rebalance_timeout_ms,
            session_timeout_ms: stored.session_timeout_ms,
            protocols: vec![Protocol {
                name: protocol.clone(),
                metadata: stored.subscription.clone(),
            }],
            assignment: stored.assignment.clone(),
            is_new: false,
            join: None,
            sync: None,
        }
    }

    /// The member as it is written.
    pub fn to_stored(&self, protocol: Option<&str>, assignment: Bytes) -> StoredMember {
        StoredMember {
            member_id: self.id.clone(),
            instance_id: self.instance_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            session_timeout_ms: self.session_timeout_ms,
            subscription: self.metadata(protocol),
            assignment,
        }
    }

    /// Its metadata for the protocol, empty if it does not know it.
    pub fn metadata(&self, protocol: Option<&str>) -> Bytes {
        let known = self.protocols.iter().find(|p| Some(&*p.name) == protocol);
        known.map(|p| p.metadata.clone()).unwrap_or_default()
    }

    /// True for members with a `group.instance.id`.
    pub fn is_static(&self) -> bool {
        self.instance_id.is_some()
    }

    /// True if silence is no sign of death: the member waits for us.
    pub fn is_excused(&self) -> bool {
        !self.is_new && (self.join.is_some() || self.sync.is_some())
    }
}
