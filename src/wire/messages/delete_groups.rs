//! DeleteGroups (key 42): deletes groups and their offsets.

use crate::wire::codec::messages;

messages! {
    api DeleteGroups(DeleteGroupsRequest, DeleteGroupsResponse), versions 0-3, flexible 2+;

    struct DeleteGroupsRequest {
        groups_names: Vec<String>, 0+;
    }

    struct DeleteGroupsResponse {
        throttle_time_ms: i32, 0+;
        results: Vec<DeletableGroupResult>, 0+;
    }

    struct DeletableGroupResult {
        group_id: String, 0+;
        error_code: i16, 0+;
        error_message: Option<String>, 3+, nullable 3+;
    }
}
