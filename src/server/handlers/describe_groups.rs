//! DescribeGroups, versions 0 to 6.
//!
//! - State, protocol and members of each group. Protocol and metadata are shown while the group is stable.
//! - A group that does not exist is shown as Dead; from v6 on with GROUP_ID_NOT_FOUND (KIP-1043).
//!
//! v1 has throttling, v3 tells what the client may do with the group, v4 shows static members (KIP-345), v5 is flexible,
//! v6 has messages.
//!
//! Not done: access control; who asks what it may do hears that it may do everything.

use crate::group::request::GroupDescription;
use crate::group::{CoordinatorEngine, GroupError};
use crate::server::context::RequestContext;
use crate::server::handlers::authorized_operations;
use crate::server::handlers::group_errors::code;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};

/// Describes the groups.
pub async fn handle(cx: &RequestContext, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let groups = request.groups.into_iter().map(|id| {
        let mut group = match cx.shard().groups.describe(&id) {
            Ok(Some(group)) => to_described(id, group),
            Ok(None) => not_found(id, cx.api_version),
            Err(error) => refused(id, error),
        };
        if request.include_authorized_operations && group.error_code == ErrorCode::None.code() {
            group.authorized_operations = authorized_operations::ON_GROUP;
        }
        group
    });
    DescribeGroupsResponse { throttle_time_ms: 0, groups: groups.collect() }
}

fn not_found(id: String, version: i16) -> DescribedGroup {
    let message = format!("Group {id} not found.");
    let dead = to_described(id, CoordinatorEngine::dead_group());
    if version < 6 {
        return dead;
    }
    DescribedGroup { error_code: ErrorCode::GroupIdNotFound.code(), error_message: Some(message), ..dead }
}

fn refused(id: String, error: GroupError) -> DescribedGroup {
    DescribedGroup { group_id: id, error_code: code(error).code(), ..Default::default() }
}

fn to_described(id: String, group: GroupDescription) -> DescribedGroup {
    let members = group.members.into_iter().map(|member| DescribedGroupMember {
        member_id: member.member_id.to_string(),
        group_instance_id: member.instance_id.map(|id| id.to_string()),
        client_id: member.client_id.to_string(),
        client_host: member.client_host.to_string(),
        member_metadata: member.metadata,
        member_assignment: member.assignment,
    });
    DescribedGroup {
        group_id: id,
        group_state: group.state.to_string(),
        protocol_type: group.protocol_type.to_string(),
        protocol_data: group.protocol.to_string(),
        members: members.collect(),
        ..Default::default()
    }
}
