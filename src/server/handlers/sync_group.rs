//! SyncGroup, versions 0 to 5.
//!
//! - The leader brings the assignment of every member; members it leaves out get an empty one. It is written before
//!   anybody gets it.
//! - The others wait for it, or until the group rebalances once more.
//!
//! v1 has throttling, v3 static members (KIP-345), v4 is flexible, v5 says which protocol it is for (KIP-559).

use std::rc::Rc;

use bytes::Bytes;

use crate::group::GroupError;
use crate::group::request::SyncRequest;
use crate::server::context::RequestContext;
use crate::server::handlers::group_errors::code;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};

/// Hands out the member's assignment.
pub async fn handle(cx: &RequestContext, request: SyncGroupRequest) -> SyncGroupResponse {
    let says_protocol = request.protocol_type.is_some() && request.protocol_name.is_some();
    let result = if cx.api_version >= 5 && !says_protocol {
        Err(GroupError::InconsistentGroupProtocol)
    } else {
        cx.shard().groups.sync(to_sync(request)).await
    };
    match result {
        Ok(answer) => SyncGroupResponse {
            throttle_time_ms: 0,
            error_code: ErrorCode::None.code(),
            protocol_type: answer.protocol_type.map(|protocol_type| protocol_type.to_string()),
            protocol_name: answer.protocol.map(|protocol| protocol.to_string()),
            assignment: answer.assignment,
        },
        Err(error) => SyncGroupResponse { error_code: code(error).code(), ..Default::default() },
    }
}

fn to_sync(request: SyncGroupRequest) -> SyncRequest {
    // They outlive the request by far, so they must not keep the whole frame in memory.
    let assignments =
        request.assignments.into_iter().map(|one| (one.member_id.into(), Bytes::copy_from_slice(&one.assignment)));
    SyncRequest {
        group: request.group_id.into(),
        member_id: request.member_id.into(),
        instance_id: request.group_instance_id.map(Rc::from),
        generation: request.generation_id,
        protocol_type: request.protocol_type.map(Rc::from),
        protocol: request.protocol_name.map(Rc::from),
        assignments: assignments.collect(),
    }
}
