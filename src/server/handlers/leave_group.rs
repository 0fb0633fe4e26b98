//! LeaveGroup, versions 0 to 5.
//!
//! - Each member leaves for itself: one that is not known does not keep the others.
//! - A static member can be removed by its instance id alone, as administrators do.
//!
//! v1 has throttling, v3 many members (KIP-345), v4 is flexible, v5 has reasons (KIP-800). Before v3 the one member's
//! error is the answer's.

use std::rc::Rc;

use crate::group::request::{LeaveRequest, LeavingMember};
use crate::server::context::RequestContext;
use crate::server::handlers::group_errors::{code, result_code};
use crate::wire::errors::ErrorCode;
use crate::wire::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse};

/// Lets the members go.
pub async fn handle(cx: &RequestContext, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let is_single = cx.api_version < 3;
    let members = if is_single {
        vec![MemberIdentity { member_id: request.member_id, group_instance_id: None, reason: None }]
    } else {
        request.members
    };
    let leaving = members.iter().map(|member| LeavingMember {
        member_id: member.member_id.as_str().into(),
        instance_id: member.group_instance_id.as_deref().map(Rc::from),
        reason: member.reason.clone(),
    });
    let leave = LeaveRequest { group: request.group_id.into(), members: leaving.collect() };
    let results = match cx.shard().groups.leave(leave).await {
        Ok(results) => results,
        Err(error) => return LeaveGroupResponse { error_code: code(error).code(), ..Default::default() },
    };
    if is_single {
        return LeaveGroupResponse { error_code: result_code(&results[0]), ..Default::default() };
    }
    let members = members.into_iter().zip(results).map(|(member, result)| MemberResponse {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        error_code: result_code(&result),
    });
    LeaveGroupResponse { throttle_time_ms: 0, error_code: ErrorCode::None.code(), members: members.collect() }
}
