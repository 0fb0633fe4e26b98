//! Heartbeat (key 12): says that a member of a classic group is alive.

use crate::wire::codec::messages;

messages! {
    api Heartbeat(HeartbeatRequest, HeartbeatResponse), versions 0-4, flexible 4+;

    struct HeartbeatRequest {
        group_id: String, 0+;
        generation_id: i32, 0+;
        member_id: String, 0+;
        group_instance_id: Option<String>, 3+, nullable 3+, or refuse;
    }

    struct HeartbeatResponse {
        throttle_time_ms: i32, 1+;
        error_code: i16, 0+;
    }
}
