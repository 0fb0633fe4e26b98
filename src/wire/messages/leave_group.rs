//! LeaveGroup (key 13): takes members out of a classic group.

use crate::wire::codec::messages;

messages! {
    api LeaveGroup(LeaveGroupRequest, LeaveGroupResponse), versions 0-5, flexible 4+;

    struct LeaveGroupRequest {
        group_id: String, 0+;
        member_id: String, 0-2, or refuse;
        members: Vec<MemberIdentity>, 3+, or refuse;
    }

    struct MemberIdentity {
        member_id: String, 3+;
        group_instance_id: Option<String>, 3+, nullable 3+;
        reason: Option<String>, 5+, nullable 5+;
    }

    struct LeaveGroupResponse {
        throttle_time_ms: i32, 1+;
        error_code: i16, 0+;
        members: Vec<MemberResponse>, 3+;
    }

    struct MemberResponse {
        member_id: String, 3+;
        group_instance_id: Option<String>, 3+, nullable 3+;
        error_code: i16, 3+;
    }
}
