//! JoinGroup, versions 0 to 9.
//!
//! - Waits until the join phase of the group ends: until all members have joined again, or at most the longest rebalance
//!   timeout among them; the first members of an empty group wait `group.initial.rebalance.delay.ms` for more.
//! - The first member leads, and gets all members with their metadata; the others get none.
//! - A static member (`group.instance.id`) that comes back without its id takes the place of its earlier self.
//!
//! v1 has a rebalance timeout (before, it is the session's), v2 throttling, v4 asks a new member to come back with its id
//! (KIP-394), v5 has static members (KIP-345), v6 is flexible, v7 tells the protocol type (KIP-559), v8 has a reason
//! (KIP-800), v9 can tell a leader that came back to keep the assignment (KIP-814).
//!
//! Not done: groups of the next protocol (KIP-848), which a classic member could join.

use std::rc::Rc;

use bytes::Bytes;

use crate::group::request::{JoinAnswer, JoinRequest, NewMemberPolicy, Protocol, SkipAssignment};
use crate::server::context::RequestContext;
use crate::server::handlers::group_errors::code;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};

/// Longest reason that is kept, in characters. Apache Kafka's limit.
const MAX_REASON_CHARS: usize = 255;

/// Has the member join.
pub async fn handle(cx: &RequestContext, request: JoinGroupRequest) -> JoinGroupResponse {
    let answer = cx.shard().groups.join(to_join(cx, request)).await;
    to_response(answer, cx.api_version)
}

fn to_join(cx: &RequestContext, request: JoinGroupRequest) -> JoinRequest {
    let protocols = request.protocols.into_iter().map(|protocol| Protocol {
        name: protocol.name.into(),
        // It outlives the request by far, so it must not keep the whole frame in memory.
        metadata: Bytes::copy_from_slice(&protocol.metadata),
    });
    JoinRequest {
        group: request.group_id.into(),
        member_id: request.member_id.into(),
        fresh_uuid: String::new(),
        instance_id: request.group_instance_id.map(Rc::from),
        client_id: cx.client_id.as_deref().unwrap_or_default().into(),
        client_host: format!("/{}", cx.connection.peer_addr.ip().to_canonical()).into(),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: match cx.api_version {
            0 => request.session_timeout_ms,
            _ => request.rebalance_timeout_ms,
        },
        protocol_type: request.protocol_type.into(),
        protocols: protocols.collect(),
        new_member_policy: match cx.api_version {
            0..=3 => NewMemberPolicy::JoinsAtOnce,
            _ => NewMemberPolicy::ReturnsWithId,
        },
        skip_assignment: match cx.api_version {
            0..=8 => SkipAssignment::Unknown,
            _ => SkipAssignment::Understood,
        },
        reason: request.reason.map(|reason| reason.chars().take(MAX_REASON_CHARS).collect()),
    }
}

fn to_response(answer: JoinAnswer, version: i16) -> JoinGroupResponse {
    let members = answer.members.into_iter().map(|member| JoinGroupResponseMember {
        member_id: member.member_id.to_string(),
        group_instance_id: member.instance_id.map(|id| id.to_string()),
        metadata: member.metadata,
    });
    let protocol_name = answer.protocol.map(|protocol| protocol.to_string());
    JoinGroupResponse {
        throttle_time_ms: 0,
        error_code: answer.error.map_or(ErrorCode::None, code).code(),
        generation_id: answer.generation,
        protocol_type: answer.protocol_type.map(|protocol_type| protocol_type.to_string()),
        // Cannot be null before v7.
        protocol_name: if version < 7 { Some(protocol_name.unwrap_or_default()) } else { protocol_name },
        leader: answer.leader.to_string(),
        skip_assignment: answer.skip_assignment,
        member_id: answer.member_id.to_string(),
        members: members.collect(),
    }
}
