//! DescribeGroups (key 15): shows classic groups and their members.

use bytes::Bytes;

use crate::wire::codec::messages;

messages! {
    api DescribeGroups(DescribeGroupsRequest, DescribeGroupsResponse), versions 0-6, flexible 5+;

    struct DescribeGroupsRequest {
        groups: Vec<String>, 0+;
        include_authorized_operations: bool, 3+, or refuse;
    }

    struct DescribeGroupsResponse {
        throttle_time_ms: i32, 1+;
        groups: Vec<DescribedGroup>, 0+;
    }

    struct DescribedGroup {
        error_code: i16, 0+;
        error_message: Option<String>, 6+, nullable 6+;
        group_id: String, 0+;
        group_state: String, 0+;
        protocol_type: String, 0+;
        protocol_data: String, 0+;
        members: Vec<DescribedGroupMember>, 0+;
        authorized_operations: i32, 3+, default i32::MIN;
    }

    struct DescribedGroupMember {
        member_id: String, 0+;
        group_instance_id: Option<String>, 4+, nullable 4+;
        client_id: String, 0+;
        client_host: String, 0+;
        member_metadata: Bytes, 0+;
        member_assignment: Bytes, 0+;
    }
}
