//! How a group is shown to administrators.

use std::rc::Rc;

use super::classic_group::ClassicGroup;
use super::group_state::GroupState;
use crate::group::request::{GroupDescription, GroupListing, MemberDescription};

impl ClassicGroup {
    /// For DescribeGroups. Protocol and metadata are shown of a stable group only: before, they are in flux.
    pub fn describe(&self) -> GroupDescription {
        let protocol = self.protocol.clone().filter(|_| self.state == GroupState::Stable);
        let members = self.members.values().map(|member| MemberDescription {
            member_id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: protocol
                .as_deref()
                .map(|p| member.metadata(Some(p)))
                .unwrap_or_default(),
            assignment: member.assignment.clone(),
        });
        GroupDescription {
            state: self.state.name(),
            protocol_type: self.protocol_type_name(),
            members: members.collect(),
            protocol: protocol.unwrap_or_else(|| Rc::from("")),
        }
    }

    /// For ListGroups.
    pub fn list(&self) -> GroupListing {
        GroupListing {
            group: self.id.clone(),
            protocol_type: self.protocol_type_name(),
            state: self.state.name(),
        }
    }

    fn protocol_type_name(&self) -> Rc<str> {
        self.protocol_type.clone().unwrap_or_else(|| Rc::from(""))
    }
}
