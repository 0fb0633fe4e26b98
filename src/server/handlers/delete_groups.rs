//! DeleteGroups, versions 0 to 3.
//!
//! - A group without members goes, with all its offsets; one that is in use is NON_EMPTY_GROUP.
//! - Each group for itself, named once however often it is asked for.
//!
//! v1 has throttling, v2 is flexible, v3 has messages.

use std::collections::HashSet;

use crate::server::context::RequestContext;
use crate::server::handlers::group_errors::result_code;
use crate::wire::messages::delete_groups::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse};

/// Deletes the groups.
pub async fn handle(cx: &RequestContext, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut named = HashSet::new();
    let mut results = Vec::new();
    for group_id in request.groups_names {
        if !named.insert(group_id.clone()) {
            continue;
        }
        let result = cx.shard().groups.delete_group(group_id.as_str().into()).await;
        results.push(DeletableGroupResult {
            group_id,
            error_code: result_code(&result),
            error_message: result.err().map(|error| error.to_string()),
        });
    }
    DeleteGroupsResponse { throttle_time_ms: 0, results }
}
