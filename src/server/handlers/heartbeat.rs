//! Heartbeat, versions 0 to 4.
//!
//! - Renews the member's session, also between join and sync.
//! - REBALANCE_IN_PROGRESS tells the member to join again.
//! - While the coordinator loads every heartbeat is good: whose it is will be known when it has loaded.
//!
//! v1 has throttling, v3 static members (KIP-345), v4 is flexible.

use std::rc::Rc;

use crate::group::request;
use crate::server::context::RequestContext;
use crate::server::handlers::group_errors::result_code;
use crate::wire::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};

/// Notes that the member is alive.
pub async fn handle(cx: &RequestContext, request: HeartbeatRequest) -> HeartbeatResponse {
    let heartbeat = request::HeartbeatRequest {
        group: request.group_id.into(),
        member_id: request.member_id.into(),
        instance_id: request.group_instance_id.map(Rc::from),
        generation: request.generation_id,
    };
    let result = cx.shard().groups.heartbeat(heartbeat).await;
    HeartbeatResponse { throttle_time_ms: 0, error_code: result_code(&result) }
}
