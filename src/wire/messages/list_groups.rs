//! ListGroups (key 16): lists the groups a node coordinates.

use crate::wire::codec::messages;

messages! {
    api ListGroups(ListGroupsRequest, ListGroupsResponse), versions 0-5, flexible 3+;

    struct ListGroupsRequest {
        states_filter: Vec<String>, 4+, or refuse;
        types_filter: Vec<String>, 5+, or refuse;
    }

    struct ListGroupsResponse {
        throttle_time_ms: i32, 1+;
        error_code: i16, 0+;
        groups: Vec<ListedGroup>, 0+;
    }

    struct ListedGroup {
        group_id: String, 0+;
        protocol_type: String, 0+;
        group_state: String, 4+;
        group_type: String, 5+;
    }
}
