//! ListGroups, versions 0 to 5.
//!
//! - The groups this node coordinates: who wants all asks every node, as clients do.
//! - Filters by state and type disregard case; one that names nothing known finds nothing.
//!
//! v1 has throttling, v3 is flexible, v4 has states (KIP-518), v5 types (KIP-848).

use crate::group::request::GroupListing;
use crate::server::context::RequestContext;
use crate::server::handlers::group_errors::code;
use crate::wire::errors::ErrorCode;
use crate::wire::messages::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};

/// The type of the groups there are.
const CLASSIC: &str = "classic";

/// Lists the groups of this node.
pub async fn handle(cx: &RequestContext, request: ListGroupsRequest) -> ListGroupsResponse {
    let groups = match cx.shard().groups.list() {
        Ok(groups) => groups,
        Err(error) => return ListGroupsResponse { error_code: code(error).code(), ..Default::default() },
    };
    let asked = groups.into_iter().filter(|group| is_asked_for(group, &request));
    let listed = asked.map(|group| ListedGroup {
        group_id: group.group.to_string(),
        protocol_type: group.protocol_type.to_string(),
        group_state: group.state.to_string(),
        group_type: CLASSIC.to_string(),
    });
    ListGroupsResponse { throttle_time_ms: 0, error_code: ErrorCode::None.code(), groups: listed.collect() }
}

fn is_asked_for(group: &GroupListing, request: &ListGroupsRequest) -> bool {
    let passes = |filter: &[String], name: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
    };
    passes(&request.states_filter, group.state) && passes(&request.types_filter, CLASSIC)
}
