//! ListPartitionReassignments (key 46), version 0 (KIP-455): the moves of partitions that are under way.
//!
//! - None ever is: a partition stays with the shard it was created on, see AlterPartitionReassignments. So the list is empty, for
//!   partitions that are asked for by name too, whether they exist or not.

use crate::server::context::RequestContext;
use crate::wire::messages::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};

/// Answers that nothing is being moved.
pub async fn handle(_: &RequestContext, _: ListPartitionReassignmentsRequest) -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse::default()
}
